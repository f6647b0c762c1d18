// The way of a detection: CSV, birds.db, mirror, centre. The counts are the same everywhere.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

// 11 columns, no File_Name, dates with slashes, several detections in the same second, and one line of NULs,
// as a card leaves them after a power cut.
std::string invented_csv() {
    std::string csv = "Date,Time,Sci_Name,Com_Name,Confidence,Lat,Lon,Cutoff,Week,Sens,Overlap\n";
    const char *species[] = {"Corvus corone,Rabenkrähe", "Parus major,Kohlmeise", "Turdus merula,Amsel"};
    for (int i = 0; i < 600; ++i) {
        if (i == 400)
            csv += std::string(120, '\0') + "\n";
        const int day = 7 + i % 9;
        csv += "2022/02/" + std::string(day < 10 ? "0" : "") + std::to_string(day) + ",08:10:1" +
               std::to_string(i % 5) + "," + species[i % 3] + ",0.81040645,47.8555,12.3401,0.7,6,0.75,0.0\n";
    }
    return csv;
}

class RealDataTest : public PgTest {
  protected:
    void follow(const std::string &csv, int loaded, int broken_line) {
        const auto load = run({EMSN_SOURCE_DIR "/tests/support/load_csv.py", csv, birds_});
        ASSERT_EQ(load.status, 0) << load.err;
        EXPECT_EQ(load.out, "{\"loaded\": " + std::to_string(loaded) + ", \"rejected\": 1}\n");
        EXPECT_EQ(load.err,
                  csv + ": line " + std::to_string(broken_line) + ": rejected: contains NUL bytes\n");

        SqliteDb birds(birds_, SQLITE_OPEN_READONLY);
        birds.snapshot(mirror_, R"({"verify": "full"})");
        SqliteDb mirror(mirror_, SQLITE_OPEN_READONLY, false);
        const std::string by_species = "SELECT Sci_Name, count(*) FROM detections GROUP BY 1 ORDER BY 1";
        const std::string counts = birds(by_species);
        EXPECT_EQ(mirror(by_species), counts);

        to_centre();
        EXPECT_EQ(db.text("SELECT species, count(*) FROM public.bird_detections GROUP BY 1 "
                          "ORDER BY species COLLATE \"C\""),
                  counts);
        EXPECT_EQ(
            db.text("SELECT day, detections, species FROM emsn.detections_per_station('2022-01-01', "
                    "'2022-12-31') WHERE detections > 0 AND station = 'zolder' ORDER BY day"),
            mirror("SELECT Date, count(*), count(DISTINCT Sci_Name) FROM detections GROUP BY 1 ORDER BY 1"));
    }

    void to_centre() {
        db.exec("SELECT emsn.create_detections('public.bird_detections')");
        publish_file(mirror_, PgCluster::shared().conninfo(database()), "zolder", R"({"time_zone": "UTC"})");
    }

    TempDir dir_;
    const std::string birds_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
};

TEST_F(RealDataTest, InventedDetectionsArriveWhole) {
    write_file(dir_ / "birds.csv", invented_csv());
    follow(dir_ / "birds.csv", 600, 402);
}

TEST_F(RealDataTest, RealDetectionsArriveWhole) {
    const char *csv = std::getenv("EMSN_BIRDDB_CSV");
    if (csv == nullptr || !std::filesystem::exists(csv))
        GTEST_SKIP() << "EMSN_BIRDDB_CSV names no export of real detections";
    follow(csv, 1520, 1326);
}

} // namespace
} // namespace emsn::test
