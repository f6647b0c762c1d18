// The days and hours of a report: clocks that are changed, zones, weeks at the end of a year.
#include <array>

#include "tests/pg/report_support.hpp"

namespace emsn::test {
namespace {

class ReportClock : public ReportTest {};

// Clocks go back on 26 October 2025 and forward on 30 March: days have 25 and 23 hours.
TEST_F(ReportClock, MonthsAroundClockChanges) {
    make();
    zone("a", "Europe/Amsterdam");
    hear("a", "2025-10-26 00:30:00+00"); // 02:30, summer
    hear("a", "2025-10-26 01:30:00+00"); // 02:30, winter
    hear("a", "2025-10-31 22:59:59+00"); // 23:59:59
    hear("a", "2025-10-31 23:00:00+00"); // November
    hear("a", "2025-09-30 22:00:00+00"); // October
    hear("a", "2025-09-30 21:59:59+00"); // September
    hear("a", "2025-03-30 00:59:59+00"); // 01:59:59
    hear("a", "2025-03-30 01:00:00+00"); // 03:00
    EXPECT_EQ(section("totals", "value, detail->'previous'", "2025-10-15").substr(0, 3), "4|1");
    EXPECT_EQ(section("totals", "value, detail->'previous'", "2025-11-15").substr(0, 3), "1|4");
    EXPECT_EQ(
        db.text("SELECT label, detail->'hours'->2 FROM emsn.report('monthly', '2025-10-01') WHERE section = "
                "'hour_by_day' AND value > 1"),
        "2025-10-26|2");
    EXPECT_EQ(db.text("SELECT label, detail->'hours'->1, detail->'hours'->2, detail->'hours'->3 FROM "
                      "emsn.report('monthly', '2025-03-01') WHERE section = 'hour_by_day' AND value > 0"),
              "2025-03-30|1|0|1");
}

TEST_F(ReportClock, DaysAreThoseOfEachStation) {
    make();
    zone("east", "Pacific/Kiritimati"); // UTC+14
    zone("west", "Etc/GMT+12");         // UTC-12
    hear("east", "2025-11-30 10:00:00+00");
    hear("east", "2025-12-31 09:59:59+00");
    hear("east", "2025-12-31 10:00:00+00");
    hear("west", "2025-12-01 11:59:59+00");
    hear("west", "2025-12-01 12:00:00+00");
    hear("west", "2026-01-01 11:59:59+00");
    EXPECT_EQ(section("by_station", "label, value, detail->'previous'", "2025-12-01"), "east|2|0\nwest|2|1");
    EXPECT_EQ(
        db.text(
            "SELECT label, detail->>'station', value FROM emsn.report('monthly', '2025-12-01') WHERE section "
            "= 'by_day' AND value > 0"),
        "2025-12-01|east|1\n2025-12-31|east|1\n2025-12-01|west|1\n2025-12-31|west|1");
}

// Clocks that are changed by half an hour, at midnight, a minute after it, by a whole day, or that are a
// quarter ahead.
TEST_F(ReportClock, OddClocksAreCountedByEachRow) {
    make();
    const std::array<std::array<std::string, 3>, 11> spans = {
        {{"Australia/Lord_Howe", "2025-04-01", "2025-04-30"},
         {"Australia/Lord_Howe", "2025-10-01", "2025-10-31"},
         {"America/Havana", "2025-11-02", "2025-11-08"},
         {"America/Havana", "2025-10-27", "2025-11-01"},
         {"America/Havana", "2025-03-01", "2025-03-31"},
         {"America/St_Johns", "2010-11-01", "2010-11-30"},
         {"Africa/Cairo", "2025-04-01", "2025-04-30"},
         {"Pacific/Apia", "2011-12-01", "2011-12-31"},
         {"Asia/Kathmandu", "2025-01-01", "2025-01-31"},
         {"Europe/Amsterdam", "1937-07-01", "1937-07-31"},
         {"Europe/Amsterdam", "2025-03-24", "2025-03-30"}}};
    for (const auto &[zone_name, first, last] : spans) {
        const std::string zoned = "d.detection_timestamp AT TIME ZONE '" + zone_name + "'";
        const std::string span = "('" + first + "', '" + last + "')";
        const std::string inside = " WHERE " + zoned + " >= '" + first + "' AND " + zoned + " < date '" +
                                   last + "' + 1 GROUP BY 1, 2";
        db.exec("TRUNCATE d; DELETE FROM emsn.station_settings");
        zone("a", zone_name);
        db.exec("INSERT INTO d (station, detection_timestamp, species) SELECT 'a', t, 'x' FROM "
                "generate_series("
                "timestamptz '" +
                first + "' - interval '2 days', timestamptz '" + last +
                "' + interval '3 days', interval '11 minutes') AS t");
        EXPECT_EQ(
            db.text("SELECT day, hour, detections FROM emsn.detections_by_hour" + span + " ORDER BY 1, 2"),
            db.text("SELECT (" + zoned + ")::date, extract(hour FROM " + zoned + ")::int, count(*) FROM d" +
                    inside + " ORDER BY 1, 2"))
            << zone_name << first;
        EXPECT_EQ(db.text("SELECT day, 1, detections FROM emsn.detections_by_species" + span + " ORDER BY 1"),
                  db.text("SELECT (" + zoned + ")::date, 1, count(*) FROM d" + inside + " ORDER BY 1"))
            << zone_name << first;
    }
}

TEST_F(ReportClock, WeeksAtTheEndOfTheYear) {
    make();
    zone("a", "UTC");
    hear("a", "2024-01-01 12:00", "heard in both");
    hear("a", "2024-12-22 12:00", "heard in both"); // neither this week nor the one before
    hear("a", "2024-12-30 12:00", "new in december");
    hear("a", "2024-12-31 12:00", "heard in both");
    hear("a", "2025-01-02 12:00", "heard in both");
    hear("a", "2025-01-03 12:00", "new in december");
    hear("a", "2025-01-06 12:00", "next week");
    EXPECT_EQ(section("period", "label, detail->>'first_day', detail->>'last_day', detail->>'year_ago_first'",
                      "2025-01-05", "weekly"),
              "2025-W01|2024-12-30|2025-01-05|2024-01-01");
    EXPECT_EQ(section("first_of_year", "label, detail->>'first_day'", "2024-12-30", "weekly"),
              "name of new in december|2024-12-30\nname of heard in both|2025-01-02\n"
              "name of new in december|2025-01-03");
    EXPECT_EQ(section("totals", "value, detail->'previous', detail->'year_ago'", "2024-12-31", "weekly")
                  .substr(0, 5),
              "4|0|1");
    EXPECT_EQ(section("period", "label", "2021-01-01", "weekly"), "2020-W53");
    EXPECT_EQ(section("period", "detail->>'year_ago_last'", "2024-02-29", "monthly"), "2023-02-28");
    EXPECT_EQ(section("period", "value, detail->>'year_ago_last'", "2025-02-01", "monthly"), "28|2024-02-29");
}

// Rare in a week: at most 10 in the four weeks that end with it.
TEST_F(ReportClock, RareSpeciesOfAWeekAreRareInFour) {
    make();
    zone("a", "UTC");
    for (const std::string species : {"rare", "common"})
        hear("a", "2025-06-25 12:00", species);
    db.exec("INSERT INTO d (station, detection_timestamp, species) SELECT 'a', '2025-06-02 "
            "00:00'::timestamptz + n * "
            "interval '1 hour', 'common' FROM generate_series(1, 10) AS n");
    for (int n = 0; n < 10; ++n)
        hear("a", "2025-06-01 23:59", "rare");
    EXPECT_EQ(section("rare_species", "label, value", "2025-06-23", "weekly"), "name of rare|1");
    EXPECT_EQ(section("rare_species", "label, value", "2025-06-23", "monthly"), "");
}

TEST_F(ReportClock, DaysToComeHaveNoNumber) {
    make();
    zone("a", "UTC");
    const auto today = db.value("SELECT current_date");
    hear("a", today);
    EXPECT_EQ(section("period", "detail->'complete'", today), "false");
    EXPECT_EQ(
        db.value(
            "SELECT bool_and((value IS NULL) = (label::date > current_date)) FROM emsn.report('monthly', "
            "current_date) WHERE section IN ('by_day', 'hour_by_day')"),
        "t");
    EXPECT_EQ(section("period", "detail->'complete'", "2025-01-01"), "true");
}

} // namespace
} // namespace emsn::test
