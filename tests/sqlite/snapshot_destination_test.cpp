// Destinations that are wrong, full, busy, or have an old database standing there.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class SnapshotDestinationTest : public ::testing::Test {
  protected:
    SnapshotDestinationTest() { make_birds_db(source_, 20'000); }

    std::string error(const std::string &destination) {
        return db_.error_of("SELECT emsn_snapshot(" + quoted(destination) + ")");
    }

    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
    SqliteDb db_{source_};
};

TEST_F(SnapshotDestinationTest, WrongOnesAreRefusedAndNothingIsTouched) {
    fs::create_hard_link(source_, dir_ / "hard");
    fs::create_symlink("nowhere", dir_ / "dangling");
    ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
    const auto before = files_in(dir_.path());
    const auto content = read_file(source_);
    const auto refused = [](const std::string &path, const std::string &reason) {
        return "emsn_snapshot: destination '" + path + "': " + reason;
    };
    EXPECT_EQ(error(source_), refused(source_, "is the source itself"));
    EXPECT_EQ(error(dir_ / "hard"), refused(dir_ / "hard", "is the source itself"));
    EXPECT_EQ(error(source_ + "-journal"), refused(source_ + "-journal", "belongs to the source " + source_));
    EXPECT_EQ(error(""), refused("", "is empty"));
    EXPECT_EQ(error(":memory:"), refused(":memory:", "is a database in memory, not a file"));
    EXPECT_EQ(error("file:x.db?mode=memory"),
              refused("file:x.db?mode=memory", "is a URI; give a plain path"));
    EXPECT_EQ(error(dir_.path()), refused(dir_.path(), "is a directory"));
    EXPECT_EQ(error(dir_ / "fifo"), refused(dir_ / "fifo", "is a FIFO"));
    EXPECT_EQ(error("/dev/null"), refused("/dev/null", "is a device"));
    EXPECT_EQ(error(dir_ / "dangling"), refused(dir_ / "dangling", "is a dangling symlink"));
    EXPECT_EQ(error(dir_ / "no/m.db"),
              refused(dir_ / "no/m.db", "folder " + (dir_ / "no") + " does not exist"));
    EXPECT_EQ(files_in(dir_.path()), before);
    EXPECT_EQ(read_file(source_), content);
}

TEST_F(SnapshotDestinationTest, ABindMountOfTheSourceIsTheSource) {
    write_file(dir_ / "elsewhere.db", "");
    const std::string script =
        "mount --bind \"$1\" \"$2\" || exit 99; exec sqlite3 \"$1\" \"$3\" \"SELECT emsn_snapshot('$2')\"";
    std::vector<std::string> argv{"unshare", "--mount"};
    if (::geteuid() != 0)
        argv.push_back("--map-root-user");
    argv.insert(argv.end(), {"bash", "-c", script, "bash", source_, dir_ / "elsewhere.db", load_command()});
    const auto outcome = run(argv, sanitizer_env());
    if (outcome.status == 99 || outcome.err.find("unshare") != std::string::npos)
        GTEST_SKIP() << "no mounts for this user: " << outcome.err;
    EXPECT_NE(outcome.err.find("is the source itself"), std::string::npos) << outcome.err;
}

TEST_F(SnapshotDestinationTest, ASymlinkIsFollowedOnlyOnRequest) {
    fs::create_symlink("mirror.db", dir_ / "link.db");
    db_.snapshot(mirror_);
    EXPECT_NE(error(dir_ / "link.db").find("is a symlink"), std::string::npos);
    EXPECT_EQ(db_.snapshot(dir_ / "link.db", R"({"follow_symlink": true})")["destination"], mirror_);
    EXPECT_TRUE(fs::is_symlink(dir_ / "link.db"));
}

TEST_F(SnapshotDestinationTest, AnUnmountedMountPointIsTryAgainLater) {
    if (run({"findmnt", "-nro", "TARGET", "-T", "/var"}).out != "/\n")
        GTEST_SKIP() << "/var is a mount point here";
    try {
        db_.snapshot("/var/away/mirror.db", R"({"require_mount": true})");
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
    }
}

// A file system of its own and of a few pages, as big as a cheap stick is small.
class SmallDisk {
  public:
    SmallDisk(const std::string &path, const std::string &size) : path_(path) {
        fs::create_directory(path_);
        const bool own =
            ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        mounted_ = own && ::mount("tmpfs", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    }
    ~SmallDisk() {
        if (mounted_)
            ::umount2(path_.c_str(), MNT_DETACH);
    }
    SmallDisk(const SmallDisk &) = delete;
    SmallDisk &operator=(const SmallDisk &) = delete;
    [[nodiscard]] bool mounted() const { return mounted_; }

  private:
    std::string path_;
    bool mounted_ = false;
};

TEST_F(SnapshotDestinationTest, AFullDiskLeavesTheOldCopyAndSaysWhatIsMissing) {
    const SmallDisk disk(dir_ / "stick", "1m");
    if (!disk.mounted())
        GTEST_SKIP() << "only root mounts a small disk";
    make_birds_db(dir_ / "small.db", 100);
    SqliteDb(dir_ / "small.db").snapshot(dir_ / "stick/mirror.db");
    const auto old = read_file(dir_ / "stick/mirror.db");
    try {
        db_.snapshot(dir_ / "stick/mirror.db");
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_FULL);
        const std::string text = e.what();
        EXPECT_NE(text.find("file system " + (dir_ / "stick") + " has "), std::string::npos) << text;
        EXPECT_NE(text.find(" bytes missing"), std::string::npos) << text;
        EXPECT_EQ(text.find("file system"), text.rfind("file system ")) << "said once: " << text;
    }
    EXPECT_EQ(read_file(dir_ / "stick/mirror.db"), old);
    EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db");
}

// The space check cannot foresee everything: here the write itself fails in the middle.
TEST_F(SnapshotDestinationTest, AWriteThatFailsMidwayLeavesTheOldCopy) {
    make_birds_db(dir_ / "small.db", 100);
    SqliteDb(dir_ / "small.db").snapshot(mirror_);
    const auto old = read_file(mirror_);
    const std::string script =
        "trap '' XFSZ; ulimit -f 500; exec sqlite3 \"$1\" \"$2\" \"SELECT emsn_snapshot('$3')\"";
    const auto outcome =
        run({"bash", "-c", script, "bash", source_, load_command(), mirror_}, sanitizer_env());
    EXPECT_EQ(outcome.status, SQLITE_FULL) << outcome.err;
    EXPECT_NE(outcome.err.find("emsn_snapshot: write " + mirror_ + ".emsn.partial: File too large"),
              std::string::npos)
        << outcome.err;
    EXPECT_EQ(read_file(mirror_), old);
    EXPECT_EQ(files_in(dir_.path()), "birds.db mirror.db small.db");
}

TEST_F(SnapshotDestinationTest, ASecondSnapshotToTheSameDestinationIsBusy) {
    const std::string gate = dir_ / "gate"; // the first one hangs in its first write
    Process first(
        {"sqlite3", "-readonly", source_, load_command(), "SELECT emsn_snapshot(" + quoted(mirror_) + ")"},
        dir_ / "out", bad_disk_env(mirror_ + ".emsn.partial", {"GATE=" + gate}));
    ASSERT_TRUE(eventually([&] { return fs::exists(gate + ".waiting"); }));
    try {
        db_.snapshot(mirror_);
        FAIL();
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_EQ(std::string(e.what()), "emsn_snapshot: lock " + mirror_ +
                                             ".emsn.lock: busy, held by process " +
                                             std::to_string(first.pid()));
    }
    first.signal(SIGKILL);
    first.wait();
    EXPECT_NO_THROW(db_.snapshot(mirror_)) << "a dead holder holds nothing";
}

TEST_F(SnapshotDestinationTest, AnOldWalBesideTheMirrorDoesNotReachTheNewOne) {
    // a mirror that somebody switched to WAL and wrote to, with its sidecars left behind
    make_birds_db(dir_ / "old.db", 50, "wal");
    {
        SqliteDb user(dir_ / "old.db");
        user("PRAGMA wal_autocheckpoint = 0; DELETE FROM detections WHERE rowid > 40");
        for (const char *suffix : {"", "-wal", "-shm"})
            fs::copy_file(dir_ / (std::string("old.db") + suffix), mirror_ + suffix);
    }
    db_.snapshot(mirror_);
    EXPECT_FALSE(fs::exists(mirror_ + "-wal"));
    EXPECT_FALSE(fs::exists(mirror_ + "-shm"));
    EXPECT_EQ(rows_of_good_copy(mirror_), 20'000);
}

TEST_F(SnapshotDestinationTest, AHotJournalBesideTheMirrorDoesNotReachTheNewOne) {
    make_torn_db(mirror_, 2000);
    db_.snapshot(mirror_);
    EXPECT_FALSE(fs::exists(mirror_ + "-journal"));
    EXPECT_EQ(rows_of_good_copy(mirror_), 20'000);
}

// When the run fails after it, the old copy is whole although its journal is gone.
TEST_F(SnapshotDestinationTest, ClearingUpMakesTheOldCopyWholeFirst) {
    make_torn_db(mirror_, 2000);
    fs::create_directory(dir_ / "mirror.db-shm"); // cannot be unlinked: the run ends there
    EXPECT_NE(error(mirror_).find("remove stale"), std::string::npos);
    fs::remove(dir_ / "mirror.db-shm");
    EXPECT_EQ(rows_of_good_copy(mirror_), 2000);
    EXPECT_EQ(SqliteDb(mirror_)("SELECT min(Confidence) FROM detections"), "0.8");
}

TEST_F(SnapshotDestinationTest, AMirrorInUseIsNotPulledAway) {
    make_birds_db(mirror_, 50, "wal");
    SqliteDb reader(mirror_);
    reader("BEGIN; SELECT count(*) FROM detections");
    EXPECT_NE(error(mirror_).find("cannot be cleared up: database is locked"), std::string::npos)
        << error(mirror_);
    EXPECT_EQ(reader("SELECT count(*) FROM detections"), "50");
    EXPECT_TRUE(fs::exists(mirror_ + "-wal"));
}

TEST_F(SnapshotDestinationTest, StaleSidecarsOfNoDatabaseAreRemoved) {
    for (const char *suffix : {"-journal", "-wal", "-shm"})
        write_file(mirror_ + suffix, "rubbish");
    db_.snapshot(mirror_);
    write_file(mirror_, "no database");
    write_file(mirror_ + "-wal", "rubbish");
    db_.snapshot(mirror_);
    EXPECT_EQ(files_in(dir_.path()), "birds.db mirror.db");
    EXPECT_EQ(rows_of_good_copy(mirror_), 20'000);
}

} // namespace
} // namespace emsn::test
