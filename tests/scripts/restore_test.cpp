// The restore drill of docs/operations.md.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/sqlite/support.hpp"
#include "tests/support/as_nobody.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class RestoreTest : public ::testing::Test {
  protected:
    RestoreTest() {
        make_birds_db(dir_ / "source.db", 3000);
        SqliteDb(dir_ / "source.db").snapshot(mirror_);
        fs::remove(dir_ / "source.db");
    }

    Outcome restore(const std::vector<std::string> &args) {
        std::vector<std::string> argv{EMSN_SOURCE_DIR "/scripts/emsn-restore"};
        argv.insert(argv.end(), args.begin(), args.end());
        auto env = sanitizer_env();
        env.push_back("EMSN_SO=" EMSN_SO);
        return run(argv, env);
    }
    // The name under which the replaced file is kept, "" when none is.
    std::string kept() {
        for (const auto &entry : fs::directory_iterator(dir_.path())) {
            const auto name = entry.path().filename().string();
            if (name.starts_with("birds.db.replaced-") && name.find("-journal") == std::string::npos &&
                name.find("-wal") == std::string::npos)
                return entry.path();
        }
        return "";
    }

    TempDir dir_;
    const std::string mirror_ = dir_ / "mirror.db";
    const std::string target_ = dir_ / "birds.db";
};

// The stick was pulled while the mirror was being changed in place.
TEST_F(RestoreTest, AMirrorWithAJournalIsRolledBackFirst) {
    fs::remove(mirror_);
    make_torn_db(mirror_, 3000);
    const auto outcome = restore({mirror_, target_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(rows_of_good_copy(target_), 3000);
    EXPECT_EQ(SqliteDb(target_)("SELECT count(*) FROM detections WHERE Confidence = 0.1"), "0");
    EXPECT_EQ(files_in(dir_.path()), "birds.db mirror.db");
}

TEST_F(RestoreTest, TheStationsOwnQueriesGiveTheSameAnswers) {
    const auto outcome = restore({mirror_, target_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "restored " + target_ + " from " + mirror_ + ", verified\n");
    SqliteDb a(mirror_, SQLITE_OPEN_READONLY, false);
    SqliteDb b(target_, SQLITE_OPEN_READONLY, false);
    for (const char *query :
         {"SELECT count(*) FROM detections", "SELECT Date, count(*) FROM detections GROUP BY 1",
          "SELECT Com_Name, max(Confidence) FROM detections GROUP BY 1",
          "SELECT * FROM detections ORDER BY Date DESC, Time DESC LIMIT 5"})
        EXPECT_EQ(a(query), b(query));
    EXPECT_EQ(read_file(target_), read_file(mirror_));
}

TEST_F(RestoreTest, WhatItReplacesIsKeptAndModeAndOwnerStay) {
    make_birds_db(target_, 40);
    ::chmod(target_.c_str(), 0664);
    const bool root = ::geteuid() == 0;
    if (root) {
        ASSERT_EQ(::chown(target_.c_str(), 1234, 5678), 0);
    }
    ASSERT_EQ(restore({mirror_, target_}).status, 0);
    EXPECT_EQ(rows_of_good_copy(target_), 3000);
    EXPECT_EQ(rows_of_good_copy(kept()), 40);
    struct stat st {};
    ASSERT_EQ(::stat(target_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0664U);
    if (root) {
        EXPECT_EQ(st.st_uid, 1234U);
    }
}

TEST_F(RestoreTest, StaleJournalsAreKeptWithTheOldFileAndGoneFromTheNew) {
    make_torn_db(target_, 2000);
    ASSERT_EQ(restore({mirror_, target_}).status, 0);
    EXPECT_FALSE(fs::exists(target_ + "-journal"));
    EXPECT_EQ(rows_of_good_copy(target_), 3000);
    EXPECT_EQ(SqliteDb(kept())("SELECT count(*), min(Confidence) FROM detections"), "2000|0.8")
        << "its own journal makes the kept file whole";
}

TEST_F(RestoreTest, ADamagedTargetIsReplacedAllTheSame) {
    write_file(target_, "this was a database once");
    write_file(target_ + "-wal", "rubbish");
    ASSERT_EQ(restore({mirror_, target_}).status, 0);
    EXPECT_EQ(rows_of_good_copy(target_), 3000);
    EXPECT_EQ(read_file(kept()), "this was a database once");
}

TEST_F(RestoreTest, ABadMirrorTouchesNothing) {
    make_birds_db(target_, 40);
    const auto before = read_file(target_);
    fs::resize_file(mirror_, fs::file_size(mirror_) / 2);
    const auto outcome = restore({mirror_, target_});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.err,
              "emsn-restore: mirror " + mirror_ + " is not good: database disk image is malformed\n");
    EXPECT_EQ(read_file(target_), before);
    EXPECT_EQ(kept(), "");
}

TEST_F(RestoreTest, AFailedCopyLeavesTheTargetAndNoKeptFile) {
    make_birds_db(target_, 40, "wal");
    SqliteDb user(target_); // holds -wal and -shm: the swap must not happen under it
    user("BEGIN; SELECT count(*) FROM detections");
    EXPECT_EQ(restore({mirror_, target_}).status, 75);
    EXPECT_EQ(kept(), "");
    EXPECT_EQ(user("SELECT count(*) FROM detections"), "40");
}

TEST_F(RestoreTest, WhatCannotBeKeptIsNotReplaced) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs two users";
    make_birds_db(target_, 40);
    ::chmod(target_.c_str(), 0600);
    ::chmod(dir_.path().c_str(), 0777);
    std::vector<std::string> argv =
        as_nobody({"env", "EMSN_SO=" EMSN_SO, EMSN_SOURCE_DIR "/scripts/emsn-restore", mirror_, target_});
    // a folder of the checkout may be closed to others: then nothing is shown here
    if (run(as_nobody({"test", "-r", EMSN_SO})).status != 0)
        GTEST_SKIP() << "the build is not readable for others";
    const auto outcome = run(argv, sanitizer_env());
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("cannot be kept: nothing is changed"), std::string::npos) << outcome.err;
    EXPECT_EQ(rows_of_good_copy(target_), 40);
}

// A signal after the swap: the kept file is the only old one, and stays.
TEST_F(RestoreTest, ASignalAfterTheSwapLosesNothing) {
    make_birds_db(target_, 40);
    fs::create_directory(dir_ / "bin");
    // sqlite3 that lingers after its work on the target
    write_file(dir_ / "bin/sqlite3",
               "#!/bin/bash\n/usr/bin/sqlite3 \"$@\" || exit\n[[ $* != *snapshot* ]] || { touch " +
                   (dir_ / "swapped") + "; sleep 60 & wait; }\n");
    fs::permissions(dir_ / "bin/sqlite3", fs::perms{0755});
    auto env = sanitizer_env();
    env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "PATH=" + (dir_ / "bin") + ":/usr/bin:/bin"});
    Process process({EMSN_SOURCE_DIR "/scripts/emsn-restore", mirror_, target_}, dir_ / "log", env);
    ASSERT_TRUE(eventually([&] { return fs::exists(dir_ / "swapped"); })) << read_file(dir_ / "log");
    process.signal(SIGTERM);
    run({"pkill", "-f", dir_ / "bin/sqlite3"});
    EXPECT_EQ(process.wait(), 128 + SIGTERM);
    EXPECT_EQ(rows_of_good_copy(target_), 3000);
    EXPECT_EQ(rows_of_good_copy(kept()), 40);
    EXPECT_NE(read_file(dir_ / "log").find("the old file is kept as"), std::string::npos);
}

TEST_F(RestoreTest, WrongUse) {
    EXPECT_EQ(restore({}).status, 2);
    EXPECT_EQ(restore({"--force", mirror_, target_}).status, 2);
    EXPECT_EQ(restore({"--help"}).status, 0);
    EXPECT_EQ(restore({mirror_, mirror_}).status, 1);
    EXPECT_EQ(restore({dir_ / "none.db", target_}).status, 1);
    fs::create_symlink(mirror_, dir_ / "link.db");
    EXPECT_EQ(restore({mirror_, dir_ / "link.db"}).status, 1);
}

} // namespace
} // namespace emsn::test
