// The table of detections as a table: whether an index finds what is asked for, and whether it is kept clean.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class DetectionsIndex : public PgTest {
  protected:
    static constexpr const char *kFive =
        "(station text, detection_timestamp timestamptz, species text, common_name text, confidence real)";

    void use(const std::string &name) { db.exec("SELECT emsn.use_detections($$" + name + "$$)"); }
    std::string row(const std::string &columns, const std::string &check = "detections_index") {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = '" + check + "'");
    }
    // Each by itself, as psql sends them.
    void run_each(const std::string &statements) {
        for (std::size_t from = 0, end = 0; (end = statements.find(';', from)) != std::string::npos;
             from = end + 1)
            db.exec(statements.substr(from, end - from));
    }
};

TEST_F(DetectionsIndex, AMissingOneIsARowWithTheStatementThatMakesIt) {
    EXPECT_EQ(row("*"), ""); // none is named
    for (const std::string name : {R"("x""; DROP")", R"("Mixed Case")"}) {
        db.exec("CREATE TABLE " + name + kFive);
        use(name);
        EXPECT_EQ(row("subject, status, value, message"),
                  "public." + name +
                      "|warning|1|no index on (station, detection_timestamp): every answer reads all of it");
        const auto remedy = row("remedy");
        EXPECT_EQ(remedy, "CREATE INDEX CONCURRENTLY ON public." + name +
                              " (station, detection_timestamp) INCLUDE (species);");
        db.exec(remedy);
        EXPECT_EQ(row("status, value, message, remedy"),
                  "ok|0|an index finds the newest detections of a station|NULL");
    }
    EXPECT_EQ(db.value("SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"), "2");
    db.exec("CREATE TABLE whole (LIKE \"Mixed Case\", deleted boolean)");
    use("whole");
    EXPECT_EQ(row("remedy"),
              "CREATE INDEX CONCURRENTLY ON public.whole (station, detection_timestamp) INCLUDE "
              "(species, deleted);");
    db.exec("DROP TABLE whole");
    EXPECT_EQ(row("*"), "");
    db.exec("SELECT emsn.create_detections('made')");
    EXPECT_EQ(row("status"), "ok");
}

TEST_F(DetectionsIndex, OneThatDoesNotServeDoesNotCount) {
    db.exec(std::string("CREATE TABLE d ") + kFive + "; ALTER TABLE d ADD deleted boolean");
    use("d");
    for (const std::string index :
         {"(station)", "(detection_timestamp, station)", "(station, species, detection_timestamp)",
          "(station COLLATE \"POSIX\", detection_timestamp)",
          "(station text_pattern_ops, detection_timestamp)", "(station, detection_timestamp) WHERE deleted",
          "(lower(station), detection_timestamp)", "(station) INCLUDE (detection_timestamp)"}) {
        db.exec("CREATE INDEX odd ON d " + index);
        EXPECT_EQ(row("status"), "warning") << index;
        db.exec("DROP INDEX odd");
    }
    db.exec("CREATE INDEX odd ON d (station, detection_timestamp); UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'odd'::regclass");
    EXPECT_EQ(row("status"), "warning");
    db.exec("DROP INDEX odd; CREATE INDEX odd ON d (station, detection_timestamp DESC) WHERE deleted IS NOT "
            "TRUE");
    EXPECT_EQ(row("status"), "ok");
    db.exec("ALTER TABLE d ALTER station TYPE char(9)");
    EXPECT_EQ(row("status, message, remedy"),
              "warning|station is character: no index finds the detections of a station|"
              "ALTER TABLE public.d ALTER station TYPE text; it rewrites the table.");
}

TEST_F(DetectionsIndex, PartitionsGetTheirsOneByOneAndTheWholeAdoptsThem) {
    db.exec(std::string("CREATE TABLE d ") + kFive +
            " PARTITION BY LIST (station); CREATE TABLE one PARTITION OF d FOR VALUES IN ('a');"
            "CREATE TABLE rest PARTITION OF d DEFAULT; INSERT INTO d VALUES ('a', now()), ('b', now())");
    use("d");
    const auto remedy = row("remedy");
    EXPECT_EQ(
        row("subject, status, value, message"),
        "public.d|warning|2|no index on (station, detection_timestamp) in 2 partitions: every answer reads "
        "all of it");
    EXPECT_EQ(remedy,
              "CREATE INDEX CONCURRENTLY ON public.one (station, detection_timestamp) INCLUDE (species);"
              " CREATE INDEX CONCURRENTLY ON public.rest (station, detection_timestamp) INCLUDE (species);"
              " CREATE INDEX ON public.d (station, detection_timestamp) INCLUDE (species);");
    run_each(remedy);
    EXPECT_EQ(row("status, value"), "ok|0");
    EXPECT_EQ(db.value("SELECT count(*) FROM pg_indexes WHERE tablename IN ('d', 'one', 'rest')"), "3");
    EXPECT_EQ(db.text("SELECT station, detections FROM emsn.detections_today"), "a|1\nb|1");
    db.exec("CREATE TABLE later (LIKE d); ALTER TABLE d ATTACH PARTITION later FOR VALUES IN ('c')");
    EXPECT_EQ(row("status"), "ok");
    db.exec("DROP INDEX d_station_detection_timestamp_species_idx; CREATE INDEX ON one (station, "
            "detection_timestamp)");
    EXPECT_EQ(row("value, remedy"),
              "2|CREATE INDEX CONCURRENTLY ON public.later (station, detection_timestamp) INCLUDE (species);"
              " CREATE INDEX CONCURRENTLY ON public.rest (station, detection_timestamp) INCLUDE (species);");
}

TEST_F(DetectionsIndex, ViewsAndForeignTablesHaveNone) {
    db.exec(
        std::string("CREATE TABLE d ") + kFive +
        "; CREATE VIEW seen AS SELECT * FROM d; CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA"
        " WRAPPER file_fdw; CREATE FOREIGN TABLE far " +
        kFive + " SERVER files OPTIONS (filename '/dev/null')");
    for (const std::string name : {"seen", "far"}) {
        use(name);
        EXPECT_EQ(row("*"), "") << name;
        EXPECT_EQ(row("*", "dead_tuples"), "") << name;
        EXPECT_EQ(db.value("SELECT count(*) FROM emsn.health WHERE status = 'unknown'"), "0") << name;
    }
}

// A hundred times from end to end, every minute, would make health the problem itself.
TEST_F(DetectionsIndex, HealthDoesNotReadABigTableWithoutOne) {
    db.exec(std::string("CREATE TABLE d ") + kFive +
            "; INSERT INTO d SELECT 'a', now() - interval '1 day', 'x', repeat('n', 1000) FROM "
            "generate_series(1, "
            "20000)");
    use("d");
    const std::string unread =
        "SELECT subject, status, message, remedy FROM emsn.health WHERE status = 'unknown'";
    EXPECT_EQ(db.text(unread),
              "all stations|unknown|not looked at: 22 MB of detections without an index on (station, "
              "detection_timestamp)|" +
                  row("remedy"));
    EXPECT_EQ(db.text("SELECT station, detections FROM emsn.detections_today"),
              "a|0"); // who asks is answered
    db.exec(row("remedy"));
    EXPECT_EQ(db.text(unread), "");
}

TEST_F(DetectionsIndex, DeadRowsAreComparedWithWhereAutovacuumBegins) {
    db.exec(std::string("CREATE TABLE d ") + kFive +
            " WITH (autovacuum_enabled = false, autovacuum_vacuum_threshold = 11000, "
            "autovacuum_vacuum_scale_factor ="
            " 0); INSERT INTO d SELECT 'a' FROM generate_series(1, 22000)");
    use("d");
    EXPECT_EQ(row("subject, status, value, unit, message", "dead_tuples"),
              "public.d|ok|0|rows|0 dead rows; autovacuum is off; last vacuumed never");
    db.exec("DELETE FROM d");
    db.exec("SELECT pg_stat_force_next_flush()");
    EXPECT_EQ(row("status, value, warning_at, critical_at", "dead_tuples"), "warning|22000|200%|1000%");
    EXPECT_EQ(row("remedy", "dead_tuples"),
              "VACUUM (ANALYZE) public.d; if that does not help, something holds it back: SELECT * FROM "
              "emsn.idle_transactions; And turn autovacuum on.");
    db.exec("VACUUM (ANALYZE) public.d");
    db.exec("SELECT pg_stat_force_next_flush(); ALTER TABLE d RESET (autovacuum_enabled,"
            " autovacuum_vacuum_threshold)");
    EXPECT_EQ(row("status, value, message LIKE '0 dead rows; autovacuum begins at 10000; last vacuumed 20%'",
                  "dead_tuples"),
              "ok|0|t");
}

} // namespace
} // namespace emsn::test
