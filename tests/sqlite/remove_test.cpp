#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class RemoveTest : public ::testing::Test {
  protected:
    RemoveTest() { fs::create_directories(daily_); }

    // 5 files of 10 bytes, two of them links to one
    void plant() const {
        fs::create_directories(tree_ + "/sub/below");
        for (const char *name : {"/1", "/2", "/sub/3", "/sub/below/4"})
            write_file(tree_ + name, "1234567890");
        fs::create_hard_link(tree_ + "/1", tree_ + "/sub/5");
        write_file(tree_ + ".emsn.json", "{}");
    }
    [[nodiscard]] bool whole() const {
        return fs::exists(tree_ + "/1") && fs::exists(tree_ + "/2") && fs::exists(tree_ + "/sub/3") &&
               fs::exists(tree_ + "/sub/below/4") && fs::exists(tree_ + "/sub/5");
    }
    [[nodiscard]] std::string du() const {
        const auto out = run({"du", "-sb", tree_}).out;
        return out.substr(0, out.find('\t'));
    }
    static std::string call(const std::string &path, const std::string &inside) {
        return "SELECT emsn_remove(" + quoted(path) + ", " + quoted(inside) + ")";
    }
    [[nodiscard]] std::string call() const { return call(tree_, inside_); }

    // The call in a process of its own, whose call-th system call below the folder goes wrong; false when it
    // makes fewer.
    bool run_badly(int number, const std::string &how, Outcome &outcome) const {
        outcome = run({"sqlite3", ":memory:", load_command(), call()},
                      bad_disk_env(inside_, {"FAIL_AT=" + std::to_string(number), how, "ERRNO=5",
                                             "FAILED=" + (dir_ / "failed")}));
        return fs::remove(dir_ / "failed");
    }

    TempDir dir_;
    const std::string inside_ = dir_ / "backups";
    const std::string daily_ = inside_ + "/daily";
    const std::string tree_ = daily_ + "/2025-12-30";
    SqliteDb db_{":memory:"};
};

TEST_F(RemoveTest, ReturnsTheBytesFreedAndLeavesTheReceipt) {
    plant();
    const auto expected = du();
    EXPECT_EQ(db_(call()), expected);
    EXPECT_EQ(files_in(daily_), "2025-12-30.emsn.json");
    EXPECT_EQ(db_("SELECT typeof(emsn_remove(NULL, '/tmp')), typeof(emsn_remove('/tmp/x', NULL))"),
              "null|null");
    write_file(daily_ + "/\xff", "1234");
    EXPECT_EQ(db_("SELECT emsn_remove(CAST(" + quoted(daily_ + "/") + " AS BLOB) || x'ff', " +
                  quoted(inside_) + ")"),
              "4");
}

TEST_F(RemoveTest, RefusesWithItsOwnMessageAndCode) {
    plant();
    const auto code_and_text = [&](const std::string &sql) {
        try {
            return db_(sql);
        } catch (const SqlError &e) {
            return std::to_string(e.code) + " " + e.what();
        }
    };
    EXPECT_EQ(code_and_text(call(daily_ + "/none", inside_)),
              "14 emsn_remove: remove " + daily_ + "/none: No such file or directory");
    EXPECT_EQ(code_and_text(call(inside_, inside_)),
              "1 emsn_remove: path '" + inside_ + "': is the folder itself, not something below it");
    EXPECT_EQ(code_and_text(call(tree_, "/")),
              "1 emsn_remove: folder '/': is the root folder, which protects nothing");
    EXPECT_EQ(code_and_text("SELECT emsn_remove(CAST(" + quoted(tree_) + " AS BLOB) || x'0041', " +
                            quoted(inside_) + ")"),
              "1 emsn_remove: the path contains a NUL byte");
    EXPECT_TRUE(whole());
}

TEST_F(RemoveTest, AMountBelowIsRefusedAndNothingIsTouched) {
    plant();
    // a file system of its own, then a folder of the same one, then the tree itself
    const std::string script = "mount -t tmpfs tmpfs \"$1/sub/below\" || exit 99\n"
                               "sqlite3 :memory: \"$2\" \"$3\"; umount \"$1/sub/below\"\n"
                               "mount --bind \"$1/sub/below\" \"$1/sub\" || exit 98\n"
                               "sqlite3 :memory: \"$2\" \"$3\"; umount \"$1/sub\"\n"
                               "mount --bind \"$1\" \"$1\" && sqlite3 :memory: \"$2\" \"$3\"; true";
    std::vector<std::string> argv{"unshare", "--mount"};
    if (::geteuid() != 0)
        argv.push_back("--map-root-user");
    argv.insert(argv.end(), {"bash", "-c", script, "bash", tree_, load_command(), call()});
    const auto outcome = run(argv, sanitizer_env());
    if (outcome.status == 99 || outcome.err.find("unshare") != std::string::npos)
        GTEST_SKIP() << "no mounts for this user: " << outcome.err;
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const std::string refused = "remove " + tree_ + ": ";
    for (const std::string &reason : {tree_ + "/sub/below is mounted below it",
                                      tree_ + "/sub is mounted below it", std::string("it is a mount point")})
        EXPECT_NE(outcome.err.find(refused + reason), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(whole());
    EXPECT_EQ(files_in(daily_), "2025-12-30 2025-12-30.emsn.json");
}

TEST_F(RemoveTest, KilledAtAnyCallItLeavesNoHalfBackupUnderItsName) {
    int kills = 0;
    for (Outcome outcome;; ++kills) {
        plant();
        if (!run_badly(kills + 1, "KILLS=1", outcome))
            break;
        EXPECT_EQ(outcome.status, 128 + SIGKILL);
        EXPECT_TRUE(whole() || !fs::exists(tree_)) << "killed before call " << kills + 1;
        EXPECT_EQ(db_.error_of(call()), "") << "killed before call " << kills + 1;
        EXPECT_EQ(files_in(daily_), "2025-12-30.emsn.json");
    }
    EXPECT_GT(kills, 30);
}

TEST_F(RemoveTest, AnyCallThatFailsIsAnErrorAndTheNextRunFinishes) {
    int failures = 0;
    for (Outcome outcome;; ++failures) {
        plant();
        if (!run_badly(failures + 1, "DIR=" + inside_, outcome))
            break;
        EXPECT_NE(outcome.status, 0) << "call " << failures + 1 << " failed, and it said success";
        EXPECT_NE(outcome.err.find("Input/output error"), std::string::npos) << outcome.err;
        EXPECT_TRUE(whole() || !fs::exists(tree_)) << "call " << failures + 1;
        EXPECT_EQ(db_.error_of(call()), "") << "call " << failures + 1;
        EXPECT_EQ(files_in(daily_), "2025-12-30.emsn.json");
    }
    EXPECT_GT(failures, 30);
}

TEST_F(RemoveTest, StopsWhenInterrupted) {
    plant();
    const auto interrupting = [](sqlite3_context *ctx, int, sqlite3_value **argv) {
        sqlite3_interrupt(sqlite3_context_db_handle(ctx));
        sqlite3_result_value(ctx, argv[0]);
    };
    sqlite3_create_function(db_.get(), "interrupting", 1, SQLITE_UTF8, nullptr, interrupting, nullptr,
                            nullptr);
    try {
        db_("SELECT emsn_remove(interrupting(" + quoted(tree_) + "), " + quoted(inside_) + ")");
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_INTERRUPT);
        EXPECT_EQ(e.what(), "emsn_remove: interrupted while removing " + tree_);
    }
    EXPECT_TRUE(whole()) << "asked before anything is touched";
}

} // namespace
} // namespace emsn::test
