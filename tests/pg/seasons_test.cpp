// A year of ordinary seasons with a few faults in it (seasons.sql): no alarm without a reason, and no fault
// missed.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Seasons : public PgTest {};

TEST_F(Seasons, RaiseNoFalseAlarmsAndHideNoFault) {
    db.exec("SET synchronous_commit = off");
    db.exec(read_file(std::string(EMSN_SOURCE_DIR) + "/tests/pg/seasons.sql"));
    db.exec(std::string("CALL season.play('") + (long_run() ? "3 hours" : "8 hours") + "')");
    EXPECT_GT(std::stol(db.value("SELECT count(*) FROM heard WHERE detection_timestamp >= '2025-01-01'")),
              50000);
    EXPECT_EQ(db.text("SELECT kind, station, species, from_at FROM season.missed"), "");
    // fewer than one a station and quarter is the bound: 12 in a year at three stations
    EXPECT_LT(std::stol(db.value("SELECT count(*) FROM season.false_alarms")), 12)
        << db.text("SELECT kind, station, opened_at, message FROM season.false_alarms");
    EXPECT_EQ(
        db.text(
            "SELECT station, date_trunc('quarter', opened_at) FROM season.false_alarms GROUP BY 1, 2 HAVING"
            " count(*) >= 1"),
        "");
    // one cause, one row: planted ones are open without a break
    EXPECT_EQ(
        db.text(
            "SELECT f.kind, f.station FROM season.faults AS f WHERE f.kind <> 'station_imbalance' AND"
            " (SELECT count(*) FROM emsn.anomalies AS a WHERE a.kind = f.kind AND a.station IS NOT DISTINCT "
            "FROM"
            " f.station AND a.species IS NOT DISTINCT FROM f.species AND a.opened_at BETWEEN f.from_at AND"
            " f.until_at) <> 1"),
        "");
}

} // namespace
} // namespace emsn::test
