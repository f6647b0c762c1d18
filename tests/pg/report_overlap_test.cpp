// The overlap of stations against the join that says what it is.
#include "tests/pg/report_support.hpp"

namespace emsn::test {
namespace {

class ReportOverlap : public ReportTest {
  protected:
    // By the join: how many detections have a partner, how many an earlier one (of two at one moment the
    // station whose name comes first), how many partners in all.
    std::string joined() {
        return db.text(
            "SELECT a.station, a.species, count(DISTINCT a.id), count(DISTINCT a.id) FILTER (WHERE "
            "(b.detection_timestamp, b.station) < (a.detection_timestamp, a.station)), count(*) FROM d AS a "
            "JOIN d AS b ON a.species = b.species AND a.station <> b.station AND abs(extract(epoch FROM "
            "a.detection_timestamp - b.detection_timestamp)) <= 5 WHERE a.deleted IS NOT TRUE AND b.deleted "
            "IS "
            "NOT TRUE GROUP BY a.station, a.species ORDER BY 1, 2");
    }
    std::string counted() {
        return db.text("SELECT station, species, shared, repeated, partners FROM "
                       "emsn.detection_overlap('2025-01-01', '2025-01-31') ORDER BY 1, 2");
    }
    // rows: how many; within: seconds in which they all lie; grain: seconds between two moments.
    void scatter(int seed, int rows, int stations, int species, double within, double grain) {
        db.exec("TRUNCATE d; SELECT setseed(" + std::to_string(seed) +
                " / 1000.0); INSERT INTO d (station, "
                "detection_timestamp, species) SELECT 's' || 1 + floor(random() * " +
                std::to_string(stations) + "), timestamptz '2025-01-10 12:00+00' + interval '1 second' * " +
                std::to_string(grain) + " * floor(random() * " + std::to_string(within / grain) +
                "), 'bird ' || floor(random() * " + std::to_string(species) + ") FROM generate_series(1, " +
                std::to_string(rows) + ")");
    }
};

TEST_F(ReportOverlap, IsThatOfTheSelfJoin) {
    make();
    db.exec("INSERT INTO emsn.station_settings (station) SELECT 's' || n FROM generate_series(1, 9) AS n");
    int seed = 0;
    for (const int stations : {2, 3, 9}) {
        for (const int rows : {2, 40, 400}) {
            for (const double grain : {5.0, 1.0, 0.000001}) {
                scatter(++seed, rows, stations, 3, grain < 0.1 ? 60 : 600, grain);
                ASSERT_EQ(counted(), joined()) << "seed " << seed;
            }
        }
    }
    // all at once
    scatter(++seed, 300, 3, 1, 2, 1);
    EXPECT_EQ(counted(), joined());
    db.exec("UPDATE d SET deleted = true WHERE id % 3 = 0");
    EXPECT_EQ(counted(), joined());
}

TEST_F(ReportOverlap, FiveSecondsAreTheLimit) {
    make();
    hear("a", "2025-01-10 12:00:00");
    hear("b", "2025-01-10 12:00:05");
    hear("a", "2025-01-10 13:00:00");
    hear("b", "2025-01-10 13:00:05.000001");
    hear("a", "2025-01-10 14:00:00", "x");
    hear("b", "2025-01-10 14:00:00", "y");
    hear("a", "2025-01-10 15:00:00");
    hear("a", "2025-01-10 15:00:00");
    EXPECT_EQ(counted(), "a|x|1|0|1\nb|x|1|1|1");
}

TEST_F(ReportOverlap, PeriodEndsAtMidnightOfEachStation) {
    make();
    zone("a", "Europe/Amsterdam");
    zone("b", "Europe/Amsterdam");
    for (const std::string moment : {"2024-12-31 22:59:59+00", "2024-12-31 23:00:00+00",
                                     "2025-01-31 22:59:59+00", "2025-01-31 23:00:00+00"}) {
        hear("a", moment);
        hear("b", moment);
    }
    EXPECT_EQ(counted(), "a|x|2|0|2\nb|x|2|2|2");
}

TEST_F(ReportOverlap, ReportCountsEachBirdOnce) {
    make();
    sow(3, "2025-01-01", "2025-01-31", 40);
    const auto row = [&](const std::string &name, const std::string &station) {
        return db.value("SELECT value FROM emsn.report('monthly', '2025-01-01', " + station +
                        ") WHERE section = 'overlap' AND label = '" + name + "'");
    };
    const std::string sums =
        "FROM d AS a JOIN d AS b ON a.species = b.species AND a.station <> b.station AND "
        "abs(extract(epoch FROM a.detection_timestamp - b.detection_timestamp)) <= 5";
    EXPECT_EQ(row("shared", "NULL"), db.value("SELECT count(DISTINCT a.id) " + sums));
    EXPECT_EQ(row("pairs", "NULL"), db.value("SELECT count(*) / 2 " + sums));
    EXPECT_EQ(row("repeated", "NULL"), db.value("SELECT count(DISTINCT a.id) " + sums +
                                                " WHERE (b.detection_timestamp, b.station) < "
                                                "(a.detection_timestamp, a.station)"));
    EXPECT_EQ(row("shared", "'station 2'"),
              db.value("SELECT count(DISTINCT a.id) " + sums + " WHERE a.station = 'station 2'"));
    EXPECT_EQ(row("pairs", "'station 2'"),
              db.value("SELECT count(*) " + sums + " WHERE a.station = 'station 2'"));
    EXPECT_EQ(section("overlap_species", "label, detail->>'species', value", "2025-01-01"),
              db.text("SELECT max(a.common_name), a.species, count(DISTINCT a.id) " + sums +
                      " GROUP BY a.species ORDER BY 3 DESC, a.species COLLATE \"C\" LIMIT 10"));
}

// The aggregate by itself: what the table cannot hold, and the ends of the calendar.
TEST_F(ReportOverlap, AggregateTakesWhatComes) {
    const auto overlaps = [&](const std::string &rows, const std::string &reach = "5") {
        return db.text("SELECT o.* FROM (SELECT emsn.count_overlaps(species, station, at::timestamptz, " +
                       reach + ") AS found FROM (VALUES " + rows +
                       ") AS v (species, station, at)) AS a CROSS JOIN LATERAL unnest(a.found) AS o "
                       "ORDER BY 2, 1");
    };
    EXPECT_EQ(overlaps("('x', 1, '2025-01-10'), ('x', 2, '2025-01-10')"), "1|x|1|0|1\n2|x|1|1|1");
    EXPECT_EQ(overlaps("('x', -1, '2025-01-10'), ('x', 2, '2025-01-10')"), "-1|x|1|0|1\n2|x|1|1|1");
    EXPECT_EQ(overlaps("('x', 1, '2025-01-10'), ('x', 2, '2025-01-10 00:00:02')", "2"),
              "1|x|1|0|1\n2|x|1|1|1");
    EXPECT_EQ(overlaps("('x', 1, '2025-01-10'), ('x', 2, '2025-01-10 00:00:02')", "1"), "");
    EXPECT_EQ(overlaps("('x', 1, '2025-01-10'), (NULL, 2, '2025-01-10'), ('x', NULL, '2025-01-10'), "
                       "('x', 3, NULL), ('x', 4, '2025-01-10')"),
              "1|x|1|0|1\n4|x|1|1|1");
    EXPECT_EQ(overlaps("('x', 1, 'infinity'), ('x', 2, 'infinity'), ('x', 1, '-infinity')"), "");
    EXPECT_EQ(overlaps("('x', 1, '4713-01-02 BC'), ('x', 2, '294276-12-31'), ('x', 3, '294276-12-31')",
                       "2147483647"),
              "2|x|1|0|1\n3|x|1|1|1");
    for (const std::string reach : {"-1", "NULL"}) {
        const auto refused = db.fails("SELECT emsn.count_overlaps('x', 1, now(), " + reach + ")");
        EXPECT_EQ(refused.sqlstate, "22023");
        EXPECT_EQ(refused.message, "count_overlaps: the reach is a number of seconds, 0 or more");
    }
    // over a window it is asked again and again
    EXPECT_EQ(db.text("SELECT cardinality(emsn.count_overlaps('x', n, now(), 5) OVER (ORDER BY n)) FROM "
                      "generate_series(1, 4) AS n"),
              "0\n2\n3\n4");
}

TEST_F(ReportOverlap, SomeSpeciesOnly) {
    make();
    for (const std::string bird : {"x", "y", "z"}) {
        hear("a", "2025-01-10 12:00:00", bird);
        hear("b", "2025-01-10 12:00:00", bird);
    }
    const std::string query = "SELECT station, species FROM emsn.detection_overlap('2025-01-01', "
                              "'2025-01-31', ";
    EXPECT_EQ(db.text(query + "'{x,z,q}') ORDER BY 1, 2"), "a|x\na|z\nb|x\nb|z");
    EXPECT_EQ(db.text(query + "'{}')"), "");
}

} // namespace
} // namespace emsn::test
