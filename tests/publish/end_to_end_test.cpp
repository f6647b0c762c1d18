// A station's timers from one emsn.conf, as a role that may publish that station only: mirror, backups,
// publish. Then the centre knows all of it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/publish/support.hpp"
#include "tests/support/systemd_user.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class EndToEnd : public PublishTest {
  protected:
    EndToEnd() {
        fs::create_directories(dir_ / "backups");
        fs::create_directories(dir_ / "tree/etc");
        write_file(dir_ / "tree/etc/hostname", "zolder\n");
        publisher_ = role();
        db.exec("SELECT emsn.allow_publisher('" + publisher_ + "', 'zolder'); GRANT TEMP ON DATABASE " +
                database() + " TO " + publisher_);
        write_file(conf_, "EMSN_STATION=zolder\nEMSN_SOURCE_DB=" + birds_ + "\nEMSN_MIRROR_DB=" + mirror_ +
                              "\nEMSN_BACKUP_DIR=" + (dir_ / "backups") +
                              "\nEMSN_BACKUP_TREE=" + (dir_ / "tree") +
                              "\nEMSN_STATE_DIR=" + (dir_ / "state") + "\nEMSN_REQUIRE_MOUNT=0\nEMSN_PG=" +
                              PgCluster::shared().conninfo(database(), publisher_) + "\n");
    }
    Outcome script(const std::string &name, const std::vector<std::string> &args = {},
                   const std::vector<std::string> &more = {}) {
        std::vector<std::string> argv{EMSN_SOURCE_DIR "/scripts/" + name};
        argv.insert(argv.end(), args.begin(), args.end());
        std::vector<std::string> env{"EMSN_SO=" EMSN_SO, "EMSN_PG_SO=" EMSN_PG_SO, "EMSN_CONF=" + conf_,
                                     "TMPDIR=" + dir_.path()};
        env.insert(env.end(), more.begin(), more.end());
        return run(argv, env);
    }
    std::string health(const std::string &subject) {
        return db.text("SELECT check_name, subject, status FROM emsn.health WHERE subject LIKE '" + subject +
                       "' AND check_name NOT IN ('disk_usage', 'silent_station', 'detections_today') ORDER "
                       "BY check_name, "
                       "subject");
    }

    std::string publisher_;
    const std::string mirror_ = dir_ / "mirror.db";
    const std::string conf_ = dir_ / "emsn.conf";
};

TEST_F(EndToEnd, MonthsTakenOffAtTheCentreAreNotSentAgain) {
    db.exec("DROP TABLE bird_detections; SELECT emsn.create_detections('public.bird_detections', 'month')");
    at_station("INSERT INTO detections (Date, Time, Sci_Name, Com_Name, Confidence, File_Name) SELECT "
               "date('now', 'start of month', '-12 months', '+4 days'), '10:00:0' || value, 'Turdus merula', "
               "'Blackbird', 0.9, 'old' || value FROM json_each('[1, 2, 3]')");
    EXPECT_EQ(publish()["inserted"], 1003);
    db.exec("SELECT emsn.detach_partitions('11 months', dry_run => false)");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections"), "1000");
    // the daily comparison of everything
    db.exec("UPDATE emsn.sync_state SET compared_at = compared_at - interval '25 hours'");
    hear(2000);
    const auto report = publish();
    EXPECT_EQ(report["mode"], "days");
    EXPECT_EQ(report["inserted"], 1);
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections"), "1001");
}

TEST_F(EndToEnd, WhatTheTimersDidIsKnownAtTheCentre) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root can start a systemd in namespaces";
    const SystemdUser systemd(
        {{"emsn-mirror.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"},
         {"emsn-mirror.timer",
          "[Timer]\nOnActiveSec=0\nOnCalendar=2099-01-01 00:00:00 UTC\nAccuracySec=1us\n"},
         {"emsn-backup.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"}});
    ASSERT_EQ(systemd.ctl({"start", "emsn-mirror.timer"}).status, 0);
    systemd.ctl({"start", "emsn-backup.service"});
    for (const auto &[name, args] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"emsn-mirror", {}}, {"emsn-backup", {"daily"}}, {"emsn-backup", {"hourly"}}}) {
        const auto outcome = script(name, args);
        ASSERT_EQ(outcome.status, 0) << name << ": " << outcome.err;
    }
    ASSERT_TRUE(eventually([&] {
        const auto published = script("emsn-publish", {}, {systemd.as_system_bus()});
        EXPECT_EQ(published.status, 0) << published.err;
        return db.value("SELECT count(*) FROM emsn.services WHERE last_trigger IS NOT NULL") == "2";
    })) << "the timer has started its service";
    expect_equal("published");

    EXPECT_EQ(
        db.text(
            "SELECT station, destination, age_seconds < 600, bytes, verify, last_error FROM emsn.mirrors"),
        "zolder|" + mirror_ + "|t|" + std::to_string(fs::file_size(birds_)) + "|quick|NULL");
    EXPECT_EQ(db.text("SELECT station, kind, entries, bytes > 0, complete, verified FROM emsn.backups"),
              "zolder|daily|1|t|t|t\nzolder|database|1|t|t|t");
    EXPECT_EQ(
        db.text(
            "SET TimeZone = 'UTC'; SELECT station, unit, active_state, result, next_trigger, overdue FROM "
            "emsn.services WHERE unit LIKE 'emsn-%'"),
        "zolder|emsn-backup.service|failed|exit-code|NULL|NULL\n"
        "zolder|emsn-mirror.service|inactive|success|2099-01-01 00:00:00+00|f\n"
        "zolder|emsn-mirror.timer|active|success|2099-01-01 00:00:00+00|f");
    EXPECT_EQ(
        db.value("SELECT count(*) FROM emsn.disk_usage WHERE station = 'zolder' AND mount_point = '/' AND "
                 "used_percent > 0"),
        "1");
    EXPECT_EQ(
        db.text("SELECT station, report_age_seconds < 600, emsn_version IS NOT NULL FROM emsn.stations"),
        "zolder|t|t");
    // an hourly backup is named by its hour, a daily one by its day
    EXPECT_EQ(health("zolder%"),
              "backup_age|zolder daily|ok\nbackup_age|zolder database|ok\nclock_offset|zolder|ok\n"
              "failed_units|zolder emsn-backup.service|warning\nmirror_age|zolder|ok\n"
              "overdue_timers|zolder|ok\nreport_age|zolder|ok\nsync_lag|zolder|ok");
    const auto table = run({EMSN_SOURCE_DIR "/scripts/emsn-health"},
                           {"EMSN_CONF=" + conf_, "EMSN_PG=" + conninfo(), "NO_COLOR=1"});
    EXPECT_NE(table.out.find("emsn-backup.service failed (exit-code)"), std::string::npos) << table.out;
}

TEST_F(EndToEnd, WhatGoesWrongIsKnownToo) {
    ASSERT_EQ(script("emsn-publish").status, 0);
    EXPECT_EQ(health("zolder%' AND check_name = 'mirror_age"), "mirror_age|zolder|unknown");
    EXPECT_EQ(db.value("SELECT message FROM emsn.health WHERE check_name = 'mirror_age'"),
              mirror_ + ": never");
    fs::create_directory(mirror_); // nothing can be mirrored there
    EXPECT_EQ(script("emsn-mirror").status, 1);
    fs::remove_all(dir_ / "backups");
    EXPECT_EQ(script("emsn-publish", {}, {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}).status, 0);
    EXPECT_NE(db.value("SELECT last_error FROM emsn.mirrors").find("directory"), std::string::npos)
        << db.value("SELECT last_error FROM emsn.mirrors");
    EXPECT_EQ(db.value("SELECT message FROM emsn.health WHERE check_name = 'backup_age'"),
              "open " + (dir_ / "backups") + ": No such file or directory");
    fs::remove(birds_);
    const auto lost = script("emsn-publish");
    EXPECT_EQ(lost.status, 1) << "the card is dead";
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.host_reports"), "3");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections WHERE deleted IS NOT TRUE"), "1000");
}

} // namespace
} // namespace emsn::test
