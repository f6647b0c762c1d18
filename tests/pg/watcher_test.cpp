// The background worker: what it writes down, and what it must live through.
#include "tests/pg/watcher_support.hpp"

namespace emsn::test {
namespace {

const bool kSettings = [] {
    auto &settings = cluster_settings();
    settings.insert(settings.end(),
                    {"shared_preload_libraries = 'emsn_health'", "emsn_health.sample_interval = '100ms'"});
    return true;
}();

class Watcher : public WatcherTest {
  protected:
    ~Watcher() override {
        session().exec("SET client_min_messages = warning; DROP TABLE IF EXISTS heard; DROP SCHEMA IF EXISTS "
                       "trap CASCADE");
    }
    void make_detections() {
        db.exec("SELECT emsn.create_detections('public.heard');"
                "INSERT INTO emsn.station_settings (station, time_zone) VALUES ('quiet', 'Europe/Amsterdam');"
                "INSERT INTO heard (station, detection_timestamp, species) VALUES ('zolder', now(), 'x'),"
                " ('zolder', now() - interval '400 days', 'x')");
    }
};

TEST_F(Watcher, WritesDownWhoIsConnectedAndWhoSitsIdleInATransaction) {
    const auto name = role();
    auto culprit = session(name, "application_name=script");
    culprit.exec("BEGIN; SELECT 'what it did'");
    const std::string pid = std::to_string(culprit.pid());
    ASSERT_TRUE(eventually([&] { return sampled("oldest_pid = " + pid); }));
    EXPECT_EQ(db.text("SELECT used >= 2, max_connections, reserved, available = 17 - used, active >= 0, "
                      "idle_in_transaction, oldest_user_name, oldest_application_name, oldest_client_addr, "
                      "oldest_database_name, oldest_transaction_seconds < 60, oldest_idle_seconds < 60, "
                      "oldest_query_start < sampled_at, oldest_query FROM emsn.connection_history WHERE "
                      "oldest_pid = " +
                      pid + " LIMIT 1"),
              "t|20|3|t|t|1|" + name + "|script|NULL|postgres|t|t|t|BEGIN; SELECT 'what it did'");
    EXPECT_EQ(db.text("SELECT application_name, client_addr, database_name, used, active, idle, "
                      "idle_in_transaction FROM emsn.client_history WHERE user_name = '" +
                      name + "' AND idle_in_transaction = 1 LIMIT 1"),
              "script|NULL|postgres|1|0|0|1");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.connection_history WHERE database_bytes > 0"), "1");
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.text("SELECT check_name, status, message FROM emsn.health_at(now()) WHERE message LIKE "
                           "'pid%' AND message NOT LIKE '% more'"),
              "idle_in_transaction|ok|pid " + pid + " (user " + name +
                  ", application script) was idle in a transaction for 0 s");
    EXPECT_EQ(watcher("query").find("waiting for the next sample"), 0u);
}

// The moment between two connections of the only client; the watcher itself is none.
TEST_F(Watcher, CountsNobodyWhenNobodyIsConnected) {
    EXPECT_TRUE(eventually([&] {
        PQreset(db.raw());
        return sampled("used = 0 AND available = 17 AND clients = '[]' AND oldest_idle_seconds IS NULL");
    }));
}

TEST_F(Watcher, CountsTheDetectionsOfEachStation) {
    EXPECT_TRUE(sampled_again()); // no table is named, and none is missed
    EXPECT_FALSE(sampled("detections_error IS NOT NULL"));
    make_detections();
    ASSERT_TRUE(eventually([&] { return sampled("detections @> '[{\"station\": \"zolder\"}]'"); }));
    EXPECT_EQ(db.text("SELECT DISTINCT station, detections, last_detection > now() - interval '1 hour' FROM "
                      "emsn.detection_history ORDER BY station"),
              "quiet|0|NULL\nzolder|1|t");
    EXPECT_EQ(db.text("SELECT subject, status, value, message LIKE '1 detection so far that day; the last "
                      "at 20%', message FROM emsn.health_at('infinity') WHERE check_name = "
                      "'detections_today' AND subject = 'quiet'"),
              "quiet|ok|0|f|0 detections so far that day; never heard before");
    db.exec("INSERT INTO emsn.thresholds VALUES ('detections_today', 'zolder', '1', NULL)");
    EXPECT_EQ(db.text("SELECT subject, status FROM emsn.health_at('infinity') LIMIT 1"), "zolder|warning");
}

TEST_F(Watcher, HealthOfAMomentWithoutSamplesIsUnknown) {
    ASSERT_TRUE(eventually([&] { return sampled(); }));
    EXPECT_EQ(db.text("SELECT check_name, status, message FROM emsn.health_at('2000-01-01 UTC')"),
              "history|unknown|no sample at or before 2000-01-01 00:00:00+00");
    EXPECT_EQ(db.fails("SELECT emsn.health_at(NULL)").sqlstate, "22004");
    db.exec("INSERT INTO emsn.connection_history (sampled_at, used, max_connections, reserved, available, "
            "active, idle, idle_in_transaction, clients) SELECT now() - interval '2 days', 17, 20, 3, 0, 0, "
            "17, 0, '[]'");
    EXPECT_EQ(db.text("SELECT check_name, status, message LIKE 'the newest sample at or before %' FROM "
                      "emsn.health_at(now() - interval '1 day')"),
              "connections|critical|f\nhistory|unknown|t\nidle_in_transaction|ok|f");
}

TEST_F(Watcher, FollowsItsSettingsOnReload) {
    set("emsn_health.sample_interval = '1s'");
    ASSERT_TRUE(eventually([&] {
        return db.value("SELECT count(*) FROM (SELECT sampled_at - lag(sampled_at) OVER (ORDER BY "
                        "sampled_at) AS gap FROM emsn.connection_history) AS g WHERE gap > '0.9 s'") != "0";
    }));
    set("emsn_health.sample_interval = '1d'");
    set("emsn_health.sample_interval = '100ms'");
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(db.fails("ALTER SYSTEM SET emsn_health.sample_interval = '99ms'").sqlstate, "22023");
    EXPECT_EQ(db.fails("SET emsn_health.guard_min_available = 1").sqlstate, "55P02");
    EXPECT_EQ(db.fails("SET emsn_health.mistyped = 1").sqlstate, "42602");
}

TEST_F(Watcher, DeletesWhatIsOlderThanTheRetention) {
    db.exec("INSERT INTO emsn.connection_history (sampled_at, used, max_connections, reserved, available, "
            "active, idle, idle_in_transaction, clients) SELECT now() - make_interval(days => 13, secs => n "
            "* 60), 1, 20, 3, 16, 0, 1, 0, '[]' FROM generate_series(1, 3000) AS n;"
            "INSERT INTO emsn.guard_log SELECT now() - d * interval '1 day', 1, 'u', 'a', NULL, 'd', 1, 1, "
            "'q', 0, 'r', 'ended', now(), now() FROM unnest(ARRAY[20, 400]) AS d");
    const std::string old = "sampled_at < now() - interval '14 days'";
    EXPECT_TRUE(eventually([&] { return !sampled(old); }));
    EXPECT_EQ(db.value("SELECT count(*) > 1400 FROM emsn.connection_history"), "t");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.guard_log"), "1");
    set("emsn_health.history_retention = '1s'");
    EXPECT_TRUE(eventually([&] { return !sampled("sampled_at < now() - interval '12 days'"); }));
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.guard_log"), "1");
}

TEST_F(Watcher, WaitsWhileTheExtensionIsDroppedAndGoesOnWithTheNewOne) {
    ASSERT_TRUE(eventually([&] { return sampled(); }));
    const auto pid = watcher();
    db.exec("DROP EXTENSION emsn_health");
    EXPECT_TRUE(eventually([&] { return watcher("query") == "waiting for the extension emsn_health"; }));
    db.exec("CREATE EXTENSION emsn_health");
    EXPECT_TRUE(eventually([&] { return sampled(); }));
    EXPECT_EQ(watcher(), pid);
    EXPECT_EQ(times_logged("does not exist"), 0u);
}

TEST_F(Watcher, ErrorIsToldOnceAndTheNextSampleComes) {
    make_detections();
    ASSERT_TRUE(eventually([&] { return sampled(); }));
    auto locker = session();
    locker.exec("BEGIN; LOCK TABLE heard");
    const std::string error = "canceling statement due to lock timeout";
    EXPECT_TRUE(eventually([&] { return sampled("detections_error = '" + error + "'"); }));
    // counting rests a while after each try: not every sample says so
    EXPECT_EQ(db.text("SELECT r.subject, r.message FROM (SELECT max(sampled_at) AS moment FROM "
                      "emsn.connection_history WHERE detections_error IS NOT NULL) AS h, "
                      "emsn.health_at(h.moment) AS r WHERE r.status = 'unknown'"),
              "all stations|" + error);
    locker.exec("COMMIT; BEGIN; LOCK TABLE emsn.connection_history");
    const std::string rollbacks = "SELECT xact_rollback FROM pg_stat_database WHERE datname = 'postgres'";
    const auto before = std::stol(db.value(rollbacks));
    EXPECT_TRUE(eventually([&] { return std::stol(db.value(rollbacks)) > before + 2; }));
    locker.exec("COMMIT");
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(times_logged("WARNING:  emsn_health watcher: taking a sample: " + error), 1u);
    EXPECT_EQ(times_logged("emsn_health watcher: taking a sample: works again"), 1u);
    EXPECT_EQ(times_logged("WARNING:  emsn_health watcher: counting detections: " + error), 1u);
    const std::string after = now();
    EXPECT_TRUE(eventually([&] { return sampled("detections IS NOT NULL AND sampled_at > " + after); }));
}

TEST_F(Watcher, HostileViewGainsNothing) {
    const auto name = role();
    db.exec("CREATE SCHEMA trap AUTHORIZATION " + name);
    auto mallory = session(name);
    mallory.exec(
        "SET search_path = trap;"
        "CREATE TABLE tried (attempt text, outcome text);"
        "CREATE TABLE late (n integer);"
        "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO trap.tried VALUES ('late', current_user); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION late();"
        "CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE a text; BEGIN"
        " INSERT INTO trap.tried VALUES ('user', current_user), ('path', current_setting('search_path'));"
        " FOREACH a IN ARRAY ARRAY['CREATE ROLE evil SUPERUSER', 'ALTER ROLE ' || current_user ||"
        "  ' SUPERUSER', 'INSERT INTO emsn.thresholds VALUES (''x'', NULL, ''1'', ''1'')',"
        "  'DELETE FROM emsn.connection_history', 'SET ROLE postgres', 'RESET SESSION AUTHORIZATION',"
        "  'SELECT emsn.guard_choose(20, 0)', 'CREATE TEMP TABLE t ()', 'COPY trap.late TO PROGRAM ''true''',"
        "  'INSERT INTO trap.late VALUES (1)', 'DECLARE c CURSOR WITH HOLD FOR SELECT 1',"
        "  'SET search_path = trap', 'SELECT pg_advisory_lock(42)', 'PREPARE stolen AS SELECT 1'] LOOP"
        "  BEGIN EXECUTE a; INSERT INTO trap.tried VALUES (a, 'done');"
        "  EXCEPTION WHEN OTHERS THEN INSERT INTO trap.tried VALUES (a, SQLSTATE); END;"
        " END LOOP; RETURN true; END $$;"
        "CREATE VIEW heard AS SELECT 'attic'::text AS station, now() AS detection_timestamp, 'x'::text AS"
        " species, 'X'::text AS common_name, 1.0 AS confidence WHERE evil()");
    db.exec("SELECT emsn.use_detections('trap.heard')");
    ASSERT_TRUE(eventually([&] { return sampled("detections @> '[{\"station\": \"attic\"}]'"); }));
    ASSERT_TRUE(eventually([&] {
        return db.value("SELECT count(DISTINCT xmin::text) > 1 FROM trap.tried WHERE attempt = 'path'") ==
               "t";
    }));
    // What it may do is what its owner may do; neither the setting nor the lock outlives the count.
    EXPECT_EQ(db.text("SELECT DISTINCT outcome FROM (SELECT DISTINCT ON (xmin::text) outcome FROM trap.tried "
                      "WHERE attempt = 'path' ORDER BY xmin::text, ctid) AS first"),
              "pg_catalog, pg_temp");
    EXPECT_EQ(db.text("SELECT DISTINCT attempt, outcome FROM trap.tried WHERE outcome IN ('done', '" + name +
                      "') ORDER BY attempt"),
              "SELECT pg_advisory_lock(42)|done\nSET search_path = trap|done\nuser|" + name);
    EXPECT_EQ(db.value("SELECT count(DISTINCT attempt) FROM trap.tried"), "16");
    EXPECT_EQ(db.text("SELECT rolname FROM pg_roles WHERE rolname = 'evil' OR (rolsuper AND rolname <> "
                      "'postgres')"),
              "");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.thresholds"), "0");
    db.exec("DROP VIEW trap.heard");
    EXPECT_TRUE(eventually([&] {
        return db.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = " + watcher()) ==
               "0";
    }));
    EXPECT_TRUE(sampled_again());
}

TEST_F(Watcher, SurvivesACrashOfTheServer) {
    make_detections();
    ASSERT_TRUE(eventually([&] { return sampled(); }));
    db.exec("CHECKPOINT");
    const auto first = db.value("SELECT min(sampled_at) FROM emsn.connection_history");
    PgCluster::shared().stop(); // immediate
    PgCluster::shared().start();
    db = session();
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(db.value("SELECT min(sampled_at) FROM emsn.connection_history"), first);
}

TEST_F(Watcher, NeedsNoMoreMemoryAfterManySamples) {
    make_detections();
    const auto samples = [&] { return std::stol(db.value("SELECT count(*) FROM emsn.connection_history")); };
    // caches fill at first; what leaks goes on growing
    constexpr int kTries = 10;
    constexpr int kSamples = 6;
    bool grows = true;
    for (int i = 0; i < kTries && grows; ++i) {
        const auto before = memory_in_use();
        const auto enough = samples() + kSamples;
        ASSERT_TRUE(eventually([&] { return samples() >= enough; }));
        grows = memory_in_use() > before;
    }
    EXPECT_FALSE(grows);
}

// While it waits for a sample that is a day away: DROP DATABASE needs its answer, a shutdown its end.
TEST_F(Watcher, HoldsUpNeitherOthersNorAShutdown) {
    ASSERT_TRUE(eventually([&] { return sampled(); }));
    set("emsn_health.sample_interval = '1d'");
    db.exec("SET statement_timeout = '20s'");
    db.exec("CREATE DATABASE short_lived");
    EXPECT_EQ(db.fails("DROP DATABASE short_lived").message, "");
    const auto stopped = run(
        {"bash", "-c",
         ". \"$1/scripts/lib/private_pg.sh\"; private_pg_as \"$(private_pg_bindir)/pg_ctl\" -D \"$2/data\" "
         "-m fast -w -t 20 stop </dev/null >/dev/null",
         "bash", EMSN_SOURCE_DIR, PgCluster::shared().socket_dir()});
    EXPECT_EQ(stopped.status, 0) << stopped.err;
    PgCluster::shared().stop();
    PgCluster::shared().start();
    db = session();
}

// Cancellation can be caught in plpgsql: then the process itself ends. The next one works where it is told
// to.
TEST_F(Watcher, EndsWithAViewThatCannotBeCancelledAndWithItsDatabaseAndBeginsAgain) {
    const auto name = role();
    db.exec("CREATE DATABASE another");
    db.exec("CREATE SCHEMA trap AUTHORIZATION " + name);
    Session other(PgCluster::shared().conninfo("another"));
    other.exec("CREATE EXTENSION emsn_health");
    auto mallory = session(name);
    mallory.exec("SET search_path = trap; CREATE FUNCTION sit() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
                 " LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;"
                 " END $$;"
                 "CREATE VIEW heard AS SELECT 'attic'::text AS station, now() AS detection_timestamp,"
                 " 'x'::text AS species, 'X'::text AS common_name, 1.0 AS confidence WHERE sit()");
    ASSERT_TRUE(eventually([&] { return sampled(); }));
    db.exec("SELECT emsn.use_detections('trap.heard')");
    EXPECT_TRUE(eventually([&] { return watcher() == "NULL"; }));
    EXPECT_GE(times_logged("its work did not end when it was cancelled"), 1u);
    set("emsn_health.database = 'another'");
    EXPECT_TRUE(
        eventually([&] { return other.value("SELECT count(*) FROM emsn.connection_history") != "0"; }));
    set("emsn_health.database = ''");
    EXPECT_TRUE(eventually([&] { return watcher("datname") == "NULL"; }));
    other = session();
    db.exec("DROP DATABASE another");
}

} // namespace
} // namespace emsn::test
