// What a watch knows of commits. Each test waits until the thread has opened the journal, where that matters.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "sqlite_ext/big_endian.hpp"
#include "sqlite_ext/db_header.hpp"
#include "sqlite_ext/journal_watch.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

using sqlite::JournalWatch;

class JournalWatchTest : public ::testing::Test {
  protected:
    JournalWatchTest() {
        db_("CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT); WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL "
            "SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, hex(randomblob(100)) FROM n");
        restart();
    }

    void restart() {
        watch_ = JournalWatch::start(path_, 4096);
        ASSERT_TRUE(watch_);
        before_ = counter();
    }

    // One commit whose journal the watch has surely opened.
    void commit(const std::string &sql, const std::string &end = "COMMIT") {
        db_("BEGIN; " + sql);
        wait_for_watch();
        db_(end);
    }
    void wait_for_watch(int holders = 2) const { // SQLite, and the watch
        EXPECT_TRUE(eventually([&] {
            int open = 0;
            for (const auto &fd : fs::directory_iterator("/proc/self/fd")) {
                std::error_code gone;
                open += fs::read_symlink(fd, gone) == path_ + "-journal" ? 1 : 0;
            }
            return open == holders;
        }));
    }

    // The same bytes again: even the change counter is the same.
    void write_over_itself() const {
        run({"dd", "if=" + path_, "of=" + path_, "bs=4096", "count=1", "conv=notrunc", "status=none"});
    }

    // Commits since the last call, all of them known; -1: not known.
    int known_commits() {
        const auto changes = watch_->take();
        const auto from = std::exchange(before_, counter());
        return changes && changes->lead(from, before_) ? static_cast<int>(changes->commits) : -1;
    }

    [[nodiscard]] std::uint32_t counter() const {
        return sqlite::read_big_endian(&bytes_of(db_)[sqlite::kChangeCounterAt]);
    }

    TempDir dir_;
    const std::string path_ = dir_ / "a.db";
    SqliteDb db_{path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false};
    std::unique_ptr<JournalWatch> watch_;
    std::uint32_t before_ = 0;
};

const std::string kUpdate = "UPDATE t SET x = 'y' || x WHERE id = 1500;";

TEST_F(JournalWatchTest, KnowsWhatACommitChanged) {
    EXPECT_EQ(known_commits(), 0);
    commit(kUpdate);
    const auto changes = watch_->take();
    ASSERT_TRUE(changes);
    EXPECT_TRUE(changes->lead(before_, before_ + 1));
    EXPECT_FALSE(changes->lead(before_, before_ + 2));
    EXPECT_FALSE(changes->lead(before_ + 1, before_ + 2));
    EXPECT_EQ(changes->pages.size(), 2U) << "the first page, and the row's";
    EXPECT_EQ(changes->old_pages, std::stoi(db_("PRAGMA page_count")));
}

TEST_F(JournalWatchTest, ATransactionThatHasBegunAlreadyIsKnown) {
    db_("BEGIN; " + kUpdate);
    restart();
    db_("COMMIT");
    EXPECT_EQ(known_commits(), 1);
}

TEST_F(JournalWatchTest, ARolledBackTransactionChangesNothing) {
    commit(kUpdate, "ROLLBACK");
    EXPECT_EQ(known_commits(), 0);
    commit(kUpdate);
    EXPECT_EQ(known_commits(), 1);
}

TEST_F(JournalWatchTest, OtherJournalModesAreNotKnown) {
    for (const char *mode : {"TRUNCATE", "PERSIST", "MEMORY", "OFF"}) {
        db_("PRAGMA journal_mode = " + std::string(mode));
        restart();
        for (int i = 0; i < 3; ++i) {
            db_(kUpdate);
            EXPECT_EQ(known_commits(), -1) << mode;
        }
        db_(kUpdate);
        db_("PRAGMA journal_mode = DELETE"); // which deletes what PERSIST left
        EXPECT_EQ(known_commits(), -1) << mode;
        commit(kUpdate);
        EXPECT_EQ(known_commits(), 1) << "it begins again";
    }
}

// Its journal looks as if the transaction had been committed: all is in it, and pages of the database were
// written. What comes next is not known, or the commits are too few.
TEST_F(JournalWatchTest, ARollbackDoesNotStandForACommit) {
    const std::string table = "CREATE TABLE v(x);" + kUpdate; // changes the first page too
    const auto roll_back = [&] {
        db_("PRAGMA synchronous = OFF; BEGIN; " + table);
        wait_for_watch();
        EXPECT_EQ(sqlite3_db_cacheflush(db_.get()), SQLITE_OK);
        db_("ROLLBACK");
    };
    roll_back();
    const auto changes = watch_->take();
    ASSERT_TRUE(changes);
    EXPECT_EQ(changes->commits, 1U) << "the rest of this test needs it so";

    roll_back();
    db_("PRAGMA journal_mode = MEMORY");
    db_(kUpdate);
    EXPECT_EQ(known_commits(), -1) << "no journal";

    db_("PRAGMA journal_mode = DELETE");
    roll_back();
    db_("PRAGMA journal_mode = PERSIST");
    commit(kUpdate);
    EXPECT_EQ(known_commits(), -1) << "a journal that stays";

    db_("PRAGMA journal_mode = DELETE");
    static_cast<void>(known_commits());
    roll_back();
    db_("PRAGMA journal_mode = TRUNCATE");
    commit(kUpdate, "ROLLBACK");
    SqliteDb other(path_, SQLITE_OPEN_READWRITE, false);
    other("PRAGMA journal_mode = MEMORY");
    other(kUpdate);
    EXPECT_EQ(known_commits(), -1) << "an empty journal of somebody else";

    db_("PRAGMA journal_mode = DELETE");
    static_cast<void>(known_commits());
    roll_back();
    db_("PRAGMA locking_mode = EXCLUSIVE");
    commit(kUpdate);
    db_("PRAGMA locking_mode = NORMAL; BEGIN; " + table + "COMMIT; SELECT * FROM t LIMIT 1");
    ASSERT_FALSE(fs::exists(path_ + "-journal"));
    EXPECT_EQ(known_commits(), -1) << "a journal that held two transactions";
}

TEST_F(JournalWatchTest, ACommitsJournalIsDeletedWithIt) {
    db_("BEGIN; " + kUpdate);
    wait_for_watch();
    fs::create_hard_link(path_ + "-journal", path_ + "-kept");
    db_("COMMIT");
    EXPECT_EQ(known_commits(), -1) << "as if it were the journal of the next transaction";
}

TEST_F(JournalWatchTest, ASpillIsNotKnown) {
    db_("PRAGMA cache_size = 5; BEGIN; UPDATE t SET x = 'y'; COMMIT");
    EXPECT_EQ(known_commits(), -1);
}

// A commit that makes the file shorter does so when its journal is gone.
TEST_F(JournalWatchTest, AShorterFileIsNotKnown) {
    db_("PRAGMA auto_vacuum = FULL; VACUUM");
    restart();
    commit("DELETE FROM t WHERE id > 2000;");
    EXPECT_EQ(known_commits(), -1);
}

// A writer with a file system of its own may leave the file as long as it was: played here with files.
TEST_F(JournalWatchTest, KnowsHowShortTheDatabaseWas) {
    db_("PRAGMA auto_vacuum = FULL; PRAGMA synchronous = OFF; VACUUM");
    const auto keep_journal = [&](const std::string &sql, const std::string &as) {
        db_("BEGIN; " + sql);
        EXPECT_EQ(sqlite3_db_cacheflush(db_.get()), SQLITE_OK);
        fs::copy_file(path_ + "-journal", dir_ / as);
        db_("COMMIT");
        return std::stoi(db_("PRAGMA page_count"));
    };
    const int between = keep_journal("DELETE FROM t WHERE id > 2000;", "first");
    keep_journal("INSERT INTO t SELECT id + 2000, x FROM t WHERE id <= 1000;", "second");
    restart();
    for (const char *journal : {"first", "second"}) {
        fs::copy_file(dir_ / journal, path_ + "-journal");
        wait_for_watch(1);
        write_over_itself();
        fs::remove(path_ + "-journal");
    }
    const auto changes = watch_->take();
    ASSERT_TRUE(changes);
    EXPECT_EQ(changes->commits, 2U);
    EXPECT_EQ(changes->old_pages, between);
}

TEST_F(JournalWatchTest, AWriterWithoutAJournalIsNotKnown) {
    write_over_itself();
    EXPECT_FALSE(watch_->take());
    EXPECT_TRUE(watch_->take());
}

TEST_F(JournalWatchTest, AnotherFileUnderOneOfTheNamesIsNotKnown) {
    fs::copy_file(path_, path_ + ".other");
    fs::rename(path_ + ".other", path_);
    EXPECT_FALSE(watch_->take());
    write_file(dir_ / "other", "x");
    fs::rename(dir_ / "other", path_ + "-journal");
    EXPECT_FALSE(watch_->take());
    fs::remove(path_ + "-journal");
    static_cast<void>(watch_->take());
    write_file(dir_ / "other", "x");
    EXPECT_TRUE(watch_->take()) << "other names do not matter";
}

// The queue of events overflows (16384 by default) when nobody reads it.
TEST_F(JournalWatchTest, ManyCommitsAreAllKnownOrNot) {
    for (int round = 0; round < 20; ++round) {
        db_("PRAGMA synchronous = OFF");
        for (int i = 0; i < 200; ++i)
            db_(kUpdate);
        const int commits = known_commits();
        EXPECT_TRUE(commits == 200 || commits == -1) << commits;
    }
}

TEST_F(JournalWatchTest, AFolderThatIsNotThereIsNotWatched) {
    EXPECT_EQ(JournalWatch::start(dir_ / "none/a.db", 4096), nullptr);
}

// Signals go to the host's own threads.
TEST_F(JournalWatchTest, ItsThreadTakesNoSignals) {
    int blocked = 0;
    for (const auto &task : fs::directory_iterator("/proc/self/task")) {
        const auto status = read_file(task.path() / "status");
        const auto mask = std::stoull(status.substr(status.find("SigBlk:") + 7), nullptr, 16);
        blocked += (mask >> (SIGTERM - 1) & 1) != 0 && (mask >> (SIGINT - 1) & 1) != 0 ? 1 : 0;
    }
    EXPECT_EQ(blocked, 1);
}

} // namespace
} // namespace emsn::test
