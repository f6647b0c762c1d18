// The report and the copy of a quiet source.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

class SnapshotTest : public ::testing::Test {
  protected:
    SnapshotTest() { make_birds_db(source_, 20'000); }

    static std::string dump(const std::string &path) { return run({"sqlite3", path, ".dump"}).out; }

    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
};

TEST_F(SnapshotTest, TheReportIsTrue) {
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    const auto report = db.snapshot(mirror_);
    const auto size = std::filesystem::file_size(mirror_);
    EXPECT_EQ(report["destination"], mirror_);
    EXPECT_EQ(report["mode"], "full");
    EXPECT_EQ(report["page_size"], 4096);
    EXPECT_EQ(report["pages"], size / 4096);
    EXPECT_EQ(report["bytes"], size);
    EXPECT_EQ(report["pages_written"], report["pages"]);
    EXPECT_EQ(report["bytes_written"], size);
    EXPECT_EQ(report["passes"], 1);
    EXPECT_GT(report["held_ms"], 0.0);
    EXPECT_GE(report["seconds"].get<double>() * 1000, report["held_ms"].get<double>());
    EXPECT_EQ(report["verify"], "quick");
    EXPECT_EQ(report["warnings"], nlohmann::json::array());
    const auto header = read_file(source_).substr(24, 4);
    EXPECT_EQ(report["source_change_counter"], static_cast<unsigned char>(header[3]))
        << "few changes fit a byte";
    EXPECT_EQ(header.substr(0, 3), std::string(3, '\0'));
}

TEST_F(SnapshotTest, TheCopyIsTheSourceAndNothingElseChanges) {
    const auto before = read_file(source_);
    SqliteDb(source_).snapshot(mirror_);
    EXPECT_EQ(read_file(source_), before);
    EXPECT_EQ(read_file(mirror_), before);
    EXPECT_EQ(files_in(dir_.path()), "birds.db mirror.db");
}

TEST_F(SnapshotTest, ModeComesFromTheSourceAndStaysWithTheMirror) {
    ::chmod(source_.c_str(), 0640);
    SqliteDb db(source_);
    const auto mode = [&] { return std::filesystem::status(mirror_).permissions(); };
    db.snapshot(mirror_);
    EXPECT_EQ(static_cast<int>(mode()), 0640);
    ::chmod(mirror_.c_str(), 0604);
    db.snapshot(mirror_);
    EXPECT_EQ(static_cast<int>(mode()), 0604);
}

TEST_F(SnapshotTest, TheOwnerOfTheMirrorStays) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root gives files away";
    SqliteDb db(source_);
    db.snapshot(mirror_);
    ASSERT_EQ(::chown(mirror_.c_str(), 1234, 5678), 0);
    db.snapshot(mirror_);
    struct stat st {};
    ASSERT_EQ(::stat(mirror_.c_str(), &st), 0);
    EXPECT_EQ(st.st_uid, 1234U);
    EXPECT_EQ(st.st_gid, 5678U);
}

TEST_F(SnapshotTest, WalSourcesGiveAMirrorThatStandsAlone) {
    SqliteDb writer(source_);
    writer("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0");
    writer("INSERT INTO detections SELECT * FROM detections LIMIT 1");
    const auto report = SqliteDb(source_).snapshot(mirror_);
    EXPECT_EQ(report["held_ms"], 0.0) << "readers do not hold a WAL writer";
    EXPECT_EQ(report["bytes_written"], report["bytes"]) << "every page once";
    EXPECT_EQ(SqliteDb(mirror_)("PRAGMA schema_version"), writer("PRAGMA schema_version"));
    EXPECT_EQ(SqliteDb(mirror_)("PRAGMA journal_mode"), "delete");
    EXPECT_EQ(SqliteDb(mirror_)("SELECT count(*) FROM detections"), "20001");
    EXPECT_EQ(std::filesystem::exists(mirror_ + "-wal"), false);
}

TEST_F(SnapshotTest, EveryPageSizeIsCopied) {
    for (const char *page_size : {"512", "1024", "65536"}) {
        SqliteDb db(source_);
        db(std::string("PRAGMA page_size = ") + page_size + "; VACUUM");
        const auto report = db.snapshot(mirror_, R"({"verify": "full"})");
        EXPECT_EQ(report["page_size"].dump(), page_size);
        EXPECT_EQ(report["verify"], "full");
        EXPECT_EQ(dump(mirror_), dump(source_));
    }
}

// The page that holds the byte at 1 GiB belongs to nobody: SQLite locks by it, and never stores anything
// there.
TEST_F(SnapshotTest, TheLockBytePageIsNoObstacle) {
    if (!long_run())
        GTEST_SKIP() << "needs 3 GB and a minute: scripts/test --long";
    for (const char *page_size : {"512", "4096", "65536"}) {
        const std::string big = dir_ / "big.db";
        {
            SqliteDb db(big);
            db(std::string("PRAGMA page_size = ") + page_size +
               "; PRAGMA synchronous = OFF; CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(900000000)); "
               "INSERT INTO t VALUES (zeroblob(300000000)); INSERT INTO t VALUES ('after')");
        }
        SqliteDb(big, SQLITE_OPEN_READONLY).snapshot(mirror_);
        EXPECT_EQ(run({"cmp", big, mirror_}).status, 0);
        EXPECT_EQ(SqliteDb(mirror_)("SELECT a FROM t WHERE typeof(a) = 'text'"), "after");
        // in place, on both sides of it, and cut off before it
        SqliteDb(big, SQLITE_OPEN_READWRITE,
                 false)("PRAGMA synchronous = OFF; UPDATE t SET a = 'later' WHERE a = 'after'");
        EXPECT_EQ(SqliteDb(big, SQLITE_OPEN_READONLY).snapshot(mirror_)["mode"], "delta");
        EXPECT_EQ(run({"cmp", big, mirror_}).status, 0);
        SqliteDb(big, SQLITE_OPEN_READWRITE,
                 false)("PRAGMA synchronous = OFF; DELETE FROM t WHERE length(a) = 300000000; VACUUM");
        SqliteDb(big, SQLITE_OPEN_READONLY).snapshot(mirror_);
        EXPECT_EQ(run({"cmp", big, mirror_}).status, 0);
        std::filesystem::remove(big);
    }
}

TEST_F(SnapshotTest, ANamedSchemaIsCopied) {
    SqliteDb db(":memory:");
    db("ATTACH " + quoted(source_) + " AS \"odd \"\"name\"; CREATE TABLE other(a)");
    EXPECT_EQ(db.snapshot(mirror_, R"({"schema": "odd \"name"})")["pages"].dump(),
              db("PRAGMA \"odd \"\"name\".page_count"));
    EXPECT_EQ(dump(mirror_), dump(source_));
    EXPECT_EQ(db.error_of("SELECT emsn_snapshot('x.db', '{\"schema\": \"nope\"}')"),
              "emsn_snapshot: no schema named nope");
}

TEST_F(SnapshotTest, ADatabaseInMemoryIsCopiedAndMarked) {
    SqliteDb db(":memory:");
    db("CREATE TABLE t(a); INSERT INTO t VALUES (7)");
    const auto report = db.snapshot(mirror_);
    EXPECT_EQ(report["warnings"], nlohmann::json::array({"the source is a database in memory"}));
    EXPECT_EQ(report["source_change_counter"], nullptr);
    EXPECT_EQ(SqliteDb(mirror_)("SELECT a FROM t"), "7");
}

TEST_F(SnapshotTest, OptionsAreCheckedBeforeAnythingIsTouched) {
    SqliteDb db(source_);
    const auto error = [&](const std::string &options) {
        return db.error_of("SELECT emsn_snapshot(" + quoted(mirror_) + ", " + quoted(options) + ")");
    };
    EXPECT_EQ(error(R"({"mode": "fast"})"),
              R"(emsn_snapshot: option "mode" must be one of: auto, full, delta)");
    EXPECT_EQ(error(R"({"verify": 1})"), R"(emsn_snapshot: option "verify" must be text)");
    EXPECT_EQ(error(R"({"timeout_ms": 0})").substr(0, 57),
              R"(emsn_snapshot: option "timeout_ms" must be a whole number)");
    EXPECT_EQ(
        error(R"({"retries": 3})"),
        "emsn_snapshot: unknown option \"retries\" (known: schema, mode, verify, timeout_ms, max_hold_ms, "
        "progress, follow_symlink, require_mount, atomic)");
    EXPECT_EQ(files_in(dir_.path()), "birds.db");
}

TEST_F(SnapshotTest, TheCallersBusyTimeoutIsPutBack) {
    SqliteDb db(source_);
    db("PRAGMA busy_timeout = 1234");
    db.snapshot(mirror_);
    EXPECT_EQ(db("PRAGMA busy_timeout"), "1234");
}

} // namespace
} // namespace emsn::test
