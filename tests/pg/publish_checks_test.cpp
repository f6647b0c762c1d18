// What emsn.health says of publishing.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishChecks : public PublishTest {
  protected:
    std::string rows(const std::string &columns, const std::string &check) {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = '" + check + "'");
    }
};

TEST_F(PublishChecks, SyncLagOfStationsThatHavePublished) {
    make();
    EXPECT_EQ(rows("subject", "sync_lag"), "");
    publish({.rows = {bird("2026-01-02 10:00:00")}});
    EXPECT_EQ(rows("subject, status, value < 60, unit, warning_at, critical_at, message ~"
                   " '^last published [0-9]+ s ago, at 20', remedy",
                   "sync_lag"),
              "zolder|ok|t|seconds|3600|86400|t|NULL");
    db.exec("UPDATE emsn.sync_state SET published_at = now() - interval '3600 s'");
    EXPECT_EQ(rows("status, value, remedy", "sync_lag"), "warning|3600|Look at the station: power, network, "
                                                         "and what emsn-publish says there; it catches up by "
                                                         "itself.");
    db.exec("UPDATE emsn.sync_state SET published_at = now() - interval '1 day'");
    EXPECT_EQ(rows("status", "sync_lag"), "critical");
    db.exec("INSERT INTO emsn.thresholds VALUES ('sync_lag', 'zolder', '100000', '200000')");
    EXPECT_EQ(rows("status", "sync_lag"), "ok");
    db.exec("DELETE FROM emsn.thresholds; INSERT INTO emsn.station_settings (station, expected) VALUES "
            "('zolder', false)");
    EXPECT_EQ(rows("status, message ~ '; not expected$', remedy", "sync_lag"), "ok|t|NULL");
    db.exec("UPDATE emsn.sync_state SET published_at = now() + interval '1 hour'");
    EXPECT_EQ(rows("value", "sync_lag"), "0");
}

TEST_F(PublishChecks, RejectedDetectionsOfTheLastWeek) {
    make();
    EXPECT_EQ(rows("subject", "rejected_detections"), "");
    publish({.rows = {{.day = "2026-01-02", .time = "", .reason = "no time"},
                      {.day = "", .time = "", .reason = "no day"}}});
    db.exec("UPDATE emsn.rejected_detections SET rejected_at = now() - interval '6 days' WHERE reason = 'no "
            "time'");
    EXPECT_EQ(
        rows("subject, status, value, unit, warning_at, critical_at, message, remedy", "rejected_detections"),
        "zolder|warning|2|detections|1|NULL|2 detections not stored in the last 7 days; the newest: no day|"
        "SELECT * FROM emsn.rejected_detections WHERE station = 'zolder'; then correct them at the station, "
        "or the table of detections and publish once with \"full\": true.");
    db.exec("UPDATE emsn.rejected_detections SET rejected_at = rejected_at - interval '2 days'");
    EXPECT_EQ(rows("value, message", "rejected_detections"),
              "1|1 detection not stored in the last 7 days; the newest: no day");
    db.exec("UPDATE emsn.rejected_detections SET rejected_at = now() - interval '8 days'");
    EXPECT_EQ(rows("subject", "rejected_detections"), "");
}

TEST_F(PublishChecks, EachFailsAlone) {
    make();
    publish({.rows = {bird("2026-01-02 10:00:00"), {.day = "", .time = "", .reason = "no day"}}});
    auto locker = session();
    locker.exec("BEGIN; LOCK TABLE emsn.sync_state IN ACCESS EXCLUSIVE MODE");
    EXPECT_EQ(rows("subject, status", "sync_lag"), "all stations|unknown");
    EXPECT_EQ(rows("subject, status", "rejected_detections"), "zolder|warning");
    locker.exec("ROLLBACK; BEGIN; LOCK TABLE emsn.rejected_detections IN ACCESS EXCLUSIVE MODE");
    EXPECT_EQ(rows("subject, status", "sync_lag"), "zolder|ok");
    EXPECT_EQ(rows("subject, status", "rejected_detections"), "all stations|unknown");
}

TEST_F(PublishChecks, MonitorsReadThem) {
    make();
    publish({.rows = {bird("2026-01-02 10:00:00"), {.day = "", .time = "", .reason = "no day"}}});
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.text("SELECT check_name, status FROM emsn.health WHERE check_name IN ('sync_lag',"
                           " 'rejected_detections')"),
              "rejected_detections|warning\nsync_lag|ok");
    for (const std::string table : {"sync_state", "sync_days", "rejected_detections", "publishers"}) {
        EXPECT_EQ(monitor.fails("SELECT * FROM emsn." + table).sqlstate, "") << table;
        EXPECT_EQ(monitor.fails("DELETE FROM emsn." + table).sqlstate, "42501") << table;
    }
    EXPECT_EQ(monitor.fails("SELECT emsn.publish_state('zolder')").sqlstate, "42501");
}

} // namespace
} // namespace emsn::test
