// Partitions by month: made ahead of time, filled from the default partition, taken off when they are old.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class Partitions : public PublishTest {
  protected:
    Partitions() { make("month"); }

    // rows a minute apart from a moment on
    void hear(const std::string &since, int count) {
        db.exec("INSERT INTO bird_detections (station, detection_timestamp, species) SELECT 'zolder', '" +
                since + "'::timestamptz + n * interval '1 minute', 'x' FROM generate_series(1, " +
                std::to_string(count) + ") AS n");
    }
    std::string checks(const std::string &columns) {
        return db.text("SELECT " + columns +
                       " FROM emsn.health WHERE check_name = 'partitions' ORDER BY unit");
    }
    std::string month(int ahead, const std::string &form) {
        return db.value("SELECT to_char(date_trunc('month', now(), 'UTC') AT TIME ZONE 'UTC' + interval '" +
                        std::to_string(ahead) + " months', '" + form + "')");
    }
};

// The job that makes them ahead learns too what is usual, where there are many stations.
TEST_F(Partitions, AreMadeByTheDailyJob) {
    const auto next = "bird_detections_" + month(1, "YYYY_MM");
    db.exec("DROP TABLE " + next);
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.text("SELECT job, rows, result, to_regclass('" + next + "') IS NULL FROM emsn.runs"),
              "maintain|1|ok|f");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.station_habits"), "0");
    db.exec("INSERT INTO emsn.station_settings (station) SELECT n::text FROM generate_series(1, 50) AS n");
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.station_habits"), "50");
    // partitions are more urgent than what is usual
    db.exec("DROP TABLE " + next + "; ALTER TABLE emsn.station_habits ADD CHECK (station <> '7') NOT VALID");
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.text("SELECT to_regclass('" + next +
                      "') IS NULL, rows, result LIKE 'what is usual was not learned: %violates%' FROM "
                      "emsn.runs ORDER BY run DESC LIMIT 1"),
              "f|1|t");
    // of a view nothing
    db.exec("TRUNCATE emsn.station_habits; CREATE VIEW seen AS SELECT * FROM bird_detections; SELECT "
            "emsn.use_detections('seen')");
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.station_habits"), "0");
    EXPECT_EQ(db.text("SELECT rows, result FROM emsn.runs ORDER BY run DESC LIMIT 1"), "0|ok");
}

TEST_F(Partitions, AreMadeAheadOnce) {
    EXPECT_EQ(checks("subject, status, value, unit"),
              "public.bird_detections|ok|12|months\npublic.bird_detections_default|ok|0|rows");
    EXPECT_EQ(db.text("SELECT * FROM emsn.maintain_partitions()"), "");
    const auto made = db.text("SELECT partition, moved FROM emsn.maintain_partitions(14)");
    EXPECT_EQ(made, "public.bird_detections_" + month(13, "YYYY_MM") + "|0\npublic.bird_detections_" +
                        month(14, "YYYY_MM") + "|0");
    EXPECT_EQ(db.text("SELECT * FROM emsn.maintain_partitions(14)"), "");
    // as those that create_detections made: key and indexes too
    EXPECT_EQ(db.value("SELECT count(*) FROM pg_index AS i JOIN pg_inherits AS h ON h.inhrelid = i.indexrelid"
                       " WHERE i.indrelid = 'bird_detections_" +
                       month(14, "YYYY_MM") + "'::regclass"),
              "3");
}

TEST_F(Partitions, AMissingMonthIsSaidAndFilledFromTheDefaultPartition) {
    const auto next = "bird_detections_" + month(1, "YYYY_MM");
    db.exec("DROP TABLE " + next);
    hear(month(1, "YYYY-MM-05"), 3);
    EXPECT_EQ(checks("status, value, remedy").substr(0, 55),
              "warning|0|SELECT * FROM emsn.maintain_partitions();\nok|");
    const auto before = db.text("SELECT detection_timestamp FROM bird_detections ORDER BY 1");
    EXPECT_EQ(db.text("SELECT partition, moved FROM emsn.maintain_partitions()"), "public." + next + "|3");
    EXPECT_EQ(db.value("SELECT count(*) FROM " + next), "3");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections_default"), "0");
    EXPECT_EQ(db.text("SELECT detection_timestamp FROM bird_detections ORDER BY 1"), before);
    EXPECT_EQ(checks("status, value").substr(0, 5), "ok|12");
}

TEST_F(Partitions, ThePastGetsItsMonthsButWrongDatesGetNone) {
    hear("2019-02-03", 1200);
    hear("1970-01-01", 5);
    EXPECT_EQ(db.text("SELECT partition, from_time, to_time, moved FROM emsn.maintain_partitions()"),
              "public.bird_detections_2019_02|2019-02-01 00:00:00+00|2019-03-01 00:00:00+00|1200");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections_default"), "5");
}

TEST_F(Partitions, PartsOfAMonthFillTheGap) {
    const auto next = "bird_detections_" + month(1, "YYYY_MM");
    db.exec("DROP TABLE " + next + "; CREATE TABLE half PARTITION OF bird_detections FOR VALUES FROM ('" +
            month(1, "YYYY-MM-01") + "') TO ('" + month(1, "YYYY-MM-15") + "')");
    EXPECT_EQ(db.text("SELECT from_time, to_time FROM emsn.maintain_partitions()"),
              month(1, "YYYY-MM-15") + " 00:00:00+00|" + month(2, "YYYY-MM-01") + " 00:00:00+00");
    EXPECT_EQ(db.text("SELECT * FROM emsn.maintain_partitions()"), "");
}

TEST_F(Partitions, WhatIsDoneIsDoneAsTheOwnerOfTheTable) {
    const auto owner = role();
    db.exec("GRANT CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE bird_detections OWNER TO " + owner);
    for (const auto &row :
         db.rows("SELECT relid::regclass::text FROM pg_partition_tree('bird_detections') WHERE level = 1"))
        db.exec("ALTER TABLE " + *row[0] + " OWNER TO " + owner);
    db.exec("SELECT emsn.maintain_partitions(13)");
    EXPECT_EQ(db.value("SELECT relowner::regrole FROM pg_class WHERE relname = 'bird_detections_" +
                       month(13, "YYYY_MM") + "'"),
              owner);
    // what may not be done by the owner is not done
    db.exec("REVOKE CREATE ON SCHEMA public FROM " + owner);
    EXPECT_EQ(db.fails("SELECT emsn.maintain_partitions(14)").sqlstate, "42501");
}

TEST_F(Partitions, OldOnesAreListedAndThenTakenOff) {
    const auto oldest = "bird_detections_" + month(-12, "YYYY_MM");
    hear(month(-12, "YYYY-MM-05"), 2);
    hear(month(-1, "YYYY-MM-05"), 2);
    EXPECT_EQ(db.text("SELECT partition, detached FROM emsn.detach_partitions('11 months')"),
              "public." + oldest + "|f");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections"), "4");
    EXPECT_EQ(
        db.text("SELECT partition, detached FROM emsn.detach_partitions('11 months', dry_run => false)"),
        "public." + oldest + "|t");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections"), "2");
    EXPECT_EQ(db.value("SELECT count(*) FROM " + oldest), "2");
    EXPECT_EQ(db.text("SELECT * FROM emsn.detach_partitions('11 months', dry_run => false)"), "");
    // the same month again, beside the one that was taken off
    hear(month(-12, "YYYY-MM-05"), 1500);
    EXPECT_EQ(db.text("SELECT partition, moved FROM emsn.maintain_partitions()"),
              "public." + oldest + "_2|1500");
}

// Or a station's next whole comparison would send them all again.
TEST_F(Partitions, WhatIsTakenOffIsNotMissedByPublishers) {
    const auto old = month(-12, "YYYY-MM-05");
    const auto young = month(-1, "YYYY-MM-05");
    Publication p{.rows = {bird(old + " 10:00:00"), bird(old + " 11:00:00"), bird(young + " 10:00:00")}};
    EXPECT_EQ(publish(p), "inserted 3");
    p.rows.erase(p.rows.begin());
    EXPECT_EQ(publish(p), "deleted 1, unchanged 2");
    db.exec("INSERT INTO bird_detections (station, detection_timestamp, species) SELECT 'tuin', '" + old +
            "', 'x' FROM generate_series(1, 4)");
    const std::string kept = "SELECT live_rows, emsn.publish_live_rows('zolder') FROM emsn.sync_state";
    EXPECT_EQ(db.text(kept), "2|2");
    db.exec("SELECT emsn.detach_partitions('11 months')");
    EXPECT_EQ(db.text(kept), "2|2");
    db.exec("SELECT emsn.detach_partitions('11 months', dry_run => false)");
    EXPECT_EQ(db.text(kept), "1|1");
}

TEST_F(Partitions, WrongUseIsSaid) {
    EXPECT_EQ(db.fails("SELECT emsn.maintain_partitions(-1)").sqlstate, "22023");
    EXPECT_EQ(db.fails("SELECT emsn.maintain_partitions(NULL)").sqlstate, "22023");
    EXPECT_EQ(db.fails("SELECT emsn.detach_partitions('1 day')").sqlstate, "22023");
    EXPECT_EQ(db.fails("SELECT emsn.detach_partitions(NULL)").sqlstate, "22023");
    db.exec("SELECT emsn.create_detections('whole')");
    EXPECT_EQ(db.text("SELECT * FROM emsn.maintain_partitions()"), "");
    EXPECT_EQ(db.fails("SELECT emsn.detach_partitions('1 year')").sqlstate, "42809");
    EXPECT_EQ(checks("subject"), "");
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.fails("SELECT emsn.maintain_partitions()").sqlstate, "42501");
}

// "date + time" columns and a column of local time
TEST_F(Partitions, LocalTimestampsHaveMonthsToo) {
    db.exec("CREATE TABLE here (station text, detection_timestamp timestamp, species text, common_name text,"
            " confidence real) PARTITION BY RANGE (detection_timestamp);"
            "CREATE TABLE here_default PARTITION OF here DEFAULT; SELECT emsn.use_detections('here');"
            "INSERT INTO here (station, detection_timestamp, species) SELECT 'a', date_trunc('month', now() "
            "AT TIME ZONE 'UTC'), 'x'");
    EXPECT_EQ(checks("value").substr(0, 2), "-1");
    EXPECT_EQ(db.text("SELECT partition, moved FROM emsn.maintain_partitions(1)"),
              "public.here_" + month(0, "YYYY_MM") + "|1\npublic.here_" + month(1, "YYYY_MM") + "|0");
}

TEST_F(Partitions, PublishingGoesOnOverANewPartition) {
    db.exec("DROP TABLE bird_detections_" + month(0, "YYYY_MM"));
    const auto day = month(0, "YYYY-MM-02");
    Publication p{.rows = {bird(day + " 10:00:00"), bird(day + " 11:00:00")}};
    EXPECT_EQ(publish(p), "inserted 2");
    db.exec("SELECT emsn.maintain_partitions()");
    p.rows.pop_back();
    p.rows.push_back(bird(day + " 11:00:00", "", "Strix aluco"));
    p.rows.push_back(bird(day + " 12:00:00"));
    EXPECT_EQ(publish(p), "inserted 1, unchanged 1, updated 1");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections_default"), "0");
}

} // namespace
} // namespace emsn::test
