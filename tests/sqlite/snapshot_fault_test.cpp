// Every call that can fail fails once: each call into the destination's disk, each allocation, each call into
// the source's file. Whatever fails, the old mirror is as it was or the new one is whole, the source is
// unchanged and nobody is locked out. (The method is SQLite's own: fail at call N, for every N until nothing
// fails.)
#include <gtest/gtest.h>

#include <filesystem>
#include <tuple>

#include "tests/sqlite/fault_new.hpp"
#include "tests/sqlite/fault_vfs.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

constexpr int kOldRows = 300;
constexpr int kNewRows = 2000;

class SnapshotFaultTest : public ::testing::Test {
  protected:
    explicit SnapshotFaultTest(const std::string &journal_mode = "delete") {
        fs::create_directory(dir_ / "stick");
        make_birds_db(source_, kNewRows, journal_mode); // two engines: pages, and SQLite's backup for WAL
        make_birds_db(mirror_, kOldRows);
        before_ = read_file(source_);
    }

    // What must hold after any failure; resets the mirror when it is the new one. True when it was.
    bool check() {
        EXPECT_EQ(read_file(source_), before_);
        SqliteDb writer(source_, SQLITE_OPEN_READWRITE, false);
        EXPECT_EQ(writer.error_of("BEGIN EXCLUSIVE; ROLLBACK"), "") << "the source is still locked";
        const int rows = rows_of_good_copy(mirror_);
        EXPECT_TRUE(rows == kOldRows || rows == kNewRows) << rows;
        if (rows == kNewRows) {
            fs::remove(mirror_);
            make_birds_db(mirror_, kOldRows);
        }
        return rows == kNewRows;
    }

    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "stick/mirror.db";
    std::string before_;
};

// A disk that stores something else than it was given, and says nothing.
TEST_F(SnapshotFaultTest, ALyingDiskIsFoundOut) {
    const auto outcome = run(
        {"sqlite3", "-readonly", source_, load_command(), "SELECT emsn_snapshot(" + quoted(mirror_) + ")"},
        bad_disk_env(dir_ / "stick", {"LIE_AT=2"}));
    EXPECT_EQ(outcome.status, SQLITE_CORRUPT);
    EXPECT_NE(outcome.err.find("the destination gives back other bytes than were written, in page "),
              std::string::npos)
        << outcome.err;
    EXPECT_FALSE(check());
}

using ErrorAndJournal = std::tuple<int, const char *>;

class SnapshotDiskFaultTest : public SnapshotFaultTest,
                              public ::testing::WithParamInterface<ErrorAndJournal> {
  protected:
    SnapshotDiskFaultTest() : SnapshotFaultTest(std::get<1>(GetParam())) {}
};

TEST_P(SnapshotDiskFaultTest, EachCallIntoTheDestinationsDisk) {
    const std::string marker = dir_ / "failed";
    int failures = 0;
    for (int call = 1;; call += kSanitizerShare) {
        const auto env = bad_disk_env(dir_ / "stick", {"FAIL_AT=" + std::to_string(call), "FAILED=" + marker,
                                                       "ERRNO=" + std::to_string(std::get<0>(GetParam()))});
        const auto outcome = run({"sqlite3", "-readonly", source_, load_command(),
                                  "SELECT emsn_snapshot(" + quoted(mirror_) + ")"},
                                 env);
        const bool is_new = check();
        if (!fs::remove(marker)) {
            EXPECT_EQ(outcome.status, 0) << outcome.err;
            EXPECT_TRUE(is_new);
            break;
        }
        ++failures;
        // some calls may fail without harm, such as the lock file's words; a success must be one
        EXPECT_EQ(outcome.status == 0, outcome.err.empty()) << "call " << call << ": " << outcome.err;
        EXPECT_TRUE(is_new || outcome.status != 0)
            << "call " << call << " failed, and the report said success";
        EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db") << "call " << call << ": " << outcome.err;
    }
    EXPECT_GT(failures, 20 / kSanitizerShare);
}

INSTANTIATE_TEST_SUITE_P(Errors, SnapshotDiskFaultTest,
                         ::testing::Combine(::testing::Values(EIO, ENOSPC),
                                            ::testing::Values("delete", "wal")));

class SnapshotMemoryFaultTest : public SnapshotFaultTest, public ::testing::WithParamInterface<const char *> {
  protected:
    SnapshotMemoryFaultTest() : SnapshotFaultTest(GetParam()) {}
};

TEST_P(SnapshotMemoryFaultTest, EachAllocation) {
    int failures = 0;
    for (long allocation = 1;; ++allocation) {
        SqliteDb db(source_, SQLITE_OPEN_READONLY);
        const std::string sql = "SELECT emsn_snapshot(" + quoted(mirror_) + ")";
        fail_allocation(allocation);
        const int code = sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr);
        const bool failed = allocation_failed();
        fail_allocation(0);
        const bool is_new = check();
        // after the rename there is the report still to be made
        EXPECT_TRUE(is_new || code != SQLITE_OK) << "allocation " << allocation;
        EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db") << "allocation " << allocation;
        if (!failed)
            break;
        EXPECT_TRUE(code == SQLITE_NOMEM || code == SQLITE_OK) << sqlite3_errstr(code);
        ++failures;
    }
    EXPECT_GT(failures, 30);
}

INSTANTIATE_TEST_SUITE_P(JournalModes, SnapshotMemoryFaultTest, ::testing::Values("delete", "wal"));

TEST_F(SnapshotFaultTest, EachCallIntoTheSourcesFile) {
    FaultVfs vfs;
    int failures = 0;
    for (int call = 1;; ++call) {
        SqliteDb db("file:" + source_ + "?vfs=" + FaultVfs::kName, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
        vfs.fail_at(call);
        const std::string error = db.error_of("SELECT emsn_snapshot(" + quoted(mirror_) + ")");
        const bool failed = vfs.has_failed();
        vfs.fail_at(0);
        const bool is_new = check();
        EXPECT_EQ(error.empty(), is_new) << "call " << call << ": " << error;
        EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db") << "call " << call << ": " << error;
        if (!failed)
            break;
        ++failures;
    }
    EXPECT_GT(failures, 10);
}

} // namespace
} // namespace emsn::test
