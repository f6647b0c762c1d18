// emsn.learn_baselines: what it learns is what plain SQL finds, whatever the table is like and whatever
// happened to it since the last time.
#include "tests/pg/learn_support.hpp"

#include <cstdlib>
#include <filesystem>

namespace emsn::test {
namespace {

class Learn : public PgTest {
  protected:
    Learn() {
        db.exec("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('attic', 'Europe/Amsterdam'),"
                " ('hills', 'Asia/Kathmandu'), ('shore', 'America/New_York'); SELECT setseed(0.5)");
    }
    static std::string column_of(const std::string &type, const std::string &expression) {
        return type == "timestamp" ? "((" + expression + ") AT TIME ZONE z.time_zone)"
                                   : "(" + expression + ")";
    }
    // Detections on the days from..to before `at`.
    void hears(const std::string &table, int from, int to, int count,
               const std::string &type = "timestamptz") {
        db.exec(
            "INSERT INTO " + table +
            " (station, detection_timestamp, species, common_name, confidence) SELECT z.station, " +
            column_of(type, "timestamptz " + at_ + " - interval '1 day' * (" + std::to_string(to) +
                                " + random() * " + std::to_string(from - to) + ")") +
            ", 'Species ' || s, 'Name ' || s, 0.7 + 0.3 * random() FROM generate_series(1, " +
            std::to_string(count) +
            ") AS i CROSS JOIN LATERAL (SELECT floor(power(random(), 2) * 12)::integer + 0 * i AS s) AS sp"
            " JOIN (SELECT station, time_zone, row_number() OVER (ORDER BY station) AS n FROM"
            " emsn.station_settings) AS z ON z.n = 1 + i % 3");
    }
    // What plain SQL finds in a relation with the column deleted or without.
    std::string plain(const std::string &relation, const std::string &type, const std::string &live) {
        const bool local = type == "timestamp";
        return db.text(plain_baselines(
            "SELECT d.station, d.species, d.common_name, d.confidence, detection_timestamp " +
                std::string(local ? "AT TIME ZONE z.time_zone" : "") + " AS at, detection_timestamp " +
                (local ? "" : "AT TIME ZONE z.time_zone") + " AS clock, (timestamptz " + at_ +
                " AT TIME ZONE z.time_zone)::date AS today FROM " + relation +
                " AS d JOIN emsn.station_settings AS z ON z.station = d.station WHERE " + live,
            "today"));
    }
    void learn() { db.exec("SELECT emsn.learn_baselines_at('365 days', " + at_ + ")"); }
    void days_pass(int days) {
        at_ = "'" +
              db.value("SELECT timestamptz " + at_ + " + interval '" + std::to_string(days) + " days'") + "'";
    }
    // rows that moved, changed, were deleted for good or softly, or came back
    void edit(const std::string &table, const std::string &type, bool has_deleted) {
        db.exec("UPDATE " + table + " SET species = 'Species 3' WHERE random() < 0.002; DELETE FROM " +
                table + " WHERE random() < 0.002; UPDATE " + table +
                " SET detection_timestamp = detection_timestamp - interval '20 days' WHERE random() < 0.002;"
                "UPDATE " +
                table + " SET station = 'shore' WHERE random() < 0.001");
        if (has_deleted)
            db.exec("UPDATE " + table + " SET deleted = NOT deleted WHERE random() < 0.004");
        hears(table, 40, 0, 100, type);
    }
    // A year, then weeks of changes: each time as plain SQL says.
    void follow(const std::string &table, const std::string &type, bool has_deleted,
                const std::string &relation = "") {
        const std::string &read = relation.empty() ? table : relation;
        hears(table, 420, 0, 6000, type);
        for (int week = 0; week < 3; ++week) {
            learn();
            const auto expected = plain(read, type, has_deleted ? "d.deleted IS NOT TRUE" : "true");
            ASSERT_GT(expected.size(), 3000u);
            EXPECT_EQ(db.text(kBaselines), expected) << week;
            days_pass(7);
            hears(table, 7, 0, 120, type);
            edit(table, type, has_deleted);
        }
    }
    std::string days() { return db.value("SELECT count(*) FROM emsn.species_days"); }

    std::string at_ = "'2026-03-31 21:30:00+00'"; // two days after the clocks of Europe were changed
};

TEST_F(Learn, TableMadeHere) {
    db.exec("SELECT emsn.create_detections('d')");
    follow("d", "timestamptz", true);
}

TEST_F(Learn, TablePartitionedByMonth) {
    db.exec("SELECT emsn.create_detections('d', 'month')");
    follow("d", "timestamptz", true);
}

TEST_F(Learn, OwnTableOfLocalTimesWithoutDeletedTracked) {
    db.exec("CREATE TABLE \"D'x\" (station varchar(40), detection_timestamp timestamp, species text, "
            "common_name text,"
            " confidence numeric(6, 4)); CREATE INDEX ON \"D'x\" (station, detection_timestamp);"
            "SELECT emsn.use_detections('\"D''x\"'); SELECT emsn.track_changes()");
    follow("\"D'x\"", "timestamp", false);
}

TEST_F(Learn, OwnTableWithoutIndexAndNotes) {
    db.exec("CREATE TABLE d (station text, detection_timestamp timestamptz, species text, common_name text,"
            " confidence real, deleted boolean NOT NULL DEFAULT false); SELECT emsn.use_detections('d')");
    follow("d", "timestamptz", true);
}

TEST_F(Learn, ViewOfAnother) {
    db.exec("CREATE TABLE d (station text, detection_timestamp timestamptz, species text, common_name text,"
            " confidence real); CREATE VIEW v AS SELECT * FROM d WHERE species <> 'Species 5';"
            "SELECT emsn.use_detections('v')");
    follow("d", "timestamptz", false, "v");
}

TEST_F(Learn, RealDetections) {
    const char *csv = std::getenv("EMSN_BIRDDB_CSV");
    if (csv == nullptr || !std::filesystem::exists(csv))
        GTEST_SKIP() << "EMSN_BIRDDB_CSV names no export of real detections";
    std::string lines = read_file(csv);
    db.exec("CREATE TABLE raw (line text)");
    std::string clean;
    for (std::size_t from = lines.find('\n') + 1, end = 0;
         (end = lines.find('\n', from)) != std::string::npos; from = end + 1) {
        const std::string line = lines.substr(from, end - from);
        if (line.find('\0') == std::string::npos)
            clean += line + "\n";
    }
    PQclear(PQexec(db.raw(), "COPY raw FROM STDIN"));
    PQputCopyData(db.raw(), clean.data(), static_cast<int>(clean.size()));
    PQputCopyEnd(db.raw(), nullptr);
    while (PGresult *result = PQgetResult(db.raw()))
        PQclear(result);
    db.exec("SELECT emsn.create_detections('d'); INSERT INTO d (station, detection_timestamp, species, "
            "common_name,"
            " confidence) SELECT 'attic', (f[1] || ' ' || f[2])::timestamp AT TIME ZONE 'Europe/Amsterdam', "
            "f[3], f[4],"
            " f[5]::float8 FROM raw CROSS JOIN LATERAL (SELECT string_to_array(line, ',') AS f) AS s");
    ASSERT_EQ(db.value("SELECT count(*) FROM d"), "1520");
    at_ = "'2022-06-01 00:00:00+00'";
    learn();
    const auto found = db.text(kBaselines);
    EXPECT_EQ(found, plain("d", "timestamptz", "true"));
    EXPECT_NE(found.find("NULL|Parus major|Kohlmeise|113|{2}|"), std::string::npos) << found.substr(0, 300);
}

TEST_F(Learn, OnlyDaysThatChangedAreReadAgain) {
    db.exec("SELECT emsn.create_detections('d')");
    hears("d", 300, 0, 3000);
    learn();
    // triggers that were off for a while: everything is read again
    db.exec("ALTER TABLE d DISABLE TRIGGER emsn_note_update; UPDATE d SET species = 'Species 1' WHERE id = 7;"
            "ALTER TABLE d ENABLE ALWAYS TRIGGER emsn_note_update");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
    EXPECT_EQ(db.value("SELECT count(DISTINCT xmin::text) FROM emsn.species_days"), "1");
    db.exec("UPDATE d SET species = 'Species 2' WHERE id = 7");
    learn();
    const std::string replaced =
        "SELECT count(*) FROM (SELECT DISTINCT station, day FROM emsn.species_days WHERE"
        " xmin::text = (SELECT max(xmin::text::bigint)::text FROM emsn.species_days)) AS n";
    EXPECT_EQ(db.value(replaced), "1");
    EXPECT_EQ(db.value("SELECT count(*) FROM d_changes"), "0");
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
    db.exec("TRUNCATE d");
    learn();
    EXPECT_EQ(days(), "0");
    EXPECT_EQ(db.text(kBaselines), "");
}

// ALTER TABLE fires no trigger.
TEST_F(Learn, RewrittenRowsAndColumnsAreReadAgain) {
    db.exec("SELECT emsn.create_detections('d')");
    hears("d", 300, 0, 3000);
    learn();
    db.exec("ALTER TABLE d ALTER species TYPE text USING replace(species, 'Species', 'Sort')");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
    db.exec("UPDATE d SET deleted = true WHERE species = 'Sort 0'");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "NOT deleted"));
    db.exec("ALTER TABLE d DROP deleted");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
}

// What is the first of the year, or its record day, is judged by the year.
TEST_F(Learn, AYearIsKeptWhateverTheLookback) {
    db.exec("SELECT emsn.create_detections('d')");
    hears("d", 500, 0, 4000);
    db.exec("SELECT emsn.learn_baselines_at('90 days', " + at_ + ")");
    EXPECT_EQ(db.value("SELECT count(DISTINCT day) > 360 FROM emsn.species_days"), "t");
    EXPECT_EQ(
        db.value("SELECT max(detections) < 0.4 * (SELECT count(*) FROM d WHERE species = 'Species 0') FROM "
                 "emsn.baselines WHERE station IS NULL AND species = 'Species 0'"),
        "t");
}

TEST_F(Learn, AnotherTimeZoneTurnsTheDaysOver) {
    db.exec("SELECT emsn.create_detections('d')");
    hears("d", 300, 0, 3000);
    learn();
    db.exec("UPDATE emsn.station_settings SET time_zone = 'Asia/Tokyo' WHERE station = 'attic'");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
    // an abbreviation is no place: it keeps one time all year, where the place of that name does not
    db.exec("UPDATE emsn.station_settings SET time_zone = 'CET' WHERE station = 'attic'");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
    // a session's own zone does not
    db.exec("DELETE FROM emsn.station_settings WHERE station = 'attic'");
    learn();
    const auto zone = db.value("SELECT time_zone FROM emsn.learned_stations WHERE station = 'attic'");
    db.exec("SET timezone = 'Pacific/Auckland'");
    learn();
    EXPECT_EQ(db.value("SELECT time_zone FROM emsn.learned_stations WHERE station = 'attic'"), zone);
}

TEST_F(Learn, AnotherTableAndAnotherLookbackAreReadAsAWhole) {
    db.exec("SELECT emsn.create_detections('d'); SELECT emsn.create_detections('e')");
    hears("d", 700, 0, 4000);
    hears("e", 300, 0, 2000);
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("e", "timestamptz", "true"));
    db.exec("SELECT emsn.use_detections('d')");
    learn();
    EXPECT_EQ(db.text(kBaselines), plain("d", "timestamptz", "true"));
    db.exec("SELECT emsn.learn_baselines_at('600 days', " + at_ + ")");
    EXPECT_EQ(
        db.value("SELECT max(detections) > (SELECT count(*) FROM d WHERE species = 'Species 0') * 0.8 FROM"
                 " emsn.baselines WHERE station IS NULL"),
        "t");
}

TEST_F(Learn, OddRowsDoNoHarm) {
    db.exec("CREATE TABLE d (station text, detection_timestamp timestamptz, species text, common_name text,"
            " confidence real); SELECT emsn.use_detections('d')");
    hears("d", 300, 0, 2000);
    learn();
    const auto before = db.text(kBaselines);
    db.exec("INSERT INTO d VALUES (NULL, " + at_ +
            ", 'x', 'x', 1), ('attic', 'infinity', 'Species 1', 'x', 1),"
            " ('attic', '-infinity', 'Species 1', 'x', 1), ('attic', NULL, 'Species 1', 'x', 1),"
            " ('attic', '2099-01-01', 'Species 1', 'x', 1), ('hills', '0044-03-15 BC', 'Species 1', 'x', 1)");
    learn();
    EXPECT_EQ(db.text(kBaselines), before);
    // a species without a name makes the day a recorded one, and no baseline
    db.exec("INSERT INTO d SELECT 'attic', " + at_ + ", NULL, NULL, 'NaN' FROM generate_series(1, 30)");
    learn();
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.baselines WHERE species = ''"), "0");
    db.exec("UPDATE d SET confidence = 'NaN' WHERE species = 'Species 0' AND random() < 0.5");
    learn();
    EXPECT_EQ(db.value("SELECT avg_confidence BETWEEN 0.7 AND 1 FROM emsn.baselines WHERE station IS NULL AND"
                       " species = 'Species 0'"),
              "t");
}

TEST_F(Learn, ReadersSeeTheOldOnesOrTheNewOnes) {
    db.exec("SELECT emsn.create_detections('d')");
    hears("d", 300, 0, 2000);
    learn();
    auto reader = session();
    auto writer = session();
    const auto before = reader.text(kBaselines);
    writer.exec(
        "BEGIN; UPDATE d SET deleted = true WHERE id % 2 = 0; SELECT emsn.learn_baselines_at('365 days', " +
        at_ + ")");
    EXPECT_EQ(reader.text(kBaselines), before);
    // a second one waits for the first
    auto second = session();
    second.send("SELECT emsn.learn_baselines_at('365 days', " + at_ + ")");
    EXPECT_TRUE(eventually([&] { return session_is(db, second.pid(), "Lock"); }));
    writer.exec("COMMIT");
    EXPECT_EQ(second.wait().sqlstate, "");
    EXPECT_NE(reader.text(kBaselines), before);
    EXPECT_EQ(reader.text(kBaselines), plain("d", "timestamptz", "NOT d.deleted"));
}

// What another session has not committed yet is noted when it is: nothing slips between two runs.
TEST_F(Learn, ChangeThatCommitsLaterIsReadLater) {
    db.exec("SELECT emsn.create_detections('d')");
    hears("d", 300, 0, 2000);
    auto writer = session();
    writer.exec("BEGIN; INSERT INTO d (station, detection_timestamp, species, confidence) SELECT 'attic', "
                "timestamptz " +
                at_ + " - interval '100 days', 'Late', 0.9 FROM generate_series(1, 30)");
    learn();
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.baselines WHERE species = 'Late'"), "0");
    writer.exec("COMMIT");
    learn();
    EXPECT_EQ(db.value("SELECT detections FROM emsn.baselines WHERE species = 'Late' AND station IS NULL"),
              "30");
}

TEST_F(Learn, SaysWhyNot) {
    EXPECT_EQ(db.fails("SELECT emsn.learn_baselines()").sqlstate, "55000");
    db.exec("SELECT emsn.create_detections('d')");
    EXPECT_EQ(db.value("SELECT emsn.learn_baselines()"), "0");
    EXPECT_EQ(db.fails("SELECT emsn.learn_baselines(NULL)").sqlstate, "22004");
    EXPECT_EQ(db.fails("SELECT emsn.learn_baselines('1 hour')").sqlstate, "22023");
    auto locker = session();
    locker.exec("BEGIN; LOCK TABLE d");
    db.exec("SET lock_timeout = '100ms'");
    EXPECT_EQ(db.fails("SELECT emsn.learn_baselines()").sqlstate, "55P03");
    locker.exec("COMMIT; DROP TABLE d");
    EXPECT_EQ(db.fails("SELECT emsn.learn_baselines()").sqlstate, "42P01");
}

// The view's function is code of its owner's making; the one who learns is a superuser.
TEST_F(Learn, ReadsWithTheRightsOfTheTablesOwner) {
    const auto owner = role();
    const auto jobs = role();
    db.exec("CREATE SCHEMA trap AUTHORIZATION " + owner + "; GRANT USAGE ON SCHEMA emsn TO " + jobs +
            "; GRANT EXECUTE ON FUNCTION emsn.learn_baselines(interval), emsn.check_anomalies() TO " + jobs);
    auto mallory = session(owner);
    mallory.exec(
        "SET search_path = trap; CREATE TABLE tried (who text, outcome text);"
        "CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE a text; BEGIN"
        " FOREACH a IN ARRAY ARRAY['ALTER ROLE ' || current_user || ' SUPERUSER', 'SET ROLE postgres',"
        "  'DELETE FROM emsn.thresholds', 'CREATE TEMP TABLE t ()', 'SELECT emsn.query_as_owner(0, ''x'')'] "
        "LOOP"
        "  BEGIN EXECUTE a; INSERT INTO trap.tried VALUES (current_user, a);"
        "  EXCEPTION WHEN OTHERS THEN INSERT INTO trap.tried VALUES (current_user, 'refused'); END;"
        " END LOOP; RETURN true; END $$;"
        "CREATE VIEW heard AS SELECT 'attic'::text AS station, now() - interval '1 hour' AS"
        " detection_timestamp, 'x'::text AS species, 'X'::text AS common_name, 1.0 AS confidence"
        " FROM generate_series(1, 25) WHERE trap.evil()");
    db.exec("SELECT emsn.use_detections('trap.heard')");
    for (const std::string &by : {std::string("postgres"), jobs}) {
        db.exec("DELETE FROM trap.tried");
        auto caller = session(by);
        EXPECT_EQ(caller.value("SELECT emsn.learn_baselines()"), "2");
        caller.exec("SELECT emsn.check_anomalies()");
        EXPECT_EQ(db.text("SELECT DISTINCT who, outcome FROM trap.tried"), owner + "|refused");
    }
    // granted by mistake, the tools themselves refuse
    db.exec("GRANT EXECUTE ON FUNCTION emsn.query_as_owner(oid, text) TO " + jobs);
    EXPECT_EQ(
        session(jobs)
            .fails("SELECT * FROM emsn.query_as_owner('emsn.settings'::regclass, 'SELECT 1') AS t (a int)")
            .sqlstate,
        "42501");
}

} // namespace
} // namespace emsn::test
