// detections_today, detections_per_station, stations: values, time zones, odd rows.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Detections : public PgTest {
  protected:
    void make(const std::string &type = "timestamptz") {
        db.exec("CREATE TABLE d (station text, detection_timestamp " + type +
                ", species text, common_name text, confidence real, deleted boolean);"
                "SELECT emsn.use_detections('d')");
    }
    void add(const std::string &station, const std::string &when, const std::string &species = "x") {
        db.exec("INSERT INTO d VALUES ('" + station + "', " + when + ", '" + species + "', '', 0.5)");
    }
    void zone(const std::string &station, const std::string &name) {
        db.exec("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('" + station + "', '" + name +
                "')");
    }
    std::string today(const std::string &columns = "station, detections, species") {
        return db.text("SELECT " + columns + " FROM emsn.detections_today");
    }
    std::string per_day(const std::string &from, const std::string &to) {
        return db.text("SELECT station, day, detections, species FROM emsn.detections_per_station('" + from +
                       "', '" + to + "')");
    }
};

TEST_F(Detections, CountTodayAndSayWhenTheLastOneWas) {
    make();
    add("a", "now()", "x");
    add("a", "now()", "y");
    add("a", "now() - interval '30 days'");
    add("b", "now() - interval '49 hours'");
    EXPECT_EQ(today(), "a|2|2\nb|0|0");
    EXPECT_EQ(today("minutes_since_last"), "0\n2940");
    EXPECT_EQ(db.text("SELECT station, silent_hours, round(extract(epoch FROM last_detection - "
                      "first_detection)), time_zone, report_age_seconds, emsn_version FROM emsn.stations"),
              "a|0.0|2592000|UTC|NULL|NULL\nb|49.0|0|UTC|NULL|NULL");
}

TEST_F(Detections, EmptyTableShowsTheRegisteredStationsWithZero) {
    make();
    EXPECT_EQ(today(), "");
    db.exec("INSERT INTO emsn.station_settings (station) VALUES ('quiet')");
    EXPECT_EQ(today("station, detections, species, last_detection, minutes_since_last, usual_by_now"),
              "quiet|0|0|NULL|NULL|NULL");
    EXPECT_EQ(db.text("SELECT station, first_detection, last_detection, silent_hours FROM emsn.stations"),
              "quiet|NULL|NULL|NULL");
    EXPECT_EQ(per_day("2026-02-28", "2026-03-01"), "quiet|2026-02-28|0|0\nquiet|2026-03-01|0|0");
}

TEST_F(Detections, DeletedRowsAndRowsWithoutAStationCountNowhere) {
    make();
    add("a", "now()");
    db.exec("INSERT INTO d VALUES ('a', now(), 'y', '', 0.5, true), ('gone', now(), 'y', '', 0.5, true),"
            " (NULL, now(), 'y', '', 0.5, NULL)");
    EXPECT_EQ(today(), "a|1|1");
    db.exec("CREATE INDEX ON d (station, detection_timestamp)");
    EXPECT_EQ(today(), "a|1|1");
    EXPECT_EQ(
        db.value(
            "SELECT sum(detections) FROM emsn.detections_per_station(current_date - 1, current_date + 1)"),
        "1");
}

TEST_F(Detections, StationsAreFoundThroughAnIndexToo) {
    make();
    db.exec("CREATE INDEX ON d (station, detection_timestamp)");
    db.exec("INSERT INTO d SELECT 's' || n % 3, now() - n * interval '1 day', 'x', '', 0.5 FROM "
            "generate_series(0, 200) AS n");
    EXPECT_EQ(today(), "s0|1|1\ns1|0|0\ns2|0|0");
    db.exec("DROP INDEX d_station_detection_timestamp_idx; ALTER TABLE d ALTER station TYPE varchar(9) "
            "COLLATE \"C\";"
            "CREATE INDEX ON d (station)");
    EXPECT_EQ(today(), "s0|1|1\ns1|0|0\ns2|0|0");
}

TEST_F(Detections, EachStationHasItsOwnDay) {
    make();
    zone("auckland", "Pacific/Auckland"); // UTC+13 in January
    zone("new york", "America/New_York"); // UTC-5
    for (const std::string station : {"auckland", "new york", "utc"}) {
        add(station, "timestamptz '2026-01-10 10:59:59+00'");
        add(station, "timestamptz '2026-01-10 11:00:00+00'", "y");
        add(station, "timestamptz '2026-01-11 04:59:59+00'");
    }
    EXPECT_EQ(per_day("2026-01-10", "2026-01-11"), "auckland|2026-01-10|1|1\nauckland|2026-01-11|2|2\n"
                                                   "new york|2026-01-10|3|2\nnew york|2026-01-11|0|0\n"
                                                   "utc|2026-01-10|2|2\nutc|2026-01-11|1|1");
    db.exec("SET timezone = 'Asia/Tokyo'"); // only stations without a zone of their own follow the session
    EXPECT_EQ(per_day("2026-01-10", "2026-01-10"),
              "auckland|2026-01-10|1|1\nnew york|2026-01-10|3|2\nutc|2026-01-10|2|2");
    EXPECT_EQ(per_day("2026-01-11", "2026-01-11"),
              "auckland|2026-01-11|2|2\nnew york|2026-01-11|0|0\nutc|2026-01-11|1|1");
}

TEST_F(Detections, TodayIsTheStationsOwn) {
    make();
    zone("auckland", "Pacific/Auckland");
    zone("honolulu", "Pacific/Honolulu");
    for (const std::string name : {"Pacific/Auckland", "Pacific/Honolulu"}) {
        std::string midnight = "date_trunc('day', now() AT TIME ZONE '";
        midnight.append(name).append("') AT TIME ZONE '").append(name).append("'");
        const std::string station = name == "Pacific/Auckland" ? "auckland" : "honolulu";
        add(station, midnight);
        add(station, midnight + " - interval '1 second'");
        add(station, midnight + " + interval '1 day'", "tomorrow");
        add(station, midnight + " + interval '1 day' - interval '1 second'", "later today");
    }
    EXPECT_EQ(today(), "auckland|2|2\nhonolulu|2|2");
}

TEST_F(Detections, DaysOfTwentyThreeAndTwentyFiveHours) {
    make();
    zone("a", "Europe/Amsterdam");
    db.exec(
        "INSERT INTO d SELECT 'a', t, 'x', '', 0.5 FROM generate_series(timestamptz '2026-03-27 23:00+00',"
        " '2026-03-30 21:00+00', '1 hour') AS t");
    db.exec(
        "INSERT INTO d SELECT 'a', t, 'x', '', 0.5 FROM generate_series(timestamptz '2026-10-23 22:00+00',"
        " '2026-10-26 22:00+00', '1 hour') AS t");
    EXPECT_EQ(per_day("2026-03-28", "2026-03-30"), "a|2026-03-28|24|1\na|2026-03-29|23|1\na|2026-03-30|24|1");
    EXPECT_EQ(per_day("2026-10-24", "2026-10-26"), "a|2026-10-24|24|1\na|2026-10-25|25|1\na|2026-10-26|24|1");
}

TEST_F(Detections, TimestampWithoutZoneIsTheStationsLocalTime) {
    make("timestamp");
    zone("a", "Pacific/Auckland");
    add("a", "timestamp '2026-01-10 00:00:00'");
    add("a", "timestamp '2026-01-10 23:59:59'");
    add("a", "now() AT TIME ZONE 'Pacific/Auckland'");
    EXPECT_EQ(per_day("2026-01-09", "2026-01-11"), "a|2026-01-09|0|0\na|2026-01-10|2|1\na|2026-01-11|0|0");
    EXPECT_EQ(today("station, detections, minutes_since_last"), "a|1|0");
    EXPECT_EQ(db.value("SELECT first_detection = '2026-01-09 11:00+00' FROM emsn.stations"), "t");
}

TEST_F(Detections, DatesInTheFutureAreNoLastDetection) {
    make();
    add("a", "now() - interval '2 hours'");
    add("a", "now() + interval '2 days'");
    add("a", "'infinity'");
    add("a", "'-infinity'");
    EXPECT_EQ(today("minutes_since_last"), "120");
    EXPECT_EQ(db.text("SELECT silent_hours, isfinite(first_detection) FROM emsn.stations"), "2.0|t");
    EXPECT_EQ(
        db.value("SELECT detections FROM emsn.detections_per_station(current_date + 2, current_date + 2)"),
        "1");
}

// The day's count so far is compared with the same clock time of earlier days, in the station's zone.
TEST_F(Detections, UsualByNowIsTheMedianOfTheLastFourteenDaysHeard) {
    make();
    zone("a", "Pacific/Auckland");
    const std::string clock = "now() AT TIME ZONE 'Pacific/Auckland'";
    const auto earlier = [&](int days, int count) {
        db.exec("INSERT INTO d SELECT 'a', date_trunc('day', " + clock + " - interval '" +
                std::to_string(days) +
                " days') AT TIME ZONE 'Pacific/Auckland', 'x', '', 0.5 FROM generate_series(1, " +
                std::to_string(count) + ")");
    };
    for (const int day : {1, 2, 3, 5})
        earlier(day, day * 10);
    EXPECT_EQ(today("usual_by_now"), "NULL");
    earlier(9, 90);
    EXPECT_EQ(today("usual_by_now"), "30");
    earlier(10, 31);
    EXPECT_EQ(today("usual_by_now"), "30.5");
    // one second before midnight: not yet heard at this time of day, unless it is that second
    db.exec("INSERT INTO d SELECT 'a', (date_trunc('day', " + clock +
            ") - interval '1 second') AT TIME ZONE 'Pacific/Auckland', 'x', '', 0.5 FROM generate_series(1, "
            "1000)");
    EXPECT_EQ(today("usual_by_now"), "30.5");
    for (int day = 20; day < 40; ++day) // eight of them are among the last fourteen
        earlier(day, day < 25 ? 1 : 100);
    EXPECT_EQ(today("usual_by_now"), "25");
}

TEST_F(Detections, RangesThatAreNoneAreErrors) {
    make();
    const auto fails = [&](const std::string &arguments) {
        return db.fails("SELECT * FROM emsn.detections_per_station(" + arguments + ")");
    };
    EXPECT_EQ(fails("'2026-01-02', '2026-01-01'").sqlstate, "22023");
    EXPECT_EQ(fails("'2026-01-02', '2026-01-01'").message,
              "detections_per_station: 2026-01-02 to 2026-01-01 is no range of days");
    EXPECT_EQ(fails("'-infinity', '2026-01-01'").sqlstate, "22023");
    EXPECT_EQ(fails("'2026-01-01', 'infinity'").sqlstate, "22023");
    EXPECT_EQ(fails("'2026-01-01', '5874897-12-31'").sqlstate, "22023");
    EXPECT_EQ(fails("NULL, '2026-01-01'").sqlstate, "22004");
}

TEST_F(Detections, ViewsSayWhatIsMissing) {
    const auto failed = db.fails("SELECT * FROM emsn.detections_today");
    EXPECT_EQ(failed.sqlstate, "55000");
    EXPECT_EQ(failed.message, "no table of detections is named yet");
    make();
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.fails("SELECT * FROM emsn.stations").message, "permission denied for table d");
    db.exec("GRANT SELECT ON d TO pg_monitor");
    EXPECT_EQ(monitor.fails("SELECT * FROM emsn.stations").sqlstate, "");
}

// An index on (station, detection_timestamp) bounds what is read: the heap of the other rows stays untouched.
TEST_F(Detections, TodayReadsTodayOnly) {
    make();
    db.exec(
        "INSERT INTO d SELECT 'a', now() - n * interval '1 minute', 'x', repeat('n', 200), 0.5"
        " FROM generate_series(0, 50000) AS n; CREATE INDEX ON d (station, detection_timestamp); ANALYZE d");
    const auto tuples = [&] {
        db.exec("SELECT pg_stat_force_next_flush()");
        return std::stol(db.value("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'd'"));
    };
    const auto before = tuples();
    today();
    EXPECT_EQ(tuples(), before);
}

} // namespace
} // namespace emsn::test
