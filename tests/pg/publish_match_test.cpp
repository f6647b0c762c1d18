// Which detection is which: rows without file names, equal rows, clocks that are set, and a centre that
// another program has filled.
#include <cstdlib>
#include <filesystem>

#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishMatch : public PublishTest {
  protected:
    // How an older program kept the detections: no file names, confidence rounded.
    void fill_the_old_way(const std::string &confidence) {
        db.exec(
            "CREATE TABLE bird_detections (id bigserial PRIMARY KEY, station text NOT NULL,"
            " detection_timestamp timestamptz NOT NULL, date date, time time, species text, common_name text,"
            " confidence " +
            confidence +
            ", latitude real, longitude real, cutoff real, week integer, sensitivity real, overlap real,"
            " detected_by_zolder boolean, detected_by_berging boolean, deleted boolean DEFAULT false,"
            " deleted_at timestamptz); SELECT emsn.use_detections('bird_detections')");
    }
    void add_the_old_way(const std::string &moment, const std::string &species,
                         const std::string &confidence) {
        db.exec("INSERT INTO bird_detections (station, detection_timestamp, date, time, species, common_name,"
                " confidence, latitude, longitude, cutoff, week, sensitivity, overlap, detected_by_zolder)"
                " VALUES ('zolder', '" +
                moment + " Europe/Amsterdam', '" + moment + "', '" + moment + "', '" + species + "', '" +
                species + "', " + confidence + ", 52.1, 5.2, 0.7, 1, 1.25, 0, true)");
    }
    const std::string at_ = "2026-01-02 10:00:00";
};

TEST_F(PublishMatch, EqualRowsOfOneSecondAreCounted) {
    make();
    EXPECT_EQ(publish({.rows = {bird(at_), bird(at_), bird(at_)}}), "inserted 3");
    EXPECT_EQ(publish({.rows = {bird(at_), bird(at_)}}), "deleted 1, unchanged 2");
    EXPECT_EQ(publish({.scope = "moments", .rows = {bird(at_), bird(at_), bird(at_), bird(at_)}}),
              "inserted 1, restored 1, unchanged 2");
    EXPECT_EQ(centre("id, deleted"), "1|f\n2|f\n3|f\n4|f");
    // a difference in one is not passed on to its twins
    EXPECT_EQ(publish({.rows = {bird(at_, "", "Parus major"), bird(at_), bird(at_), bird(at_)}}),
              "unchanged 3, updated 1");
    EXPECT_EQ(publish({.rows = {bird(at_), bird(at_), bird(at_), bird(at_, "", "Parus major")}}),
              "unchanged 4");
}

TEST_F(PublishMatch, RowsWithoutFileNameGoBySpeciesThenByOrder) {
    make();
    publish({.rows = {bird(at_, "", "A", "0.1"), bird(at_, "", "B", "0.2"), bird(at_, "", "C", "0.3")}});
    EXPECT_EQ(
        publish({.rows = {bird(at_, "", "D", "0.4"), bird(at_, "", "C", "0.3"), bird(at_, "", "A", "0.5")}}),
        "unchanged 1, updated 2");
    EXPECT_EQ(centre("id, species, confidence"), "1|A|0.5\n2|D|0.4\n3|C|0.3");
}

TEST_F(PublishMatch, FileNameGoesBeforeTheSecond) {
    make();
    publish({.rows = {bird(at_, "a.mp3", "A"), bird(at_, "b.mp3", "B")}});
    EXPECT_EQ(publish({.rows = {bird("2026-01-02 11:00:00", "a.mp3", "A"), bird(at_, "c.mp3", "A")}}),
              "updated 2");
    EXPECT_EQ(centre("id, time, species, file_name"), "1|11:00:00|A|a.mp3\n2|10:00:00|A|c.mp3");
    // one file of two birds
    publish({.rows = {bird(at_, "a.mp3", "A"), bird(at_, "a.mp3", "B")}});
    EXPECT_EQ(publish({.rows = {bird(at_, "a.mp3", "B"), bird(at_, "a.mp3", "A")}}), "unchanged 2");
    EXPECT_EQ(publish({.rows = {bird(at_, "a.mp3", "B")}}), "deleted 1, unchanged 1");
}

TEST_F(PublishMatch, NoFileNameAndTheEmptyOneAreTheSame) {
    make();
    publish({.rows = {bird(at_)}});
    db.exec("UPDATE bird_detections SET file_name = ''");
    EXPECT_EQ(publish({.rows = {bird(at_)}}), "unchanged 1");
    EXPECT_EQ(publish({.rows = {bird(at_, "a.mp3")}}), "updated 1");
    EXPECT_EQ(centre("id, file_name"), "1|a.mp3");
}

TEST_F(PublishMatch, DeletedRowsComeBackByFileNameOrBySpecies) {
    make();
    const std::vector<Bird> named = {bird(at_, "a.mp3", "A"), bird(at_, "b.mp3", "B")};
    publish({.rows = named});
    publish({.rows = {named[0]}});
    // another file of the same second is another detection
    EXPECT_EQ(publish({.rows = {named[0], bird(at_, "c.mp3", "B")}}), "inserted 1, unchanged 1");
    EXPECT_EQ(
        publish({.rows = {named[0], bird(at_, "c.mp3", "B"), bird("2026-01-03 10:00:00", "b.mp3", "X")}}),
        "restored 1, unchanged 2");
    EXPECT_EQ(centre("id, date, species, file_name, deleted, deleted_at"),
              "1|2026-01-02|A|a.mp3|f|NULL\n2|2026-01-03|X|b.mp3|f|NULL\n3|2026-01-02|B|c.mp3|f|NULL");
    EXPECT_EQ(publish({.rows = {named[0]}, .options = R"({"max_delete": 2})"}), "deleted 2, unchanged 1");
    EXPECT_EQ(publish({.rows = {named[0], bird(at_, "", "B", "0.5")}}), "restored 1, unchanged 1");
    EXPECT_EQ(centre("species, confidence, file_name, deleted", "id = 3"), "B|0.5|NULL|f");
}

TEST_F(PublishMatch, DeletedRowWithoutFileNameGetsTheOneItReturnsWith) {
    make();
    publish({.rows = {bird(at_, "", "A"), bird(at_, "", "B")}});
    publish({.rows = {bird(at_, "", "A")}});
    EXPECT_EQ(publish({.rows = {bird(at_, "", "A"), bird(at_, "b.mp3", "B", "0.5")}}),
              "restored 1, unchanged 1");
    EXPECT_EQ(centre("id, confidence, file_name, deleted"), "1|0.9|NULL|f\n2|0.5|b.mp3|f");
}

TEST_F(PublishMatch, LiveRowsGoBeforeDeletedOnes) {
    make();
    for (const std::string file : {"", "a.mp3"}) {
        publish({.rows = {bird(at_, file), bird(at_, file)}});
        publish({.rows = {bird(at_, file)}});
        db.exec("UPDATE bird_detections SET deleted = NOT deleted"); // the first is the deleted one
        EXPECT_EQ(publish({.rows = {bird(at_, file)}}), "unchanged 1");
        EXPECT_EQ(publish({.rows = {bird(at_, file, "Turdus merula", "0.8")}}), "updated 1");
        EXPECT_EQ(db.text("SELECT confidence, deleted FROM bird_detections ORDER BY id"), "0.9|t\n0.8|f");
        db.exec("TRUNCATE bird_detections");
    }
}

TEST_F(PublishMatch, CentreFilledTheOldWayIsAdopted) {
    for (const std::string type : {"real", "numeric(5,4)"}) {
        fill_the_old_way(type);
        add_the_old_way(at_, "A", "0.81040645");
        add_the_old_way(at_, "B", "0.7");
        add_the_old_way(at_, "B", "0.7"); // doubled by the old program
        add_the_old_way("2026-01-02 11:00:00", "C", "0.9");
        db.exec("UPDATE bird_detections SET detected_by_zolder = NULL WHERE species = 'C'");
        const Publication source{.rows = {bird(at_, "", "B", "0.7"), bird(at_, "", "A", "0.81040645"),
                                          bird("2026-01-02 11:00:00", "", "C", "0.9"),
                                          bird("2026-01-02 12:00:00", "", "D")}};
        EXPECT_EQ(publish(source), "deleted 1, inserted 1, unchanged 2, updated 1") << type;
        EXPECT_EQ(centre("id, species, detected_by_zolder, deleted"),
                  "1|A|t|f\n2|B|t|f\n3|B|t|t\n4|C|t|f\n5|D|t|f")
            << type;
        EXPECT_EQ(publish(source), "unchanged 4") << type;
        db.exec("DROP TABLE bird_detections; DELETE FROM emsn.sync_state");
    }
}

TEST_F(PublishMatch, FileNamesAreAddedToWhatIsThere) {
    fill_the_old_way("real");
    db.exec("ALTER TABLE bird_detections ADD file_name text");
    add_the_old_way(at_, "A", "0.81040645");
    add_the_old_way(at_, "A", "0.5");
    const Publication source{.rows = {bird(at_, "x.mp3", "A", "0.5"), bird(at_, "y.mp3", "A", "0.81040645")}};
    EXPECT_EQ(publish(source), "updated 2");
    EXPECT_EQ(centre("id, file_name"), "1|y.mp3\n2|x.mp3");
    EXPECT_EQ(publish(source), "unchanged 2");
}

TEST_F(PublishMatch, RealDetectionsOfTheOldWayAreAdopted) {
    const char *csv = std::getenv("EMSN_BIRDDB_CSV");
    if (csv == nullptr || !std::filesystem::exists(csv))
        GTEST_SKIP() << "EMSN_BIRDDB_CSV names no export of real detections";
    const TempDir dir;
    ASSERT_EQ(run({EMSN_SOURCE_DIR "/tests/support/load_csv.py", csv, dir / "birds.db"}).status, 0);
    const auto lines =
        run({"sqlite3", "-separator", "\t", dir / "birds.db",
             "SELECT rowid, Date, Time, Sci_Name, Com_Name, Confidence, Lat, Lon, Cutoff, Week, Sens,"
             " Overlap, coalesce(nullif(File_Name, ''), '\\N'), '\\N', '\\N' FROM detections"});
    fill_the_old_way("numeric(5,4)");
    const auto load =
        run({"bash", "-c",
             "set -o pipefail; sqlite3 -readonly -csv \"$1\" 'SELECT Date || \" \" || Time || \" "
             "Europe/Amsterdam\", \"zolder\", Date, Time, Sci_Name, Com_Name, Confidence, Lat, Lon, "
             "Cutoff, Week, Sens, Overlap, 1 FROM detections' | psql -X -q \"$2\" -c '\\copy "
             "bird_detections (detection_timestamp, station, date, time, species, common_name, "
             "confidence, latitude, longitude, cutoff, week, sensitivity, overlap, detected_by_zolder) "
             "FROM STDIN (FORMAT csv)'",
             "bash", dir / "birds.db", PgCluster::shared().conninfo(database())});
    ASSERT_EQ(load.status, 0) << load.err;
    EXPECT_EQ(publish({.total = 1520, .lines = lines.out}), "unchanged 1520");
    db.exec("UPDATE bird_detections SET species = 'Corvus corone' WHERE id = 7;"
            "INSERT INTO bird_detections (station, detection_timestamp, date, time, species, common_name, "
            "confidence)"
            " SELECT station, detection_timestamp, date, time, species, common_name, confidence FROM "
            "bird_detections"
            " WHERE id BETWEEN 100 AND 109; DELETE FROM bird_detections WHERE id BETWEEN 200 AND 204");
    EXPECT_EQ(publish({.total = 1520, .lines = lines.out}),
              "deleted 10, inserted 5, unchanged 1514, updated 1");
    EXPECT_EQ(publish({.total = 1520, .lines = lines.out}), "unchanged 1520");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections WHERE deleted IS NOT TRUE"), "1520");
}

// The clock goes from 2:00 to 3:00 on 29 March and from 3:00 back to 2:00 on 25 October.
TEST_F(PublishMatch, DaysOnWhichTheClockIsSet) {
    const std::vector<Bird> rows = {
        bird("2026-03-29 01:30:00"), bird("2026-03-29 02:30:00"),
        bird("2026-03-29 03:30:00"), bird("2026-10-25 01:30:00"),
        bird("2026-10-25 02:30:00"), bird("2026-10-25 02:30:00"), // summer, winter
        bird("2026-10-25 03:30:00")};
    for (const bool clock : {true, false}) {
        make();
        if (!clock)
            db.exec("ALTER TABLE bird_detections DROP date, DROP time");
        EXPECT_EQ(publish({.rows = rows}), "inserted 7");
        EXPECT_EQ(
            centre("to_char(detection_timestamp AT TIME ZONE 'UTC', 'MM-DD HH24:MI')"),
            "03-29 00:30\n03-29 01:30\n03-29 01:30\n10-24 23:30\n10-25 01:30\n10-25 01:30\n10-25 02:30");
        EXPECT_EQ(publish({.rows = rows}), "unchanged 7") << clock;
        EXPECT_EQ(publish({.scope = "days", .rows = {rows[0], rows[1], rows[2]}, .total = 7}), "unchanged 7")
            << clock;
        // 2:30, which there was not, stands where 3:30 does: it is no row of 3:30 that is gone
        EXPECT_EQ(publish({.scope = "moments", .rows = {rows[2]}, .total = 7}), "unchanged 7") << clock;
        if (clock) {
            EXPECT_EQ(publish({.scope = "moments", .rows = {rows[2], rows[2]}, .total = 8}),
                      "inserted 1, unchanged 7");
        }
        db.exec("DROP TABLE bird_detections; DELETE FROM emsn.sync_state; DELETE FROM emsn.sync_days");
    }
}

TEST_F(PublishMatch, AnotherTimeZoneMovesTheRowsThatAreThere) {
    make();
    publish({.rows = {bird(at_), bird(at_)}, .time_zone = "UTC"});
    EXPECT_EQ(publish({.rows = {bird(at_), bird(at_)}}), "updated 2");
    EXPECT_EQ(centre("id, detection_timestamp AT TIME ZONE 'UTC', time"),
              "1|2026-01-02 09:00:00|10:00:00\n2|2026-01-02 09:00:00|10:00:00");
}

TEST_F(PublishMatch, WhatIsChangedMeanwhileIsToBePublishedAgain) {
    make();
    publish({.rows = {bird(at_, "a.mp3")}});
    const Publication corrected{.rows = {bird(at_, "a.mp3", "Parus major")}};
    const std::string apply = "SELECT emsn.publish_apply('zolder', 'all', '[]', 1, '{}', '{}') ->> 'updated'";
    for (const bool commit : {true, false}) {
        auto other = session();
        other.exec("BEGIN; UPDATE bird_detections SET confidence = 0.5");
        publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'Europe/Amsterdam')");
        copy_in(publisher_, "pg_temp.emsn_incoming", corrected.copy_lines());
        publisher_.send(apply);
        ASSERT_TRUE(eventually([&] { return session_is(db, publisher_.pid(), "Lock"); }));
        other.exec(commit ? "COMMIT" : "ROLLBACK");
        const auto outcome = publisher_.wait();
        EXPECT_EQ(outcome.sqlstate, commit ? "40001" : "");
        EXPECT_EQ(outcome.message, commit ? "1 of 1 detections were changed by somebody else meanwhile" : "");
        publisher_.exec("ROLLBACK");
    }
    EXPECT_EQ(publish(corrected), "updated 1");
    EXPECT_EQ(centre("id, species, confidence"), "1|Parus major|0.9");
}

} // namespace
} // namespace emsn::test
