// Snapshots of a source that is never at rest and too big for one lock: what its commits changed is read
// again.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "sqlite_ext/big_endian.hpp"
#include "sqlite_ext/db_header.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

// So much takes some milliseconds to read and hash; the snapshots may hold the source for one.
constexpr int kRows = 100'000;
const std::string kOptions = R"({"max_hold_ms": 1, "verify": "none", "timeout_ms": 60000})";

// Every state that a writer has left, by its change counter.
class States {
  public:
    // By the writer, which is the only one.
    void note(const SqliteDb &db) {
        const std::string bytes = bytes_of(db);
        const std::lock_guard lock(mutex_);
        states_[counter(bytes)].insert(std::hash<std::string>()(bytes));
        ++noted_;
    }
    // Whether a copy is one of them, byte for byte; the writer may still be noting it.
    bool has(const std::string &copy) {
        const auto is_there = [&] {
            const auto at = states_.find(counter(copy));
            return at != states_.end() && at->second.count(std::hash<std::string>()(copy)) > 0;
        };
        const int before = noted_;
        EXPECT_TRUE(eventually([&] {
            const std::lock_guard lock(mutex_);
            return noted_ > before + 1 || is_there();
        }));
        const std::lock_guard lock(mutex_);
        return is_there();
    }

  private:
    static std::uint32_t counter(const std::string &bytes) {
        return sqlite::read_big_endian(&bytes[sqlite::kChangeCounterAt]);
    }

    std::mutex mutex_;
    std::map<std::uint32_t, std::set<std::size_t>> states_;
    std::atomic<int> noted_{0};
};

// The parameter is the journal mode that the writer comes back to.
class SnapshotStatesTest : public ::testing::TestWithParam<bool> {
  protected:
    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
};

// Inserts, deletes and updates all over; at times what no journal tells of: other journal modes, VACUUM, a
// cache that spills, an exclusive session.
TEST_P(SnapshotStatesTest, EverySnapshotIsAStateOfTheSource) {
    const bool anything = GetParam();
    const int snapshots = long_run() ? 2000 : 40;
    make_birds_db(source_, kRows);
    {
        SqliteDb db(source_, SQLITE_OPEN_READWRITE, false);
        db("CREATE TABLE sums(n INTEGER, total INTEGER); INSERT INTO sums SELECT count(*), sum(Week) FROM "
           "detections; DELETE FROM detections WHERE rowid < 5000; UPDATE sums SET n = n - 4999, total = "
           "total - "
           "4999");
    }
    States states;
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        std::mt19937 random(20251228);
        const auto number = [&](unsigned below) { return std::to_string(random() % below); };
        SqliteDb db(source_, SQLITE_OPEN_READWRITE, false);
        db("PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF");
        states.note(db);
        for (; !stop; states.note(db)) {
            const auto what = random() % 100;
            if (anything && what < 5)
                db("PRAGMA journal_mode = " +
                   std::string(std::array{"TRUNCATE", "PERSIST", "MEMORY"}[what % 3]));
            else if (anything && what < 15)
                db("PRAGMA journal_mode = DELETE; PRAGMA locking_mode = NORMAL; PRAGMA cache_size = -2000");
            else if (anything && what < 17)
                db("VACUUM");
            else if (anything && what < 19)
                db("PRAGMA locking_mode = EXCLUSIVE");
            else if (anything && what < 21)
                db("PRAGMA cache_size = 5");
            else if (what < 60) // so little that nearly nothing is due
                db("UPDATE detections SET Confidence = random() WHERE rowid = " + number(kRows));
            else
                db("BEGIN; INSERT INTO detections SELECT Date, Time, Sci_Name, Com_Name, Confidence, Lat, "
                   "Lon, "
                   "Cutoff, Week, Sens, Overlap, File_Name FROM detections LIMIT " +
                   number(40) + "; UPDATE sums SET n = n + changes(), total = total + changes();" +
                   "DELETE FROM detections WHERE rowid IN (SELECT rowid FROM detections WHERE rowid > " +
                   number(kRows) + " LIMIT " + number(40) +
                   "); UPDATE sums SET n = n - changes(), total = total - changes();" +
                   "UPDATE detections SET Confidence = random() WHERE rowid % 20000 = " + number(20'000) +
                   (what < 65 ? "; ROLLBACK" : "; COMMIT"));
        }
        db("PRAGMA locking_mode = NORMAL; SELECT * FROM sums");
    });
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    int mended = 0;
    for (int i = 0; i < snapshots; ++i) {
        std::filesystem::remove(mirror_);
        const auto report = db.snapshot(mirror_, anything ? R"({"verify": "none"})" : kOptions);
        mended += report["passes"] > 1 ? 1 : 0;
        EXPECT_TRUE(states.has(read_file(mirror_))) << "snapshot " << i << ": " << report;
        if (i % 20 == 0) {
            SqliteDb copy(mirror_, SQLITE_OPEN_READONLY, false);
            EXPECT_EQ(copy("PRAGMA integrity_check"), "ok");
            EXPECT_EQ(copy("SELECT * FROM sums"), copy("SELECT count(*), sum(Week) FROM detections"));
        }
        if (HasFailure())
            break;
    }
    stop = true;
    writer.join();
    EXPECT_GT(mended, snapshots / 4) << "the writer was at work";
}

INSTANTIATE_TEST_SUITE_P(Writers, SnapshotStatesTest, ::testing::Values(false, true),
                         [](const auto &is) { return is.param ? "DoesAnything" : "UsesJournals"; });

} // namespace
} // namespace emsn::test
