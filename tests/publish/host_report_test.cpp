// emsn_report_host as a timer calls it: what it gathers, what it says when it cannot, and that it arrives.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/publish/support.hpp"
#include "tests/support/systemd_user.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

const std::string kNoBus = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent";

class HostReport : public PublishTest {
  protected:
    // In the sqlite3 program, with the environment that the scripts give it.
    Outcome ask(const std::vector<std::string> &env = {}, const std::string &station = "zolder",
                const std::string &conninfo = "") {
        auto all = sanitizer_env();
        all.insert(all.end(), {"EMSN_STATE_DIR=" + state_, "EMSN_BACKUP_DIR=", "EMSN_MIRROR_DB=", "TZ=UTC"});
        bool names_bus = false;
        for (const auto &word : env) {
            all.push_back(word);
            names_bus = names_bus || word.starts_with("DBUS_");
        }
        if (!names_bus)
            all.push_back(kNoBus);
        return run({"sqlite3", "-readonly", birds_, ".load " EMSN_PG_SO " sqlite3_emsnpg_init",
                    "SELECT emsn_report_host(" + quoted(conninfo.empty() ? this->conninfo() : conninfo) +
                        ", " + quoted(station) + ")"},
                   all);
    }
    nlohmann::json report(const std::vector<std::string> &env = {}) {
        const auto outcome = ask(env);
        EXPECT_EQ(outcome.err, "");
        EXPECT_EQ(outcome.status, 0);
        return nlohmann::json::parse(outcome.out.empty() ? "{}" : outcome.out);
    }

    const std::string conf_ = (write_file(dir_ / "emsn.conf", ""), dir_ / "emsn.conf");
    const std::string state_ = (fs::create_directory(dir_ / "state"), dir_ / "state");
};

TEST_F(HostReport, WhatIsReturnedIsWhatTheCentreHas) {
    const auto sent = report();
    EXPECT_EQ(nlohmann::json::parse(db.value("SELECT report FROM emsn.host_reports")), sent);
    EXPECT_EQ(db.value("SELECT station FROM emsn.host_reports"), "zolder");
    EXPECT_EQ(sent["emsn"], SqliteDb(":memory:")("SELECT emsn_version()"));
    EXPECT_EQ(sent["sqlite"], run({"sqlite3", ":memory:", "SELECT sqlite_version()"}).out.substr(0, 6));
    EXPECT_EQ(sent["kernel"].get<std::string>() + "\n", run({"uname", "-r"}).out);
    EXPECT_LT(std::abs(sent["clock_offset_ms"].get<int>()), 5000);
    EXPECT_EQ(db.text("SELECT station FROM emsn.stations"), "") << "it has no detections yet";
    publish();
    EXPECT_EQ(db.value("SELECT report_age_seconds < 60 AND emsn_version = '" +
                       sent["emsn"].get<std::string>() + "' FROM emsn.stations WHERE station = 'zolder'"),
              "t");
}

TEST_F(HostReport, TheDatabaseIsThatOfTheConnection) {
    auto database = report()["database"];
    EXPECT_EQ(database["path"], birds_);
    EXPECT_EQ(database["bytes"], fs::file_size(birds_));
    EXPECT_EQ(database["rows"], 1000);
    EXPECT_EQ(database["max_rowid"], 1000);
    EXPECT_EQ(
        database["newest_detection"],
        SqliteDb(birds_)("SELECT Date || ' ' || Time FROM detections ORDER BY Date DESC, Time DESC LIMIT 1"));
    at_station("DELETE FROM detections WHERE rowid % 2");
    EXPECT_EQ(report()["database"]["rows"], 500);
    at_station("INSERT INTO detections SELECT d.* FROM detections AS d, (WITH RECURSIVE n(i) AS (VALUES (1) "
               "UNION ALL "
               "SELECT i + 1 FROM n WHERE i < 210) SELECT i FROM n)");
    database = report()["database"];
    EXPECT_TRUE(database["rows"].is_null()) << "counting holds the recorder";
    EXPECT_EQ(database["max_rowid"], 106'000);
    at_station("UPDATE detections SET Date = '2001-01-01' WHERE rowid = 106000");
    const auto newest = report()["database"]["newest_detection"];
    EXPECT_EQ(newest, SqliteDb(birds_)("SELECT max(Date || ' ' || Time) FROM detections"));
    at_station("DROP INDEX detections_Date_Time");
    EXPECT_EQ(report()["database"]["newest_detection"].get<std::string>().substr(0, 10), "2001-01-01")
        << "sorting them all holds the recorder: the last one written";
    at_station("PRAGMA journal_mode = wal");
    EXPECT_EQ(report()["database"]["rows"], 105'500) << "nobody waits for readers";
    at_station("DELETE FROM detections");
    database = report()["database"];
    EXPECT_EQ(database["rows"], 0);
    EXPECT_TRUE(database["newest_detection"].is_null());
}

TEST_F(HostReport, FilesystemsAreThoseOfTheMachine) {
    report();
    EXPECT_EQ(
        db.text(
            "SELECT s.total_bytes, s.mount_point FROM emsn.disk_usage AS s WHERE s.station = 'zolder' EXCEPT "
            "SELECT f.total_bytes, f.mount_point FROM emsn.filesystems() AS f"),
        "");
    EXPECT_EQ(
        db.value("SELECT used_percent BETWEEN 0 AND 100 FROM emsn.disk_usage WHERE station = 'zolder' AND "
                 "mount_point = '/'"),
        "t");
}

TEST_F(HostReport, TheMirrorIsWhatTheLastRunLeft) {
    EXPECT_TRUE(report()["mirror"].is_null()) << "none was made, none is configured";
    EXPECT_EQ(db.text("SELECT * FROM emsn.mirrors"), "");
    const std::string mirror = dir_ / "mirror.db";
    EXPECT_EQ(report({"EMSN_MIRROR_DB=" + mirror})["mirror"]["destination"], mirror);
    EXPECT_EQ(db.text("SELECT status, message FROM emsn.health WHERE check_name = 'mirror_age'"),
              "unknown|" + mirror + ": never");
    const auto run_mirror = [&](const std::string &source) {
        return run({EMSN_SOURCE_DIR "/scripts/emsn-mirror", "--no-require-mount", source, mirror},
                   {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + state_})
            .status;
    };
    if (!sanitizer_env().empty())
        return; // the script would need its runtime
    ASSERT_EQ(run_mirror(birds_), 0);
    report({"EMSN_MIRROR_DB=" + mirror});
    EXPECT_EQ(
        db.text(
            "SELECT station, destination, age_seconds < 60, bytes, held_ms IS NOT NULL, verify, last_error "
            "FROM emsn.mirrors"),
        "zolder|" + mirror + "|t|" + std::to_string(fs::file_size(birds_)) + "|t|quick|NULL");
    EXPECT_EQ(db.text("SELECT status FROM emsn.health WHERE check_name = 'mirror_age'"), "ok");
    ASSERT_EQ(run_mirror(dir_ / "none.db"), 1);
    report();
    EXPECT_EQ(db.text("SELECT age_seconds < 60, last_error FROM emsn.mirrors"),
              "t|source " + (dir_ / "none.db") + ": no such file");
    EXPECT_EQ(report({"EMSN_MIRROR_DB=" + (dir_ / "new.db")})["mirror"]["destination"], dir_ / "new.db")
        << "what was remembered is of another destination";
}

// Who cannot write to the system's folder remembers in his own.
TEST_F(HostReport, TheMemoryOfTheUserIsFound) {
    const std::string home = dir_ / "home";
    fs::create_directories(home + "/.local/state/emsn");
    write_file(home + "/.local/state/emsn/mirror.json",
               R"({"destination": "/of/mine", "last_attempt": "2999-01-01T00:00:00Z"})");
    EXPECT_EQ(report({"EMSN_STATE_DIR=", "XDG_STATE_HOME=", "HOME=" + home})["mirror"]["destination"],
              "/of/mine");
    EXPECT_EQ(
        report({"EMSN_STATE_DIR=", "XDG_STATE_HOME=" + home + "/.local/state"})["mirror"]["destination"],
        "/of/mine");
}

TEST_F(HostReport, BackupsAreCountedByKind) {
    const std::string folder = dir_ / "backups";
    for (const char *path :
         {"zolder/daily/2025-12-29", "zolder/daily/2025-12-30", "zolder/database", "berging/daily"})
        fs::create_directories(folder + "/" + path);
    write_file(folder + "/zolder/daily/2025-12-29.emsn.json",
               R"({"complete": true, "verified": true, "bytes": 100})");
    write_file(folder + "/zolder/daily/2025-12-30.emsn.json",
               R"({"complete": true, "verified": false, "bytes": 11})");
    write_file(folder + "/zolder/database/birds-2025-12-30-14.db.zst", "12345");
    report({"EMSN_BACKUP_DIR=" + folder});
    EXPECT_EQ(
        db.text("SET TimeZone = 'UTC'; SELECT station, kind, newest, entries, bytes, complete, verified, "
                "age_seconds > 0 FROM emsn.backups"),
        "zolder|daily|2025-12-30 00:00:00+00|2|111|t|f|t\n"
        "zolder|database|2025-12-30 14:00:00+00|1|5|NULL|NULL|t");
    EXPECT_TRUE(report()["backups"].is_null());
    EXPECT_EQ(report({"EMSN_BACKUP_DIR=" + folder + "/none"})["backups_error"],
              "open " + folder + "/none: No such file or directory");
    EXPECT_EQ(db.text("SELECT subject, status, message FROM emsn.health WHERE check_name = 'backup_age'"),
              "zolder|unknown|open " + folder + "/none: No such file or directory");
}

TEST_F(HostReport, ServicesAreThoseOfSystemd) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root can start one in namespaces";
    const SystemdUser systemd({{"emsn-mirror.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"},
                               {"emsn-mirror.timer", "[Timer]\nOnCalendar=2099-01-01 00:00:00 UTC\n"},
                               {"birds.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"},
                               {"quiet.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"}});
    for (const char *unit : {"emsn-mirror.service", "birds.service", "quiet.service"})
        systemd.ctl({"start", unit});
    ASSERT_EQ(systemd.ctl({"start", "emsn-mirror.timer"}).status, 0);
    EXPECT_EQ(report({systemd.as_system_bus()})["systemd"], true);
    EXPECT_EQ(
        db.text(
            "SET TimeZone = 'UTC'; SELECT station, unit, active_state, result, next_trigger, overdue FROM "
            "emsn.services WHERE unit NOT LIKE 'systemd-%'"),
        "zolder|birds.service|failed|exit-code|NULL|NULL\n"
        "zolder|emsn-mirror.service|failed|exit-code|2099-01-01 00:00:00+00|f\n"
        "zolder|emsn-mirror.timer|active|success|2099-01-01 00:00:00+00|f");
    EXPECT_EQ(
        db.text(
            "SELECT subject, status FROM emsn.health WHERE check_name IN ('failed_units', 'overdue_timers')"),
        "zolder birds.service|warning\nzolder emsn-mirror.service|warning\nzolder|ok");
}

TEST_F(HostReport, WithoutSystemdTheRestArrives) {
    const auto sent = report();
    EXPECT_EQ(sent["systemd"], false);
    EXPECT_EQ(sent["units_error"],
              "ask systemd: no systemd here: bus unix:path=/nonexistent: No such file or directory");
    EXPECT_EQ(
        db.text("SELECT check_name, status, message FROM emsn.health WHERE check_name IN ('failed_units', "
                "'overdue_timers')"),
        "failed_units|ok|no systemd runs there\noverdue_timers|ok|no systemd runs there");
}

TEST_F(HostReport, APartThatFailsIsAReason) {
    write_file(state_ + "/mirror.json", "half of a fi");
    SqliteDb writer(birds_, SQLITE_OPEN_READWRITE, false);
    writer("BEGIN EXCLUSIVE");
    const auto sent = report();
    EXPECT_EQ(sent["mirror_error"], "read " + state_ + "/mirror.json: not what emsn-mirror writes");
    EXPECT_EQ(sent.count("mirror"), 0U);
    EXPECT_NE(sent["database_error"].get<std::string>().find("lock"), std::string::npos) << sent;
    EXPECT_TRUE(sent["filesystems"].is_array());
    EXPECT_EQ(db.text("SELECT status, message FROM emsn.health WHERE check_name = 'mirror_age'"),
              "unknown|read " + state_ + "/mirror.json: not what emsn-mirror writes");
}

TEST_F(HostReport, ADeadShareIsGivenUp) {
    const std::string folder = dir_ / "nas";
    fs::create_directories(folder);
    auto env = preload_env(HUNG_FOLDER_SO);
    env.insert(env.end(),
               {"HUNG_FOLDER=" + folder, "HUNG_GATE=" + (dir_ / "gate"), "EMSN_BACKUP_DIR=" + folder});
    const auto sent = report(env);
    EXPECT_EQ(sent["backups_error"], "list " + folder + ": hung, no answer within 10000 ms");
    EXPECT_TRUE(sent["filesystems"].is_array());
}

TEST_F(HostReport, BytesThatAreNoTextArriveAsReplacements) {
    write_file(
        state_ + "/mirror.json",
        "{\"destination\": \"/m\\u0000nt/\\\\u0000\", \"last_error\": \"caf\xe9\", \"last_attempt\": \"x\"}");
    const auto outcome = ask();
    // text that is not UTF-8 is no JSON
    EXPECT_NE(outcome.out.find("mirror_error"), std::string::npos) << outcome.err;
    write_file(state_ + "/mirror.json", R"({"destination": "/m\u0000nt/\\u0000/\\\u0000"})");
    report();
    EXPECT_EQ(db.value("SELECT destination FROM emsn.mirrors"), "/m\uFFFDnt/\\u0000/\\\uFFFD");
}

TEST_F(HostReport, OneThatWouldBeTooLongLeavesOutWhatIs) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root can start one in namespaces";
    std::map<std::string, std::string> units;
    std::string wants = "[Unit]\nWants=";
    for (int i = 0; i < 700; ++i) {
        const auto name = "emsn-" + std::to_string(i) + ".service";
        units[name] = "[Unit]\nDescription=" + std::string(400, 'x') + "\n[Service]\nExecStart=/bin/true\n";
        wants += name + " ";
    }
    units["all.target"] = wants + "\n";
    const SystemdUser systemd(units);
    ASSERT_EQ(systemd.ctl({"start", "all.target"}).status, 0);
    const auto sent = report({systemd.as_system_bus()});
    EXPECT_EQ(sent["units_error"], "left out: the report would be too long");
    EXPECT_EQ(sent.count("units"), 0U);
    EXPECT_TRUE(sent["filesystems"].is_array());
}

TEST_F(HostReport, APublisherReportsForItsStationsOnly) {
    const auto name = role();
    db.exec("SELECT emsn.allow_publisher('" + name + "', 'zolder')");
    const auto as = PgCluster::shared().conninfo(database(), name);
    EXPECT_EQ(ask({}, "zolder", as).status, 0);
    const auto refused = ask({}, "berging", as);
    EXPECT_EQ(refused.status, 3) << "SQLITE_PERM";
    EXPECT_NE(refused.err.find("emsn_report_host: role \"" + name + "\" may not publish station \"berging\""),
              std::string::npos)
        << refused.err;
    EXPECT_EQ(db.value("SELECT string_agg(station, ' ') FROM emsn.host_reports"), "zolder");
}

TEST_F(HostReport, ACentreThatIsAwayIsTryAgainLaterWithoutAPassword) {
    const auto away = ask({}, "zolder", "host=/nonexistent user=u password=geheim dbname=d");
    EXPECT_EQ(away.status, 5) << "SQLITE_BUSY";
    EXPECT_EQ(away.err.find("geheim"), std::string::npos) << away.err;
    EXPECT_NE(away.err.find("/nonexistent"), std::string::npos) << away.err;
    EXPECT_EQ(ask({}, "", conninfo()).status, 1);
    EXPECT_EQ(run({"sqlite3", ":memory:", ".load " EMSN_PG_SO " sqlite3_emsnpg_init",
                   "SELECT emsn_report_host(NULL, 'a') IS NULL, emsn_report_host('', NULL) IS NULL"},
                  sanitizer_env())
                  .out,
              "1|1\n");
}

TEST_F(HostReport, ItsConnectionSaysWhoItIs) {
    db.exec("CREATE TABLE seen (name text); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ "
            "BEGIN INSERT "
            "INTO public.seen VALUES (current_setting('application_name')); RETURN NULL; END $$; CREATE "
            "TRIGGER see AFTER "
            "INSERT ON emsn.host_reports FOR EACH ROW EXECUTE FUNCTION see()");
    report();
    EXPECT_EQ(db.value("SELECT name FROM seen"), "emsn_report_host/zolder");
}

// The database of whoever asks may be anything.
TEST_F(HostReport, WithoutDetectionsItReportsTheMachine) {
    const auto outcome =
        run({"sqlite3", ":memory:", ".load " EMSN_PG_SO " sqlite3_emsnpg_init",
             "SELECT emsn_report_host(" + quoted(conninfo()) + ", 'nas') ->> 'database_error'"},
            sanitizer_env());
    EXPECT_EQ(outcome.out, "source main has no pages: is its name right?\n") << outcome.err;
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.host_reports"), "1");
}

} // namespace
} // namespace emsn::test
