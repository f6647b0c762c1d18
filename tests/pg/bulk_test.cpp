// Many stations are asked about all at once: the same answers as one by one.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

// Stations of several zones and habits: busy, silent since spring, new, with deleted rows, dated ahead, never
// heard.
constexpr const char *kFill = R"(
    INSERT INTO emsn.station_settings (station, time_zone, expected) VALUES
        ('never', NULL, true), ('east', 'Asia/Tokyo', true), ('west', 'America/New_York', false);
    INSERT INTO bird_detections (station, detection_timestamp, species, deleted)
    SELECT s.name, date_trunc('second', now()) - n * s.pace - s.silent, 'Species ' || n % 7, n % 11 = 3
    FROM (VALUES ('busy', interval '13 minutes', interval '0', 5000), ('east', interval '31 minutes', interval '2 minutes', 3000),
                 ('west', interval '47 minutes', interval '3 hours', 2000), ('spring', interval '2 hours', interval '130 days', 900),
                 ('new', interval '5 hours', interval '1 minute', 12), ('rare', interval '37 hours', interval '20 days', 40))
         AS s (name, pace, silent, count)
    CROSS JOIN LATERAL generate_series(1, s.count) AS n;
    INSERT INTO bird_detections (station, detection_timestamp, species)
    VALUES ('busy', now() + interval '3 hours', 'ahead'), ('busy', now() + interval '400 days', 'ahead'), ('busy', now() + interval '24 hours', 'ahead'),
           ('ahead only', now() + interval '2 days', 'ahead'), ('rare', '-infinity', 'odd'), ('old', '2018-05-06', 'x'))";

class Bulk : public PgTest {
  protected:
    void fill(const std::string &partition_by) {
        db.exec("SELECT emsn.create_detections('public.bird_detections', '" + partition_by + "')");
        db.exec(kFill);
    }
    // all times of one statement are those of the transaction
    void expect_same(const std::string &columns, const std::string &one, const std::string &other) {
        const auto sql = "SELECT " + columns + " FROM ";
        EXPECT_EQ(db.text(sql + one + " AS r EXCEPT ALL " + sql + other + " AS r"), "") << other;
        EXPECT_EQ(db.text(sql + other + " AS r EXCEPT ALL " + sql + one + " AS r"), "") << one;
    }
    void expect_all_same() {
        ASSERT_EQ(db.value("SELECT emsn.in_bulk()"), "f");
        expect_same("station, time_zone, expected, detections, species, last_detection", "emsn.today_rows()",
                    "emsn.bulk_station_rows(true)");
        expect_same("*",
                    "(SELECT t.*, NULL::bigint AS species FROM (SELECT station, time_zone, expected, "
                    "detections, last_detection FROM emsn.today_rows()) AS t)",
                    "(SELECT station, time_zone, expected, detections, last_detection, species FROM "
                    "emsn.bulk_station_rows(false))");
        expect_same("station, detections, until", "emsn.future_rows()",
                    "(SELECT b.station, b.future_detections AS detections, b.future_until AS until FROM "
                    "emsn.bulk_station_rows(false) AS b)");
        expect_same("station, usual_by_now", "emsn.habit_rows_one_by_one(NULL)",
                    "(SELECT k.station, b.usual_by_now FROM emsn.known_stations() AS k"
                    " LEFT JOIN emsn.bulk_habit_rows(NULL) AS b ON b.station = k.station)");
        expect_same("station, usual_by_now", "emsn.habit_rows_one_by_one(3)",
                    "(SELECT k.station, b.usual_by_now FROM emsn.known_stations() AS k"
                    " LEFT JOIN emsn.bulk_habit_rows(3) AS b ON b.station = k.station)");
        const std::string days = "(current_date - 40, current_date + 3)";
        expect_same("station, day, detections, species", "emsn.detections_per_station" + days,
                    "emsn.bulk_detections_per_station" + days);
        expect_same("station, first_detection",
                    "(SELECT s.station, s.first_detection FROM emsn.station_rows() AS s WHERE "
                    "s.first_detection IS NOT NULL)",
                    "emsn.bulk_first_detections()");
    }
};

TEST_F(Bulk, AnswersAsOneByOne) {
    fill("none");
    expect_all_same();
    db.exec("ALTER TABLE bird_detections DROP deleted");
    expect_all_same();
}

TEST_F(Bulk, AnswersAsOneByOneOverMonths) {
    fill("month");
    expect_all_same();
}

TEST_F(Bulk, AnswersAsOneByOneOfLocalTime) {
    fill("none");
    db.exec("DELETE FROM bird_detections WHERE detection_timestamp = '-infinity';"
            "DROP INDEX bird_detections_station_detection_timestamp_species_deleted_idx;"
            "ALTER TABLE bird_detections ALTER detection_timestamp TYPE timestamp USING detection_timestamp "
            "AT TIME ZONE 'UTC';"
            "CREATE INDEX ON bird_detections (station, detection_timestamp)");
    expect_all_same();
}

// Where the clock goes back at 1 o'clock, to 0: the day begins with the first of the two midnights.
TEST_F(Bulk, AMidnightThatComesTwiceBeginsTheDayOnce) {
    db.exec("SELECT emsn.create_detections('public.bird_detections'); INSERT INTO emsn.station_settings "
            "(station, time_zone) VALUES ('island', 'Atlantic/Azores'), ('inland', 'Europe/Amsterdam'); "
            "INSERT INTO bird_detections (station, detection_timestamp, species) SELECT s, timestamptz "
            "'2026-10-24 20:00+00' + n * interval '20 minutes', 'x' FROM (VALUES ('island'), ('inland')) AS "
            "v (s), "
            "generate_series(0, 120) AS n");
    const std::string days = "('2026-10-23', '2026-10-27')";
    expect_same("*", "emsn.detections_per_station" + days, "emsn.bulk_detections_per_station" + days);
    EXPECT_EQ(db.text("SELECT day, detections FROM emsn.bulk_detections_per_station" + days +
                      " WHERE station = 'island' AND detections > 0 ORDER BY 1"),
              "2026-10-24|12\n2026-10-25|75\n2026-10-26|34");
}

TEST_F(Bulk, FiftyStationsAreMany) {
    fill("none");
    const auto before =
        db.text("SELECT station, detections, species, usual_by_now FROM emsn.detections_today");
    const auto first = db.text("SELECT station, first_detection FROM emsn.stations");
    db.exec("INSERT INTO emsn.station_settings (station) SELECT 'z ' || n FROM generate_series(1, 50) AS n");
    EXPECT_EQ(db.value("SELECT emsn.in_bulk()"), "t");
    EXPECT_EQ(db.text("SELECT station, detections, species, usual_by_now FROM emsn.detections_today WHERE "
                      "station NOT LIKE 'z %'"),
              before);
    EXPECT_EQ(db.text("SELECT station, first_detection FROM emsn.stations WHERE station NOT LIKE 'z %'"),
              first);
    EXPECT_EQ(
        db.value("SELECT count(*) FROM emsn.detections_today WHERE station LIKE 'z %' AND detections = 0"),
        "50");
    EXPECT_EQ(db.value("SELECT message FROM emsn.health WHERE check_name = 'detections_today' AND subject = "
                       "'z 1'"),
              "0 detections today");
}

// The daily job learns it for a table of somebody who may do nothing else, with the rights of that one.
TEST_F(Bulk, HabitsAreReadAsTheOwnerOfTheTable) {
    fill("month");
    const auto owner = role();
    db.exec("INSERT INTO emsn.station_settings (station) SELECT 'z ' || n FROM generate_series(1, 50) AS n;"
            "SELECT emsn.learn_habits(); CREATE TABLE expected AS TABLE emsn.station_habits;"
            "ALTER TABLE bird_detections OWNER TO " +
            owner + "; CREATE TABLE seen (who name); GRANT INSERT ON seen TO " + owner +
            "; CREATE FUNCTION tell(station text) RETURNS text LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO public.seen VALUES (current_user); RETURN station; END'");
    const std::string learned = "SELECT station, day, usual_by_hour, usual_silence_hours FROM ";
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.text("SELECT job, result FROM emsn.runs WHERE job = 'maintain'"), "maintain|ok");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.station_habits WHERE learned_at > (SELECT max(learned_at) "
                       "FROM expected)"),
              "59");
    EXPECT_EQ(db.text(learned + "emsn.station_habits EXCEPT " + learned + "expected"), "");
    // code of the owner's making: a row is hidden unless a function says so
    db.exec(
        "ALTER TABLE bird_detections ENABLE ROW LEVEL SECURITY; ALTER TABLE bird_detections FORCE ROW LEVEL "
        "SECURITY; CREATE POLICY p ON bird_detections USING (tell(station) <> 'busy')");
    EXPECT_EQ(db.value("SELECT emsn.learn_habits()"), "58");
    EXPECT_EQ(db.text("SELECT DISTINCT who FROM seen"), owner);
}

// What is usual was learned once: health says so without counting, and what it learned is true.
TEST_F(Bulk, HealthOfManyGoesByWhatWasLearned) {
    fill("month");
    db.exec("INSERT INTO emsn.station_settings (station) SELECT 'z ' || n FROM generate_series(1, 50) AS n");
    const auto said = [&](const std::string &check) {
        return db.text("SELECT subject, status FROM emsn.health WHERE check_name = '" + check +
                       "' ORDER BY subject");
    };
    const auto today = said("detections_today");
    EXPECT_EQ(db.value("SELECT emsn.learn_habits()"), "59");
    EXPECT_EQ(said("detections_today"), today);
    // at midnight nothing, at the end of the day a day
    EXPECT_EQ(db.value("SELECT usual_by_hour[1] FROM emsn.station_habits WHERE station = 'busy'"), "0");
    EXPECT_EQ(db.value("SELECT round(usual_by_hour[25]) = (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER "
                       "BY d.detections)"
                       " FROM emsn.detections_per_station(current_date - 14, current_date - 1) AS d WHERE "
                       "d.station = 'busy')"
                       " FROM emsn.station_habits WHERE station = 'busy'"),
              "t");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.learned_habit_rows() AS l"
                       " JOIN emsn.habit_rows_one_by_one(NULL) AS h ON h.station = l.station"
                       " WHERE l.usual_silence_hours IS DISTINCT FROM h.usual_silence_hours"),
              "0");
    EXPECT_EQ(
        db.value(
            "SELECT bool_and(abs(l.usual_by_now - h.usual_by_now) <= 5) FROM emsn.learned_habit_rows() AS l"
            " JOIN emsn.habit_rows_one_by_one(NULL) AS h ON h.station = l.station"
            " WHERE h.station IN ('busy', 'east', 'west')"),
        "t");
    // a station that is new since then is known at once; one that is in an old month only stays
    db.exec(
        "INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('today', now(), 'x')");
    EXPECT_EQ(
        db.text("SELECT station, detections FROM emsn.detections_today WHERE station IN ('today', 'old')"),
        "old|0\ntoday|1");
    // nor one of an earlier month that ended since
    db.exec(
        "UPDATE emsn.station_habits SET learned_at = learned_at - interval '33 days' WHERE station = 'busy';"
        "INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('before', now() - "
        "interval '32 days', 'x')");
    EXPECT_EQ(db.text("SELECT detections FROM emsn.detections_today WHERE station = 'before'"), "0");
    // too old to hold
    db.exec("UPDATE emsn.station_habits SET day = day - 3");
    EXPECT_EQ(db.text("SELECT * FROM emsn.learned_habit_rows()"), "");
    db.exec("CREATE VIEW seen AS SELECT * FROM bird_detections; SELECT emsn.use_detections('seen')");
    EXPECT_EQ(db.fails("SELECT emsn.learn_habits()").sqlstate, "42809");
}

} // namespace
} // namespace emsn::test
