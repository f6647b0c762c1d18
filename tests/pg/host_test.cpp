// The views on host reports: what they show, and that no report stops them.
#include "tests/pg/host_support.hpp"

namespace emsn::test {
namespace {

class HostViews : public HostTest {};

TEST_F(HostViews, DiskUsageIsThatOfTheStationsAndOfTheServer) {
    report("zolder",
           R"("filesystems": [{"mount_point": "/", "fs_type": "ext4", "total_bytes": 1000, "used_bytes": 850,
              "used_percent": 85.1}, {"mount_point": "/mnt/nas", "fs_type": "nfs4", "error": "hung"},
              {"mount_point": "/snap/x", "fs_type": "squashfs", "total_bytes": 1, "used_percent": 100}])",
           "1 hour");
    EXPECT_EQ(
        db.text(
            "SELECT station, mount_point, total_bytes, used_bytes, used_percent, measured_at BETWEEN now() - "
            "interval '61 minutes' AND now() - interval '59 minutes' FROM emsn.disk_usage WHERE station IS "
            "NOT NULL"),
        "zolder|/|1000|850|85.1|t\nzolder|/mnt/nas|NULL|NULL|NULL|t");
    EXPECT_EQ(
        db.text("SELECT d.total_bytes = f.total_bytes FROM emsn.disk_usage AS d JOIN emsn.filesystems() AS f "
                "USING (mount_point) WHERE d.station IS NULL AND mount_point = '/'"),
        "t");
}

TEST_F(HostViews, OnlyTheNewestReportCounts) {
    report("a", R"("filesystems": [{"mount_point": "/old", "used_percent": 1}])", "2 hours");
    report("a", R"("filesystems": [{"mount_point": "/new", "used_percent": 2}])", "1 hour");
    report("b", R"("filesystems": [{"mount_point": "/b", "used_percent": 3}])", "20 days");
    EXPECT_EQ(db.text("SELECT station, mount_point FROM emsn.disk_usage WHERE station IS NOT NULL"),
              "a|/new\nb|/b");
}

TEST_F(HostViews, ServicesAreShownWithTheirTimers) {
    report("zolder",
           R"("units": [{"name": "emsn-mirror.service", "active_state": "failed", "result": "exit-code"},
              {"name": "emsn-mirror.timer", "active_state": "active", "result": "success"},
              {"name": "ssh.service", "active_state": "failed", "result": "signal"}],
              "timers": [{"name": "emsn-mirror.timer", "unit": "emsn-mirror.service", "overdue": false,
              "last_trigger": "2025-12-30T02:00:00Z", "next_trigger": "2025-12-30T02:05:00Z"},
              {"name": "apt.timer", "unit": "apt.service", "result": "success", "overdue": true}])");
    EXPECT_EQ(
        db.text(
            "SET TimeZone = 'UTC'; SELECT station, unit, active_state, result, last_trigger, next_trigger, "
            "overdue, measured_at <= now() FROM emsn.services"),
        "zolder|apt.timer|NULL|success|NULL|NULL|t|t\n"
        "zolder|emsn-mirror.service|failed|exit-code|2025-12-30 02:00:00+00|2025-12-30 02:05:00+00|f|t\n"
        "zolder|emsn-mirror.timer|active|success|2025-12-30 02:00:00+00|2025-12-30 02:05:00+00|f|t\n"
        "zolder|ssh.service|failed|signal|NULL|NULL|NULL|t");
}

// The station's clock is 3 hours behind: ages are right all the same.
TEST_F(HostViews, AgesAreRightThoughTheStationsClockIsNot) {
    report("pi",
           "\"reported_at\": \"" + utc("3 hours 10 minutes") +
               R"(", "mirror": {"destination": "/mnt/usb/m.db",
           "bytes": 12345, "held_ms": 4.5678, "verify": "quick", "last_error": null, "last_success": ")" +
               utc("3 hours 20 minutes") +
               R"("}, "backups": [{"kind": "daily", "name": "2025-12-30", "entries": 7,
           "bytes": 700, "complete": true, "verified": false, "newest": ")" +
               utc("4 hours 10 minutes") + "\"}]",
           "10 minutes");
    EXPECT_EQ(
        db.text("SELECT station, destination, last_success = '" + utc("3 hours 20 minutes") +
                "', age_seconds BETWEEN 1198 AND 1260, bytes, held_ms, verify, last_error FROM emsn.mirrors"),
        "pi|/mnt/usb/m.db|t|t|12345|4.568|quick|NULL");
    EXPECT_EQ(
        db.text("SELECT station, kind, newest = '" + utc("4 hours 10 minutes") +
                "', age_seconds BETWEEN 4198 AND 4260, entries, bytes, complete, verified FROM emsn.backups"),
        "pi|daily|t|t|7|700|t|f");
}

TEST_F(HostViews, StationsTellTheAgeOfTheirReportAndTheVersion) {
    db.exec("SELECT emsn.create_detections('bird_detections'); INSERT INTO emsn.station_settings (station) "
            "VALUES "
            "('a'), ('b')");
    report("a", R"("emsn": "0.1.0")", "90 seconds");
    EXPECT_EQ(
        db.text("SELECT station, report_age_seconds BETWEEN 90 AND 150, emsn_version FROM emsn.stations"),
        "a|t|0.1.0\nb|NULL|NULL");
}

// Each of these is a report that somebody may send; none may stop a view or a check.
TEST_F(HostViews, NoReportOfWhateverShapeStopsThem) {
    const std::vector<std::string> values{"null",
                                          "true",
                                          "1",
                                          "-1",
                                          "1e400",
                                          "-1e400",
                                          "9223372036854775808",
                                          "0.0000000001",
                                          "\"\"",
                                          "\"x\"",
                                          "\"2025-02-30T00:00:00Z\"",
                                          "\"9999-12-31T23:59:59Z\"",
                                          "\"1000-01-01T00:00:00Z\"",
                                          "\"2025-12-30T24:00:00Z\"",
                                          "\"0000-01-01T00:00:00Z\"",
                                          "\"294277-01-01T00:00:00Z\"",
                                          "[]",
                                          "[1, null, [], \"x\"]",
                                          "{}",
                                          "[{}]",
                                          "{\"a\": {\"b\": []}}"};
    std::string reports;
    int number = 0;
    for (const auto &value : values) {
        const auto v = [&](const char *key) { return "\"" + std::string(key) + "\": " + value; };
        for (const std::string &body :
             {value,
              "{" + v("emsn") + ", " + v("reported_at") + ", " + v("clock_offset_ms") + ", " +
                  v("filesystems") + ", " + v("units") + ", " + v("timers") + ", " + v("mirror") + ", " +
                  v("backups") + ", " + v("systemd") + ", " + v("units_error") + ", " + v("backups_error") +
                  "}",
              "{\"filesystems\": [{" + v("mount_point") + ", " + v("total_bytes") +
                  "}, {\"mount_point\": \"/\", " + v("total_bytes") + ", " + v("used_bytes") + ", " +
                  v("available_bytes") + ", " + v("used_percent") + ", " + v("fs_type") + ", " + v("error") +
                  "}], \"units\": [{\"name\": \"u\", " + v("active_state") + ", " + v("result") + ", " +
                  v("since") + "}, {" + v("name") +
                  ", \"active_state\": \"failed\"}], \"timers\": [{\"name\": \"t\", " + v("unit") + ", " +
                  v("last_trigger") + ", " + v("next_trigger") + ", " + v("overdue") + "}], \"mirror\": {" +
                  v("destination") + ", " + v("last_success") + ", " + v("bytes") + ", " + v("held_ms") +
                  ", " + v("verify") + ", " + v("last_error") + "}, \"backups\": [{\"kind\": \"daily\", " +
                  v("newest") + ", " + v("entries") + ", " + v("bytes") + ", " + v("complete") + ", " +
                  v("verified") + ", " + v("name") + "}, {" + v("kind") + "}]}"}) {
            db.exec("INSERT INTO emsn.host_reports VALUES ('s" + std::to_string(++number) + "', now(), '" +
                    body + "')");
        }
    }
    db.exec("SELECT emsn.create_detections('bird_detections'); INSERT INTO emsn.station_settings (station) "
            "SELECT "
            "station FROM emsn.host_reports");
    for (const std::string view : {"disk_usage", "services", "mirrors", "backups", "stations"})
        EXPECT_EQ(db.fails("SELECT * FROM emsn." + view).message, "") << view;
    EXPECT_EQ(db.value("SELECT count(DISTINCT subject) FROM emsn.health WHERE check_name = 'report_age'"),
              std::to_string(number));
    // a check that failed as a whole is a row of all stations
    EXPECT_EQ(db.text("SELECT check_name, message FROM emsn.health WHERE status = 'unknown' AND subject = "
                      "'all stations'"),
              "");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.disk_usage WHERE total_bytes < 0 OR used_percent NOT "
                       "BETWEEN 0 AND 100"),
              "0");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.mirrors WHERE age_seconds < 0"), "0");
}

TEST_F(HostViews, WhatIsEndlessIsCut) {
    db.exec("INSERT INTO emsn.host_reports SELECT 'a', now(), jsonb_build_object('filesystems', jsonb_agg("
            "jsonb_build_object('mount_point', repeat('/x', 600), 'used_percent', 99))) FROM "
            "generate_series(1, 1100)");
    EXPECT_EQ(db.text("SELECT count(*), max(length(mount_point)) FROM emsn.disk_usage WHERE station = 'a'"),
              "1000|1000");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.health WHERE subject LIKE 'a %'"), "1000");
}

TEST_F(HostViews, TimesOfAReportAreThoseThatExist) {
    db.exec("SET TimeZone = 'America/New_York'");
    const auto time = [&](const std::string &text) {
        return db.value("SELECT emsn.json_time('\"" + text + "\"') AT TIME ZONE 'UTC'");
    };
    EXPECT_EQ(time("2025-12-30T02:00:00Z"), "2025-12-30 02:00:00");
    EXPECT_EQ(time("2024-02-29T23:59:59.123456Z"), "2024-02-29 23:59:59.123456");
    for (const char *none :
         {"2025-02-29T00:00:00Z", "2025-04-31T00:00:00Z", "2025-13-01T00:00:00Z", "2025-12-30T24:00:00Z",
          "2025-12-30T23:60:00Z", "2025-12-30T23:00:60Z", "2025-12-30 02:00:00Z", "2025-12-30T02:00:00",
          "2025-12-30T02:00:00+01:00", "now", ""})
        EXPECT_EQ(time(none), "NULL") << none;
    // every day of four years against PostgreSQL's own calendar
    EXPECT_EQ(
        db.value(
            "SELECT count(*) FROM generate_series(0, 1500) AS n CROSS JOIN LATERAL (SELECT date '2023-01-01' "
            "+ n AS day) AS d WHERE emsn.json_time(to_jsonb(day || 'T12:30:00Z')) IS DISTINCT FROM (day + "
            "time "
            "'12:30') AT TIME ZONE 'UTC'"),
        "0");
}

TEST_F(HostViews, MonitorsReadThemAndNobodyElse) {
    report("a", R"("filesystems": [{"mount_point": "/", "used_percent": 1}], "units": [{"name": "u"}],
        "mirror": {"destination": "m"}, "backups": [{"kind": "daily"}])");
    auto monitor = session(role("pg_monitor"));
    auto nobody = session(role());
    for (const std::string view : {"disk_usage", "services", "mirrors", "backups", "host_reports"}) {
        EXPECT_NE(monitor.value("SELECT count(*) FROM emsn." + view + " WHERE station = 'a'"), "0") << view;
        EXPECT_EQ(nobody.fails("SELECT * FROM emsn." + view).sqlstate, "42501") << view;
    }
    EXPECT_EQ(monitor.value("SELECT count(*) FROM emsn.health WHERE message LIKE 'not visible%'"), "0");
}

// A month of reports of each station stays unread.
TEST_F(HostViews, TheNewestAreFoundByJumps) {
    db.exec("INSERT INTO emsn.host_reports SELECT 's' || s, now() - make_interval(mins => 5 * n), '{}' FROM "
            "generate_series(1, 5) AS s, generate_series(1, 8640) AS n; ANALYZE emsn.host_reports");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.newest_host_reports()"), "5");
    const auto plan = db.text("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM "
                              "emsn.newest_host_reports()");
    const auto at = plan.find("shared hit=");
    ASSERT_NE(at, std::string::npos) << plan;
    EXPECT_LT(std::stoi(plan.substr(at + 11)), 200) << plan;
}

} // namespace
} // namespace emsn::test
