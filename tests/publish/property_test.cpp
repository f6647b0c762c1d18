// Whatever happens at the station, in whatever order, and whenever it is published: after one more run both
// sides are equal.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

unsigned seed() {
    const char *given = std::getenv("EMSN_TEST_SEED");
    return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 42;
}

class PublishPropertyTest : public PublishTest {
  protected:
    int number(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }

    std::string some_row() {
        return "rowid = (SELECT rowid FROM detections LIMIT 1 OFFSET " + std::to_string(number(0, 900)) + ")";
    }

    std::string act() {
        switch (number(0, 11)) {
        case 0: // as BirdNET-Pi's page corrects a species
            return "UPDATE detections SET Sci_Name = 'Parus ater', Com_Name = 'Coal Tit', File_Name = "
                   "'Coal_Tit-' || rowid "
                   "|| '.mp3' WHERE " +
                   some_row();
        case 1:
            return "UPDATE detections SET File_Name = '' WHERE " + some_row();
        case 2:
            return "UPDATE detections SET Confidence = 0." + std::to_string(number(1000, 9999)) + " WHERE " +
                   some_row();
        case 3:
            return "DELETE FROM detections WHERE " + some_row();
        case 4: // the last one, whose rowid the next one gets
            return "DELETE FROM detections WHERE rowid = (SELECT max(rowid) FROM detections)";
        case 5:
            return "VACUUM";
        case 6: // the same second, the same species, no name
            return "INSERT INTO detections SELECT Date, Time, Sci_Name, Com_Name, 0.8, Lat, Lon, Cutoff, "
                   "Week, Sens, Overlap, "
                   "'' FROM detections WHERE " +
                   some_row();
        case 7: // a whole copy of a row without a name
            return "INSERT INTO detections SELECT * FROM detections WHERE File_Name = '' LIMIT 1";
        case 8:
            return "UPDATE detections SET Date = replace(Date, '-', '/') WHERE " + some_row();
        case 9: // older than all others
            return "INSERT INTO detections VALUES ('2024-12-" + std::to_string(number(10, 31)) +
                   "', '01:02:03', 'Strix aluco', 'Tawny Owl', 0.9, 52.1, 5.2, 0.7, 50, 1.25, 0, 'old-" +
                   std::to_string(++heard_) + ".mp3')";
        default:
            return hear_sql(++heard_);
        }
    }

    std::mt19937 random_{seed()};
    int heard_ = 0;
};

TEST_F(PublishPropertyTest, AnythingThatHappensEndsEqual) {
    const int rounds = long_run() ? 400 : 60;
    for (int round = 0; round < rounds; ++round) {
        std::string said;
        for (int i = number(1, 6); i > 0; --i) {
            const auto sql = act();
            said += sql + "\n";
            at_station(sql);
        }
        if (round % 17 == 16) {
            at_station("PRAGMA journal_mode = wal");
            SqliteDb keeps_it_open(birds_, SQLITE_OPEN_READWRITE, false);
            publish();
            at_station(act());
            publish();
            ASSERT_EQ(difference(birds_, db), "") << "WAL, seed " << seed() << ", round " << round;
        }
        if (round % 17 == 16)
            at_station("PRAGMA journal_mode = delete");
        const auto report = publish(number(0, 9) == 0 ? R"({"full": true})" : "{}");
        ASSERT_EQ(difference(birds_, db), "")
            << "seed " << seed() << ", round " << round << ", " << report << "\n"
            << said;
        const auto again = publish();
        for (const char *count : {"inserted", "updated", "deleted", "restored"})
            ASSERT_EQ(again[count], 0) << count << ", seed " << seed() << ", round " << round << "\n" << said;
    }
}

TEST_F(PublishTest, AWeekOfOutageIsCaughtUpInOneRun) {
    publish();
    SqliteDb station(birds_);
    station("PRAGMA synchronous = OFF");
    for (int n = 1; n <= 2800; ++n)
        station(hear_sql(n));
    auto report = publish();
    EXPECT_EQ(report["inserted"], 2800) << report;
    EXPECT_EQ(report["rows_sent"], 2800);
    expect_equal("a week");
    for (int n = 2801; n <= 9000; ++n)
        station(hear_sql(n));
    report = publish();
    EXPECT_EQ(report["inserted"], 6200) << report;
    expect_equal("a loud week");
}

TEST_F(PublishTest, RealDetectionsArriveAsTheyAre) {
    const char *csv = std::getenv("EMSN_BIRDDB_CSV");
    if (csv == nullptr)
        GTEST_SKIP() << "EMSN_BIRDDB_CSV names no export of real detections";
    const auto real = dir_ / "real.db";
    ASSERT_EQ(run({"/usr/bin/python3", EMSN_SOURCE_DIR "/tests/support/load_csv.py", csv, real}).status, 0);
    const auto rows = std::stoi(SqliteDb(real)("SELECT count(*) FROM detections"));
    auto report = publish_file(real, conninfo(), "berging");
    EXPECT_EQ(report["inserted"], rows) << report;
    EXPECT_EQ(difference(real, db, "berging"), "");
    EXPECT_EQ(publish_file(real, conninfo(), "berging", R"({"full": true})")["unchanged"], rows);
    // of rows without names, many in one second, one goes and one is corrected
    write_into(
        real,
        "DELETE FROM detections WHERE rowid = 100; UPDATE detections SET Com_Name = 'Amsel', Sci_Name = "
        "'Turdus merula' WHERE rowid = 200");
    report = publish_file(real, conninfo(), "berging");
    EXPECT_EQ(report["deleted"], 1) << report;
    EXPECT_EQ(report["updated"].get<int>() + report["inserted"].get<int>(), 1) << report;
    EXPECT_EQ(difference(real, db, "berging"), "");
}

// Edited more often than a slice is read: three tries find it changed, the fourth holds it.
TEST_F(PublishTest, ASourceThatIsEditedAllTheTimeIsReadInOneGo) {
    at_station("INSERT INTO detections SELECT date(Date, '100 days'), Time, Sci_Name, Com_Name, Confidence, "
               "Lat, Lon, "
               "Cutoff, Week, Sens, Overlap, 'a' || n.value || File_Name FROM detections, "
               "json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]') AS n");
    std::atomic<bool> stop = false;
    std::atomic<int> edits = 0;
    std::thread editor([&] {
        SqliteDb station(birds_, SQLITE_OPEN_READWRITE, false);
        station("PRAGMA busy_timeout = 5000; PRAGMA synchronous = OFF");
        while (!stop) {
            station("UPDATE detections SET Confidence = 0.7" + std::to_string(100 + edits % 900) +
                    " WHERE rowid = " + std::to_string(1 + edits * 37 % 20'000));
            ++edits;
        }
    });
    EXPECT_TRUE(eventually([&] { return edits > 10; }));
    const auto first = publish();
    const auto second = publish();
    stop = true;
    editor.join();
    EXPECT_EQ(first["inserted"], 21'000) << first;
    EXPECT_GT(first["rows_read"], 21'000) << "it was quiet: not the case that is meant";
    EXPECT_EQ(second["mode"], "days");
    EXPECT_GT(second["updated"], 0);
    publish();
    expect_equal("edited all the time");
}

TEST_F(PublishTest, ARecorderBesideABigPublishLosesNothing) {
    const auto big = dir_ / "big.db";
    const int rows = long_run() ? 1'000'000 : 150'000;
    make_birds_db(big, rows);
    Process recorder({"/usr/bin/python3", EMSN_SOURCE_DIR "/tests/support/recorder.py", big, "--rate", "20"},
                     dir_ / "recorder");
    ASSERT_TRUE(eventually([&] {
        SqliteDb reader(big, SQLITE_OPEN_READONLY, false);
        reader("PRAGMA busy_timeout = 5000");
        return reader("SELECT max(rowid) FROM detections") > std::to_string(rows);
    }));
    auto report = publish_file(big, conninfo(), "berging");
    EXPECT_EQ(report["mode"], "all");
    for (int i = 0; i < 5; ++i)
        publish_file(big, conninfo(), "berging");
    publish_file(big, conninfo(), "berging", R"({"full": true})");
    recorder.signal(SIGTERM);
    recorder.wait();
    const auto said = read_file(dir_ / "recorder");
    const auto waits = nlohmann::json::parse(said.substr(said.find('{')));
    EXPECT_EQ(waits["lost"], 0) << said;
    EXPECT_GT(waits["inserted"], 0);
    EXPECT_LT(waits["longest_wait_seconds"].get<double>(), 1.0) << said;
    publish_file(big, conninfo(), "berging");
    EXPECT_EQ(difference(big, db, "berging"), "");
}

} // namespace
} // namespace emsn::test
