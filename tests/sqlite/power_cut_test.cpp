// The power goes away after any operation on the destination's disk, and what was not synced is lost, in
// whole or in part. First SQLite's own transaction, whose outcome is known, then emsn_snapshot.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>
#include <tuple>

#include "tests/sqlite/support.hpp"
#include "tests/support/power_cut.hpp"

// In this program itself nothing needs to survive: thousands of recoveries wait for no disk. Programs that it
// starts have the real ones.
extern "C" {
__attribute__((visibility("default"))) int fsync(int) {
    return 0;
}
__attribute__((visibility("default"))) int fdatasync(int) {
    return 0;
}
}

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostCuts = 400;
constexpr std::size_t kOutcomes = 1'000; // about so many: the fewer cuts, the more seeds for each
constexpr std::size_t kOutcomesOfLongRun = 20'000;
constexpr std::size_t kLeastSeeds = 10;
constexpr std::size_t kMostSeeds = 100;

// All rows in words, or what is wrong with the database. Opened for writing: SQLite rolls back what it finds.
std::string rows_in(const std::string &path) {
    static std::map<std::size_t, std::string> known; // by the file's bytes: most cuts come to one of two
    if (!fs::exists(path))
        return "no file";
    try {
        SqliteDb db(path, SQLITE_OPEN_READWRITE, false);
        db("PRAGMA schema_version"); // reads it, so rolls back
        std::size_t key = 0;
        if (!fs::exists(path + "-journal") && !fs::exists(path + "-wal")) {
            key = std::hash<std::string>{}(read_file(path));
            if (const auto found = known.find(key); found != known.end())
                return found->second;
        }
        const auto integrity = db("PRAGMA integrity_check");
        const auto rows = db("SELECT rowid, * FROM detections ORDER BY rowid");
        const auto answer = integrity == "ok" ? rows : "damaged: " + integrity;
        return key != 0 ? known[key] = answer : answer;
    } catch (const SqlError &e) {
        return std::string("damaged: ") + e.what();
    }
}

// To look at each outcome once.
std::size_t hash_of(const PowerCut::Files &files) {
    std::string all;
    for (const auto &[name, content] : files)
        all.append(name)
            .append(1, '\0')
            .append(std::to_string(content.size()))
            .append(1, '\0')
            .append(content);
    return std::hash<std::string>{}(all);
}

struct Verdict {
    std::set<std::string> allowed;
    std::set<std::string> allowed_at_the_end; // after the last operation
    bool bare = false;                        // what stands beside the file is away
};

// What holds what it must not, in words; "" when nothing does. states: how many different ones were looked
// at.
std::string first_failure(const PowerCut &cut, const std::string &name, const Verdict &verdict, int &states) {
    const TempDir dir;
    const std::string folder = dir / "after";
    std::set<std::pair<std::size_t, bool>> seen;
    const auto cuts = cut.cuts(kMostCuts);
    const auto seeds =
        std::clamp((long_run() ? kOutcomesOfLongRun : kOutcomes) / cuts.size(), kLeastSeeds, kMostSeeds);
    for (const std::size_t at : cuts) {
        const bool ended = at == cut.operations();
        for (unsigned seed = 0; seed < seeds; ++seed) {
            auto files = cut.after(at, seed);
            if (verdict.bare)
                std::erase_if(files, [&](const auto &file) { return file.first != name; });
            if (!seen.emplace(hash_of(files), ended).second)
                continue;
            ++states;
            write_folder(files, folder);
            const auto rows = rows_in(folder + "/" + name);
            if (!(ended ? verdict.allowed_at_the_end : verdict.allowed).contains(rows))
                return "after " + cut.describe(at) + ", seed " + std::to_string(seed) + ": " +
                       rows.substr(0, rows.find('\n'));
        }
    }
    return "";
}

class SqliteUpdate : public ::testing::Test {
  protected:
    // Changes every row, with a cache too small for them: the journal is synced more than once.
    PowerCut update(const std::string &synchronous) {
        fs::create_directory(folder_);
        make_birds_db(path_, 800);
        old_rows_ = rows_in(path_);
        PowerCut cut(folder_);
        const auto outcome =
            run({"sqlite3", path_,
                 "PRAGMA journal_mode = DELETE; PRAGMA cache_size = 10; PRAGMA synchronous = " + synchronous +
                     "; UPDATE detections SET Confidence = 0.25, File_Name = 'new-' || File_Name"},
                disk_log_env(folder_, dir_ / "log"));
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        cut.read_log(dir_ / "log");
        new_rows_ = rows_in(path_);
        return cut;
    }

    TempDir dir_;
    const std::string folder_ = dir_ / "stick";
    const std::string path_ = folder_ + "/birds.db";
    std::string old_rows_;
    std::string new_rows_;
};

TEST_F(SqliteUpdate, SyncedIsOldOrNewAfterAnyCut) {
    const auto cut = update("EXTRA");
    int states = 0;
    EXPECT_EQ(first_failure(cut, "birds.db", {{old_rows_, new_rows_}, {new_rows_}}, states), "");
    EXPECT_GT(states, 200);
}

// So that a cut is seen which comes after success was reported: the journal's name may be there again.
TEST_F(SqliteUpdate, WithoutSyncOfTheFolderItMayComeBackAtTheEnd) {
    const auto cut = update("FULL");
    int states = 0;
    const auto failure = first_failure(cut, "birds.db", {{old_rows_, new_rows_}, {new_rows_}}, states);
    EXPECT_NE(failure.find(cut.describe(cut.operations())), std::string::npos) << failure;
}

TEST_F(SqliteUpdate, NotSyncedIsTornAfterSomeCut) {
    const auto cut = update("OFF");
    int states = 0;
    const auto failure =
        first_failure(cut, "birds.db", {{old_rows_, new_rows_}, {old_rows_, new_rows_}}, states);
    EXPECT_NE(failure, "");
    RecordProperty("torn", failure);
}

struct Engine {
    const char *name;
    const char *options;
    bool whole_as_bare_file; // also without what stands beside it
};

void PrintTo(const Engine &engine, std::ostream *out) {
    *out << engine.name;
}

// A line for each engine.
constexpr Engine kEngines[] = {
    {"Auto", "{}", false},
    {"Full", R"({"mode":"full"})", true},
    {"Atomic", R"({"atomic":true})", true},
};

// A little grown or shrunk: mode auto changes the mirror in place. Rewritten: more than half of it changed.
enum class Case { grown, shrunk, rewritten, torn, first };
const char *const kCases[] = {"Grown", "Shrunk", "Rewritten", "Torn", "First"};

using Parameter = std::tuple<Engine, const char *, Case>; // and the source's journal mode

class SnapshotPowerCut : public ::testing::TestWithParam<Parameter> {
  protected:
    static constexpr int kRows = 500;

    static Case which() { return std::get<2>(GetParam()); }

    // A source that has changed since its last snapshot, which is the mirror.
    void SetUp() override {
        fs::create_directory(folder_);
        make_birds_db(source_, kRows);
        SqliteDb db(source_);
        db("PRAGMA auto_vacuum = full; VACUUM; CREATE TABLE extra AS SELECT zeroblob(40000)");
        db(std::string("PRAGMA journal_mode = ") + std::get<1>(GetParam()));
        if (which() == Case::torn)
            make_torn_db(mirror_, kRows); // its rows before the update of which it died
        else if (which() != Case::first)
            db.snapshot(mirror_);
        db("UPDATE detections SET Confidence = 0.25 WHERE rowid % 200 = 3");
        if (which() == Case::shrunk)
            db("DROP TABLE extra");
        else
            insert_rows(db, which() == Case::grown ? 40 : kRows);
    }

    static void insert_rows(SqliteDb &db, int rows) {
        db("INSERT INTO detections SELECT Date, Time, Sci_Name, Com_Name, Confidence, Lat, Lon, Cutoff, "
           "Week, Sens, Overlap, 'later-' || File_Name FROM detections LIMIT " +
           std::to_string(rows));
    }

    PowerCut watch_snapshot() {
        PowerCut cut(folder_);
        const auto env = disk_log_env(folder_, dir_ / "log");
        const auto outcome =
            run({"sqlite3", "-readonly", source_, load_command(),
                 "SELECT emsn_snapshot(" + quoted(mirror_) + ", " + quoted(engine().options) + ")"},
                env);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        const bool in_place =
            !engine().whole_as_bare_file && (which() == Case::grown || which() == Case::shrunk);
        EXPECT_EQ(outcome.out.find(R"("mode":"delta")") != std::string::npos, in_place) << outcome.out;
        cut.read_log(dir_ / "log");
        return cut;
    }

    static Engine engine() { return std::get<0>(GetParam()); }
    TempDir dir_;
    const std::string source_ = dir_ / "birds.db";
    const std::string folder_ = dir_ / "stick";
    const std::string mirror_ = folder_ + "/mirror.db";
};

TEST_P(SnapshotPowerCut, LeavesTheOldOrTheNewCopy) {
    write_folder(files_below(folder_), dir_ / "old"); // reading a torn one repairs it
    const auto old_rows = rows_in(dir_ / "old/mirror.db");
    const auto cut = watch_snapshot();
    const auto new_rows = rows_in(mirror_);
    ASSERT_EQ(new_rows, rows_in(source_));
    ASSERT_NE(new_rows, old_rows);

    int states = 0;
    Verdict verdict{{old_rows, new_rows}, {new_rows}};
    EXPECT_EQ(first_failure(cut, "mirror.db", verdict, states), "");
    EXPECT_GT(states, 15);
    RecordProperty("operations", std::to_string(cut.operations()));
    RecordProperty("states", states);
    // a torn mirror needs its journal until it is settled
    verdict.bare = true;
    if (engine().whole_as_bare_file && which() != Case::torn) {
        EXPECT_EQ(first_failure(cut, "mirror.db", verdict, states), "");
    }
}

TEST_P(SnapshotPowerCut, TheNextRunMakesItNew) {
    const auto cut = watch_snapshot();
    const auto new_rows = rows_in(source_);
    const std::size_t step = cut.operations() / 10 + 1;
    const std::string folder = dir_ / "after";
    SqliteDb db(source_, SQLITE_OPEN_READONLY);
    for (std::size_t at = 0; at <= cut.operations(); at += step) {
        for (const unsigned seed : {kLoseNothing, kFirstMix}) {
            write_folder(cut.after(at, seed), folder);
            db.snapshot(folder + "/mirror.db", engine().options);
            EXPECT_EQ(files_in(folder), "mirror.db") << cut.describe(at);
            EXPECT_TRUE(rows_in(folder + "/mirror.db") == new_rows) << cut.describe(at);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Engines, SnapshotPowerCut,
                         ::testing::Combine(::testing::ValuesIn(kEngines), ::testing::Values("delete", "wal"),
                                            ::testing::Values(Case::grown, Case::shrunk, Case::rewritten,
                                                              Case::torn, Case::first)),
                         [](const auto &test) {
                             return std::string(std::get<0>(test.param).name) + "_" +
                                    std::get<1>(test.param) + "_" +
                                    kCases[static_cast<int>(std::get<2>(test.param))];
                         });

} // namespace
} // namespace emsn::test
