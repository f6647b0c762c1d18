// scripts/emsn-publish as a timer runs it: configuration, words and exit codes.
#include <gtest/gtest.h>

#include "tests/publish/proxy.hpp"
#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

const std::string kScript = EMSN_SOURCE_DIR "/scripts/emsn-publish";

class PublishScriptTest : public PublishTest {
  protected:
    [[nodiscard]] std::vector<std::string> env(std::vector<std::string> more = {}) const {
        more.insert(more.end(),
                    {"EMSN_PG_SO=" EMSN_PG_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + dir_.path()});
        for (const auto &word : sanitizer_env())
            more.push_back(word);
        return more;
    }
    Outcome script(std::vector<std::string> args, const std::vector<std::string> &more = {}) {
        args.insert(args.begin(), kScript);
        return run(args, env(more));
    }
    void configure(const std::string &pg) {
        write_file(conf_, "EMSN_STATION=zolder\nEMSN_SOURCE_DB=" + birds_ + "\nEMSN_PG=" + pg + "\n");
    }

    const std::string conf_ = dir_ / "emsn.conf";
};

TEST_F(PublishScriptTest, TheConfigurationIsEnough) {
    configure(conninfo());
    const auto outcome = script({});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["inserted"], 1000);
    expect_equal("script");
    EXPECT_EQ(db.value("SELECT DISTINCT station FROM bird_detections"), "zolder");
}

TEST_F(PublishScriptTest, OptionsWinAndAreJustText) {
    configure("host=/nowhere");
    const std::string station = "it's; \"here\"); DROP TABLE";
    auto outcome = script({"--station", station, "--pg", conninfo(), "--dry-run", "--time-zone",
                           "Europe/Amsterdam", "--max-delete", "3", "--timeout", "30", "--full"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["dry_run"], true);
    outcome = script({"--station", station, "--pg", conninfo(), "--time-zone", "Europe/Amsterdam"});
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["inserted"], 1000) << outcome.err;
    EXPECT_EQ(db.value("SELECT DISTINCT station FROM bird_detections"), station);
    EXPECT_EQ(db.value("SELECT min(detection_timestamp AT TIME ZONE 'Europe/Amsterdam')"
                       " = min(date + time) FROM bird_detections"),
              "t");
    at_station("DELETE FROM detections WHERE rowid <= 60");
    outcome = script({"--station", station, "--pg", conninfo(), "--time-zone", "Europe/Amsterdam"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("more than the 50 allowed"), std::string::npos) << outcome.err;
    outcome = script(
        {"--station", station, "--pg", conninfo(), "--time-zone", "Europe/Amsterdam", "--max-delete", "60"});
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["deleted"], 60) << outcome.err;
}

TEST_F(PublishScriptTest, ExitCodesTellWhatToDo) {
    configure("host=/nowhere");
    const auto away = script({"--timeout", "1"});
    EXPECT_EQ(away.status, 75);
    EXPECT_NE(away.err.find("nothing is lost, emsn will catch up with the next run"), std::string::npos)
        << away.err;
    EXPECT_EQ(away.err.find('\n'), away.err.size() - 1) << "one line: " << away.err;
    configure(conninfo());
    EXPECT_EQ(script({"--db", "/no/such/birds.db"}).status, 1);
    for (const auto &args : std::vector<std::vector<std::string>>{{"--bogus"},
                                                                  {"birds.db"},
                                                                  {"--timeout"},
                                                                  {"--timeout", "0"},
                                                                  {"--timeout", "1; x"},
                                                                  {"--max-delete", "-1"},
                                                                  {"--max-delete", "1)"}})
        EXPECT_EQ(script(args).status, 2) << args[0];
    EXPECT_EQ(script({"--help"}).status, 0);
    Session other(conninfo());
    other.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    const auto busy = script({});
    EXPECT_EQ(busy.status, 75);
    EXPECT_NE(busy.err.find("another publisher"), std::string::npos) << busy.err;
}

// A second for each megabyte: a history that needs more than the usual minute would never get to the centre.
TEST_F(PublishScriptTest, AManyYearsHistoryHasMoreTime) {
    configure(conninfo());
    const std::string fake = dir_ / "bin/sqlite3";
    std::filesystem::create_directory(dir_ / "bin");
    write_file(fake, "#!/bin/sh\nprintf '%s\\n' \"$@\" | grep -o \"'timeout_ms', [0-9]* [*] 1000\"\n");
    std::filesystem::permissions(fake, std::filesystem::perms::owner_all);
    const auto deadline = [&](std::vector<std::string> args) {
        args.insert(args.begin(), "--no-host-report");
        return script(args, {"PATH=" + (dir_ / "bin") + ":/usr/bin:/bin"}).out;
    };
    EXPECT_EQ(deadline({}), "'timeout_ms', 60 * 1000\n");
    std::filesystem::resize_file(birds_, 500'999'999);
    EXPECT_EQ(deadline({}), "'timeout_ms', 500 * 1000\n");
    EXPECT_EQ(deadline({"--timeout", "7"}), "'timeout_ms', 7 * 1000\n");
}

TEST_F(PublishScriptTest, TheHostReportFollows) {
    const auto reports = [&] {
        return db.text("SELECT station FROM emsn.host_reports ORDER BY received_at");
    };
    configure(conninfo());
    EXPECT_EQ(script({"--no-host-report"}).status, 0);
    EXPECT_EQ(script({"--dry-run"}).status, 0);
    EXPECT_EQ(reports(), "");
    EXPECT_EQ(script({}).status, 0);
    EXPECT_EQ(reports(), "zolder");
    EXPECT_EQ(db.value("SELECT report #>> '{database,path}' FROM emsn.host_reports"), birds_);
    // what else is wrong at the station is worth knowing then
    at_station("DELETE FROM detections");
    EXPECT_EQ(script({}).status, 1) << "the deletion guard";
    EXPECT_EQ(reports(), "zolder\nzolder");
    const auto lost = script({"--db", "/no/such/birds.db"});
    EXPECT_EQ(lost.status, 1);
    EXPECT_EQ(lost.err, "emsn-publish: source /no/such/birds.db: no such file\n");
    EXPECT_EQ(reports(), "zolder\nzolder\nzolder");
    {
        Session other(conninfo());
        other.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
        EXPECT_EQ(script({"--full"}).status, 75);
    }
    EXPECT_EQ(reports(), "zolder\nzolder\nzolder\nzolder");
}

// An older extension at the centre, say: that is no reason to publish nothing.
TEST_F(PublishScriptTest, AHostReportThatFailsIsToldAfterThePublishing) {
    configure(conninfo());
    db.exec("ALTER TABLE emsn.host_reports ADD CHECK (false)");
    const auto outcome = script({});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["inserted"], 1000);
    EXPECT_NE(outcome.err.find("emsn_report_host: "), std::string::npos) << outcome.err;
    expect_equal("published all the same");
}

TEST_F(PublishScriptTest, APasswordIsNotTakenWhereEverybodySeesIt) {
    for (const std::string pg :
         {"host=h password=s3kr1t", "postgresql://joe:s3kr1t@h/db", "host=h %70assword=s3kr1t"}) {
        const auto given = script({"--pg", pg});
        EXPECT_EQ(given.status, 2) << pg;
        EXPECT_EQ((given.out + given.err).find("s3k"), std::string::npos) << given.err;
        configure(pg);
        const auto configured = script({});
        EXPECT_EQ(configured.status, 2) << pg;
        EXPECT_EQ((configured.out + configured.err).find("s3k"), std::string::npos) << configured.err;
    }
}

TEST_F(PublishScriptTest, ATerminatedRunEndsWithItsSignalAndHurtsNothing) {
    Proxy proxy(PgCluster::shared().socket_dir() + "/.s.PGSQL.5432");
    proxy.fate(Proxy::Fate::stall, 1500);
    configure("host=" + proxy.host() + " user=postgres dbname=" + database());
    Process process({kScript}, dir_ / "out", env());
    ASSERT_TRUE(eventually([&] { return proxy.stalled(); }));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 128 + SIGTERM) << read_file(dir_ / "out");
    proxy.release();
    EXPECT_TRUE(eventually([&] { return script({}).status == 0; }));
    expect_equal("after SIGTERM");
}

TEST_F(PublishScriptTest, OnATerminalABarShowsTheFirstLoad) {
    configure(conninfo());
    const auto outcome = run({"script", "-qec", kScript, "/dev/null"}, env());
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(outcome.out.find("\r[##############################] 100 %  1000 of 1000 rows"),
              std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find("rows/s  0 s left  sending rows"), std::string::npos) << outcome.out;
}

} // namespace
} // namespace emsn::test
