// emsn.report against plain SQL that asks each question by itself.
#include "tests/pg/report_support.hpp"

namespace emsn::test {
namespace {

class Report : public ReportTest {
  protected:
    // A plain copy of the local days and hours of what counts, to ask about.
    void plain() {
        db.exec("CREATE TEMP TABLE plain AS SELECT station, species, common_name, (detection_timestamp AT "
                "TIME ZONE "
                "'Europe/Amsterdam')::date AS day, extract(hour FROM detection_timestamp AT TIME ZONE "
                "'Europe/Amsterdam')::int AS hour FROM d WHERE deleted IS NOT TRUE AND station IS NOT NULL");
    }
    void year_of_two() {
        make();
        zone("station 1", "Europe/Amsterdam");
        zone("station 2", "Europe/Amsterdam");
        sow(2, "2024-10-25", "2026-01-10", 12);
        db.exec("UPDATE d SET deleted = true WHERE id % 17 = 0");
        plain();
    }
};

TEST_F(Report, NumbersAreThoseOfPlainSql) {
    year_of_two();
    for (const std::string month : {"2025-03", "2025-10", "2025-12", "2024-11"}) {
        const std::string day = month + "-15";
        const std::string in = " WHERE to_char(day, 'YYYY-MM') = '" + month + "'";
        const auto span = [&](const std::string &back) {
            return " WHERE to_char(day, 'YYYY-MM') = to_char(date '" + day + "' - interval '" + back +
                   "', 'YYYY-MM')";
        };
        const std::string counts = "SELECT count(*), count(DISTINCT species), count(DISTINCT day), "
                                   "count(DISTINCT station) FROM plain";
        const auto totals = [&](const std::string &cell) {
            return db.text("SELECT string_agg((" + cell +
                           ")::text, '|' ORDER BY position) FROM emsn.report('monthly', '" + day +
                           "') AS r WHERE section = 'totals'");
        };
        EXPECT_EQ(totals("value"), db.text(counts + in)) << month;
        EXPECT_EQ(totals("detail->'previous'"), db.text(counts + span("1 month"))) << month;
        EXPECT_EQ(totals("detail->'year_ago'"), db.text(counts + span("1 year"))) << month;
        EXPECT_EQ(section("top_species", "label, detail->>'species', value, detail->'days'", day),
                  db.text("SELECT max(common_name), species, count(*), count(DISTINCT day) FROM plain" + in +
                          " GROUP BY species ORDER BY 3 DESC, species COLLATE \"C\" LIMIT 15"))
            << month;
        EXPECT_EQ(section("new_species", "detail->>'species', detail->>'first_day', value", day),
                  db.text("SELECT species, min(day), count(*) FILTER (WHERE to_char(day, 'YYYY-MM') = '" +
                          month + "') FROM plain GROUP BY species HAVING to_char(min(day), 'YYYY-MM') = '" +
                          month + "' ORDER BY 2, species COLLATE \"C\""))
            << month;
        EXPECT_EQ(section("first_of_year", "detail->>'species', detail->>'first_day'", day),
                  db.text("SELECT species, min(day) FROM plain WHERE extract(year FROM day) = left('" +
                          month + "', 4)::int GROUP BY species HAVING to_char(min(day), 'YYYY-MM') = '" +
                          month + "' ORDER BY 2, species COLLATE \"C\""))
            << month;
        EXPECT_EQ(section("rare_species", "detail->>'species', value", day),
                  db.text("SELECT species, count(*) FROM plain" + in +
                          " GROUP BY species HAVING count(*) <= 10 ORDER BY 2, species COLLATE \"C\""))
            << month;
        EXPECT_EQ(
            section("by_station", "label, value, detail->'species', detail->'days_with_data'", day),
            db.text("SELECT station, count(*), count(DISTINCT species), count(DISTINCT day) FROM plain" + in +
                    " GROUP BY station ORDER BY station"))
            << month;
        EXPECT_EQ(
            section("by_week", "label, value, detail->'species'", day),
            db.text("SELECT to_char(day, 'IYYY-\"W\"IW'), count(*), count(DISTINCT species) FROM plain" + in +
                    " GROUP BY 1 ORDER BY 1"))
            << month;
        EXPECT_EQ(
            db.text("SELECT r.label::date, h.ordinality - 1, h.value FROM emsn.report('monthly', '" + day +
                    "') AS r, jsonb_array_elements(r.detail->'hours') WITH ORDINALITY AS h WHERE section"
                    " = 'hour_by_day' AND h.value <> '0' ORDER BY 1, 2"),
            db.text("SELECT day, hour, count(*) FROM plain" + in + " GROUP BY 1, 2 ORDER BY 1, 2"))
            << month;
        EXPECT_EQ(
            section("busiest", "value, detail->>'day', detail->>'hour'", day),
            db.text("(SELECT count(*), day, NULL FROM plain" + in +
                    " GROUP BY day ORDER BY 1 DESC, 2 LIMIT 1) UNION ALL (SELECT count(*), day, hour::text "
                    "FROM plain" +
                    in +
                    " GROUP BY day, hour ORDER BY 1 DESC, 2, 3 LIMIT 1) UNION ALL "
                    "(SELECT count(*), NULL, hour::text FROM plain" +
                    in + " GROUP BY hour ORDER BY 1 DESC, hour LIMIT 1)"))
            << month;
    }
}

TEST_F(Report, UsualIsTheMedianOfTheLastFourteenDaysHeard) {
    make();
    zone("station 1", "Europe/Amsterdam");
    sow(1, "2025-01-01", "2025-03-31", 9);
    // a gap, after which fewer than 14 days lie within 28, and then fewer than 5
    db.exec("DELETE FROM d WHERE detection_timestamp >= '2025-02-16' AND detection_timestamp < '2025-03-12'");
    plain();
    EXPECT_EQ(
        section("by_day", "label, value, detail->>'usual'", "2025-03-01"),
        db.text(
            "WITH n AS (SELECT day, count(*) AS heard FROM plain GROUP BY day) SELECT c.day::date, (SELECT "
            "coalesce(sum(heard), 0) FROM n WHERE n.day = c.day), (SELECT CASE WHEN count(*) >= 5 THEN "
            "trim_scale(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY heard)::numeric, 1)) END FROM "
            "(SELECT heard FROM n WHERE n.day < c.day AND n.day >= c.day - interval '28 days' ORDER BY day "
            "DESC LIMIT 14) AS l) FROM generate_series('2025-03-01'::timestamp, '2025-03-31', '1 day') AS c"
            " (day)"));
    EXPECT_EQ(section("data_quality", "label, value", "2025-03-01").substr(0, 20), "days_without_data|11");
}

TEST_F(Report, OneStationIsReportedAsIfItWereAlone) {
    year_of_two();
    const std::string birds = "section, position, label, value, unit, detail FROM emsn.report('monthly', "
                              "'2025-05-01', 'station 2') AS r WHERE section NOT IN ('overlap', "
                              "'overlap_species', 'by_station', 'system')";
    const auto beside = db.text("SELECT " + birds);
    db.exec("DELETE FROM d WHERE station <> 'station 2'; DELETE FROM emsn.station_settings WHERE station <> "
            "'station 2'");
    EXPECT_EQ(beside, db.text("SELECT " + birds));
    EXPECT_EQ(section("by_station", "label", "2025-05-01"), "station 2");
    EXPECT_EQ(section("overlap", "label", "2025-05-01"), "");
}

// Whatever the table is made of, and whether there is an index to jump through, the rows are the same.
TEST_F(Report, TableMayBeOfAnyKind) {
    year_of_two();
    const std::string rows =
        "SELECT section, position, label, value, unit, detail FROM emsn.report('monthly', "
        "'2025-10-01') AS r WHERE section <> 'system'";
    const auto expected = db.text(rows);
    db.exec(
        "CREATE TABLE bare AS SELECT station, detection_timestamp, species, common_name, confidence FROM d "
        "WHERE deleted IS NOT TRUE; SELECT emsn.use_detections('bare')");
    EXPECT_EQ(db.value("SELECT emsn.finds_species()"), "f");
    EXPECT_EQ(db.text(rows), expected);
    db.exec("CREATE VIEW seen AS SELECT station::varchar(20), detection_timestamp AT TIME ZONE "
            "'Europe/Amsterdam' AS detection_timestamp, species, common_name, confidence::real FROM bare;"
            "SELECT emsn.use_detections('seen')");
    EXPECT_EQ(db.text(rows), expected);
    // its own time, found through an index
    db.exec("CREATE TABLE local AS TABLE seen; CREATE INDEX ON local (station, detection_timestamp);"
            "SELECT emsn.use_detections('local')");
    EXPECT_EQ(db.text(rows), expected);
    db.exec(
        "SELECT emsn.create_detections('monthly', partition_by => 'month'); INSERT INTO monthly (station, "
        "detection_timestamp, species, common_name) SELECT station, detection_timestamp, species, "
        "common_name FROM bare");
    EXPECT_EQ(db.value("SELECT emsn.finds_species()"), "t");
    EXPECT_EQ(db.text(rows), expected);
}

// Rows may arrive while it is made: all of it sees one snapshot.
TEST_F(Report, AllOfItIsStable) {
    EXPECT_EQ(db.text("SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = "
                      "'emsn'::regnamespace AND p.provolatile "
                      "= 'v' AND (p.proname LIKE 'report%' OR p.proname IN ('count_by_clock', 'clock_spans', "
                      "'species_history', "
                      "'detections_by_hour', 'detections_by_species', 'detection_overlap', 'known_stations', "
                      "'disk_trends'))"),
              "");
}

TEST_F(Report, EmptyPeriodSaysSo) {
    make();
    EXPECT_EQ(section("totals", "label, value, detail->>'change_percent'", "2025-02-01"),
              "detections|0|NULL\nspecies|0|NULL\ndays_with_data|0|NULL\nstations|0|NULL");
    zone("quiet", "UTC");
    zone("silent", "UTC");
    EXPECT_EQ(section("by_station", "label, value", "2025-02-01"), "quiet|0\nsilent|0");
    EXPECT_EQ(section("by_day", "count(*) OVER (), value", "2025-02-01").substr(0, 5), "56|0\n");
    EXPECT_EQ(section("hour_by_day", "value", "2025-02-20", "weekly"), "0\n0\n0\n0\n0\n0\n0");
    EXPECT_EQ(section("overlap", "label, value", "2025-02-01"), "shared|0\nrepeated|0\npairs|0");
    EXPECT_EQ(section("top_species", "label", "2025-02-01"), "");
    hear("quiet", "2025-01-31 12:00");
    EXPECT_EQ(section("totals", "value, detail->>'change_percent'", "2025-02-01"),
              "0|-100\n0|-100\n0|-100\n0|-100");
}

TEST_F(Report, TwoHundredStations) {
    make();
    sow(200, "2025-05-20", "2025-06-03", 6);
    EXPECT_EQ(db.text("SELECT section, count(*) FROM emsn.report('weekly', '2025-05-28') WHERE section IN "
                      "('by_station', 'by_day', 'data_quality') GROUP BY 1 ORDER BY 1"),
              "by_day|1400\nby_station|200\ndata_quality|401");
    EXPECT_EQ(
        section("totals", "value", "2025-05-28", "weekly").substr(0, 5),
        db.value("SELECT count(*) FROM d WHERE detection_timestamp >= '2025-05-26' AND detection_timestamp "
                 "< '2025-06-02'"));
}

TEST_F(Report, WrongUseIsRefused) {
    make();
    const auto refused = [&](const std::string &arguments) {
        const auto failed = db.fails("SELECT emsn.report(" + arguments + ")");
        return failed.sqlstate + ": " + failed.message;
    };
    EXPECT_EQ(refused("'yearly', '2025-01-01'"),
              "22023: report: kind must be monthly or weekly, not \"yearly\"");
    EXPECT_EQ(refused("'monthly', NULL"), "22004: report: neither kind nor period may be NULL");
    EXPECT_EQ(refused("NULL, '2025-01-01'"), "22004: report: neither kind nor period may be NULL");
    EXPECT_EQ(refused("'monthly', 'infinity'"), "22023: report: infinity is no day to report on");
    EXPECT_EQ(refused("'weekly', '0002-12-31'"), "22023: report: 0002-12-31 is no day to report on");
    EXPECT_EQ(refused("'monthly', '2025-01-01', 'nowhere'"), "22023: no station \"nowhere\" is known");
    EXPECT_EQ(db.fails("SELECT * FROM emsn.detections_by_hour('2025-02-02', '2025-02-01')").message,
              "detections: 2025-02-02 to 2025-02-01 is no range of days");
    db.exec("DELETE FROM emsn.settings");
    EXPECT_EQ(refused("'monthly', '2025-01-01'"), "55000: no table of detections is named yet");
}

TEST_F(Report, ReaderNeedsTheTableAndNothingElse) {
    make();
    hear("a", "2025-01-01 12:00");
    auto monitor = session(role("pg_monitor"));
    const std::string ask = "SELECT value FROM emsn.report('monthly', '2025-01-01') LIMIT 2";
    EXPECT_EQ(monitor.fails(ask).message, "permission denied for table d");
    const auto name = monitor.value("SELECT current_user");
    db.exec("GRANT SELECT ON d TO " + name);
    EXPECT_EQ(monitor.text(ask), "31\n1");
    EXPECT_EQ(session(role()).fails(ask).sqlstate, "42501");
}

// What is between the rows of the table and the report.
TEST_F(Report, NamesAreAnything) {
    make("station text, detection_timestamp timestamptz, species text, common_name text, confidence real");
    zone("a", "UTC");
    db.exec(
        "INSERT INTO d VALUES ('a', '2025-01-01 12:00', 'old name', 'Before', 1), ('a', '2025-01-02 12:00', "
        "'old name', 'After', 1), ('a', '2025-01-01', 'none', NULL, 1), ('a', '2025-01-01', 'empty', '', "
        "1), ('a', '2025-01-01', NULL, 'x', 1), (NULL, '2025-01-01', 'y', 'y', 1), ('a', '-infinity', "
        "'old name', 'z', 1), ('a', 'infinity', 'old name', 'z', 1)");
    EXPECT_EQ(section("top_species", "label, detail->>'species', value", "2025-01-01"),
              "After|old name|2\nempty|empty|1\nnone|none|1");
    EXPECT_EQ(section("totals", "value", "2025-01-01"), "5\n3\n2\n1");
    EXPECT_EQ(section("new_species", "label", "2025-01-01"), "empty\nnone\nAfter");
    EXPECT_EQ(section("data_quality", "label, value", "2025-01-01"),
              "days_without_data|29\nsilent_hours|1\nrows_without_station|1");
}

} // namespace
} // namespace emsn::test
