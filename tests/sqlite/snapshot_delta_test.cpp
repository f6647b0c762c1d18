// A second mirror writes what changed, and only onto what it knows.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kRows = 5'000; // some 300 pages

class SnapshotDeltaTest : public ::testing::Test {
  protected:
    SnapshotDeltaTest() {
        fs::create_directory(dir_ / "stick");
        make_birds_db(source_, kRows);
    }
    json snapshot(const std::string &options = "{}") {
        return SqliteDb(source_, SQLITE_OPEN_READONLY).snapshot(mirror_, options);
    }
    void change(const std::string &sql) { SqliteDb(source_, SQLITE_OPEN_READWRITE, false)(sql); }
    void add_row() { change("INSERT INTO detections SELECT * FROM detections WHERE rowid = 1"); }
    // How many pages of two files differ.
    int differing_pages(const std::string &a, const std::string &b) const {
        const std::string left = read_file(a);
        const std::string right = read_file(b);
        int differing = 0;
        for (std::size_t at = 0; at < std::max(left.size(), right.size()); at += 4096)
            differing +=
                at >= left.size() || at >= right.size() || left.compare(at, 4096, right, at, 4096) != 0 ? 1
                                                                                                        : 0;
        return differing;
    }
    void expect_equal_to_source() const { EXPECT_EQ(differing_pages(source_, mirror_), 0); }
    struct stat look() const {
        struct stat st {};
        EXPECT_EQ(::stat(mirror_.c_str(), &st), 0);
        return st;
    }
    // The next mirror must be a whole new file, equal to the source.
    void expect_full(const char *why) {
        const auto before = look().st_ino;
        EXPECT_EQ(snapshot()["mode"], "full") << why;
        EXPECT_NE(look().st_ino, before) << why;
        expect_equal_to_source();
    }

    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "stick/mirror.db";
};

TEST_F(SnapshotDeltaTest, OnlyThePagesThatChangedAreWrittenAndInPlace) {
    EXPECT_EQ(snapshot()["mode"], "full");
    const auto inode = look().st_ino;
    change("UPDATE detections SET Confidence = 0.1 WHERE rowid % 1000 = 7");
    const int changed = differing_pages(source_, mirror_);
    const auto report = snapshot();
    EXPECT_EQ(report["mode"], "delta");
    EXPECT_EQ(report["pages_written"], changed);
    // each page and its old content, which stands in the journal with 8 bytes more, after a sector of header
    EXPECT_EQ(report["bytes_written"], changed * (4096 + 4096 + 8) + 2 * 4096);
    EXPECT_EQ(look().st_ino, inode);
    EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db");
    expect_equal_to_source();
}

TEST_F(SnapshotDeltaTest, NothingChangedWritesNothing) {
    for (const char *options : {"{}", R"({"atomic": true})", R"({"mode": "delta", "verify": "none"})"}) {
        snapshot();
        const auto before = look();
        const auto report = snapshot(options);
        EXPECT_EQ(report["mode"], "delta");
        EXPECT_EQ(report["pages_written"], 0);
        EXPECT_EQ(report["bytes_written"], 0);
        EXPECT_EQ(look().st_ino, before.st_ino);
        EXPECT_EQ(look().st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    }
}

// The report says what the kernel was given: counted at the system calls, all files together, apart from the
// one line in the lock file.
TEST_F(SnapshotDeltaTest, BytesWrittenIsATrueCount) {
    const auto count = [&](const std::string &options) {
        fs::remove(dir_ / "tally");
        const auto outcome =
            run({"sqlite3", "-readonly", source_, load_command(),
                 "SELECT emsn_snapshot(" + quoted(mirror_) + ", " + quoted(options) + ")"},
                bad_disk_env(dir_ / "stick", {"TALLY=" + (dir_ / "tally"), "TALLY_EXCEPT=.emsn.lock"}));
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        const auto report = json::parse(outcome.out);
        std::ifstream in(dir_ / "tally");
        std::int64_t bytes = 0;
        in >> bytes;
        EXPECT_EQ(report["bytes_written"], bytes) << report;
        return report["mode"].get<std::string>();
    };
    EXPECT_EQ(count("{}"), "full");
    change("UPDATE detections SET Confidence = 0.1 WHERE rowid % 1000 = 7");
    EXPECT_EQ(count("{}"), "delta");
    EXPECT_EQ(count("{}"), "delta") << "nothing changed";
    change("UPDATE detections SET Confidence = 0.2");
    EXPECT_EQ(count("{}"), "full") << "more than half changed";
    change("PRAGMA journal_mode = wal");
    EXPECT_EQ(count("{}"), "full");
    change("UPDATE detections SET Confidence = 0.3 WHERE rowid % 1000 = 7");
    EXPECT_EQ(count("{}"), "delta");
}

TEST_F(SnapshotDeltaTest, ManyChangedPagesWaitOutsideMemory) {
    // 48 MB, of which 20 change; 16 stay in memory
    change("PRAGMA synchronous = OFF; CREATE TABLE t(a); WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT "
           "i + 1 "
           "FROM n WHERE i < 12000) INSERT INTO t SELECT randomblob(3900) FROM n");
    snapshot();
    change("PRAGMA synchronous = OFF; UPDATE t SET a = randomblob(3900) WHERE rowid <= 5000");
    const int changed = differing_pages(source_, mirror_);
    constexpr int kInMemory = (16 << 20) / 4096;
    ASSERT_GT(changed, kInMemory + 500);
    const auto report = snapshot();
    EXPECT_EQ(report["mode"], "delta");
    EXPECT_EQ(report["pages_written"], changed);
    EXPECT_EQ(report["bytes_written"], changed * (4096 + 4096 + 8) + 2 * 4096 + (changed - kInMemory) * 4096)
        << "those outside memory are written once more";
    expect_equal_to_source();
}

// The parameter is the journal mode of the source.
class SnapshotDeltaGrowthTest : public SnapshotDeltaTest,
                                public ::testing::WithParamInterface<const char *> {};

TEST_P(SnapshotDeltaGrowthTest, ASourceThatGrewOrShrankIsFollowed) {
    change(std::string("PRAGMA journal_mode = ") + GetParam());
    snapshot();
    const auto expect_delta = [&] {
        const auto report = snapshot(R"({"verify": "full"})");
        EXPECT_EQ(report["mode"], "delta");
        EXPECT_EQ(static_cast<std::int64_t>(fs::file_size(mirror_)), report["bytes"]);
        EXPECT_EQ(SqliteDb(mirror_)("SELECT * FROM detections"),
                  SqliteDb(source_)("SELECT * FROM detections"));
        if (std::string(GetParam()) == "delete")
            expect_equal_to_source();
    };
    change("INSERT INTO detections SELECT * FROM detections LIMIT 1000");
    expect_delta();
    change("CREATE TABLE notes(a); INSERT INTO notes VALUES (zeroblob(200000))");
    expect_delta();
    change("PRAGMA secure_delete = off; DROP TABLE notes; VACUUM");
    change("PRAGMA wal_checkpoint(TRUNCATE)");
    snapshot();
    EXPECT_EQ(SqliteDb(mirror_)("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(SqliteDb(mirror_)("PRAGMA page_count"), SqliteDb(source_)("PRAGMA page_count"));
}

// Somebody who has the mirror open, and pages of it in memory, sees the new ones.
TEST_P(SnapshotDeltaGrowthTest, AReaderOfTheMirrorSeesTheNewPages) {
    change(std::string("PRAGMA journal_mode = ") + GetParam());
    snapshot();
    SqliteDb reader(mirror_, SQLITE_OPEN_READONLY, false);
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(reader("SELECT count(*) FROM detections"), std::to_string(kRows + i - 1));
        add_row();
        EXPECT_EQ(snapshot()["mode"], "delta");
    }
    EXPECT_EQ(reader("SELECT count(*) FROM detections"), std::to_string(kRows + 3));
    EXPECT_EQ(reader("PRAGMA integrity_check"), "ok");
}

INSTANTIATE_TEST_SUITE_P(JournalModes, SnapshotDeltaGrowthTest, ::testing::Values("delete", "wal"));

TEST_F(SnapshotDeltaTest, EveryPageSizeIsPatched) {
    for (const char *page_size : {"512", "1024", "65536"}) {
        change("PRAGMA journal_mode = delete; PRAGMA page_size = " + std::string(page_size) + "; VACUUM");
        EXPECT_EQ(snapshot()["mode"], "full") << "another page size than before";
        change("UPDATE detections SET Confidence = " + std::string(page_size) + " WHERE rowid = 1");
        EXPECT_EQ(snapshot()["mode"], "delta") << page_size;
        expect_equal_to_source();
    }
}

TEST_F(SnapshotDeltaTest, WhatIsNotAnUntouchedMirrorOfThisSourceIsReplacedWhole) {
    snapshot();
    SqliteDb(mirror_, SQLITE_OPEN_READWRITE, false)("UPDATE detections SET Confidence = 0 WHERE rowid = 5");
    expect_full("edited with SQLite");

    add_row();
    {
        std::fstream file(mirror_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(40'000);
        file << "moths";
    }
    expect_full("edited by hand");

    make_birds_db(dir_ / "other.db", kRows);
    SqliteDb(dir_ / "other.db", SQLITE_OPEN_READONLY).snapshot(mirror_);
    expect_full("a mirror of another database, though of the same size");

    fs::copy_file(mirror_, dir_ / "copy.db");
    fs::rename(dir_ / "copy.db", mirror_);
    expect_full("a copy of the mirror, whoever made it");

    fs::resize_file(mirror_, fs::file_size(mirror_) - 4096);
    expect_full("cut off");

    change("PRAGMA auto_vacuum = incremental; VACUUM");
    expect_full("auto_vacuum");

    change("PRAGMA journal_mode = wal");
    EXPECT_EQ(snapshot()["mode"], "full") << "the source's journal mode changed";
    change("PRAGMA journal_mode = delete");
    expect_full("and back");

    fs::create_hard_link(mirror_, dir_ / "yesterday.db");
    const std::string yesterday = read_file(dir_ / "yesterday.db");
    add_row();
    expect_full("a hard link keeps the old mirror");
    EXPECT_EQ(read_file(dir_ / "yesterday.db"), yesterday);
}

// Even what nobody can see from outside: the file's time was put back, or the file system keeps no receipts.
TEST_F(SnapshotDeltaTest, EveryPageIsComparedWhateverTheReceiptSays) {
    snapshot();
    const auto time = fs::last_write_time(mirror_);
    {
        std::fstream file(mirror_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(40'000);
        file << "moths";
    }
    fs::last_write_time(mirror_, time);
    const auto report = snapshot();
    EXPECT_EQ(report["pages_written"].get<int>() > 0, true);
    expect_equal_to_source();
}

TEST_F(SnapshotDeltaTest, AFileSystemWithoutReceiptsIsPatchedToo) {
    const auto copy = [&] {
        const auto outcome = run({"sqlite3", "-readonly", source_, load_command(),
                                  "SELECT emsn_snapshot(" + quoted(mirror_) + ")"},
                                 bad_disk_env(dir_ / "stick", {"NO_XATTR=1"}));
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        expect_equal_to_source();
        return json::parse(outcome.out)["mode"].get<std::string>();
    };
    EXPECT_EQ(copy(), "full");
    add_row();
    EXPECT_EQ(copy(), "delta");
    for (int i = 0; i < 3; ++i)
        SqliteDb(mirror_, SQLITE_OPEN_READWRITE,
                 false)("UPDATE detections SET Confidence = 0 WHERE rowid = 5");
    add_row();
    EXPECT_EQ(copy(), "full") << "its change counter is ahead of the source's";
    SqliteDb(mirror_, SQLITE_OPEN_READWRITE, false)("UPDATE detections SET Confidence = 0 WHERE rowid = 5");
    add_row();
    EXPECT_EQ(copy(), "full") << "the same change counter, other pages";
}

TEST_F(SnapshotDeltaTest, AStaleSidecarIsSettledAndAnsweredByAFullCopy) {
    snapshot();
    make_torn_db(dir_ / "torn.db", kRows);
    fs::rename(dir_ / "torn.db", mirror_);
    fs::rename(dir_ / "torn.db-journal", mirror_ + "-journal");
    expect_full("a hot journal");
    EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db");
}

TEST_F(SnapshotDeltaTest, AtomicNeverWritesInPlace) {
    snapshot();
    const auto before = look().st_ino;
    add_row();
    const auto report = snapshot(R"({"atomic": true, "mode": "delta"})");
    EXPECT_EQ(report["mode"], "full") << "this file system does not share blocks";
    EXPECT_NE(look().st_ino, before);
    expect_equal_to_source();
}

TEST_F(SnapshotDeltaTest, ModeFullIsAFullCopy) {
    snapshot();
    const auto report = snapshot(R"({"mode": "full"})");
    EXPECT_EQ(report["mode"], "full");
    EXPECT_EQ(report["pages_written"], report["pages"]);
}

// Mirrors on other file systems, in a mount namespace of their own.
class SnapshotMountTest : public SnapshotDeltaTest {
  protected:
    // Runs script with the stick, the source, the ".load" and argument as $1 to $4; "take" is one snapshot
    // with the options given to it. What it printed, line by line; empty when such a mount is not to be had
    // here.
    std::vector<std::string> on_mount(const std::string &mount, const std::string &script,
                                      const std::string &argument) {
        const std::string take = "take() { sqlite3 -readonly \"$source\" \"$load\" \"SELECT "
                                 "emsn_snapshot('$stick/mirror.db', '${1:-{\\}}')\"; }\n";
        const std::string all = "set -e; stick=$1 source=$2 load=$3 argument=$4\n{ " + mount +
                                "; } >/dev/null 2>&1 || exit 99\n" + take + script;
        const auto outcome = run(
            {"unshare", "--mount", "bash", "-c", all, "-", dir_ / "stick", source_, load_command(), argument},
            sanitizer_env());
        if (outcome.status == 99 || outcome.err.find("unshare") != std::string::npos)
            return {};
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        std::istringstream in(outcome.out);
        std::vector<std::string> lines;
        for (std::string line; std::getline(in, line);)
            lines.push_back(line);
        return lines;
    }
};

// No promise is known about its locks and syncs, so nothing is changed in place.
TEST_F(SnapshotMountTest, AnUnknownFileSystemGetsANewFile) {
    const auto lines = on_mount("mount -t ramfs ramfs \"$stick\"", R"sh(
        take
        sqlite3 "$source" "INSERT INTO detections SELECT * FROM detections WHERE rowid = 1"
        take
        take
        cmp "$stick/mirror.db" "$source")sh",
                                "");
    if (lines.empty())
        GTEST_SKIP() << "no mounts for this user";
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(json::parse(lines[0])["mode"], "full");
    EXPECT_EQ(json::parse(lines[1])["mode"], "full");
    EXPECT_EQ(json::parse(lines[2])["mode"], "delta") << "nothing changed";
}

// The parameter is a file system whose files can share blocks.
class SnapshotReflinkTest : public SnapshotMountTest, public ::testing::WithParamInterface<const char *> {};

TEST_P(SnapshotReflinkTest, ACloneIsPatchedAndRenamed) {
    const auto lines =
        on_mount("truncate -s 320M \"$stick/image\" && mkfs.\"$argument\" -q \"$stick/image\" && "
                 "mount -o loop \"$stick/image\" \"$stick\"",
                 R"sh(
        take '{"atomic": true}'
        stat -c %i "$stick/mirror.db"
        sqlite3 "$source" "UPDATE detections SET Confidence = 0.1 WHERE rowid = 7"
        take '{"atomic": true}'
        stat -c %i "$stick/mirror.db"
        take
        stat -c %i "$stick/mirror.db"
        cmp "$stick/mirror.db" "$source"
        ls "$stick")sh",
                 GetParam());
    if (lines.empty())
        GTEST_SKIP() << "no loop mount of " << GetParam() << " here";
    ASSERT_EQ(lines.size(), 7U);
    EXPECT_EQ(json::parse(lines[0])["mode"], "full");
    const auto second = json::parse(lines[2]);
    EXPECT_EQ(second["mode"], "delta");
    EXPECT_EQ(second["bytes_written"], second["pages_written"].get<int>() * 4096) << "no journal is needed";
    EXPECT_LT(second["pages_written"].get<int>(), 5);
    EXPECT_NE(lines[3], lines[1]) << "renamed: a bare copy is good at every moment";
    EXPECT_EQ(json::parse(lines[4])["pages_written"], 0);
    EXPECT_EQ(lines[5], lines[3]) << "nothing changed";
    EXPECT_EQ(lines[6], "mirror.db");
}

INSTANTIATE_TEST_SUITE_P(FileSystems, SnapshotReflinkTest, ::testing::Values("btrfs", "xfs"));

// A reader that stays in the mirror is waited for, and then gets to keep its file: the new one
// takes the name.
TEST_F(SnapshotDeltaTest, AReaderThatStaysKeepsTheOldFile) {
    snapshot();
    SqliteDb reader(mirror_, SQLITE_OPEN_READONLY, false);
    reader("BEGIN; SELECT count(*) FROM detections");
    add_row();
    expect_full("a reader");
    EXPECT_EQ(reader("SELECT count(*) FROM detections; COMMIT"), std::to_string(kRows));
}

TEST_F(SnapshotDeltaTest, AReaderThatLeavesIsWaitedFor) {
    snapshot();
    SqliteDb reader(mirror_, SQLITE_OPEN_READONLY, false);
    reader("BEGIN; SELECT count(*) FROM detections");
    add_row();
    std::thread leaving([&] {
        // the snapshot has begun: it will find the reader, or just not
        EXPECT_TRUE(eventually([&] { return fs::exists(mirror_ + ".emsn.lock"); }));
        reader("COMMIT");
    });
    EXPECT_EQ(snapshot()["mode"], "delta");
    leaving.join();
    expect_equal_to_source();
}

// A damaged source is not mirrored: the old mirror comes back from the journal, byte for byte.
TEST_F(SnapshotDeltaTest, ADamagedSourceLeavesTheOldMirror) {
    snapshot();
    const std::string good = read_file(mirror_);
    add_row();
    {
        std::fstream file(source_, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(20 * 4096);
        file << std::string(64, '\xff');
    }
    try {
        snapshot();
        FAIL() << "no error";
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_CORRUPT);
        EXPECT_NE(std::string(e.what()).find("the source is damaged"), std::string::npos) << e.what();
    }
    EXPECT_EQ(read_file(mirror_), good);
    EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db mirror.db.corrupt");
}

} // namespace
} // namespace emsn::test
