// The health checks on host reports.
#include "tests/pg/host_support.hpp"

namespace emsn::test {
namespace {

class HostChecks : public HostTest {};

TEST_F(HostChecks, DisksOfEachStation) {
    report("zolder", R"("filesystems": [
        {"mount_point": "/", "fs_type": "ext4", "total_bytes": 1000, "available_bytes": 200, "used_percent": 79.9},
        {"mount_point": "/boot", "fs_type": "vfat", "total_bytes": 1000, "available_bytes": 200, "used_percent": 80},
        {"mount_point": "/mnt/usb", "fs_type": "ext4", "total_bytes": 2048, "available_bytes": 1024, "used_percent": 95},
        {"mount_point": "/mnt/nas", "fs_type": "nfs4", "error": "hung: statvfs"}])",
           "1 hour");
    const std::string stations = "' AND subject LIKE 'zolder%";
    EXPECT_EQ(health("disk_usage" + stations),
              "zolder /mnt/usb|critical|95|95% of 2048 bytes used, 1024 bytes available\n"
              "zolder /boot|warning|80|80% of 1000 bytes used, 200 bytes available\n"
              "zolder /mnt/nas|unknown|NULL|/mnt/nas: hung: statvfs\n"
              "zolder /|ok|79.9|79.9% of 1000 bytes used, 200 bytes available");
    EXPECT_EQ(health("disk_usage" + stations,
                     "DISTINCT warning_at, critical_at, unit, measured_at < now() - interval "
                     "'59 minutes'"),
              "80|90|%|t\nNULL|NULL|NULL|t");
    db.exec("INSERT INTO emsn.thresholds VALUES ('disk_usage', 'zolder /mnt/usb', '96', '-2%')");
    EXPECT_EQ(health("disk_usage' AND subject = 'zolder /mnt/usb", "status"), "ok");
}

TEST_F(HostChecks, ADiskThatTheKernelMadeReadOnlyIsAnAlarm) {
    report("zolder", R"("filesystems": [
        {"mount_point": "/", "fs_type": "ext4", "device": "/dev/mmcblk0p2", "used_percent": 10, "read_only": true},
        {"mount_point": "/boot", "fs_type": "vfat", "device": "/dev/mmcblk0p1", "used_percent": 10, "read_only": false},
        {"mount_point": "/mnt/iso", "fs_type": "nfs4", "device": "nas:/x", "used_percent": 10, "read_only": true}])");
    EXPECT_EQ(health("read_only_disk"), "zolder /|critical|1|/ (/dev/mmcblk0p2) is read-only");
    db.exec("INSERT INTO emsn.thresholds (check_name, subject, critical_at) VALUES ('read_only_disk', "
            "'zolder /', '2')");
    EXPECT_EQ(health("read_only_disk", "status"), "ok") << "somebody wants it so";
}

TEST_F(HostChecks, EachFailedUnitIsARowOrOneSaysThatNoneIs) {
    report("a", R"("units": [{"name": "emsn-mirror.service", "active_state": "failed", "result": "timeout"},
        {"name": "emsn-mirror.timer", "active_state": "active"}, {"name": "ssh.service", "active_state": "failed"}])");
    report("b", R"("units": [{"name": "emsn-mirror.timer", "active_state": "active"}])");
    report("c", R"("systemd": false, "units_error": "ask systemd: no systemd here: x")");
    report("d", R"("units_error": "ask systemd: ListUnitsByPatterns: Connection timed out")");
    EXPECT_EQ(health("failed_units"),
              "a emsn-mirror.service|warning|1|emsn-mirror.service failed (timeout)\n"
              "a ssh.service|warning|1|ssh.service failed\n"
              "d|unknown|NULL|ask systemd: ListUnitsByPatterns: Connection timed out\n"
              "b|ok|0|no unit failed\nc|ok|NULL|no systemd runs there");
}

TEST_F(HostChecks, OverdueTimersAreCountedAndNamed) {
    report("a", R"("timers": [{"name": "x.timer", "overdue": true, "next_trigger": "2025-12-30T02:00:00Z"},
        {"name": "y.timer", "overdue": false}, {"name": "w.timer", "overdue": true}])");
    report("b", R"("timers": [{"name": "y.timer", "overdue": false}])");
    report("c", R"("systemd": false, "timers_error": "x")");
    db.exec("SET TimeZone = 'UTC'");
    EXPECT_EQ(health("overdue_timers"), "a|warning|2|overdue since 2025-12-30 02:00:00+00: w.timer, x.timer\n"
                                        "b|ok|0|1 timer, none overdue\nc|ok|NULL|no systemd runs there");
}

TEST_F(HostChecks, MirrorsGrowOld) {
    const auto mirror = [&](const std::string &station, const std::string &age, const std::string &error) {
        report(station, "\"reported_at\": \"" + utc("0") +
                            R"(", "mirror": {"destination": "/m.db", "last_success": ")" + utc(age) +
                            "\", \"last_error\": " + error + "}");
    };
    mirror("fresh", "20 minutes", "\"locked\"");
    mirror("late", "31 minutes", "null");
    mirror("lost", "121 minutes", "\"nothing is mounted there\"");
    report("never", R"("mirror": {"destination": "/m.db", "last_success": null})");
    report("none", R"("mirror": null)");
    report("unread", R"("mirror_error": "read mirror.json: no JSON")");
    EXPECT_EQ(health("mirror_age", "subject, status, regexp_replace(message, '[0-9]+', 'N')"),
              "lost|critical|/m.db is of N s ago; the last try failed: nothing is mounted there\n"
              "late|warning|/m.db is of N s ago\nnever|unknown|/m.db: never\n"
              "unread|unknown|read mirror.json: no JSON\nfresh|ok|/m.db is of N s ago; the last try failed: "
              "locked");
    EXPECT_EQ(health("mirror_age", "DISTINCT unit, warning_at, critical_at"),
              "seconds|1800|7200\nNULL|NULL|NULL");
}

TEST_F(HostChecks, BackupsGrowOldByTheirKind) {
    const std::vector<std::array<std::string, 3>> kinds{
        {"database", "2 hours", "6 hours"}, {"hourly", "2 hours", "6 hours"},
        {"daily", "36 hours", "72 hours"},  {"centre", "36 hours", "72 hours"},
        {"images", "9 days", "16 days"},    {"weekly", "9 days", "16 days"}};
    for (const auto &[kind, warning, critical] : kinds) {
        int number = 0;
        for (const auto &age : {warning + " -1 minute", warning, critical + " -1 minute", critical}) {
            report(kind + std::to_string(++number),
                   "\"reported_at\": \"" + utc("0") + R"(", "backups": [{"kind": ")" + kind +
                       R"(", "complete": true, "verified": true, "newest": ")" + utc(age) + "\"}]");
        }
        EXPECT_EQ(
            db.text("SELECT status FROM emsn.health WHERE check_name = 'backup_age' AND subject LIKE '%" +
                    kind + "' ORDER BY subject"),
            "ok\nwarning\nwarning\ncritical")
            << kind;
    }
    report("o", "\"reported_at\": \"" + utc("0") + R"(", "backups": [{"kind": "other", "newest": ")" +
                    utc("900 days") + "\"}]");
    EXPECT_EQ(health("backup_age' AND subject = 'o other", "status, warning_at, critical_at"),
              "ok|NULL|NULL");
}

TEST_F(HostChecks, ANewestBackupThatIsNotGoodIsAWarning) {
    const auto backup = [&](const std::string &station, const std::string &receipt) {
        report(station, "\"reported_at\": \"" + utc("0") +
                            R"(", "backups": [{"kind": "daily", "name": "2025-12-30", "newest": ")" +
                            utc("1 hour") + "\"" + receipt + "}]");
    };
    backup("good", R"(, "complete": true, "verified": true)");
    backup("half", R"(, "complete": false, "verified": true)");
    backup("doubted", R"(, "complete": true, "verified": false)");
    backup("plain", "");
    report("dateless", R"("backups": [{"kind": "daily"}])");
    report("away", R"("backups_error": "open /mnt/usb: hung")");
    EXPECT_EQ(health("backup_age", "subject, status, regexp_replace(message, '[0-9]{4,} s', 'N s')"),
              "doubted daily|warning|2025-12-30 of N s ago, which is not verified\n"
              "half daily|warning|2025-12-30 of N s ago, which is not complete\n"
              "away|unknown|open /mnt/usb: hung\n"
              "dateless daily|unknown|no backup of the kind daily with a date\n"
              "good daily|ok|2025-12-30 of N s ago\nplain daily|ok|2025-12-30 of N s ago, without a receipt");
}

TEST_F(HostChecks, ReportsGrowOldAndClocksDrift) {
    report("fresh", R"("clock_offset_ms": 4999)", "59 minutes");
    report("late", R"("clock_offset_ms": -5000)", "61 minutes");
    report("lost", R"("clock_offset_ms": 60000)", "25 hours");
    EXPECT_EQ(
        health("report_age", "subject, status, unit, warning_at, critical_at"),
        "lost|critical|seconds|3600|86400\nlate|warning|seconds|3600|86400\nfresh|ok|seconds|3600|86400");
    EXPECT_EQ(health("clock_offset"), "lost|critical|60.000|its clock is 60.000 s behind this server\n"
                                      "late|warning|5.000|its clock is 5.000 s ahead of this server\n"
                                      "fresh|ok|4.999|its clock is 4.999 s behind this server");
}

TEST_F(HostChecks, VersionsThatDifferAreAWarning) {
    EXPECT_EQ(health("emsn_versions"), "all stations|ok|NULL|no station has told its version of emsn");
    report("a", R"("emsn": "0.1.0")");
    report("b", R"("emsn": "0.1.0")");
    EXPECT_EQ(health("emsn_versions"), "all stations|ok|1|one version of emsn: 0.1.0 (a, b)");
    report("c", R"("emsn": "0.2.0")");
    EXPECT_EQ(health("emsn_versions"),
              "all stations|warning|2|versions of emsn differ: 0.1.0 (a, b), 0.2.0 (c)");
}

TEST_F(HostChecks, AStationThatIsNotExpectedIsWell) {
    db.exec("INSERT INTO emsn.station_settings (station, expected) VALUES ('winter', false)");
    report("winter", R"("clock_offset_ms": 60000, "filesystems": [{"mount_point": "/", "used_percent": 99}],
        "units": [{"name": "u", "active_state": "failed"}], "timers": [{"name": "t", "overdue": true}],
        "mirror": {"destination": "m"}, "backups_error": "x")",
           "25 days");
    EXPECT_EQ(
        db.text(
            "SELECT check_name, subject FROM emsn.health WHERE subject LIKE 'winter%' AND (status <> 'ok' OR "
            "remedy IS NOT NULL OR message NOT LIKE '%; not expected')"),
        "");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.health WHERE subject LIKE 'winter%'"), "7");
}

TEST_F(HostChecks, WithoutReportsOneRowSaysSo) {
    EXPECT_EQ(health("report_age"), "all stations|ok|NULL|no station has sent a host report");
}

TEST_F(HostChecks, TheDatabaseGrowsByWhatTheWatcherSampled) {
    const std::string unknown = "|ok|NULL|not known: the watcher has not sampled for half a day yet";
    EXPECT_EQ(health("database_growth"), database() + unknown);
    const auto sample = [&](const std::string &ago, const std::string &bytes) {
        db.exec("INSERT INTO emsn.connection_history (sampled_at, used, max_connections, reserved, "
                "available, active, "
                "idle, idle_in_transaction, clients, database_bytes) VALUES (now() - interval '" +
                ago + "', 1, 1, 1, 1, 1, 1, 1, '[]', " + bytes + ")");
    };
    sample("8 days", "1"); // too old to count
    sample("0 hours", "5000000000");
    EXPECT_EQ(health("database_growth"), database() + unknown);
    sample("4 days", "1000000000");
    sample("2 days", "NULL");
    sample("1 day", "9000000000"); // what lies between does not matter
    EXPECT_EQ(
        health("database_growth",
               "status, round(value, -4), unit, warning_at, message ~ '^database .* grows by 954 MB a day "
               "over 4.0 days; /.* is full in [0-9]+ days$'"),
        "ok|1000000000|bytes|NULL|t");
    db.exec("INSERT INTO emsn.thresholds VALUES ('database_growth', NULL, '1000000000', NULL)");
    EXPECT_EQ(health("database_growth", "status"), "warning");
    sample("6 days", "11000000000");
    EXPECT_EQ(health("database_growth", "round(value, -4), message"),
              "-1000000000|database " + database() + " shrinks by 954 MB a day over 6.0 days");
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.value("SELECT round(value, -4) FROM emsn.health WHERE check_name = 'database_growth'"),
              "-1000000000");
}

} // namespace
} // namespace emsn::test
