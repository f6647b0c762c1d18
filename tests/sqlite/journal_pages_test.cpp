// Whether a journal tells of every page that its transaction changed: SQLite writes it, the file before and
// after is compared page by page.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "core/handle.hpp"
#include "sqlite_ext/journal_pages.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

using sqlite::JournalPages;
using sqlite::read_journal;

class JournalPagesTest : public ::testing::Test {
  protected:
    // What the journal of a transaction says; its changes are compared with it. end: COMMIT or ROLLBACK.
    std::optional<JournalPages> journal_of(SqliteDb &db, const std::string &sql,
                                           const std::string &end = "COMMIT") {
        const auto page_size = static_cast<std::size_t>(std::stoul(db("PRAGMA page_size")));
        const std::string before = bytes_of(db);
        db("BEGIN");
        db(sql);
        EXPECT_TRUE(std::filesystem::exists(path_ + "-journal")) << sql;
        file_ = core::Fd(::open((path_ + "-journal").c_str(), O_RDONLY | O_CLOEXEC));
        db(end);
        const std::string after = bytes_of(db);
        const auto journal = read_journal(file_.get(), static_cast<std::int64_t>(page_size));
        for (std::size_t at = 0; journal && at < std::min(before.size(), after.size()); at += page_size) {
            const auto page = static_cast<std::int64_t>(at / page_size);
            if (page >= journal->old_pages || before.compare(at, page_size, after, at, page_size) == 0)
                continue;
            ++changed_;
            EXPECT_NE(std::count(journal->pages.begin(), journal->pages.end(), page), 0)
                << "page " << page << " changed by " << sql;
        }
        return journal;
    }

    [[nodiscard]] std::string journal_content() const {
        return run({"cat", "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_.get())}).out;
    }
    // The same journal with other bytes.
    [[nodiscard]] std::optional<JournalPages> read_as(const std::string &bytes) const {
        write_file(dir_ / "copy", bytes);
        const core::Fd copy(::open((dir_ / "copy").c_str(), O_RDONLY | O_CLOEXEC));
        return read_journal(copy.get(), 4096);
    }

    static void fill(SqliteDb &db, int rows = 300) {
        db("PRAGMA cache_size = 10000; CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT); WITH RECURSIVE n(i) "
           "AS (VALUES (1) UNION ALL "
           "SELECT i + 1 FROM n WHERE i < " +
           std::to_string(rows) + ") INSERT INTO t SELECT i, hex(randomblob(100)) FROM n");
    }

    TempDir dir_;
    const std::string path_ = dir_ / "a.db";
    core::Fd file_;
    int changed_ = 0;
};

TEST_F(JournalPagesTest, NamesThePagesThatChanged) {
    for (const char *page_size : {"512", "4096", "65536"}) {
        for (const char *synchronous : {"OFF", "FULL"}) {
            std::filesystem::remove(path_);
            SqliteDb db(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false);
            db("PRAGMA page_size = " + std::string(page_size) + "; PRAGMA synchronous = " + synchronous);
            fill(db);
            const auto journal = journal_of(db, "UPDATE t SET x = 'y' WHERE id % 100 = 0; INSERT INTO t(x) "
                                                "SELECT hex(randomblob(3000)) FROM t LIMIT 100");
            ASSERT_TRUE(journal) << page_size << " " << synchronous;
            EXPECT_EQ(journal->change_counter, 2U); // after CREATE and INSERT
            EXPECT_GT(changed_, 1);
        }
    }
}

// The exception: old content of free pages is not in the journal.
TEST_F(JournalPagesTest, TellsOfFreePagesThatAreUsedAgain) {
    SqliteDb db(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false);
    db("PRAGMA secure_delete = OFF");
    fill(db, 40'000);
    db("DELETE FROM t WHERE id < 20000");
    ASSERT_GT(std::stoi(db("PRAGMA freelist_count")), 1022) << "more than one trunk page has";
    const auto journal = journal_of(db, "INSERT INTO t(x) SELECT hex(randomblob(900)) FROM t LIMIT 1500");
    ASSERT_TRUE(journal);
    EXPECT_GT(changed_, 600);
}

// Pages that the file has and the database had not: SQLite thinks that the file ends later.
TEST_F(JournalPagesTest, TellsOfPagesPastTheEndOfTheDatabase) {
    SqliteDb db(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false);
    int chunk_bytes = 1 << 20;
    ASSERT_EQ(sqlite3_file_control(db.get(), "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk_bytes), SQLITE_OK);
    fill(db);
    const auto pages = std::stoi(db("PRAGMA page_count"));
    ASSERT_EQ(bytes_of(db).size(), std::size_t{1} << 20);
    const auto journal = journal_of(db, "INSERT INTO t(x) SELECT hex(randomblob(900)) FROM t LIMIT 200");
    ASSERT_TRUE(journal);
    EXPECT_EQ(journal->old_pages, pages);
}

TEST_F(JournalPagesTest, ABrokenOneSaysNothing) {
    SqliteDb db(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false);
    fill(db);
    ASSERT_TRUE(journal_of(db, "UPDATE t SET x = 'y' WHERE id = 7"));
    const std::string whole = journal_content();
    ASSERT_TRUE(read_as(whole));
    EXPECT_FALSE(read_as(whole.substr(0, whole.size() - 1)));
    EXPECT_FALSE(read_as(whole.substr(0, whole.size() - 4104))) << "a record less than the header says";
    EXPECT_FALSE(read_as(whole + std::string(4104, '\0')));
    EXPECT_FALSE(read_as(whole.substr(0, 512)));
    EXPECT_FALSE(read_as(""));
    EXPECT_FALSE(read_as(std::string(10'000, 'x')));
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{11}, std::size_t{15}, std::size_t{22}, std::size_t{26},
          std::size_t{512}, std::size_t{515}, std::size_t{612}, whole.size() - 1}) {
        std::string bad = whole;
        bad[at] = static_cast<char>(bad[at] ^ 0x40);
        EXPECT_FALSE(read_as(bad)) << at;
    }
}

TEST_F(JournalPagesTest, WhatIsNotUnderstoodSaysNothing) {
    SqliteDb db(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false);
    db("PRAGMA auto_vacuum = INCREMENTAL");
    fill(db, 3000);
    EXPECT_TRUE(journal_of(db, "UPDATE t SET x = 'y' WHERE id = 7"));
    EXPECT_FALSE(journal_of(db, "UPDATE t SET x = 'y' WHERE id = 8", "ROLLBACK"));
    db("DELETE FROM t WHERE id > 1000");
    EXPECT_FALSE(journal_of(db, "INSERT INTO t(x) VALUES ('z')")) << "free pages, and auto_vacuum";
    db("PRAGMA auto_vacuum = NONE; VACUUM");
    EXPECT_TRUE(journal_of(db, "UPDATE t SET x = 'y' WHERE id = 9"));
    db("ATTACH " + quoted(dir_ / "b.db") + " AS b; CREATE TABLE b.t(x)");
    EXPECT_FALSE(journal_of(db, "UPDATE t SET x = 'y' WHERE id = 70; INSERT INTO b.t VALUES (1)"))
        << "with a super-journal";
    db("PRAGMA cache_size = 5");
    EXPECT_FALSE(journal_of(db, "UPDATE t SET x = x || 'y'")) << "of several parts";
    db("PRAGMA journal_mode = PERSIST");
    EXPECT_FALSE(journal_of(db, "UPDATE t SET x = 'y' WHERE id = 8"));
}

// Anything SQLite can be asked for, at random: what a journal says is never too little.
TEST_F(JournalPagesTest, NeverSaysTooLittle) {
    const int databases = long_run() ? 200 : 10;
    std::mt19937 random(20251228);
    const auto any = [&](std::initializer_list<const char *> words) {
        return std::string(std::data(words)[random() % words.size()]);
    };
    const auto number = [&](unsigned below) { return std::to_string(random() % below); };
    int understood = 0;
    for (int i = 0; i < databases; ++i) {
        std::filesystem::remove(path_);
        SqliteDb db(path_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false);
        db("PRAGMA page_size = " + any({"512", "1024", "4096"}) +
           "; PRAGMA auto_vacuum = " + any({"NONE", "NONE", "FULL", "INCREMENTAL"}) +
           "; PRAGMA secure_delete = " + any({"ON", "OFF", "FAST"}) +
           "; PRAGMA synchronous = " + any({"ON", "OFF"}));
        fill(db, 2000);
        db("CREATE INDEX i ON t(x)");
        for (int step = 0; step < 40; ++step) {
            std::string sql;
            for (unsigned statements = 1 + random() % 4; statements > 0; --statements) {
                sql += any({"", "SAVEPOINT s; "});
                const std::string where =
                    " WHERE id % 100 < " + number(20) + " AND id < " + number(3000) + ";";
                sql +=
                    any({"DELETE FROM t", "UPDATE t SET x = hex(randomblob(abs(random() % 900)))"}) + where;
                sql += "INSERT INTO t(x) SELECT hex(randomblob(" + number(2000) + ")) FROM t LIMIT " +
                       number(300) + ";";
                sql += any({"", "", "PRAGMA incremental_vacuum(9);", "DROP INDEX IF EXISTS i;", "REINDEX;",
                            "CREATE INDEX IF NOT EXISTS i ON t(x);", "DELETE FROM t WHERE id > 100;"});
                if (sql.find("SAVEPOINT") != std::string::npos)
                    sql += any({"", "ROLLBACK TO s;", "RELEASE s; SAVEPOINT s;"});
            }
            understood += journal_of(db, sql) ? 1 : 0;
            if (HasFailure())
                return;
        }
        EXPECT_EQ(db("PRAGMA integrity_check"), "ok");
    }
    EXPECT_GT(understood, databases * 10);
}

} // namespace
} // namespace emsn::test
