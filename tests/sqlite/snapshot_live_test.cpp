// Snapshots beside a living recorder, and snapshots that are killed.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

const std::string kRecorder = EMSN_SOURCE_DIR "/tests/support/recorder.py";

constexpr int rounds(int many) {
    return many / kSanitizerShare;
}

// A second process that commits as fast as it can.
class Recorder {
  public:
    Recorder(const std::string &database, int first, const std::string &log)
        : process_({"/usr/bin/python3", kRecorder, database, "--fast", "--start", std::to_string(first)},
                   log) {
        SqliteDb db(database, SQLITE_OPEN_READONLY, false);
        db("PRAGMA busy_timeout = 60000");
        EXPECT_TRUE(
            eventually([&] { return std::stoi(db("SELECT count(*) FROM detections")) >= first + 2; }));
    }
    int stop() {
        process_.signal(SIGTERM);
        return process_.wait();
    }
    bool running() { return process_.running(); }

  private:
    Process process_;
};

class SnapshotLiveTest : public ::testing::Test {
  protected:
    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
};

// The parameter is the source's journal mode.
class SnapshotPrefixTest : public SnapshotLiveTest, public ::testing::WithParamInterface<const char *> {};

TEST_P(SnapshotPrefixTest, EverySnapshotIsAPrefixOfWhatWasWritten) {
    const int snapshots = long_run() ? 1000 : rounds(200);
    constexpr int kFirstRows = 500;
    make_birds_db(source_, kFirstRows, GetParam());
    Recorder recorder(source_, kFirstRows + 1, dir_ / "log");
    int before = kFirstRows;
    int grew = 0;
    for (int i = 0; i < snapshots; ++i) {
        const auto report = SqliteDb(source_, SQLITE_OPEN_READONLY).snapshot(mirror_);
        const int rows = rows_of_good_copy(mirror_);
        ASSERT_GE(rows, before) << "snapshot " << i << ": " << report;
        grew += rows > before ? 1 : 0;
        before = rows;
    }
    ASSERT_TRUE(recorder.running()) << read_file(dir_ / "log");
    EXPECT_EQ(recorder.stop(), 0);
    EXPECT_NE(read_file(dir_ / "log").find("\"lost\": 0"), std::string::npos) << read_file(dir_ / "log");
    EXPECT_GT(grew, snapshots / 4) << "the recorder was at work all the time";
    EXPECT_EQ(files_in(dir_.path()).find("emsn"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(JournalModes, SnapshotPrefixTest, ::testing::Values("delete", "wal"));

// The destination hangs in the middle of the copy: the recorder goes on all the same.
TEST_F(SnapshotLiveTest, AHungDestinationHoldsNobody) {
    make_birds_db(source_, 20'000);
    fs::create_directory(dir_ / "stick");
    const std::string gate = dir_ / "gate";
    const auto env = bad_disk_env(dir_ / "stick", {"GATE=" + gate});
    Process snapshot({"sqlite3", "-readonly", source_, load_command(),
                      "SELECT emsn_snapshot(" + quoted(dir_ / "stick/mirror.db") + ")"},
                     dir_ / "log", env);
    ASSERT_TRUE(eventually([&] { return fs::exists(gate + ".waiting"); })) << read_file(dir_ / "log");
    for (int i = 0; i < 10; ++i) { // BirdNET-Pi's way, and every detection goes in
        const auto recorder = run(
            {"/usr/bin/python3", kRecorder, source_, "--count", "1", "--start", std::to_string(20'001 + i)});
        EXPECT_NE(recorder.out.find("\"lost\": 0"), std::string::npos);
    }
    EXPECT_TRUE(snapshot.running());
    write_file(gate, "");
    EXPECT_EQ(snapshot.wait(), 0) << read_file(dir_ / "log");
    EXPECT_EQ(rows_of_good_copy(dir_ / "stick/mirror.db"), 20'010);
}

// With a hold of 1 ms allowed, all of a big source is never read under one lock. Beside a recorder that never
// rests every snapshot comes to its end all the same: the recorder's journals tell what is to be read again.
TEST_F(SnapshotLiveTest, AFastRecorderStarvesNoSnapshot) {
    const int snapshots = long_run() ? 1000 : rounds(20);
    const std::string options =
        R"({"verify": "none", "timeout_ms": 60000, "max_hold_ms": )" + std::to_string(kSanitizerShare) + "}";
    constexpr int kFirstRows = 100'000;
    make_birds_db(source_, kFirstRows);
    Recorder recorder(source_, kFirstRows + 1, dir_ / "log");
    int before = kFirstRows;
    int mended = 0;
    for (int i = 0; i < snapshots; ++i) {
        const auto report = SqliteDb(source_, SQLITE_OPEN_READONLY).snapshot(mirror_, options);
        const int rows = rows_of_good_copy(mirror_);
        ASSERT_GE(rows, before) << "snapshot " << i << ": " << report;
        mended += report["passes"] > 1 ? 1 : 0;
        before = rows;
    }
    ASSERT_TRUE(recorder.running()) << read_file(dir_ / "log");
    EXPECT_EQ(recorder.stop(), 0);
    EXPECT_NE(read_file(dir_ / "log").find("\"lost\": 0"), std::string::npos) << read_file(dir_ / "log");
    EXPECT_GT(mended, snapshots / 4) << "the recorder was at work all the time";
}

// The same beside a writer without a journal is copied in a quiet moment or not at all: the one hold that is
// long enough for all of it is not begun.
TEST_F(SnapshotLiveTest, AHoldThatWouldBeTooLongIsNotBegun) {
    make_birds_db(source_, 300'000);
    make_birds_db(mirror_, 7);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        SqliteDb db(source_, SQLITE_OPEN_READWRITE, false);
        db("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 60000");
        while (!stop)
            db("UPDATE detections SET Confidence = 1 - Confidence WHERE rowid = 1");
    });
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    const double whole_ms = db.snapshot(dir_ / "other.db", R"({"max_hold_ms": 60000})")["held_ms"];
    try {
        const auto report =
            db.snapshot(mirror_, R"({"max_hold_ms": 1, "timeout_ms": 2000, "verify": "none"})");
        EXPECT_LT(report["held_ms"].get<double>(), whole_ms / 2);
        EXPECT_EQ(rows_of_good_copy(mirror_), 300'000);
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_NE(std::string(e.what()).find("deadline of 2000 ms passed while copying"), std::string::npos)
            << e.what();
        EXPECT_EQ(rows_of_good_copy(mirror_), 7);
    }
    stop = true;
    writer.join();
}

// The parameter is the mode of the snapshot.
class SnapshotKillTest : public SnapshotLiveTest, public ::testing::WithParamInterface<const char *> {
  protected:
    // One row more, and others changed all over the file.
    void change_source(int row) {
        SqliteDb db(source_, SQLITE_OPEN_READWRITE, false);
        db("PRAGMA synchronous = OFF; BEGIN; UPDATE detections SET Confidence = 1 - Confidence WHERE rowid % "
           "500 = " +
           std::to_string(row % 500) +
           "; INSERT INTO detections VALUES ('2025-12-28', '02:00:00', 'Strix aluco', 'Tawny Owl', 0.9, 0, "
           "0, 0, "
           "1, 1, 0, 'Owl-" +
           std::to_string(row) + ".mp3'); COMMIT");
    }
    // What a person finds who opens the mirror; in mode full, also what one finds who copies the bare file.
    int rows_of_mirror() {
        if (std::string(GetParam()) == "delta") {
            SqliteDb(mirror_, SQLITE_OPEN_READWRITE, false)("SELECT count(*) FROM detections");
            return rows_of_good_copy(mirror_);
        }
        fs::copy_file(mirror_, dir_ / "bare.db", fs::copy_options::overwrite_existing);
        return rows_of_good_copy(dir_ / "bare.db");
    }
};

// Killed at random moments, the mirror is the old copy or the new one.
TEST_P(SnapshotKillTest, ItLeavesTheOldOrTheNewCopy) {
    const int kills = long_run() ? 500 : rounds(60);
    make_birds_db(source_, 30'000);
    const std::string options = R"({"mode": ")" + std::string(GetParam()) + R"("})";
    const std::vector<std::string> command{"sqlite3", "-readonly", source_, load_command(),
                                           "SELECT emsn_snapshot(" + quoted(mirror_) + ", " +
                                               quoted(options) + ")"};
    ASSERT_EQ(run(command, sanitizer_env()).status, 0);
    int rows = 30'000;
    change_source(++rows);
    const auto begin = std::chrono::steady_clock::now();
    const auto outcome = run(command, sanitizer_env());
    const auto whole = std::chrono::steady_clock::now() - begin;
    ASSERT_NE(outcome.out.find(R"("mode":")" + std::string(GetParam())), std::string::npos) << outcome.out;
    std::mt19937 random(20251228);
    int old_left = 0;
    int new_left = 0;
    int in_the_middle = 0;
    for (int kill = 0; kill < kills; ++kill) {
        ASSERT_EQ(run(command, sanitizer_env()).status, 0); // a good one, so that delta has its base
        const int before = rows_of_mirror();
        ASSERT_EQ(before, rows);
        change_source(++rows);
        Process snapshot(command, dir_ / "log", sanitizer_env());
        // the one place where a test waits for a time: the moment of the kill is what is being tried
        std::this_thread::sleep_for(whole * (random() % 1200) / 1000);
        snapshot.signal(SIGKILL);
        snapshot.wait();
        in_the_middle += fs::exists(mirror_ + ".emsn.partial") || fs::exists(mirror_ + "-journal") ? 1 : 0;
        const int after = rows_of_mirror();
        ASSERT_TRUE(after == before || after == rows) << "kill " << kill << ": " << before << " -> " << after;
        (after == rows ? new_left : old_left) += 1;
    }
    EXPECT_GT(old_left, 0);
    EXPECT_GT(new_left, 0);
    EXPECT_GT(in_the_middle, 0) << "no kill came in the middle";
    EXPECT_EQ(run(command, sanitizer_env()).status, 0);
    EXPECT_EQ(rows_of_mirror(), rows);
    fs::remove(dir_ / "bare.db");
    EXPECT_EQ(files_in(dir_.path()), "birds.db log mirror.db") << "leftovers are cleared up by the next run";
}

INSTANTIATE_TEST_SUITE_P(Modes, SnapshotKillTest, ::testing::Values("full", "delta"));

} // namespace
} // namespace emsn::test
