// The extension as a whole: what it consists of, who may use it, how it comes and goes.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Objects : public PgTest {};

// A new object is written down in objects.expected, or this fails.
TEST_F(Objects, AreThoseOfTheWrittenList) {
    const auto found =
        db.text("SELECT pg_describe_object(classid, objid, objsubid) COLLATE \"C\" FROM pg_depend"
                " WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND refobjid ="
                " (SELECT oid FROM pg_extension WHERE extname = 'emsn_health') ORDER BY 1");
    const std::string path = std::string(EMSN_SOURCE_DIR) + "/tests/pg/objects.expected";
    EXPECT_EQ(found + "\n", read_file(path));
}

TEST_F(Objects, EachHasAComment) {
    EXPECT_EQ(
        db.text(
            "SELECT pg_describe_object(classid, objid, 0) FROM pg_depend AS d"
            " WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND obj_description(objid,"
            " classid::regclass::name) IS NULL AND refobjid = (SELECT oid FROM pg_extension WHERE extname ="
            " 'emsn_health') AND NOT (classid = 'pg_type'::regclass AND objid IN (SELECT oid FROM pg_type"
            " WHERE typrelid <> 0 OR typelem <> 0))"),
        "");
    EXPECT_NE(
        db.value(
            "SELECT obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'emsn_health'"),
        "NULL");
}

// Contract: nothing for PUBLIC, no role is made.
TEST_F(Objects, GiveNothingToPublic) {
    auto nobody = session(role());
    EXPECT_EQ(nobody.value(
                  "SELECT has_schema_privilege('emsn', 'USAGE') OR has_schema_privilege('emsn', 'CREATE')"),
              "f");
    EXPECT_EQ(nobody.text("SELECT oid::regprocedure FROM pg_proc WHERE pronamespace ="
                          " (SELECT oid FROM pg_namespace WHERE nspname = 'emsn') AND "
                          "has_function_privilege(oid, 'EXECUTE')"),
              "");
    EXPECT_EQ(
        nobody.text(
            "SELECT relname FROM pg_class WHERE relnamespace ="
            " (SELECT oid FROM pg_namespace WHERE nspname = 'emsn') AND relkind IN ('r', 'v') AND"
            " has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"),
        "");
    EXPECT_EQ(db.value("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'emsn%'"), "0");
}

TEST_F(Objects, PathFunctionsAndEndingSessionsAreNotForMonitors) {
    EXPECT_EQ(
        db.text("SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace ="
                " (SELECT oid FROM pg_namespace WHERE nspname = 'emsn') AND NOT"
                " has_function_privilege('pg_monitor', p.oid, 'EXECUTE') ORDER BY p.oid::regprocedure::text"),
        "emsn.add_partition(timestamp with time zone,timestamp with time zone)\n"
        "emsn.allow_publisher(name,text)\n"
        "emsn.as_anomaly(text,text,text,text,numeric,numeric,text,text,text,text)\n"
        "emsn.change_trigger_body(text)\n"
        "emsn.check_anomalies()\n"
        "emsn.check_anomalies_at(timestamp with time zone)\n"
        "emsn.check_incoming(text,date[],bigint)\n"
        "emsn.confidence_falls(timestamp with time zone)\n"
        "emsn.count_live_rows(text)\n"
        "emsn.create_detections(text,text)\n"
        "emsn.create_detections_in(text,text,name)\n"
        "emsn.days_query(jsonb,boolean)\n"
        "emsn.deny_publisher(name,text)\n"
        "emsn.describe_publish_target(text,text)\n"
        "emsn.detach_partitions(interval,boolean)\n"
        "emsn.detection_count_plan()\n"
        "emsn.detections_columns()\n"
        "emsn.detections_relation()\n"
        "emsn.dir_size_safe(text,jsonb)\n"
        "emsn.dir_usage(text,integer,jsonb)\n"
        "emsn.due_jobs()\n"
        "emsn.execute_as_owner(oid,text,text)\n"
        "emsn.find_publish_target()\n"
        "emsn.first_kept_day(date,interval)\n"
        "emsn.first_species(timestamp with time zone)\n"
        "emsn.forget_history(integer)\n"
        "emsn.guard_choose(integer,integer)\n"
        "emsn.guard_deletions(text,bigint,bigint)\n"
        "emsn.guard_end(timestamp with time zone,integer)\n"
        "emsn.guard_source(text,bigint,bigint,bigint)\n"
        "emsn.heard_sql(timestamp with time zone,boolean)\n"
        "emsn.is_time_zone(text)\n"
        "emsn.kept_days(timestamp with time zone,integer,integer)\n"
        "emsn.learn_baselines(interval)\n"
        "emsn.learn_baselines_at(interval,timestamp with time zone)\n"
        "emsn.learn_habits()\n"
        "emsn.learning_stations(timestamp with time zone)\n"
        "emsn.limit_value(text,numeric)\n"
        "emsn.maintain()\n"
        "emsn.maintain_partitions(integer)\n"
        "emsn.make_publish_tables(emsn.publish_target)\n"
        "emsn.missing_species(timestamp with time zone)\n"
        "emsn.name_baselines()\n"
        "emsn.publish_apply(text,text,jsonb,bigint,jsonb,jsonb)\n"
        "emsn.publish_begin(text,text)\n"
        "emsn.publish_candidates(emsn.publish_target,text,date[])\n"
        "emsn.publish_days(text)\n"
        "emsn.publish_live_rows(text)\n"
        "emsn.publish_matched(emsn.publish_target,text,text,date[],bigint,bigint)\n"
        "emsn.publish_new(emsn.publish_target,bigint)\n"
        "emsn.publish_options(jsonb)\n"
        "emsn.publish_pair(emsn.publish_target,text,text,text,text)\n"
        "emsn.publish_pairs(emsn.publish_target,bigint,bigint)\n"
        "emsn.publish_range(emsn.publish_target,text,text,text,text)\n"
        "emsn.publish_rows(emsn.publish_target,text,text,bigint,text,text)\n"
        "emsn.publish_search_path(oid)\n"
        "emsn.publish_state(text)\n"
        "emsn.publish_unchanged(text)\n"
        "emsn.publisher_functions()\n"
        "emsn.query_as_owner(oid,text)\n"
        "emsn.read_days_again(oid,jsonb,boolean)\n"
        "emsn.read_species_days(oid,text,text[],text[],date[],date[])\n"
        "emsn.record_run(text,text,timestamp with time zone,bigint,text)\n"
        "emsn.record_sample(jsonb,text,boolean)\n"
        "emsn.refresh_species_days(timestamp with time zone,boolean,interval)\n"
        "emsn.refuse_deletion(text,text,bigint)\n"
        "emsn.replace_baselines(timestamp with time zone,interval)\n"
        "emsn.require_own_places(emsn.publish_target)\n"
        "emsn.require_place(oid,text)\n"
        "emsn.require_primary(text)\n"
        "emsn.require_publish_begun(text)\n"
        "emsn.require_publisher(text)\n"
        "emsn.run_job(text)\n"
        "emsn.server_jobs()\n"
        "emsn.species_anomalies(timestamp with time zone)\n"
        "emsn.stale_days(timestamp with time zone,boolean,jsonb)\n"
        "emsn.station_anomalies(timestamp with time zone)\n"
        "emsn.station_pulse(timestamp with time zone)\n"
        "emsn.store_host_report(text,jsonb)\n"
        "emsn.store_publish_days(text,text,jsonb)\n"
        "emsn.store_publish_state(text,text,bigint,bigint,jsonb,boolean)\n"
        "emsn.store_rejected(text,text,date[],bigint[],text[])\n"
        "emsn.sum_from(bigint[],integer)\n"
        "emsn.sync_anomalies()\n"
        "emsn.take_notes(regclass)\n"
        "emsn.terminate_idle_transactions(interval,boolean)\n"
        "emsn.track_changes(boolean)\n"
        "emsn.track_changes_of(oid)\n"
        "emsn.try_job(text)\n"
        "emsn.unexpected_species(timestamp with time zone)\n"
        "emsn.untrack_changes_of(oid)\n"
        "emsn.use_detections(regclass)");
}

// SQL and plpgsql look names up: each has a fixed search_path, or was bound when it was made. A procedure
// that commits can have none: all its names are qualified (pg_ext/sql/runs.sql).
TEST_F(Objects, FunctionsHaveAFixedSearchPath) {
    EXPECT_EQ(
        db.text("SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang"
                " WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'emsn')"
                " AND l.lanname IN ('sql', 'plpgsql') AND p.prosqlbody IS NULL AND p.prokind <> 'p'"
                " AND NOT ('search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}')))"),
        "");
    // each of a publisher's asks emsn.require_publisher first; the others do what they do for whoever may
    // call them
    EXPECT_EQ(db.text("SELECT oid::regprocedure FROM pg_proc WHERE prosecdef AND pronamespace ="
                      " (SELECT oid FROM pg_namespace WHERE nspname = 'emsn') ORDER BY 1"),
              db.text("SELECT f FROM (SELECT f FROM emsn.publisher_functions() AS f UNION ALL VALUES"
                      " ('emsn.learn_baselines(interval)'::regprocedure), ('emsn.check_anomalies()'), "
                      "('emsn.maintain()'),"
                      " ('emsn.record_run(text, text, timestamptz, bigint, text)')) AS n (f) ORDER BY 1"));
}

TEST_F(Objects, SuperusersOnlyCreateItAndOnlyInItsOwnSchema) {
    db.exec("DROP EXTENSION emsn_health");
    EXPECT_EQ(db.value("SELECT count(*) FROM pg_class WHERE relnamespace ="
                       " (SELECT oid FROM pg_namespace WHERE nspname = 'emsn')"),
              "0");
    const auto name = role();
    db.exec("DROP SCHEMA emsn; GRANT CREATE ON DATABASE " + database() + " TO " + name);
    auto user = session(name);
    const auto refused = user.fails("CREATE EXTENSION emsn_health");
    EXPECT_EQ(refused.sqlstate, "42501");
    EXPECT_EQ(refused.message, "permission denied to create extension \"emsn_health\"");
    EXPECT_EQ(refused.hint, "Must be superuser to create this extension.");
    EXPECT_EQ(db.fails("CREATE EXTENSION emsn_health SCHEMA public").sqlstate, "0A000");
    user.exec("CREATE SCHEMA emsn");
    const auto trap = db.fails("CREATE EXTENSION emsn_health");
    EXPECT_EQ(trap.sqlstate, "42501");
    EXPECT_EQ(trap.message, "schema \"emsn\" exists already and belongs to a role that is not a superuser");
    db.exec("ALTER SCHEMA emsn OWNER TO postgres; CREATE EXTENSION emsn_health");
}

TEST_F(Objects, ScriptIsRefusedByPsql) {
    const std::string command =
        "psql -X -f \"$1\"/stage/usr/share/postgresql/*/extension/emsn_health--1.0.sql \"$2\"";
    const auto script = run({"bash", "-c", command, "bash", PgCluster::shared().socket_dir(),
                             PgCluster::shared().conninfo(database())});
    EXPECT_EQ(script.out, "Use \"CREATE EXTENSION emsn_health\" to load this file.\n");
    EXPECT_EQ(script.err, "");
}

} // namespace
} // namespace emsn::test
