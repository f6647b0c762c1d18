// Tables of detections as people have them: other types, fewer columns, partitions, odd names.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishTables : public PublishTest {
  protected:
    void use(const std::string &definition) {
        db.exec("CREATE TABLE bird_detections " + definition +
                "; SELECT emsn.use_detections('bird_detections')");
    }
    static constexpr const char *kFive = "station text, detection_timestamp timestamptz, species text,"
                                         " common_name text, confidence real";
    // A first load, a correction, a new row, a deletion and a return: what each of them did.
    std::string life(const std::string &file = ".mp3") {
        const auto name = [&](const std::string &letter) { return file.empty() ? "" : letter + file; };
        const std::vector<Bird> first = {bird("2026-01-02 10:00:00", name("a"), "A"),
                                         bird("2026-01-02 10:00:01", name("b"), "B")};
        const auto corrected = bird("2026-01-02 10:00:01", name("c"), "C");
        const auto later = bird("2026-02-03 10:00:00", name("d"), "D");
        std::string told;
        for (const Publication &p : {Publication{.rows = first},
                                     {.rows = first},
                                     {.rows = {first[0], corrected}},
                                     {.scope = "moments", .rows = {later}, .total = 3},
                                     {.rows = {corrected, later}},
                                     {.scope = "days", .rows = {first[0], corrected}, .total = 3}})
            told += (told.empty() ? "" : "; ") + publish(p);
        return told;
    }
    static constexpr const char *kLife =
        "inserted 2; unchanged 2; unchanged 1, updated 1; inserted 1, unchanged 2; deleted 1, unchanged 2;"
        " restored 1, unchanged 2";
};

TEST_F(PublishTables, PartitionedOnes) {
    for (const std::string by : {"month", "station"}) {
        make(by);
        EXPECT_EQ(life(), kLife) << by;
        EXPECT_EQ(centre("species, deleted"), "A|f\nC|f\nD|f") << by;
        // into another partition
        if (by == "month")
            db.exec("CREATE TABLE later PARTITION OF bird_detections FOR VALUES FROM ('2031-02-01') TO "
                    "('2031-03-01')");
        EXPECT_EQ(publish({.rows = {bird("2031-02-02 10:00:00", "a.mp3", "A"),
                                    bird("2026-01-02 10:00:01", "c.mp3", "C"),
                                    bird("2031-02-03 10:00:00", "d.mp3", "D")}}),
                  "unchanged 1, updated 2")
            << by;
        db.exec("DROP TABLE bird_detections; DELETE FROM emsn.sync_state");
    }
}

TEST_F(PublishTables, WithoutDeletedGoneRowsAreMissing) {
    use("(id bigserial, " + std::string(kFive) + ")");
    const std::vector<Bird> two = {bird("2026-01-02 10:00:00", "", "A"),
                                   bird("2026-01-02 10:00:00", "", "B")};
    EXPECT_EQ(publish({.rows = two}), "inserted 2");
    EXPECT_EQ(publish({.rows = {two[0]}}), "missing 1, unchanged 1");
    EXPECT_EQ(publish({.rows = {two[0]}}), "missing 1, unchanged 1");
    EXPECT_EQ(publish({.rows = two}), "unchanged 2");
    EXPECT_EQ(centre("id, station, species, common_name, confidence"), "1|zolder|A|A|0.9\n2|zolder|B|B|0.9");
}

TEST_F(PublishTables, LocalTimestampsTakeTheTimeAsItIs) {
    use("(id bigserial, station varchar(20), detection_timestamp timestamp, species varchar(50), common_name "
        "text,"
        " confidence numeric(5, 4), deleted boolean, deleted_at timestamp)");
    EXPECT_EQ(life(""), kLife);
    EXPECT_EQ(centre("detection_timestamp, species, deleted"),
              "2026-01-02 10:00:00|A|f\n2026-01-02 10:00:01|C|f\n2026-02-03 10:00:00|D|f");
    publish({.scope = "days", .rows = {bird("2026-01-02 10:00:00", "", "A")}, .total = 2});
    EXPECT_EQ(centre("deleted_at - now() AT TIME ZONE 'Europe/Amsterdam' > '-1 minute'", "deleted"), "t");
}

TEST_F(PublishTables, GeneratedAndIdentityColumnsWriteThemselves) {
    use("(id bigint GENERATED ALWAYS AS IDENTITY, station text NOT NULL, detection_timestamp timestamptz NOT "
        "NULL,"
        " date date GENERATED ALWAYS AS ((detection_timestamp AT TIME ZONE 'UTC')::date) STORED,"
        " week integer GENERATED ALWAYS AS (extract(week FROM detection_timestamp AT TIME ZONE 'UTC')) "
        "STORED,"
        " species text, common_name text, confidence real, file_name text, extra text DEFAULT 'kept',"
        " deleted_at timestamptz, deleted boolean GENERATED ALWAYS AS (deleted_at IS NOT NULL) STORED)");
    EXPECT_EQ(life(), kLife);
    db.exec("UPDATE bird_detections SET extra = 'mine'");
    publish({.rows = {bird("2026-01-02 10:00:00", "a.mp3", "X"), bird("2026-01-02 10:00:01", "c.mp3", "C")}});
    EXPECT_EQ(centre("id, date, week, species, extra, deleted"),
              "1|2026-01-02|1|X|mine|f\n2|2026-01-02|1|C|mine|f\n3|2026-02-03|6|D|mine|t");
}

TEST_F(PublishTables, TimestampMadeOfDateAndTime) {
    use("(id bigserial, station text, date date, time time, detection_timestamp timestamp GENERATED ALWAYS AS"
        " (date + time) STORED, species text, common_name text, confidence real, deleted boolean)");
    EXPECT_EQ(life(""), kLife);
}

TEST_F(PublishTables, TypesOfTheUsersOwn) {
    db.exec("CREATE DOMAIN share AS double precision CHECK (value <= 1);"
            "CREATE TYPE bird AS ENUM ('A', 'B', 'C', 'D', 'Turdus merula')");
    use("(id bigserial, station text, detection_timestamp timestamptz(0), date text, time timetz, species "
        "text,"
        " common_name varchar(40) COLLATE \"C\", confidence share, latitude numeric, longitude numeric(7, "
        "3), week text,"
        " file_name varchar(200), detected_by_zolder integer, deleted boolean NOT NULL)");
    // what a date is as text is not the publisher's choice
    publisher_.exec("SET datestyle = 'German'; SET timezone = 'Asia/Tokyo'");
    EXPECT_EQ(life(), kLife);
    EXPECT_EQ(centre("date, latitude, longitude, week, detected_by_zolder", "id = 1"),
              "2026-01-02|52.1|5.200|1|NULL");
}

TEST_F(PublishTables, OddNames) {
    const std::string name = R"("x""; {rows} %s it's")";
    db.exec("SELECT emsn.create_detections($$" + name + "$$)");
    db.exec("SELECT emsn.allow_publisher('" + role_ + "', $$o'b \"$1\" %L \\$$)");
    const std::vector<Bird> two = {bird("2026-01-02 10:00:00", "a.mp3"),
                                   bird("2026-01-02 10:00:01", "b'\".mp3")};
    const std::string station = "o''b \"$1\" %L \\";
    EXPECT_EQ(publish({.rows = two, .station = station}), "inserted 2");
    EXPECT_EQ(publish({.rows = {two[0]}, .station = station}), "deleted 1, unchanged 1");
    EXPECT_EQ(publish({.rows = two, .station = station}), "restored 1, unchanged 1");
    EXPECT_EQ(db.text("SELECT station, file_name, deleted FROM " + name + " ORDER BY id"),
              "o'b \"$1\" %L \\|a.mp3|f\no'b \"$1\" %L \\|b'\".mp3|f");
}

TEST_F(PublishTables, TriggersFindWhatLiesBesideTheTable) {
    make();
    db.exec("CREATE TABLE journal (species text);"
            "CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO journal VALUES (NEW.species); RETURN NEW; END $$;"
            "CREATE TRIGGER t AFTER INSERT OR UPDATE ON bird_detections FOR EACH ROW EXECUTE FUNCTION "
            "write_down()");
    EXPECT_EQ(life(), kLife);
    EXPECT_EQ(db.text("TABLE journal"), "A\nB\nC\nD\nA\nA");
}

TEST_F(PublishTables, TableThatIsReplacedMeanwhileIsNotWrittenTo) {
    make();
    for (const bool dropped : {false, true}) {
        auto other = session();
        other.exec(dropped ? "BEGIN; DROP TABLE bird_detections"
                           : "BEGIN; ALTER TABLE bird_detections RENAME TO old;"
                             "CREATE TABLE bird_detections (LIKE old INCLUDING ALL)");
        publisher_.send("SELECT emsn.publish_live_rows('zolder')");
        ASSERT_TRUE(eventually([&] { return session_is(db, publisher_.pid(), "Lock"); }));
        other.exec("COMMIT");
        const auto outcome = publisher_.wait();
        EXPECT_EQ(outcome.sqlstate, dropped ? "55006" : "40001");
        EXPECT_EQ(outcome.message, dropped ? "the table of detections was just replaced"
                                           : "public.bird_detections was just replaced");
    }
}

TEST_F(PublishTables, WhatATriggerLeavesOutIsNotCounted) {
    make();
    db.exec("CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF NEW.species = 'B' THEN RETURN NULL; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER t BEFORE INSERT ON bird_detections FOR EACH ROW EXECUTE FUNCTION skip()");
    EXPECT_EQ(publish({.rows = {bird("2026-01-02 10:00:00", "", "A"), bird("2026-01-02 10:00:00", "", "B")}}),
              "inserted 1, unchanged 1");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') ->> 'live_rows'"), "1");
}

} // namespace
} // namespace emsn::test
