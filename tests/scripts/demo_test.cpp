// scripts/demo as a stranger runs it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

const std::string kDemo = EMSN_SOURCE_DIR "/scripts/demo";

class DemoTest : public ::testing::Test {
  protected:
    DemoTest() { fs::create_directory(tmp_), fs::permissions(tmp_, fs::perms{0755}); }

    // Processes that run in, or from, the demo's folder.
    std::string survivors() { return run({"pgrep", "-fa", tmp_}).out; }

    TempDir dir_;
    const std::string tmp_ = dir_ / "t";
};

void expect_all(const std::string &text, const std::vector<std::string> &words) {
    for (const auto &word : words)
        EXPECT_NE(text.find(word), std::string::npos) << "missing: " << word << "\nin:\n" << text;
}

TEST_F(DemoTest, ShowsTheMainJobAndLeavesNothing) {
    const auto outcome = run({kDemo}, {"TMPDIR=" + tmp_});
    ASSERT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    expect_all(outcome.out,
               {"emsn_snapshot             10\n", "\"lost\": 0", "PermissionError: ", "\n$ du -sb daily\n",
                "monthly_report.py) is idle in a transaction", " of 20 connections used",
                "silent_station      | berging", "detections_today    | zolder", "never heard",
                "terminate_idle_transactions(", "EMSN CRITICAL - ",
                "\"mode\":\"days\",\"dry_run\":false,"
                "\"inserted\":0,\"updated\":1,\"deleted\":0,",
                "the source is empty, live rows at the centre: ",
                "\n$ emsn-report weekly --format text | head -n 26\n"});
    EXPECT_NE(read_file(EMSN_SOURCE_DIR "/build/demo-report.html").find("<svg"), std::string::npos);
    if (::geteuid() == 0) {
        expect_all(outcome.out, {"given up after 3 tries, until the timer starts it again: exit code 75",
                                 "\n warning | failed_units   | zolder emsn-mirror.service",
                                 "\nNothing: its timer started it"});
    }
    // ours and du's number, one line apart
    const auto ours = outcome.out.find("\"SELECT dir_size_safe('daily')\"\n");
    ASSERT_NE(ours, std::string::npos);
    std::istringstream lines(outcome.out.substr(outcome.out.find('\n', ours)));
    std::string our_bytes;
    std::string dollar;
    std::string du_command;
    std::string du_bytes;
    lines >> our_bytes >> std::ws;
    std::getline(lines, du_command);
    lines >> du_bytes;
    EXPECT_EQ(our_bytes, du_bytes);
    EXPECT_EQ(files_in(tmp_), "");
    EXPECT_EQ(survivors(), "");
}

TEST_F(DemoTest, YourOwnFileIsOnlyRead) {
    const std::string own = dir_ / "own.db";
    make_birds_db(own, 5000);
    const auto before = read_file(own);
    const auto outcome = run({kDemo, "--source", own}, {"TMPDIR=" + tmp_});
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    expect_all(outcome.out, {"zolder is a copy of your file", "emsn_snapshot             10\n"});
    EXPECT_EQ(read_file(own), before);
    EXPECT_EQ(files_in(dir_.path()), "own.db t");
}

TEST_F(DemoTest, ShowsSeveralServers) {
    const auto outcome = run({kDemo, "--shards", "2"}, {"TMPDIR=" + tmp_});
    ASSERT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    expect_all(outcome.out,
               {"bird_detections_shard2 | garden2", "Relations: Aggregate on (public.bird_detections_shard1",
                " | shard2  | ok     | answers; it holds 1 station", " garden1 | ",
                "nothing is known of its 1 station"});
    EXPECT_EQ(files_in(tmp_), "");
    EXPECT_EQ(survivors(), "");
    EXPECT_EQ(run({kDemo, "--shards", "1"}).status, 2);
}

TEST_F(DemoTest, CtrlCClearsUp) {
    Process demo({kDemo}, dir_ / "log", {"TMPDIR=" + tmp_});
    ASSERT_TRUE(eventually([&] {
        return fs::exists(dir_ / "log") &&
               read_file(dir_ / "log").find("== Publish both") != std::string::npos;
    }));
    demo.signal(SIGINT);
    EXPECT_EQ(demo.wait(), 128 + SIGINT) << read_file(dir_ / "log");
    EXPECT_EQ(files_in(tmp_), "");
    EXPECT_EQ(survivors(), "");
}

TEST_F(DemoTest, WrongUseIsTwo) {
    EXPECT_EQ(run({kDemo, "--sorce"}).status, 2);
    EXPECT_EQ(run({kDemo, "--source"}).status, 2);
    EXPECT_EQ(run({kDemo, "--source", dir_ / "none.db"}).status, 2);
    EXPECT_EQ(run({kDemo, "--help"}).status, 0);
}

} // namespace
} // namespace emsn::test
