// What the user set survives a dump and its restore; the views work on a hot standby.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Restore : public PgTest {};

TEST_F(Restore, KeepsTableSettingsAndRights) {
    auto idle = session();
    idle.exec("BEGIN");
    const auto publisher = role();
    db.exec(
        "SELECT emsn.create_detections('bird_detections', 'month');"
        "INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('a', now(), 'x');"
        "INSERT INTO emsn.thresholds VALUES ('connections', NULL, '1%', '2%');"
        "INSERT INTO emsn.station_settings VALUES ('quiet', 'Europe/Amsterdam', false, 'in the attic');"
        "SELECT emsn.record_sample('[{\"station\": \"a\", \"detections\": 1}]', NULL, true);"
        "SELECT emsn.guard_choose(20, 0);"
        "INSERT INTO emsn.sync_state VALUES ('a', '{\"at\": 1}', 2, 1, 'UTC', now(), NULL);"
        "INSERT INTO emsn.sync_days VALUES ('a', '2026-01-02', 1, 18446744073709551615), ('a', NULL, 1, 0);"
        "INSERT INTO emsn.rejected_detections VALUES ('a', NULL, NULL, 'no day', '[]', now());"
        "SELECT emsn.store_host_report('a', '{\"reported_at\": \"2025-12-30T02:00:00Z\"}');"
        "SELECT emsn.record_run('learn', 'all stations', now(), 1, 'ok');"
        "INSERT INTO emsn.anomaly_log (kind, severity, message, opened_at) VALUES ('k', 'info', 'm', now());"
        "SELECT emsn.allow_publisher('" +
        publisher + "', 'a')");
    Session(PgCluster::shared().conninfo("postgres")).exec("CREATE DATABASE restored");
    const auto moved =
        run({"bash", "-c", "set -o pipefail; pg_dump \"$1\" | psql -X -q -v ON_ERROR_STOP=1 \"$2\"", "bash",
             PgCluster::shared().conninfo(database()), PgCluster::shared().conninfo("restored")});
    EXPECT_EQ(moved.status, 0) << moved.err;
    Session restored(PgCluster::shared().conninfo("restored"));
    for (const std::string query :
         {"SELECT station, detections FROM emsn.detections_today",
          "SELECT check_name, subject, warning_at, critical_at FROM emsn.thresholds",
          "SELECT station, time_zone, expected, note FROM emsn.station_settings",
          "SELECT name, value FROM emsn.settings", "SELECT h FROM emsn.connection_history AS h",
          "SELECT station FROM emsn.detection_history", "SELECT g FROM emsn.guard_log AS g",
          "SELECT s FROM emsn.sync_state AS s", "SELECT d FROM emsn.sync_days AS d ORDER BY day",
          "SELECT r FROM emsn.rejected_detections AS r", "SELECT p FROM emsn.publishers AS p",
          "SELECT r FROM emsn.runs AS r", "SELECT a FROM emsn.anomalies AS a",
          "SELECT h FROM emsn.host_reports AS h", "SELECT nspacl FROM pg_namespace WHERE nspname = 'emsn'"}) {
        EXPECT_EQ(restored.text(query), db.text(query));
        EXPECT_NE(restored.text(query), "");
    }
    auto monitor = Session(PgCluster::shared().conninfo("restored", role("pg_monitor, pg_read_all_data")));
    EXPECT_EQ(monitor.text("SELECT status FROM emsn.health WHERE check_name = 'connections'"), "critical");
    EXPECT_EQ(monitor.text("SELECT station, detections FROM emsn.detections_today"), "a|1\nquiet|0");
    Session going_on(PgCluster::shared().conninfo("restored", publisher));
    EXPECT_EQ(going_on.value("SELECT emsn.publish_state('a') ->> 'position'"), "{\"at\": 1}");
    EXPECT_EQ(going_on.value("SELECT emsn.publish_live_rows('a')"), "1");
}

TEST_F(Restore, DumpWithoutTheTableLeavesAnAnswer) {
    db.exec("SELECT emsn.create_detections('bird_detections')");
    Session(PgCluster::shared().conninfo("postgres")).exec("CREATE DATABASE halved");
    const std::string command =
        "set -o pipefail; pg_dump -T bird_detections \"$1\" | psql -X -q -v ON_ERROR_STOP=1 \"$2\"";
    const auto moved = run({"bash", "-c", command, "bash", PgCluster::shared().conninfo(database()),
                            PgCluster::shared().conninfo("halved")});
    EXPECT_EQ(moved.status, 0) << moved.err;
    Session halved(PgCluster::shared().conninfo("halved"));
    EXPECT_EQ(halved.text("SELECT message FROM emsn.health WHERE status = 'unknown'"),
              "the table of detections public.bird_detections is not there");
}

TEST_F(Restore, HotStandbyAnswersAndSaysWhyItDoesNotWrite) {
    db.exec("SELECT emsn.create_detections('bird_detections');"
            "INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('a', now(), 'x')");
    const TempDir folder;
    const std::string command =
        ". \"$1/scripts/lib/private_pg.sh\"; set -e; dir=$2/pg; mkdir \"$dir\";"
        "((EUID != 0)) || chown postgres: \"$dir\";"
        "private_pg_as pg_basebackup -h \"$3\" -U postgres -D \"$dir/data\" -R -c fast;"
        "sed -i \"s|^unix_socket_directories.*|unix_socket_directories = '$dir'|;"
        "s|^extension_destdir.*|extension_destdir = '$dir/stage'|\" \"$dir/data/postgresql.conf\";"
        "printf \"%s\\n\" \"shared_preload_libraries = 'emsn_health'\" \"emsn_health.database = '$4'\""
        " \"emsn_health.sample_interval = '100ms'\" >>\"$dir/data/postgresql.conf\";"
        "EMSN_STAGE=$3/stage private_pg_start \"$dir\"";
    const auto copied = run({"bash", "-c", command, "bash", EMSN_SOURCE_DIR, folder.path(),
                             PgCluster::shared().socket_dir(), database()},
                            PgCluster::environment(folder / "pg"));
    ASSERT_EQ(copied.status, 0) << copied.err;
    {
        Session standby("host=" + folder.path() + "/pg dbname=" + database() + " user=postgres");
        EXPECT_EQ(standby.value("SELECT pg_is_in_recovery()"), "t");
        EXPECT_EQ(standby.value("SELECT count(*) FROM emsn.health WHERE status = 'unknown'"), "0");
        EXPECT_EQ(standby.text("SELECT station, detections FROM emsn.detections_today"), "a|1");
        EXPECT_EQ(standby.fails("SELECT emsn.create_detections('other')").sqlstate, "25006");
        for (const std::string reading :
             {"emsn.idle_transaction_rows()", "emsn.stations", "emsn.terminate_idle_transactions('0')",
              "emsn.connection_clients", "emsn.detections_per_station(current_date, current_date)"})
            EXPECT_EQ(standby.fails("SELECT * FROM " + reading).sqlstate, "") << reading;
        ASSERT_TRUE(eventually([&] {
            return standby.text("SELECT subject, status, value, unit, message FROM emsn.health WHERE "
                                "check_name = 'standby_lag'") ==
                   "server|ok|0|seconds|everything received is replayed";
        }));
        EXPECT_EQ(standby.value("SELECT count(*) FROM emsn.health WHERE check_name = 'dead_tuples'"), "0");
        EXPECT_EQ(db.text("SELECT subject, status, unit FROM emsn.health WHERE check_name = "
                          "'replication_lag'"),
                  "walreceiver|ok|bytes");
        EXPECT_EQ(standby.value("SELECT emsn.publish_state('a')"), "NULL");
        EXPECT_EQ(standby.value("SELECT emsn.publish_live_rows('a')"), "1");
        for (const std::string writing :
             {"publish_begin('a', 'UTC')", "publish_unchanged('a')", "allow_publisher('postgres', 'a')",
              "publish_apply('a', 'all', '[]', 0, '{}', '{}')", "deny_publisher('postgres', 'a')"})
            EXPECT_EQ(standby.fails("SELECT emsn." + writing).sqlstate, "25006") << writing;
        const auto refused = standby.fails("SELECT emsn.use_detections('bird_detections')");
        EXPECT_EQ(refused.sqlstate, "25006");
        EXPECT_EQ(refused.hint, "Do it on the primary; the standby follows.");
        EXPECT_EQ(refused.message, "use_detections: this server is a standby and takes no changes");
        standby.exec("ALTER SYSTEM SET primary_conninfo = 'host=/nonexistent'");
        standby.exec("SELECT pg_reload_conf()");
        ASSERT_TRUE(eventually([&] {
            return standby.text("SELECT status, message, remedy IS NULL FROM emsn.health WHERE check_name = "
                                "'standby_lag'") ==
                   "warning|everything received is replayed; not connected to its primary|f";
        }));
        // the watcher writes: it begins with the promotion
        EXPECT_EQ(
            standby.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'emsn_health watcher'"),
            "0");
        standby.exec("SELECT pg_promote()");
        EXPECT_TRUE(
            eventually([&] { return standby.value("SELECT count(*) FROM emsn.connection_history") != "0"; }));
    }
    run({"bash", "-c", ". \"$1/scripts/lib/private_pg.sh\"; private_pg_stop \"$2/pg\"", "bash",
         EMSN_SOURCE_DIR, folder.path()});
}

} // namespace
} // namespace emsn::test
