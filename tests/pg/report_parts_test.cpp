// The parts of a report that are not about birds: weather, what is not in the table, machines.
#include "tests/pg/report_support.hpp"

namespace emsn::test {
namespace {

class ReportParts : public ReportTest {
  protected:
    void SetUp() override { make(); }
    std::string weather() {
        return section("weather", "label, value, detail->'lowest', detail->'highest'", "2025-01-01");
    }
    void host(const std::string &ago, long long used, const std::string &more = "") {
        db.exec(
            "INSERT INTO emsn.host_reports VALUES ('a', statement_timestamp() - interval '" + ago + "', '{" +
            more +
            R"("reported_at": "2025-01-01T00:00:00Z", "filesystems": [{"mount_point": "/mnt/usb", "fs_type": "ext4",)"
            R"( "total_bytes": 1000000, "used_percent": 60, "available_bytes": 400000, "used_bytes": )" +
            std::to_string(used) + "}]}')");
    }
    std::string system(const std::string &name, const std::string &columns,
                       const std::string &station = "'a'") {
        return db.text("SELECT " + columns + " FROM emsn.report('monthly', '2025-01-01', " + station +
                       ") WHERE section = 'system' AND label = '" + name + "' ORDER BY position");
    }
};

TEST_F(ReportParts, WeatherIsOptional) {
    EXPECT_EQ(weather(), "");
    db.exec("CREATE TABLE weather_data (note text)");
    EXPECT_EQ(weather(), "");
    db.exec(
        "DROP TABLE weather_data; CREATE TABLE weather_data (id int, created_at timestamptz DEFAULT now(), "
        "measured_at timestamp, temp_outdoor numeric(4,1), humidity integer, \"Rain \"\"mm\"\"\" real, "
        "wind_dir "
        "integer, barometer double precision)");
    db.exec("INSERT INTO weather_data (id, measured_at, temp_outdoor, humidity, \"Rain \"\"mm\"\"\", "
            "wind_dir, barometer) "
            "VALUES (1, '2025-01-01 00:00', -2, 80, 0.5, 7, 1000.25), (2, '2025-01-31 23:59', 5.5, NULL, "
            "'NaN', 7, "
            "'Infinity'), (3, '2025-02-01 00:00', 30, 1, 1, 1, 1), (4, NULL, 40, 1, 1, 1, 1)");
    EXPECT_EQ(weather(), "temp_outdoor|1.8|-2|5.5\nhumidity|80|80|80\nRain "
                         "\"mm\"|0.5|0.5|0.5\nbarometer|1000.3|1000.3|1000.3");
    EXPECT_EQ(section("weather", "detail->'measurements'", "2025-01-01"), "2\n1\n1\n1");
}

TEST_F(ReportParts, WeatherThatCannotBeReadIsSaid) {
    hear("a", "2025-01-01 12:00");
    db.exec("CREATE TABLE weather_data (at date, temperature int); INSERT INTO weather_data VALUES "
            "('2025-01-01', 3)");
    auto monitor = session(role("pg_monitor"));
    db.exec("GRANT SELECT ON d TO " + monitor.value("SELECT current_user"));
    const std::string ask =
        "SELECT label, value, detail->>'error' FROM emsn.report('monthly', '2025-01-01') WHERE "
        "section = 'weather'";
    EXPECT_EQ(monitor.text(ask), "weather_data|NULL|permission denied for table weather_data");
    auto holder = session();
    holder.exec("BEGIN; LOCK TABLE weather_data IN ACCESS EXCLUSIVE MODE");
    EXPECT_EQ(db.text(ask), "weather_data|NULL|canceling statement due to lock timeout");
    holder.exec("ROLLBACK");
    EXPECT_EQ(db.text(ask), "temperature|3|NULL");
}

// Nobody named it: a view of a stranger would run as whoever asks for the report.
TEST_F(ReportParts, WeatherOfAStrangerIsNotRead) {
    const auto stranger = role();
    db.exec("CREATE VIEW weather_data AS SELECT date '2025-01-01' AS at, 3 AS temperature; ALTER VIEW "
            "weather_data OWNER TO " +
            stranger);
    EXPECT_EQ(weather(), "");
    db.exec("ALTER TABLE d OWNER TO " + stranger);
    EXPECT_EQ(weather(), "temperature|3|3|3");
}

// Nor does it cost the birds.
TEST_F(ReportParts, WeatherThatFailsSaysSo) {
    hear("a", "2025-01-10 12:00:00");
    db.exec("CREATE VIEW weather_data AS SELECT date '2025-01-01' AS at, 1 / (SELECT count(*) FROM d WHERE "
            "species = 'none') AS temperature, 16::oid AS sun_token");
    EXPECT_EQ(section("weather", "label, value, detail->>'error'", "2025-01-01"),
              "weather_data|NULL|division by zero");
    EXPECT_EQ(section("totals", "value", "2025-01-01").substr(0, 2), "1\n");
}

TEST_F(ReportParts, RejectedRowsAreCounted) {
    zone("a", "UTC");
    db.exec("INSERT INTO emsn.rejected_detections SELECT s, d::date, NULL, 'bad', 'raw', now() FROM (VALUES "
            "('a', "
            "'2025-01-01'), ('a', '2025-01-31'), ('b', '2025-01-05'), ('a', '2025-02-01'), ('a', NULL)) AS v "
            "(s, d)");
    const auto rejected = [&](const std::string &station) {
        return db.text("SELECT detail->>'station', value FROM emsn.report('monthly', '2025-01-01', " +
                       station + ") WHERE label = 'rejected_rows' ORDER BY position");
    };
    EXPECT_EQ(rejected("NULL"), "a|2\nb|1");
    EXPECT_EQ(rejected("'a'"), "a|2");
}

TEST_F(ReportParts, DisksTellWhenTheyAreFull) {
    zone("a", "UTC");
    host("9 days", 1);
    host("2 days", 400000);
    host("0", 600000);
    EXPECT_EQ(system("disk", "value, detail->>'subject', detail->'bytes_per_day', detail->'days_to_full'"),
              "60|/mnt/usb|100000|4");
    db.exec("DELETE FROM emsn.host_reports WHERE received_at < now() - interval '1 hour'");
    host("11 hours", 1);
    EXPECT_EQ(system("disk", "detail->'bytes_per_day', detail->'days_to_full'"), "null|null");
    db.exec("DELETE FROM emsn.host_reports");
    host("1 day", 700000);
    host("0", 600000);
    EXPECT_EQ(system("disk", "detail->'bytes_per_day', detail->'days_to_full'"), "-100000|null");
}

TEST_F(ReportParts, MachinesAreThoseOfTheViews) {
    zone("a", "UTC");
    host(
        "0", 1,
        R"("units": [{"name": "emsn-mirror.service", "active_state": "failed", "result": "exit-code"}, {"name": "x.service", "active_state": "active", "result": "success"}],)"
        R"( "mirror": {"destination": "/mnt/usb/m.db", "last_success": "2025-01-01T00:00:00Z", "last_error": "disk full"},)"
        R"( "backups": [{"kind": "daily", "newest": "2025-01-01T00:00:00Z", "complete": true, "verified": false}],)");
    EXPECT_EQ(system("failed_unit", "detail->>'station', detail->>'subject', detail->>'result'"),
              "a|emsn-mirror.service|exit-code");
    EXPECT_EQ(
        system("mirror",
               "detail->>'subject', detail->>'last_error', value = (SELECT age_seconds FROM emsn.mirrors)"),
        "/mnt/usb/m.db|disk full|t");
    EXPECT_EQ(system("backup", "detail->>'subject', detail->'complete', detail->'verified'"),
              "daily|true|false");
    EXPECT_EQ(system("connections", "value", "'a'"), "");
    EXPECT_EQ(system("connections", "value >= 1, detail->'max_connections'", "NULL"), "t|20");
    EXPECT_EQ(system("database_growth", "value", "NULL"), "NULL");
}

TEST_F(ReportParts, MostConnectionsAreThoseOfThePeriod) {
    db.exec(
        "INSERT INTO emsn.connection_history (sampled_at, used, max_connections, reserved, available, "
        "active, idle, "
        "idle_in_transaction, clients) SELECT t::timestamptz, u, 20, 3, 17 - u, 0, u, 0, '[]' FROM (VALUES "
        "('2025-01-01', 5), ('2025-01-20 12:00', 9), ('2025-02-01', 12), ('2024-12-31 23:59', 13)) AS v (t, "
        "u)");
    EXPECT_EQ(system("most_connections", "value, detail->'max_connections'", "NULL"), "9|20");
}

TEST_F(ReportParts, FailedRunsOfThePeriodAreCounted) {
    EXPECT_EQ(system("failed_job", "value", "NULL"), "");
    db.exec("INSERT INTO emsn.runs (job, subject, started_at, finished_at, result) SELECT j, s, "
            "t::timestamptz, t::timestamptz, "
            "r FROM (VALUES ('learn', '', '2025-01-03', 'no space'), ('learn', '', '2025-01-31 23:00', 'no "
            "space'), "
            "('learn', '', '2025-01-04', 'ok'), ('learn', '', '2025-02-01', 'no space'), ('mirror', 'a', "
            "'2025-01-05', 'away'))"
            " AS v (j, s, t, r)");
    EXPECT_EQ(system("failed_job", "value, detail->>'subject'", "NULL"), "2|learn\n1|mirror a");
}

} // namespace
} // namespace emsn::test
