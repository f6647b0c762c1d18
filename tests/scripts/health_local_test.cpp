// emsn-health --local: this machine, without PostgreSQL, in the forms of the server's answer.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class LocalHealth : public ::testing::Test {
  protected:
    LocalHealth() {
        write_file(conf_, "EMSN_STATION=zolder|1\nEMSN_STATE_DIR=" + dir_.path() + "\n");
        fs::create_directories(dir_ / "backups");
    }
    Outcome ask(const std::vector<std::string> &options, const std::vector<std::string> &more = {}) {
        std::vector<std::string> argv{EMSN_SOURCE_DIR "/scripts/emsn-health", "--local"};
        argv.insert(argv.end(), options.begin(), options.end());
        std::vector<std::string> env{"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_,
                                     "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"};
        env.insert(env.end(), more.begin(), more.end());
        return run(argv, env);
    }
    json rows(const std::string &check, const std::vector<std::string> &more = {}) {
        const auto outcome = ask({"--json"}, more);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        json found = json::array();
        for (const auto &row : json::parse(outcome.out)) {
            if (row["check_name"] == check)
                found.push_back(row);
        }
        return found;
    }
    void remember(const std::string &success_ago) {
        const auto at = run({"date", "-u", "+%FT%TZ", "-d", success_ago}).out;
        write_file(dir_ / "mirror.json", json({{"destination", "/mnt/usb/m.db"},
                                               {"last_success", at.substr(0, at.size() - 1)},
                                               {"last_attempt", at.substr(0, at.size() - 1)},
                                               {"last_error", nullptr}})
                                             .dump());
    }

    TempDir dir_;
    const std::string conf_ = dir_ / "emsn.conf";
};

TEST_F(LocalHealth, HasTheColumnsOfTheViewTheWorstFirst) {
    remember("3 hours ago");
    const auto outcome = ask({"--json"}, {"EMSN_BACKUP_DIR=" + (dir_ / "backups")});
    const auto all = json::parse(outcome.out);
    ASSERT_GE(all.size(), 4U);
    std::string columns;
    const auto ordered = nlohmann::ordered_json::parse(outcome.out);
    for (const auto &[key, value] : ordered[0].items())
        columns += key + " ";
    EXPECT_EQ(columns,
              "check_name subject status value unit warning_at critical_at message remedy measured_at ");
    EXPECT_EQ(all[0]["check_name"], "mirror_age");
    EXPECT_EQ(all[0]["status"], "critical");
    EXPECT_EQ(all[0]["subject"], "zolder|1");
    EXPECT_EQ(all[1]["message"], (dir_ / "backups") + ": no backup there");
    EXPECT_EQ(all.back()["check_name"], "overdue_timers");
    EXPECT_EQ(all.back()["message"], "no systemd runs here");
    EXPECT_TRUE(all.back()["remedy"].is_null());
}

TEST_F(LocalHealth, ExitCodesAreThoseOfTheServersAnswer) {
    remember("10 seconds ago");
    EXPECT_EQ(ask({}).status, 0);
    remember("1 hour ago");
    EXPECT_EQ(ask({}).status, 0);
    EXPECT_EQ(ask({"--check"}).status, 1);
    EXPECT_EQ(ask({"--nagios"}).status, 1);
    remember("3 hours ago");
    EXPECT_EQ(ask({"--check"}).status, 2);
    EXPECT_EQ(ask({"--check", "--json"}).status, 2);
    EXPECT_EQ(ask({"--check", "--prometheus"}).status, 2);
    EXPECT_EQ(ask({"--nonsense"}).status, 2);
}

TEST_F(LocalHealth, NagiosGetsOneLineWithoutAPipeInTheText) {
    remember("1 hour ago");
    const auto line = ask({"--nagios"}).out;
    EXPECT_TRUE(line.starts_with("EMSN WARNING - warning mirror_age zolder/1: /mnt/usb/m.db is of 36"))
        << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 1) << line;
    EXPECT_NE(line.find("'mirror_age zolder/1'=36"), std::string::npos) << line;
    EXPECT_NE(line.find("s;1800;7200;0 "), std::string::npos) << line;
}

TEST_F(LocalHealth, TableIsAlignedAsPsqlDoes) {
    remember("1 hour ago");
    const auto table = ask({}).out;
    EXPECT_TRUE(table.starts_with(" status  | check          | subject ")) << table;
    EXPECT_NE(table.find("\n---------+----------------+-"), std::string::npos) << table;
    EXPECT_NE(table.find("\n warning | mirror_age     | zolder|1 "), std::string::npos) << table;
}

TEST_F(LocalHealth, PrometheusEscapesItsLabels) {
    const auto text = ask({"--prometheus"}, {"EMSN_STATION=a\"b\\c"}).out;
    EXPECT_NE(text.find("emsn_up 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find(R"(emsn_health_status{check_name="failed_units",subject="a\"b\\c"} 0)"),
              std::string::npos)
        << text;
}

TEST_F(LocalHealth, BackupsAreJudgedByKind) {
    const std::string now = run({"date", "+%F"}).out.substr(0, 10);
    const std::string then = run({"date", "+%F", "-d", "2 days ago"}).out.substr(0, 10);
    const auto backup = [&](const std::string &station, const std::string &day, const std::string &verified) {
        const std::string folder = dir_ / "backups/" + station + "/daily/";
        fs::create_directories(folder + day);
        write_file(folder + day + ".emsn.json",
                   R"({"emsn":1,"kind":"daily","complete":true,"verified":)" + verified + "}");
    };
    const std::vector<std::string> env{"EMSN_STATION=zolder", "EMSN_BACKUP_DIR=" + (dir_ / "backups")};
    backup("zolder", then, "true");
    backup("berging", now, "true");
    auto found = rows("backup_age", env);
    ASSERT_EQ(found.size(), 1U) << found;
    EXPECT_EQ(found[0]["subject"], "zolder daily");
    EXPECT_EQ(found[0]["status"], "warning") << "another station's backup is not ours: " << found;
    backup("zolder", now, "true");
    EXPECT_EQ(rows("backup_age", env)[0]["status"], "ok");
    backup("zolder", now, "false");
    found = rows("backup_age", env);
    EXPECT_EQ(found[0]["status"], "warning");
    EXPECT_NE(found[0]["message"].get<std::string>().find("which is not verified"), std::string::npos)
        << found;
}

TEST_F(LocalHealth, ADiskThatHangsHidesNothing) {
    auto env = preload_env(HUNG_FOLDER_SO);
    env.insert(env.end(), {"HUNG_FOLDER=" + (dir_ / "backups"), "HUNG_GATE=" + (dir_ / "gate"),
                           "EMSN_BACKUP_DIR=" + (dir_ / "backups"), "EMSN_HEALTH_PATIENCE=1"});
    remember("1 hour ago");
    const auto found = rows("backup_age", env);
    write_file(dir_ / "gate", "");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0]["status"], "unknown");
    EXPECT_EQ(found[0]["message"], "hung: no answer within 1 s");
}

TEST_F(LocalHealth, WhatCannotBeAskedIsUnknownWithTheReason) {
    const auto found = rows("backup_age", {"EMSN_BACKUP_DIR=/no/such"});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0]["status"], "unknown");
    EXPECT_EQ(found[0]["message"], "emsn_backups: open /no/such: No such file or directory");
    const auto without = ask({"--json"}, {"EMSN_SO=/no/such/emsn.so"});
    EXPECT_EQ(without.status, 0);
    EXPECT_EQ(json::parse(without.out)[0]["status"], "unknown");
}

} // namespace
} // namespace emsn::test
