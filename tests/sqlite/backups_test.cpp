// emsn_backups as SQL sees it, and with it what every table of ours does (sqlite_ext/vtab.hpp).
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class EmsnBackups : public ::testing::Test {
  protected:
    EmsnBackups() {
        fs::create_directories(dir_ / "daily/2025-12-29/etc");
        fs::create_directories(dir_ / "zolder/database");
        write_file(dir_ / "daily/2025-12-29/etc/passwd", std::string(1000, 'x'));
        write_file(dir_ / "zolder/database/birds-2025-12-30-14.db", "12345");
        write_file(dir_ / "zolder/database/birds-2025-12-30-14.db.emsn.json",
                   R"({"emsn":1,"complete":true,"verified":false})");
    }
    [[nodiscard]] std::string table(const std::string &dir) const {
        return "emsn_backups(" + quoted(dir) + ")";
    }

    const TempDir dir_;
    const std::string from_ = " FROM " + table(dir_.path()) + " ";
    SqliteDb db_{":memory:"};
};

TEST_F(EmsnBackups, ColumnsAreThoseOfTheContract) {
    EXPECT_EQ(db_("SELECT group_concat(name, ' ') FROM pragma_table_info('emsn_backups')"),
              "path name kind station taken_at age_days bytes date_source complete verified series error");
    EXPECT_EQ(db_("SELECT path, name, kind, station, taken_at = strftime('%Y-%m-%dT%H:%M:%SZ', '2025-12-30 "
                  "14:00', 'utc'), bytes, date_source, complete, verified, series, error" +
                  from_ + "WHERE kind = 'database'"),
              (dir_ / "zolder/database/birds-2025-12-30-14.db") +
                  "|birds-2025-12-30-14.db|database|zolder|1|5|name|1|0|birds-|");
    EXPECT_EQ(
        db_("SELECT complete IS NULL, verified IS NULL, station IS NULL, typeof(age_days), typeof(bytes)" +
            from_ + "WHERE kind = 'daily'"),
        "1|1|1|real|integer");
}

TEST_F(EmsnBackups, BytesAreThoseOfDirSizeSafe) {
    EXPECT_EQ(db_("SELECT count(*)" + from_ + "WHERE bytes = dir_size_safe(path)"), "2");
}

TEST_F(EmsnBackups, AgeIsDaysUntilNowAndNegativeForTheFuture) {
    write_file((dir_ / "daily/") + db_("SELECT date('now', 'localtime', '+2 days')"), "");
    EXPECT_EQ(db_("SELECT count(*)" + from_ +
                  "WHERE abs(julianday('now') - julianday(taken_at) - age_days) < 0.01"),
              "3");
    EXPECT_EQ(db_("SELECT count(*)" + from_ + "WHERE age_days < 0"), "1");
}

TEST_F(EmsnBackups, WhatKilledRemovalsLeftIsListedOnlyWhenAskedFor) {
    write_file(dir_ / "daily/2025-12-01.removing", "");
    EXPECT_EQ(db_("SELECT count(*)" + from_), "2");
    EXPECT_EQ(db_("SELECT name, kind, taken_at IS NULL, bytes IS NULL FROM emsn_backups(" +
                  quoted(dir_.path()) + ", 'removing')"),
              "2025-12-01.removing|daily|1|1");
    EXPECT_EQ(db_.error_of("SELECT * FROM emsn_backups('/', 'all')"),
              "emsn_backups: what must be one of: backups, removing");
}

TEST_F(EmsnBackups, ArgumentsAreColumns) {
    EXPECT_EQ(db_("SELECT DISTINCT dir" + from_), dir_.path());
    const std::string zolder = dir_ / "zolder";
    EXPECT_EQ(db_("SELECT dir, count(*) FROM emsn_backups WHERE dir IN (" + quoted(dir_.path()) + ", " +
                  quoted(zolder) + ") GROUP BY dir"),
              dir_.path() + "|2\n" + zolder + "|1");
    EXPECT_EQ(db_("SELECT count(*) FROM emsn_backups WHERE dir = " + quoted(dir_.path()) +
                  " OR dir = " + quoted(zolder)),
              "3");
    EXPECT_EQ(db_("SELECT count(*) FROM emsn_backups AS b, (SELECT " + quoted(dir_.path()) +
                  " AS folder) AS f WHERE b.dir = f.folder"),
              "2");
    EXPECT_EQ(db_("SELECT count(*)" + from_ + "WHERE dir = " + quoted(zolder)), "0");
}

TEST_F(EmsnBackups, NullGivesNoRowsAndNoArgumentAnError) {
    EXPECT_EQ(db_("SELECT count(*) FROM emsn_backups(NULL)"), "0");
    EXPECT_EQ(db_("SELECT count(*) FROM emsn_backups('/', NULL)"), "0");
    EXPECT_EQ(db_.error_of("SELECT * FROM emsn_backups"), "emsn_backups: needs its argument dir");
    EXPECT_EQ(db_.error_of("SELECT * FROM emsn_backups('/', 'backups', 3)"),
              "too many arguments on emsn_backups() - max 2");
}

TEST_F(EmsnBackups, ErrorsNameTheTableAndCarryTheirCode) {
    try {
        db_("SELECT * FROM " + table(dir_ / "away"));
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_CANTOPEN);
        EXPECT_EQ(std::string(e.what()),
                  "emsn_backups: open " + (dir_ / "away") + ": No such file or directory");
    }
    EXPECT_EQ(db_.error_of("SELECT * FROM emsn_backups(x'2f0041')"),
              "emsn_backups: the path contains a NUL byte");
    EXPECT_EQ(db_("SELECT count(*)" + from_), "2") << "and the connection goes on";
}

TEST_F(EmsnBackups, IsOutOfReachOfASchema) {
    db_("CREATE VIEW v AS SELECT path" + from_);
    EXPECT_EQ(db_.error_of("SELECT path FROM v"), "unsafe use of virtual table \"emsn_backups\"");
    EXPECT_EQ(db_.error_of("CREATE VIRTUAL TABLE t USING emsn_backups"), "no such module: emsn_backups");
    EXPECT_NE(db_.error_of("DELETE FROM emsn_backups"), "");
}

TEST_F(EmsnBackups, StopsWhenInterrupted) {
    db_("SELECT count(*)" + from_); // SQLite connects the table once; that interrupted is another error
    std::atomic<bool> stop{false};
    std::thread user([&] {
        while (!stop)
            sqlite3_interrupt(db_.get());
    });
    std::string message;
    while (!message.starts_with("emsn_backups: interrupted while ")) {
        try {
            db_("SELECT sum(bytes) FROM emsn_backups('/usr')");
        } catch (const SqlError &e) {
            EXPECT_EQ(e.code, SQLITE_INTERRUPT);
            message = e.what();
        }
    }
    stop = true;
    user.join();
}

} // namespace
} // namespace emsn::test
