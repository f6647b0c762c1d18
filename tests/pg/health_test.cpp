// The view health: its checks, and that one which cannot look does not silence the others.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Health : public PgTest {
  protected:
    std::string rows(const std::string &columns, const std::string &check) {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = '" + check + "'");
    }
    void make() { db.exec("SELECT emsn.create_detections('bird_detections')"); }
    void add(const std::string &station, const std::string &when) {
        db.exec("INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('" + station +
                "', " + when + ", 'x')");
    }
};

TEST_F(Health, BeforeATableIsNamedOneRowSaysSoAndTheServerIsChecked) {
    EXPECT_EQ(
        db.text(
            "SELECT check_name, subject, value, message, remedy FROM emsn.health WHERE status = 'unknown'"),
        "detections_today|all stations|NULL|no table of detections is named yet|SELECT"
        " emsn.use_detections('schema.table'); or, to make one: SELECT"
        " emsn.create_detections('public.bird_detections');");
    EXPECT_EQ(db.text("SELECT DISTINCT check_name FROM emsn.health WHERE status <> 'unknown' ORDER BY 1"),
              "blocked_sessions\nconnections\ndatabase_growth\ndatabase_size\ndisk_usage\nemsn_versions\n"
              "idle_in_transaction\nlong_transactions\nreplication_lag\nreplication_slots\nreport_age\n"
              "wal_archiving\nwraparound");
}

TEST_F(Health, ConnectionsRow) {
    EXPECT_EQ(rows("subject, status, unit, warning_at, critical_at, message ~ '^[0-9]+ of 20 connections "
                   "used, [0-9]+"
                   " available [(]3 reserved[)]$', remedy, measured_at <= clock_timestamp()",
                   "connections"),
              "server|ok|connections|80%|90%|t|NULL|t");
}

TEST_F(Health, IdleInTransactionNamesTheOldestAndTheRemedyRuns) {
    db.exec("INSERT INTO emsn.thresholds VALUES ('idle_in_transaction', NULL, '0', NULL)");
    Session victim(PgCluster::shared().conninfo(database()) + " application_name=forgotten");
    victim.exec("BEGIN");
    ASSERT_TRUE(eventually([&] { return session_is(db, victim.pid(), "idle in transaction"); }));
    EXPECT_EQ(rows("status, warning_at, critical_at, unit", "idle_in_transaction"), "warning|0|900|seconds");
    const auto message = rows("message", "idle_in_transaction");
    EXPECT_EQ(message.find("pid " + std::to_string(victim.pid()) +
                           " (user postgres, application forgotten) is idle in a transaction for "),
              0u)
        << message;
    const auto remedy = rows("remedy", "idle_in_transaction");
    EXPECT_EQ(remedy, "SELECT * FROM emsn.terminate_idle_transactions('0 seconds', dry_run => false);");
    db.exec(remedy);
    EXPECT_NE(victim.fails("SELECT 1").sqlstate, "");
}

TEST_F(Health, DetectionsTodayRows) {
    make();
    add("a", "now()");
    for (int day = 1; day <= 5; ++day)
        add("a", "date_trunc('day', now()) - interval '" + std::to_string(day) + " days'");
    db.exec("INSERT INTO emsn.station_settings (station) VALUES ('b')");
    EXPECT_EQ(
        rows("subject, status, value, unit, warning_at, message", "detections_today"),
        "a|ok|1|detections|NULL|1 detection of 1 species today; usually 1 by now\n" // too few for a limit
        "b|ok|0|detections|NULL|0 detections of 0 species today");
}

TEST_F(Health, SilentStations) {
    make();
    add("fresh", "now() - interval '1 hour'");
    add("quiet", "now() - interval '25 hours'");
    add("dead", "now() - interval '49 hours'");
    add("winter", "now() - interval '900 hours'");
    db.exec("INSERT INTO emsn.station_settings (station, expected) VALUES ('winter', false), ('new', true), "
            "('stored', false)");
    EXPECT_EQ(
        rows("subject, status, value, remedy IS NOT NULL", "silent_station"),
        "dead|critical|49.0|t\nquiet|warning|25.0|t\nnew|unknown|NULL|t\nfresh|ok|1.0|f\nstored|ok|NULL|f\n"
        "winter|ok|NULL|f");
    EXPECT_EQ(
        db.value(
            "SELECT message FROM emsn.health WHERE check_name = 'silent_station' AND subject = 'winter'"),
        "silent for 900.0 hours; not expected");
}

TEST_F(Health, AStationThatIsNotExpectedIsWellWhateverTheLimit) {
    make();
    add("winter", "now() - interval '900 hours'");
    add("summer", "now() - interval '900 hours'");
    db.exec("INSERT INTO emsn.station_settings (station, expected) VALUES ('winter', false); "
            "INSERT INTO emsn.thresholds (check_name, critical_at) VALUES ('detections_today', '0')");
    EXPECT_EQ(rows("subject, status, value, remedy IS NOT NULL", "detections_today"),
              "summer|critical|0|t\nwinter|ok|0|f");
}

TEST_F(Health, DetectionsInTheFutureAreAWarningOfTheirOwn) {
    make();
    add("right", "now() + interval '9 minutes'");
    add("ahead", "now() + interval '11 minutes'");
    add("ahead", "timestamptz '2999-01-01 00:00+00'");
    EXPECT_EQ(rows("subject, status, value, message", "future_detections"),
              "ahead|warning|2|2 detections dated in the future, up to 2999-01-01 00:00:00+00");
}

// They belong to no station, and would vanish without a word.
TEST_F(Health, DetectionsWithoutAStationAreAWarningOfTheirOwn) {
    db.exec(
        "CREATE TABLE d (station text, detection_timestamp timestamptz, species text, common_name text,"
        " confidence real); INSERT INTO d VALUES (NULL, now(), 'x'), ('a', now(), 'x'), (NULL, NULL, 'x');"
        "SELECT emsn.use_detections('d')");
    EXPECT_EQ(rows("subject, status, value, message", "nameless_detections"),
              "all stations|warning|2|2 detections without a station, shown nowhere else");
    EXPECT_EQ(rows("subject, value", "detections_today"), "a|1");
    db.exec("INSERT INTO d SELECT FROM generate_series(1, 1100)");
    EXPECT_EQ(rows("value, message", "nameless_detections"),
              "1000|1000 or more detections without a station, shown nowhere else");
    db.exec("DELETE FROM d WHERE station IS NULL");
    EXPECT_EQ(rows("status", "nameless_detections"), "");
}

TEST_F(Health, DiskUsageOfTheServer) {
    EXPECT_EQ(
        db.text(
            "SELECT unit, warning_at, critical_at, value = (SELECT used_percent FROM emsn.filesystems() AS f"
            " WHERE f.mount_point = '/') FROM emsn.health WHERE check_name = 'disk_usage' AND subject = '/'"),
        "%|80|90|t");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.health WHERE check_name = 'disk_usage'"),
              db.value("SELECT count(*) FROM emsn.filesystems()"));
}

TEST_F(Health, WorstComesFirst) {
    make();
    add("dead", "now() - interval '49 hours'");
    add("quiet", "now() - interval '25 hours'");
    db.exec("INSERT INTO emsn.station_settings (station) VALUES ('new')");
    EXPECT_EQ(db.text("SELECT status || ' ' || subject FROM emsn.health LIMIT 3"),
              "critical dead\nwarning quiet\nunknown new");
    EXPECT_EQ(db.value("SELECT status FROM emsn.health OFFSET 3 LIMIT 1"), "ok");
}

TEST_F(Health, LockedTableIsOneUnknownRow) {
    make();
    add("a", "now()");
    auto locker = session();
    locker.exec("BEGIN; LOCK TABLE bird_detections IN ACCESS EXCLUSIVE MODE");
    db.exec("SET statement_timeout = '30s'"); // should the check wait for ever
    EXPECT_EQ(
        db.text("SELECT check_name, status, message, remedy FROM emsn.health WHERE check_name LIKE '%today'"),
        "detections_today|unknown|not looked at, another session holds a lock: canceling statement due to "
        "lock"
        " timeout|Wait, or look for the session that holds it: SELECT * FROM emsn.idle_transactions;");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.health WHERE status = 'unknown'"), "1");
    EXPECT_EQ(db.value("SELECT count(DISTINCT check_name) FROM emsn.health WHERE status = 'ok'"), "15");
    EXPECT_EQ(db.value("SHOW lock_timeout"), "0");
    locker.exec("ROLLBACK");
    EXPECT_EQ(rows("status", "detections_today"), "ok");
}

TEST_F(Health, OddTablesAreOneUnknownRow) {
    make();
    db.exec("ALTER TABLE bird_detections RENAME species TO kind");
    EXPECT_EQ(rows("status, message", "detections_today"), "unknown|column d.species does not exist");
    db.exec("ALTER TABLE bird_detections RENAME kind TO species; ALTER TABLE bird_detections RENAME "
            "detection_timestamp TO t");
    EXPECT_EQ(rows("status, message", "detections_today"),
              "unknown|public.bird_detections has no column detection_timestamp");
    db.exec("ALTER TABLE bird_detections RENAME t TO detection_timestamp; ALTER TABLE bird_detections ALTER "
            "detection_timestamp TYPE date");
    EXPECT_EQ(rows("status, message", "detections_today"),
              "unknown|public.bird_detections: detection_timestamp is date, not timestamptz or timestamp");
    db.exec("DROP TABLE bird_detections; CREATE VIEW bird_detections AS SELECT 'a' AS station,"
            " now() AS detection_timestamp, (1 / (random() * 0)::integer)::text AS species");
    EXPECT_EQ(rows("status, message", "detections_today"), "unknown|division by zero");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.health WHERE status = 'unknown'"), "1");
}

TEST_F(Health, CancelIsNotSwallowed) {
    make();
    auto locker = session();
    locker.exec("BEGIN; LOCK TABLE bird_detections IN ACCESS EXCLUSIVE MODE");
    db.exec("SET statement_timeout = '100ms'");
    EXPECT_EQ(db.fails("SELECT * FROM emsn.health").sqlstate, "57014");
}

TEST_F(Health, MonitorsReadItAndNeedSelectOnTheTable) {
    make();
    add("a", "now()");
    const auto name = role("pg_monitor");
    auto monitor = session(name);
    EXPECT_EQ(monitor.text("SELECT check_name, message, remedy FROM emsn.health WHERE status <> 'ok'"),
              "detections_today|not visible to role \"" + name +
                  "\": permission denied for table bird_detections|"
                  "GRANT pg_monitor, and SELECT on the table of detections, to this role.");
    db.exec("GRANT SELECT ON bird_detections TO " + name);
    EXPECT_EQ(monitor.value("SELECT count(*) FROM emsn.health WHERE status <> 'ok'"), "0");
    for (const std::string view :
         {"connections", "connection_clients", "idle_transactions", "detections_today", "stations"})
        EXPECT_EQ(monitor.fails("SELECT * FROM emsn." + view).sqlstate, "") << view;
    EXPECT_EQ(monitor.fails("SELECT * FROM emsn.detections_per_station(current_date, current_date)").sqlstate,
              "");
}

TEST_F(Health, WhoCannotSeeIsToldSoInsteadOfZero) {
    const auto name = role();
    db.exec(
        "GRANT USAGE ON SCHEMA emsn TO " + name + "; GRANT SELECT ON emsn.health TO " + name +
        "; GRANT EXECUTE ON FUNCTION emsn.health_rows(), emsn.unjudged(text, text, text, text, text) TO " +
        name);
    auto blind = session(name);
    EXPECT_EQ(
        blind.value(
            "SELECT count(*) FROM emsn.health WHERE status = 'unknown' AND value IS NULL AND message LIKE"
            " 'not visible to role%'"),
        "28");
    db.exec("GRANT SELECT ON ALL TABLES IN SCHEMA emsn TO " + name +
            "; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA emsn TO " + name);
    EXPECT_EQ(
        blind.text("SELECT check_name, value FROM emsn.health WHERE status = 'unknown' AND check_name <> "
                   "'disk_usage'"),
        "blocked_sessions|NULL\nconnections|NULL\ndetections_today|NULL\nidle_in_transaction|NULL\n"
        "long_transactions|NULL\nreplication_lag|NULL");
    auto nobody = session(role());
    EXPECT_EQ(nobody.fails("SELECT * FROM emsn.health").sqlstate, "42501");
}

// A reader's own schemas and temporary objects come first in nobody's search.
TEST_F(Health, HostileObjectsAreNotReached) {
    make();
    add("a", "now()");
    const std::string evil = " LANGUAGE plpgsql AS $$ BEGIN RAISE 'reached'; END $$;";
    db.exec(
        "CREATE FUNCTION public.format(text, text) RETURNS text" + evil +
        "CREATE FUNCTION public.replace(text, text, text) RETURNS text" + evil +
        "CREATE FUNCTION public.eq(text, text) RETURNS boolean" + evil +
        "CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.eq);"
        "CREATE FUNCTION public.now() RETURNS timestamptz" +
        evil + "CREATE FUNCTION pg_temp.to_regclass(text) RETURNS regclass" + evil +
        "CREATE TEMP TABLE pg_stat_activity (pid integer); CREATE TEMP TABLE bird_detections (station text);"
        "CREATE TEMP TABLE thresholds (n integer); CREATE TYPE pg_temp.health_row AS (status text);"
        "CREATE DOMAIN pg_temp.text AS integer; CREATE DOMAIN pg_temp.numeric AS integer;"
        "CREATE TEMP TABLE pg_class (oid integer); CREATE TEMP TABLE pg_stat_replication (state integer);"
        "CREATE FUNCTION public.ge(numeric, numeric) RETURNS boolean" +
        evil +
        "CREATE OPERATOR public.>= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = public.ge);"
        "SET search_path = public, pg_temp, pg_catalog");
    EXPECT_EQ(db.text("SELECT status, value, message FROM emsn.health WHERE check_name OPERATOR(pg_catalog.=)"
                      " 'detections_today'"),
              "ok|1|1 detection of 1 species today");
    EXPECT_EQ(db.text("SELECT used > 0 FROM emsn.connections"), "t");
    EXPECT_EQ(db.text("SELECT count(*) FROM emsn.health WHERE status OPERATOR(pg_catalog.=) 'unknown'"), "0");
    EXPECT_EQ(db.value("SELECT emsn.create_detections('other')"), "public.other");
}

} // namespace
} // namespace emsn::test
