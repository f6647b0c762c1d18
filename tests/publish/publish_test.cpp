// emsn_publish between a real birds.db and a real centre: what it does, says and refuses.
#include <gtest/gtest.h>

#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

TEST_F(PublishTest, TheFirstRunBringsAllAndTheSecondNothing) {
    const auto first = publish();
    EXPECT_EQ(first["mode"], "all");
    EXPECT_EQ(first["inserted"], 1000);
    EXPECT_EQ(first["rows_sent"], 1000);
    EXPECT_EQ(first["unchanged"], 0);
    expect_equal("first run");
    const auto second = publish();
    EXPECT_EQ(second["mode"], "nothing");
    EXPECT_EQ(second["unchanged"], 1000);
    for (const char *count :
         {"inserted", "updated", "deleted", "restored", "rejected", "missing", "rows_sent"})
        EXPECT_EQ(second[count], 0) << count;
    EXPECT_EQ(publish(R"({"full": true})")["unchanged"], 1000);
    expect_equal("third run");
}

TEST_F(PublishTest, NewRowsTravelAlone) {
    publish();
    for (int n = 1; n <= 5; ++n)
        hear(n);
    const auto report = publish();
    EXPECT_EQ(report["mode"], "moments");
    EXPECT_EQ(report["inserted"], 5);
    EXPECT_EQ(report["rows_sent"], 5);
    EXPECT_EQ(report["unchanged"], 1000);
    expect_equal("new rows");
    EXPECT_EQ(publish()["mode"], "nothing");
}

// The counter and the number of rows agree all the same.
TEST_F(PublishTest, NewRowsDoNotHideAnEditOfTheLastDays) {
    publish();
    at_station("BEGIN; " + hear_sql(1) + "; " + hear_sql(2) + "; COMMIT");
    at_station("UPDATE detections SET Com_Name = 'Merel' WHERE rowid = 1000");
    at_station(hear_sql(3));
    at_station("BEGIN; UPDATE detections SET Com_Name = 'Merel' WHERE rowid = 990; " + hear_sql(4) +
               "; COMMIT");
    auto report = publish();
    EXPECT_EQ(report["mode"], "days") << "the last row is another one";
    EXPECT_EQ(report["updated"], 2);
    expect_equal("edit of the last row");
    at_station("BEGIN; UPDATE detections SET Com_Name = 'Amsel' WHERE rowid = 990; " + hear_sql(5) +
               "; COMMIT");
    report = publish();
    EXPECT_EQ(report["mode"], "days") << "the last row is the same";
    EXPECT_EQ(report["updated"], 1);
    expect_equal("edit of another row");
}

TEST_F(PublishTest, ASecondIsWholeHoweverItsDayIsSpelled) {
    publish();
    const std::string rest = "'Parus major', 'Great Tit', 0.8, 52.1, 5.2, 0.7, 1, 1.25, 0, ";
    at_station("INSERT INTO detections VALUES ('2025/06/01', '10:00:00', " + rest + "'a.mp3')");
    EXPECT_EQ(publish()["mode"], "moments");
    at_station("INSERT INTO detections VALUES ('2025-06-01', '10:00:00', " + rest + "'b.mp3')");
    const auto report = publish();
    EXPECT_EQ(report["mode"], "moments");
    EXPECT_EQ(report["rows_sent"], 2) << "both of that second";
    EXPECT_EQ(report["inserted"], 1);
    EXPECT_EQ(report["deleted"], 0);
    expect_equal("two spellings");
}

TEST_F(PublishTest, CorrectionsDeletionsAndReturnsAreThoseOfTheStation) {
    publish();
    at_station("UPDATE detections SET Sci_Name = 'Turdus philomelos', Com_Name = 'Song Thrush', "
               "File_Name = 'Song_Thrush-7.mp3' WHERE File_Name = 'Blackbird-7.mp3'");
    auto report = publish();
    EXPECT_EQ(report["mode"], "days");
    EXPECT_EQ(report["updated"], 1) << report;
    EXPECT_EQ(report["inserted"], 0);
    EXPECT_EQ(report["rows_sent"], 199) << "only that day";
    expect_equal("correction");
    at_station("DELETE FROM detections WHERE File_Name IN ('Blackbird-500.mp3', 'Blackbird-501.mp3')");
    report = publish();
    EXPECT_EQ(report["deleted"], 2);
    expect_equal("deletion");
    at_station("INSERT INTO detections VALUES ('2025-01-03', '08:20:00', 'Turdus merula', 'Eurasian "
               "Blackbird', 0.8, "
               "52.1, 5.2, 0.7, 1, 1.25, 0, 'Blackbird-500.mp3')");
    EXPECT_EQ(publish()["restored"], 1);
    expect_equal("return");
    at_station("VACUUM");
    report = publish();
    EXPECT_EQ(report["rows_sent"], 0) << "other rowids, the same days";
    EXPECT_EQ(publish()["mode"], "nothing");
}

TEST_F(PublishTest, ADryRunSaysWhatItWouldDo) {
    EXPECT_EQ(publish(R"({"dry_run": true})")["inserted"], 1000);
    EXPECT_EQ(centre_rows(db), "");
    const auto report = publish();
    EXPECT_EQ(report["inserted"], 1000);
    EXPECT_EQ(report["dry_run"], false);
}

TEST_F(PublishTest, RowsThatAreNoDetectionsGoAsideWithTheReason) {
    const std::string good = "'Turdus merula', 'Eurasian Blackbird', 0.8, 52.1, 5.2, 0.7, 1, 1.25, 0, ";
    at_station(
        "INSERT INTO detections VALUES ('2025-06-01', '24:00:00', " + good + "'t.mp3'), ('', '10:00:00', " +
        good + "'d.mp3'), ('2025-02-30', '10:00:00', " + good +
        "'e.mp3'), ('2025-06-01', '10:00:00', 'Turdus merula', 'Bl', 'NaN', 1, 2, 3, 4, 5, 6, 'n.mp3'), "
        "('2025-06-01', '10:00:00', 'Turdus merula', 'Bl', NULL, 1, 2, 3, 4, 5, 6, 'm.mp3'), "
        "('2025-06-01', '10:00:00', 'Turdus merula', 'Bl', 9e999, 1, 2, 3, 4, 5, 6, 'i.mp3'), "
        "('2025-06-01', '10:00:00', CAST(x'46fc' AS TEXT), 'Bl', 0.8, 1, 2, 3, 4, 5, 6, 'b.mp3'), "
        "('2025-06-01', '10:00:00', CAST(x'460046' AS TEXT), 'Bl', 0.8, 1, 2, 3, 4, 5, 6, 'z.mp3'), "
        "('2025/06/01', '10:00:00', 'Turdus merula', 'Bl', 0.8, '', NULL, 3, 4, 5, 6, '')");
    const auto report = publish();
    EXPECT_EQ(report["inserted"], 1001) << report;
    EXPECT_EQ(report["rejected"], 8);
    EXPECT_EQ(db.text("SELECT reason FROM emsn.rejected_detections ORDER BY reason COLLATE \"C\""),
              "Confidence is empty, or was not a number\nConfidence is not a finite number\n"
              "Confidence is not a finite number\nDate is empty\nDate is not a day as YYYY-MM-DD\nSci_Name "
              "contains a NUL "
              "byte\nSci_Name is not valid UTF-8\nTime is not a time of day as HH:MM:SS");
    EXPECT_EQ(publish()["mode"], "nothing");
    at_station("INSERT INTO detections VALUES ('2025-06-02', '25:00:00', " + good + "'u.mp3')");
    EXPECT_EQ(publish()["rejected"], 1);
    at_station("UPDATE detections SET Time = '23:00:00' WHERE Time IN ('24:00:00', '25:00:00')");
    EXPECT_EQ(publish()["inserted"], 2) << "mended rows are detections";
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.rejected_detections"), "7");
}

TEST_F(PublishTest, WordsThatAreWrongAreSaid) {
    EXPECT_NE(error_of_publish(R"({"ful": true})").find("unknown option \"ful\""), std::string::npos);
    EXPECT_EQ(error_of_publish("{}", ""), "emsn_publish: the station has no name");
    EXPECT_NE(error_of_publish(R"({"time_zone": "Europe/Atlantis"})").find("there is no time zone"),
              std::string::npos)
        << error_of_publish(R"({"time_zone": "Europe/Atlantis"})");
    SqliteDb other(dir_ / "other.db");
    other.load(EMSN_PG_SO);
    EXPECT_NE(
        other.error_of(publish_sql(conninfo(), "zolder", "{}")).find("has no pages: is its name right?"),
        std::string::npos);
    other("CREATE TABLE t(a)");
    EXPECT_NE(other.error_of(publish_sql(conninfo(), "zolder", "{}")).find("has no table detections"),
              std::string::npos);
    other("CREATE TABLE detections(Date, Time, Sci_Name, Lat)");
    EXPECT_NE(
        other.error_of(publish_sql(conninfo(), "zolder", "{}")).find("has no column Com_Name, Confidence"),
        std::string::npos);
    SqliteDb memory(":memory:");
    memory.load(EMSN_PG_SO);
    memory("CREATE TABLE detections(Date, Time, Sci_Name, Com_Name, Confidence)");
    EXPECT_NE(memory.error_of(publish_sql(conninfo(), "zolder", "{}")).find("in memory"), std::string::npos);
}

TEST_F(PublishTest, AnOpenTransactionOnTheSourceIsRefused) {
    SqliteDb station(birds_);
    station.load(EMSN_PG_SO);
    const auto call = publish_sql(conninfo(), "zolder", "{}");
    EXPECT_NE(station.error_of(call + " FROM detections").find("a read transaction is open on main"),
              std::string::npos);
    EXPECT_NE(station.error_of("BEGIN IMMEDIATE; " + call).find("a write transaction is open on main"),
              std::string::npos);
}

TEST_F(PublishTest, ColumnsThatTheSourceLacksAreNullAtTheCentre) {
    SqliteDb old(dir_ / "old.db");
    old("CREATE TABLE detections(Date, Time, Sci_Name, Com_Name, Confidence); "
        "INSERT INTO detections VALUES ('2022/02/07', '08:10:13', 'Parus major', 'Great Tit', '0.81')");
    EXPECT_EQ(publish_file(dir_ / "old.db", conninfo(), "berging")["inserted"], 1);
    EXPECT_EQ(
        db.text("SELECT date, time, confidence::float4, latitude, week, file_name FROM bird_detections"),
        "2022-02-07|08:10:13|0.81|NULL|NULL|NULL");
}

TEST_F(PublishTest, AReadOnlyRunLeavesNothingBesideTheSource) {
    publish();
    EXPECT_EQ(files_in(dir_.path()), "birds.db");
    at_station("PRAGMA journal_mode = wal");
    SqliteDb writer(birds_, SQLITE_OPEN_READWRITE, false); // keeps -wal and -shm there
    writer("INSERT INTO detections SELECT * FROM detections LIMIT 1");
    const auto before = files_in(dir_.path());
    publish();
    EXPECT_EQ(files_in(dir_.path()), before);
}

TEST_F(PublishTest, AWalSourceIsComparedByDaysAndNeverMissesAChange) {
    at_station("PRAGMA journal_mode = wal");
    SqliteDb writer(birds_, SQLITE_OPEN_READWRITE, false);
    EXPECT_EQ(publish()["inserted"], 1000);
    writer("UPDATE detections SET Com_Name = 'Blackbird' WHERE rowid = 3; DELETE FROM detections WHERE rowid "
           "= 900");
    const auto report = publish();
    EXPECT_EQ(report["updated"], 1) << report;
    EXPECT_EQ(report["deleted"], 1);
    expect_equal("WAL");
    EXPECT_TRUE(eventually([&] { return publish()["mode"] == "nothing"; }));
    EXPECT_EQ(publish()["mode"], "nothing");
}

} // namespace
} // namespace emsn::test
