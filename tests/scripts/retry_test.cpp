// emsn-retry: one try of a job, as systemd starts it again and again.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class Retry : public ::testing::Test {
  protected:
    Outcome retry(const std::vector<std::string> &args) {
        std::vector<std::string> argv{EMSN_SOURCE_DIR "/scripts/emsn-retry", "--wait", "0"};
        argv.insert(argv.end(), args.begin(), args.end());
        return run(argv, {"RUNTIME_DIRECTORY=" + dir_.path()});
    }
    Outcome exits(int code, const std::vector<std::string> &options = {}) {
        auto args = options;
        args.insert(args.end(), {"bash", "-c", "exit " + std::to_string(code)});
        return retry(args);
    }
    [[nodiscard]] bool there(const char *name) const { return fs::exists(dir_ / name); }

    TempDir dir_;
};

TEST_F(Retry, IsPassedOnUntilTheLastTryWhichIsAFailure) {
    for (int i = 1; i <= 4; ++i) {
        const auto outcome = exits(75);
        EXPECT_EQ(outcome.status, 75);
        EXPECT_NE(outcome.err.find("try " + std::to_string(i) + " of 5"), std::string::npos) << outcome.err;
    }
    const auto last = exits(75);
    EXPECT_EQ(last.status, 1);
    EXPECT_EQ(last.err,
              "emsn-retry: bash: given up after 5 tries, until the timer starts it again: exit code 75\n");
    EXPECT_EQ(exits(75).status, 75) << "the timer began anew";
}

TEST_F(Retry, ASuccessIsRememberedAndTheTriesAreForgotten) {
    EXPECT_EQ(exits(75).status, 75);
    EXPECT_FALSE(there("succeeded"));
    EXPECT_EQ(exits(0).status, 0);
    EXPECT_TRUE(there("succeeded"));
    EXPECT_NE(exits(75).err.find("try 1 of 5"), std::string::npos);
}

TEST_F(Retry, WhatWaitingDoesNotMendIsFinalAtOnce) {
    EXPECT_EQ(exits(1).status, 1);
    EXPECT_EQ(exits(2).status, 2);
    EXPECT_EQ(exits(3).status, 1) << "systemd would try that again";
    EXPECT_EQ(retry({"/no/such/program"}).status, 1);
    EXPECT_FALSE(there("tries"));
    EXPECT_FALSE(there("succeeded"));
    EXPECT_EQ(exits(3, {"--good", "1", "--good", "3"}).status, 3);
    EXPECT_TRUE(there("succeeded"));
}

TEST_F(Retry, ATryThatWasEndedFromOutsideCounts) {
    EXPECT_EQ(retry({"bash", "-c", "kill -KILL $$"}).status, 128 + 9);
    EXPECT_EQ(retry({"bash", "-c", "kill -KILL $PPID"}).status, 128 + 9)
        << "as systemd does at its time limit";
    EXPECT_NE(exits(75).err.find("try 3 of 5"), std::string::npos);
    write_file(dir_ / "tries", "5\n");
    const auto outcome = exits(0);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("given up after 5 tries"), std::string::npos) << outcome.err;
    EXPECT_EQ(exits(0).status, 0);
}

TEST_F(Retry, EachWaitIsTwiceAsLong) {
    std::string waits;
    for (int i = 1; i < 5; ++i) {
        const auto outcome = run({"bash", "-c",
                                  "sleep() { :; }; export -f sleep; exec " EMSN_SOURCE_DIR
                                  "/scripts/emsn-retry --tries 20 bash -c 'exit 75'"},
                                 {"RUNTIME_DIRECTORY=" + dir_.path()});
        waits += outcome.err.substr(outcome.err.find("the next one"));
    }
    EXPECT_EQ(waits,
              "the next one in 10 s\nthe next one in 20 s\nthe next one in 40 s\nthe next one in 80 s\n");
    write_file(dir_ / "tries", "14\n");
    const auto late = run({"bash", "-c",
                           "sleep() { :; }; export -f sleep; exec " EMSN_SOURCE_DIR
                           "/scripts/emsn-retry --tries 20 bash -c 'exit 75'"},
                          {"RUNTIME_DIRECTORY=" + dir_.path()});
    EXPECT_NE(late.err.find("the next one in 1800 s"), std::string::npos) << late.err;
}

TEST_F(Retry, ByHandItOnlyRunsTheCommand) {
    const auto outcome = run({EMSN_SOURCE_DIR "/scripts/emsn-retry", "bash", "-c", "echo here; exit 75"});
    EXPECT_EQ(outcome.status, 75);
    EXPECT_EQ(outcome.out, "here\n");
    EXPECT_EQ(outcome.err, "");
}

TEST_F(Retry, WrongUseIsSaid) {
    EXPECT_EQ(retry({}).status, 2);
    EXPECT_EQ(retry({"--tries", "0", "true"}).status, 2);
    EXPECT_EQ(retry({"--wait", "x", "true"}).status, 2);
    EXPECT_EQ(retry({"--nonsense", "true"}).status, 2);
}

} // namespace
} // namespace emsn::test
