// The table of detections: naming one, making one, and that neither holds on to the other.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class DetectionsTable : public PgTest {
  protected:
    static constexpr const char *kFive =
        "station text, detection_timestamp timestamptz, species text, common_name text, confidence real";
    static constexpr const char *kRow = "('a', now(), 'Parus major', 'Great Tit', 0.9)";
};

TEST_F(DetectionsTable, EachKindOfRelationServes) {
    const std::string five = kFive;
    db.exec("CREATE TABLE plain (" + five + "); INSERT INTO plain VALUES " + kRow);
    db.exec("CREATE TABLE parted (" + five +
            ") PARTITION BY LIST (station);"
            "CREATE TABLE parted_default PARTITION OF parted DEFAULT; INSERT INTO parted VALUES " +
            kRow);
    db.exec("CREATE VIEW seen AS SELECT * FROM plain");
    db.exec("CREATE MATERIALIZED VIEW stored AS SELECT * FROM plain");
    db.exec("CREATE EXTENSION postgres_fdw;"
            "CREATE SERVER self FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '" +
            PgCluster::shared().socket_dir() + "', dbname '" + database() +
            "'); CREATE USER MAPPING FOR postgres SERVER self;"
            "CREATE FOREIGN TABLE far (" +
            five + ") SERVER self OPTIONS (table_name 'plain')");
    for (const std::string name : {"plain", "parted", "seen", "stored", "far"}) {
        EXPECT_EQ(db.value("SELECT emsn.use_detections('" + name + "')"), "public." + name);
        EXPECT_EQ(db.text("SELECT station, detections, species FROM emsn.detections_today"), "a|1|1") << name;
    }
}

TEST_F(DetectionsTable, UnqualifiedNamesAreTheCallers) {
    db.exec("CREATE SCHEMA garden; CREATE TABLE garden.birds (" + std::string(kFive) +
            ");"
            "SET search_path = garden");
    EXPECT_EQ(db.value("SELECT emsn.use_detections('birds')"), "garden.birds");
    EXPECT_EQ(db.value("SELECT emsn.create_detections('made')"), "garden.made");
}

TEST_F(DetectionsTable, OddNamesAreQuoted) {
    for (const std::string name : {R"("x""; DROP")", R"("Mixed Case")", R"("{live}")", R"("it's")"}) {
        EXPECT_EQ(db.value("SELECT emsn.create_detections($$" + name + "$$, 'month')"), "public." + name);
        db.exec("INSERT INTO " + name + " (station, detection_timestamp, species) VALUES ('a', now(), 'x')");
        EXPECT_EQ(db.text("SELECT station, detections FROM emsn.detections_today"), "a|1") << name;
    }
    const std::string longest(63, 'n');
    EXPECT_EQ(db.value("SELECT emsn.create_detections('" + longest + "', 'station')"), "public." + longest);
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('" + longest + "n')").sqlstate, "42622");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('a.b.c')").sqlstate, "42602");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('a b')").sqlstate, "22023");
}

TEST_F(DetectionsTable, WhatLacksColumnsOrHasOtherTypesIsRefusedByName) {
    db.exec("CREATE TABLE poor (station text, species text, confidence text, common_name text)");
    const auto poor = db.fails("SELECT emsn.use_detections('poor')");
    EXPECT_EQ(poor.sqlstate, "42703");
    EXPECT_EQ(poor.message,
              "use_detections: public.poor lacks detection_timestamp (timestamptz or timestamp)");
    db.exec("CREATE TABLE odd (station integer, detection_timestamp date, species text, common_name text,"
            " confidence real, deleted integer)");
    const auto odd = db.fails("SELECT emsn.use_detections('odd')");
    EXPECT_EQ(odd.sqlstate, "42804");
    EXPECT_EQ(odd.message,
              "use_detections: public.odd: station is integer, not text; detection_timestamp is date,"
              " not timestamptz or timestamp; deleted is integer, not boolean");
    EXPECT_EQ(db.fails("SELECT emsn.use_detections('absent')").sqlstate, "42P01");
    EXPECT_EQ(db.fails("SELECT emsn.use_detections(NULL)").sqlstate, "22004");
    EXPECT_EQ(db.fails("SELECT emsn.use_detections(4000000000)").sqlstate, "42P01");
    db.exec("CREATE TEMP TABLE mine (" + std::string(kFive) + "); CREATE SEQUENCE numbers");
    EXPECT_EQ(db.fails("SELECT emsn.use_detections('mine')").sqlstate, "42809");
    EXPECT_EQ(db.fails("SELECT emsn.use_detections('numbers')").sqlstate, "42809");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.settings"), "0");
}

TEST_F(DetectionsTable, CreatesItWithKeysIndexesAndPartitions) {
    EXPECT_EQ(db.value("SELECT emsn.create_detections('public.bird_detections')"), "public.bird_detections");
    EXPECT_EQ(db.text("SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
                      " WHERE attrelid = 'bird_detections'::regclass AND attnum > 0"),
              "id,station,detection_timestamp,date,time,species,common_name,confidence,latitude,longitude,"
              "cutoff,week,"
              "sensitivity,overlap,file_name,detected_by_zolder,detected_by_berging,deleted,deleted_at");
    EXPECT_EQ(
        db.text("SELECT pg_get_indexdef(indexrelid, 1, true) || ' ' || pg_get_indexdef(indexrelid, 2, true)"
                " FROM pg_index WHERE indrelid = 'bird_detections'::regclass ORDER BY 1"),
        "id \nspecies detection_timestamp\nstation detection_timestamp");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('bird_detections')").sqlstate, "42P07");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('other', 'year')").message,
              "create_detections: partition_by must be none, month or station, not \"year\"");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('other', 'year')").sqlstate, "22023");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections(NULL)").sqlstate, "22004");
    EXPECT_EQ(db.fails("SELECT emsn.create_detections('nowhere.other')").sqlstate, "3F000");
    db.exec("SELECT emsn.create_detections('by_station', 'station')");
    EXPECT_EQ(db.text("SELECT relid FROM pg_partition_tree('by_station') WHERE level = 1"),
              "by_station_default");
    db.exec("SET timezone = 'America/New_York'; SELECT emsn.create_detections('by_month', 'month')");
    EXPECT_EQ(db.value("SELECT count(*) FROM pg_partition_tree('by_month') WHERE level = 1"), "26");
    db.exec("INSERT INTO by_month (station, detection_timestamp, species)"
            " SELECT 'a', t, 'x' FROM unnest(ARRAY[date_trunc('month', now(), 'UTC'), now() - interval '11 "
            "months', '1999-01-01']) AS t");
    EXPECT_EQ(db.value("SELECT count(*) FROM by_month_default"), "1");
    EXPECT_EQ(db.value("SELECT count(*) FROM by_month WHERE tableoid::regclass::text ="
                       " to_char(detection_timestamp AT TIME ZONE 'UTC', '\"by_month_\"YYYY_MM')"),
              "2");
}

TEST_F(DetectionsTable, NeitherTheTableNorTheExtensionHoldsTheOther) {
    db.exec("SELECT emsn.create_detections('bird_detections'); DROP TABLE bird_detections");
    EXPECT_EQ(db.text("SELECT subject, message FROM emsn.health WHERE status = 'unknown'"),
              "all stations|the table of detections public.bird_detections is not there");
    EXPECT_EQ(db.fails("SELECT * FROM emsn.detections_today").sqlstate, "42P01");
    db.exec("CREATE TABLE bird_detections (" + std::string(kFive) +
            ", extra text); INSERT INTO bird_detections VALUES " + kRow);
    EXPECT_EQ(db.text("SELECT station, detections FROM emsn.detections_today"), "a|1");
    db.exec("ALTER TABLE bird_detections ALTER detection_timestamp TYPE timestamp");
    EXPECT_EQ(db.text("SELECT station, detections FROM emsn.detections_today"), "a|1");
    db.exec("DROP EXTENSION emsn_health");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections"), "1");
    db.exec("CREATE EXTENSION emsn_health");
}

TEST_F(DetectionsTable, OnlyTheOwnerNamesTablesAndWritesSettings) {
    db.exec("SELECT emsn.create_detections('bird_detections')");
    auto monitor = session(role("pg_monitor, pg_signal_backend, pg_read_server_files"));
    EXPECT_EQ(monitor.fails("SELECT emsn.use_detections('bird_detections')").sqlstate, "42501");
    EXPECT_EQ(monitor.fails("SELECT emsn.create_detections('b')").sqlstate, "42501");
    for (const std::string table : {"settings", "station_settings", "thresholds"}) {
        EXPECT_EQ(monitor.fails("DELETE FROM emsn." + table).sqlstate, "42501");
        EXPECT_EQ(monitor.fails("SELECT count(*) FROM emsn." + table).sqlstate, "");
    }
}

// IST is written as +05:30 and read as +02:00.
TEST_F(DetectionsTable, MonthsAreThoseOfUtcWhateverTheSession) {
    db.exec("SET timezone = 'Asia/Kolkata'; SET datestyle = 'SQL, DMY'");
    EXPECT_EQ(db.value("SELECT emsn.create_detections('by_month', 'month')"), "public.by_month");
    db.exec("RESET datestyle; SET timezone = 'UTC'");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.time_partitions() WHERE from_time = date_trunc('month', "
                       "from_time) AND to_time = from_time + interval '1 month'"),
              "25");
}

} // namespace
} // namespace emsn::test
