// Changing a mirror in place while its disk fails, dies or fills up, and while memory runs out. Each call
// fails once; the mirror that SQLite opens afterwards is the old one or the new one.
#include <gtest/gtest.h>

#include <filesystem>
#include <tuple>

#include "tests/sqlite/fault_new.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class DeltaFaultTest : public ::testing::Test {
  protected:
    explicit DeltaFaultTest(const std::string &journal_mode = "delete") {
        fs::create_directory(dir_ / "stick");
        make_birds_db(source_, rows_);
        SqliteDb(source_, SQLITE_OPEN_READWRITE,
                 false)("PRAGMA auto_vacuum = full; VACUUM; PRAGMA journal_mode = " + journal_mode);
        take();
    }

    // A good mirror, as the base of the next.
    void take() {
        SqliteDb(source_, SQLITE_OPEN_READONLY).snapshot(mirror_);
        EXPECT_EQ(rows_of_good_copy(mirror_), rows_);
    }
    // One row more and some others changed, and the file grows or shrinks by some pages; what the mirror
    // holds until then is the old copy.
    void change_source() {
        ++rows_;
        SqliteDb source(source_, SQLITE_OPEN_READWRITE, false);
        source(rows_ % 2 == 0 ? "DROP TABLE extra" : "CREATE TABLE extra AS SELECT zeroblob(60000)");
        source("UPDATE detections SET Confidence = 1 - Confidence WHERE rowid % 700 = 3");
        source(
            "INSERT INTO detections VALUES ('2025-12-28', '02:00:00', 'Strix aluco', 'Tawny Owl', 0.9, 0, 0, "
            "0, 1, 1, 0, 'Owl-" +
            std::to_string(rows_) + ".mp3')");
    }
    // True when the mirror is the new one; a test failure when it is neither the new nor the old.
    bool is_new() {
        const int before = rows_ - 1;
        SqliteDb(mirror_, SQLITE_OPEN_READWRITE, false)("SELECT count(*) FROM detections"); // as anybody may
        const int rows = rows_of_good_copy(mirror_);
        EXPECT_TRUE(rows == before || rows == rows_) << rows;
        return rows == rows_;
    }

    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "stick/mirror.db";
    int rows_ = 2'000;
};

// What the disk answers, whether for ever, and the journal mode of the source.
using Fault = std::tuple<int, bool, const char *>;

class DeltaDiskFaultTest : public DeltaFaultTest, public ::testing::WithParamInterface<Fault> {
  protected:
    DeltaDiskFaultTest() : DeltaFaultTest(std::get<2>(GetParam())) {}
};

TEST_P(DeltaDiskFaultTest, EachCallIntoTheDestinationsDisk) {
    const auto [error, dies, journal_mode] = GetParam();
    const std::string marker = dir_ / "failed";
    int failures = 0;
    int rolled_back = 0;
    for (int call = 1;; call += kSanitizerShare) {
        change_source();
        std::vector<std::string> settings{"FAIL_AT=" + std::to_string(call), "FAILED=" + marker,
                                          "ERRNO=" + std::to_string(error)};
        if (dies)
            settings.emplace_back("DIES=1");
        const auto outcome = run({"sqlite3", "-readonly", source_, load_command(),
                                  "SELECT emsn_snapshot(" + quoted(mirror_) + ")"},
                                 bad_disk_env(dir_ / "stick", settings));
        const bool hot = fs::exists(mirror_ + "-journal");
        const bool now = is_new();
        const bool failed = fs::remove(marker);
        EXPECT_TRUE(failed || outcome.out.find(R"("mode":"delta")") != std::string::npos) << outcome.out;
        EXPECT_EQ(outcome.status == 0, outcome.err.empty()) << "call " << call << ": " << outcome.err;
        EXPECT_TRUE(now || outcome.status != 0) << "call " << call << " failed, and the report said success";
        if (!dies) {
            EXPECT_FALSE(hot) << "call " << call << ": SQLite could have rolled back at once";
            EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db") << "call " << call << ": " << outcome.err;
        }
        rolled_back += hot && !now ? 1 : 0;
        take();
        EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db");
        if (!failed)
            break;
        ++failures;
    }
    EXPECT_GT(failures, 30 / kSanitizerShare);
    EXPECT_EQ(rolled_back > 0, dies) << "a dead disk leaves the journal to the next who opens the mirror";
}

INSTANTIATE_TEST_SUITE_P(Faults, DeltaDiskFaultTest,
                         ::testing::Values(Fault{EIO, false, "delete"}, Fault{ENOSPC, false, "delete"},
                                           Fault{EIO, true, "delete"}, Fault{EIO, false, "wal"}));

// A disk that stores something else than it was given: reading back finds it, and a new file is tried.
TEST_F(DeltaFaultTest, ALyingDiskIsFoundOut) {
    int found = 0;
    for (int write = 1; write <= 12; ++write) {
        change_source();
        const auto outcome = run({"sqlite3", "-readonly", source_, load_command(),
                                  "SELECT emsn_snapshot(" + quoted(mirror_) + ")"},
                                 bad_disk_env(dir_ / "stick", {"LIE_AT=" + std::to_string(write)}));
        EXPECT_EQ(is_new(), outcome.status == 0) << "write " << write << ": " << outcome.err;
        found += outcome.status != 0 || outcome.out.find(R"("mode":"full")") != std::string::npos ? 1 : 0;
        take();
    }
    EXPECT_GT(found, 2) << "some of these writes are pages of the mirror";
}

TEST_F(DeltaFaultTest, EachAllocation) {
    int failures = 0;
    for (long allocation = 1;; ++allocation) {
        change_source();
        int code = SQLITE_OK;
        bool failed = false;
        {
            SqliteDb db(source_, SQLITE_OPEN_READONLY);
            const std::string sql = "SELECT emsn_snapshot(" + quoted(mirror_) + ")";
            fail_allocation(allocation);
            code = sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr);
            failed = allocation_failed();
            fail_allocation(0);
        }
        EXPECT_TRUE(is_new() || code != SQLITE_OK) << "allocation " << allocation;
        EXPECT_EQ(files_in(dir_ / "stick"), "mirror.db") << "allocation " << allocation;
        if (!failed)
            break;
        EXPECT_TRUE(code == SQLITE_NOMEM || code == SQLITE_OK) << sqlite3_errstr(code);
        ++failures;
        take();
    }
    EXPECT_GT(failures, 60);
}

} // namespace
} // namespace emsn::test
