// Sources that are wrong, damaged, locked, in a transaction, or go away.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/sqlite/support.hpp"
#include "tests/support/as_nobody.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class SnapshotSourceTest : public ::testing::Test {
  protected:
    SnapshotSourceTest() { make_birds_db(source_, 20'000); }

    std::string call() const { return "emsn_snapshot(" + quoted(mirror_) + ")"; }

    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
    const std::string reading_ = "emsn_snapshot: a read transaction is open on main; it would hold the "
                                 "writer (call it in a "
                                 "SELECT of its own, not FROM a table, and not inside BEGIN)";
};

TEST_F(SnapshotSourceTest, OpenTransactionsAreRefused) {
    SqliteDb db(source_);
    EXPECT_EQ(db.error_of("SELECT " + call() + " FROM detections"), reading_);
    EXPECT_EQ(db.error_of("BEGIN; SELECT count(*) FROM detections; SELECT " + call()), reading_);
    db("COMMIT");
    EXPECT_EQ(db.error_of("BEGIN IMMEDIATE; SELECT " + call()),
              "emsn_snapshot: a write transaction is open on main");
    db("ROLLBACK");
    EXPECT_EQ(files_in(dir_.path()), "birds.db");
    EXPECT_EQ(db.error_of("BEGIN; SELECT " + call()), reading_)
        << "inside BEGIN, SQLite would keep the lock until COMMIT";
    EXPECT_EQ(SqliteDb(source_).error_of("DELETE FROM detections WHERE rowid = 1"), "")
        << "refused, and nothing held";
}

TEST_F(SnapshotSourceTest, AConnectionThatKeepsItsLocksIsRefused) {
    SqliteDb db(source_);
    db("PRAGMA locking_mode = EXCLUSIVE");
    EXPECT_NE(db.error_of("SELECT " + call()).find("locking_mode of main is exclusive"), std::string::npos);
    EXPECT_EQ(SqliteDb(source_).error_of("DELETE FROM detections WHERE rowid = 1"), "");
}

// In shared-cache mode the locks of the file do not separate the connections, and pages that nobody has
// committed are in the file when the cache is small.
TEST_F(SnapshotSourceTest, UncommittedPagesOfASharedCacheAreNotCopied) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_SHAREDCACHE;
    SqliteDb writer(source_, kFlags);
    SqliteDb db(source_, kFlags);
    writer("PRAGMA cache_size = 5; BEGIN; UPDATE detections SET Confidence = 0.7");
    EXPECT_NE(db.error_of("SELECT emsn_snapshot(" + quoted(mirror_) + ", '{\"timeout_ms\": 50}')")
                  .find("deadline of 50 ms"),
              std::string::npos);
    writer("ROLLBACK");
    db.snapshot(mirror_);
    EXPECT_EQ(SqliteDb(mirror_)("SELECT min(Confidence) FROM detections"), "0.8");
}

TEST_F(SnapshotSourceTest, AJournalModeChangedByAnotherIsNoticed) {
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    db("SELECT count(*) FROM detections");
    SqliteDb other(source_);
    other("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; DELETE FROM detections WHERE rowid > "
          "19000");
    db.snapshot(mirror_);
    EXPECT_EQ(rows_of_good_copy(mirror_), 19'000);
}

TEST_F(SnapshotSourceTest, WhatSqliteMakesBesideAWalSourceIsReported) {
    SqliteDb{source_}("PRAGMA journal_mode = wal");
    EXPECT_EQ(files_in(dir_.path()), "birds.db");
    const auto report = SqliteDb(source_, SQLITE_OPEN_READONLY).snapshot(mirror_);
    EXPECT_EQ(report["warnings"],
              nlohmann::json::array({"SQLite made " + source_ + "-wal in order to read the source",
                                     "SQLite made " + source_ + "-shm in order to read the source"}));
}

TEST_F(SnapshotSourceTest, AStatementThatWouldKeepTheLockIsRefused) {
    SqliteDb db(source_);
    db("CREATE TEMP TABLE destinations AS SELECT " + quoted(mirror_) + " AS path");
    EXPECT_EQ(db.error_of("SELECT emsn_snapshot(path) FROM temp.destinations"), reading_);
    EXPECT_EQ(db("SELECT json_extract(" + call() + ", '$.mode')"), "full") << "the connection is as before";
}

TEST_F(SnapshotSourceTest, AReadTransactionOnAWalSourceIsCopiedAsItSeesIt) {
    SqliteDb db(source_);
    db("PRAGMA journal_mode = wal; BEGIN; SELECT count(*) FROM detections");
    SqliteDb{source_}("DELETE FROM detections");
    db("SELECT " + call());
    EXPECT_EQ(rows_of_good_copy(mirror_), 20'000);
}

TEST_F(SnapshotSourceTest, EmptyAndForeignFilesAreRefused) {
    write_file(dir_ / "empty.db", "");
    EXPECT_EQ(SqliteDb(dir_ / "empty.db").error_of("SELECT " + call()),
              "emsn_snapshot: source " + (dir_ / "empty.db") + " has no pages: is its name right?");
    write_file(dir_ / "letter.db", std::string(8192, 'x'));
    SqliteDb letter(dir_ / "letter.db");
    try {
        letter("SELECT " + call());
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_NOTADB);
        // newer libraries look into the file before they call the function
        const std::string message = e.what();
        EXPECT_TRUE(message == "emsn_snapshot: source " + (dir_ / "letter.db") + ": file is not a database" ||
                    message == "file is not a database")
            << message;
    }
    EXPECT_FALSE(fs::exists(mirror_));
}

TEST_F(SnapshotSourceTest, ADamagedSourceIsSetAsideAndTheGoodMirrorStays) {
    SqliteDb(source_).snapshot(mirror_);
    const auto good = read_file(mirror_);
    auto bytes = read_file(source_);
    bytes.replace(4096 * 20, 4096, std::string(4096, '\xaa'));
    write_file(source_, bytes);
    SqliteDb db(source_);
    try {
        db("SELECT " + call());
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_CORRUPT);
        const std::string text = e.what();
        EXPECT_NE(text.find("the source is damaged: "), std::string::npos) << text;
        EXPECT_NE(text.find("; the copy is kept as " + mirror_ + ".corrupt"), std::string::npos) << text;
    }
    EXPECT_EQ(read_file(mirror_), good);
    EXPECT_EQ(files_in(dir_.path()), "birds.db mirror.db mirror.db.corrupt");
}

TEST_F(SnapshotSourceTest, AReplacedOrDeletedSourceIsNoticed) {
    SqliteDb db(source_);
    db("SELECT count(*) FROM detections");
    fs::rename(source_, dir_ / "gone.db");
    EXPECT_NE(db.error_of("SELECT " + call()).find("the file is no longer there"), std::string::npos);
    make_birds_db(source_, 10);
    EXPECT_EQ(db.error_of("SELECT " + call()),
              "emsn_snapshot: source " + source_ + " was replaced or deleted meanwhile");
    EXPECT_FALSE(fs::exists(mirror_));
}

TEST_F(SnapshotSourceTest, ASourceReplacedMidwayIsNoticedAtTheEnd) {
    make_birds_db(dir_ / "big.db", 300'000);
    make_birds_db(mirror_, 7);
    SqliteDb db(dir_ / "big.db", SQLITE_OPEN_READONLY);
    std::thread swap([&] {
        EXPECT_TRUE(eventually([&] { return fs::exists(mirror_ + ".emsn.partial"); }));
        fs::rename(source_, dir_ / "big.db");
    });
    EXPECT_EQ(db.error_of("SELECT " + call()),
              "emsn_snapshot: source " + (dir_ / "big.db") + " was replaced or deleted meanwhile");
    swap.join();
    EXPECT_EQ(rows_of_good_copy(mirror_), 7);
    EXPECT_EQ(files_in(dir_.path()), "big.db mirror.db");
}

TEST_F(SnapshotSourceTest, ALockedSourceIsWaitedForUntilTheDeadline) {
    SqliteDb db(source_);
    db("SELECT count(*) FROM sqlite_schema"); // newer libraries do so before they call a function
    SqliteDb writer(source_);
    writer("BEGIN EXCLUSIVE");
    try {
        db.snapshot(mirror_, R"({"timeout_ms": 50})");
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_STREQ(e.what(),
                     "emsn_snapshot: deadline of 50 ms passed while waiting for a lock on the source");
    }
    std::thread release([&] { writer("COMMIT"); });
    EXPECT_NO_THROW(db.snapshot(mirror_));
    release.join();
}

TEST_F(SnapshotSourceTest, InterruptStopsItAndLeavesNothing) {
    SqliteDb writer(source_);
    writer("BEGIN EXCLUSIVE");
    SqliteDb db(source_);
    db("PRAGMA busy_timeout = 3600000"); // must not be waited in: it is deaf
    std::atomic<bool> stop{false};
    std::thread user([&] {
        while (!stop)
            sqlite3_interrupt(db.get());
    });
    try {
        db.snapshot(mirror_);
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_INTERRUPT);
    }
    stop = true;
    user.join();
    EXPECT_EQ(files_in(dir_.path()), "birds.db");
}

TEST_F(SnapshotSourceTest, AHotJournalThatCannotBeRolledBackIsTryAgainLater) {
    make_torn_db(dir_ / "torn.db", 20'000);
    const auto before = read_file(dir_ / "torn.db");
    try {
        SqliteDb(dir_ / "torn.db", SQLITE_OPEN_READONLY).snapshot(mirror_);
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_NE(std::string(e.what()).find("left a hot journal"), std::string::npos) << e.what();
    }
    EXPECT_EQ(read_file(dir_ / "torn.db"), before);
    SqliteDb(dir_ / "torn.db").snapshot(mirror_);
    EXPECT_EQ(rows_of_good_copy(mirror_), 20'000)
        << "what the recorder would see: the change was never committed";
    EXPECT_EQ(SqliteDb(mirror_)("SELECT min(Confidence) FROM detections"), "0.8");
}

TEST_F(SnapshotSourceTest, AWalSourceWithoutRightsNamesTheUser) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs two users";
    SqliteDb{source_}("PRAGMA journal_mode = wal");
    ::chmod(source_.c_str(), 0644);
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    const AsNobody nobody;
    const auto error = db.error_of("SELECT " + call());
    EXPECT_NE(error.find("user ID 65534 cannot write its -shm file"), std::string::npos) << error;
}

TEST_F(SnapshotSourceTest, AReadOnlyConnectionIsEnough) {
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    db.snapshot(mirror_);
    EXPECT_EQ(rows_of_good_copy(mirror_), 20'000);
}

} // namespace
} // namespace emsn::test
