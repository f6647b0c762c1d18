// emsn.check_anomalies: each kind is found, once, and is over when it is over.
#include "tests/pg/pulse_support.hpp"

namespace emsn::test {
namespace {

class Anomalies : public PulseTest {};

TEST_F(Anomalies, NothingIsWrongWithAnOrdinaryYear) {
    EXPECT_EQ(check(), "0");
    EXPECT_EQ(all("kind"), "");
}

TEST_F(Anomalies, SilentStationIsOpenedOnceAndResolvedWhenItIsHeard) {
    forget("station = 'attic'", "7 hours");
    EXPECT_EQ(check(), "1");
    EXPECT_EQ(open("kind, severity, station, value, threshold"), "station_silent|critical|attic|7.00|4.00");
    const auto opened = open("opened_at");
    forget("station = 'attic'", "8 hours");
    EXPECT_EQ(check(), "1");
    EXPECT_EQ(open("value, opened_at"), "8.00|" + opened);
    hear("attic", "1 minute", 30);
    hours_pass("15 minutes");
    EXPECT_EQ(check(), "0");
    EXPECT_EQ(all("kind, resolved_at"), "station_silent|" + db.value("SELECT timestamptz " + at_));
    // the next time is another one
    forget("station = 'attic'", "7 hours");
    check();
    EXPECT_EQ(all("kind"), "station_silent\nstation_silent");
}

TEST_F(Anomalies, ExpectedAndThresholdsHold) {
    forget("station = 'attic'", "3 hours");
    EXPECT_EQ(check(), "1");
    EXPECT_EQ(open("severity"), "warning");
    // what is not silent yet hears less than its share
    db.exec("INSERT INTO emsn.thresholds VALUES ('silent_station', 'attic', '10', '20')");
    check();
    EXPECT_EQ(open("kind"), "station_imbalance");
    db.exec("UPDATE emsn.thresholds SET warning_at = '2', critical_at = '2.5'");
    check();
    EXPECT_EQ(open("kind, severity, threshold"), "station_silent|critical|2.50");
    db.exec("UPDATE emsn.station_settings SET expected = false WHERE station = 'attic'");
    EXPECT_EQ(check(), "0");
}

TEST_F(Anomalies, StationThatHearsLessThanItsShare) {
    forget("station = 'shore' AND id % 40 <> 0", "2 hours 1 minute");
    check();
    EXPECT_EQ(open("kind, severity, station, threshold"), "station_imbalance|warning|shore|10.00");
    EXPECT_NE(open("message").find("where 39 are its share"), std::string::npos) << open("message");
    // less of everything, everywhere, is weather
    forget("id % 40 <> 0", "2 hours 1 minute");
    check();
    EXPECT_EQ(open("kind"), "");
}

TEST_F(Anomalies, NothingNewAtTheCentre) {
    forget("true", "5 hours");
    check();
    EXPECT_EQ(open("kind, severity, station, value, threshold", "kind = 'growth_stopped'"),
              "growth_stopped|warning|NULL|5.00|4.00");
    hours_pass("6 hours");
    check();
    EXPECT_EQ(open("severity, value", "kind = 'growth_stopped'"), "critical|11.00");
    hear("hills", "1 minute");
    check();
    EXPECT_EQ(open("kind", "kind = 'growth_stopped'"), "");
}

TEST_F(Anomalies, MicrophoneThatHearsLessClearly) {
    db.exec("UPDATE d SET confidence = confidence - 0.05 WHERE station = 'hills' AND detection_timestamp >= "
            "timestamptz " +
            at_ + " - interval '3 days'");
    check();
    EXPECT_EQ(open("kind, severity, station, threshold"), "microphone_degraded|warning|hills|5.00");
    db.exec("UPDATE d SET confidence = confidence - 0.05 WHERE station = 'hills' AND detection_timestamp >= "
            "timestamptz " +
            at_ + " - interval '3 days'");
    check();
    EXPECT_EQ(open("severity, threshold"), "critical|10.00");
    // other birds, less sure by nature, are no fault
    db.exec("DELETE FROM d WHERE confidence < 0.75");
    db.exec("UPDATE d SET species = 'Quiet one', confidence = 0.6 WHERE station = 'hills' AND id % 2 = 0");
    db.exec(
        "DELETE FROM d WHERE species = 'Quiet one' AND id % 4 = 0 AND detection_timestamp < timestamptz " +
        at_ + " - interval '3 days'");
    check();
    EXPECT_EQ(open("kind", "kind = 'microphone_degraded'"), "");
}

TEST_F(Anomalies, SpeciesOutOfSeasonAndHour) {
    // a year of it in summer by day
    db.exec(
        "UPDATE d SET species = 'Swift', common_name = 'Gierzwaluw' WHERE id % 7 = 0 AND extract(month FROM"
        " detection_timestamp) IN (6, 7) AND extract(hour FROM detection_timestamp) BETWEEN 6 AND 20");
    learn();
    const std::string odd = "kind = 'species_unexpected'";
    hear("attic", "20 minutes", 2, "Swift");
    check();
    EXPECT_EQ(open("kind", odd), "") << "two are a mistake";
    hear("attic", "10 minutes", 1, "Swift");
    check();
    EXPECT_EQ(open("kind, severity, station, species, value, threshold, message", odd),
              "species_unexpected|warning|attic|Swift|3.00|3.00|Gierzwaluw: 3 detections in a day, in a "
              "month in which it"
              " was not heard in the last year");
    hours_pass("2 days");
    fill_up();
    check();
    EXPECT_EQ(open("kind"), "");
}

TEST_F(Anomalies, SpeciesThatShouldBeHere) {
    db.exec("DELETE FROM d WHERE station = 'attic' AND species = 'Species 1' AND detection_timestamp > "
            "timestamptz " +
            at_ + " - interval '13 days'");
    check();
    EXPECT_EQ(open("kind, severity, station, species, threshold"),
              "species_gone|warning|attic|Species 1|10.00");
    hear("attic", "1 minute", 1, "Species 1");
    check();
    EXPECT_EQ(open("kind"), "");
}

TEST_F(Anomalies, NewsLastUntilTheDayAfter) {
    hear("shore", "10 minutes", 1, "Never before");
    hear("hills", "9 minutes", 1, "Never before");
    hear("attic", "1 hour", 400, "Species 1");
    EXPECT_EQ(check(), "2");
    EXPECT_EQ(open("kind, severity, station, species"),
              "first_of_year|info|shore|Never before\nrecord_day|info|attic|Species 1");
    EXPECT_EQ(db.text("SELECT value > 400, threshold < 60 FROM emsn.anomalies WHERE kind = 'record_day'"),
              "t|t");
    hours_pass("1 day");
    fill_up();
    check();
    EXPECT_EQ(open("kind", "severity = 'info'"), "first_of_year\nrecord_day");
    hours_pass("1 day");
    fill_up();
    check();
    EXPECT_EQ(open("kind"), "");
    // and are no fault
    EXPECT_EQ(health("anomalies", "status, value, message"), "ok|0|none open");
}

TEST_F(Anomalies, LatePublicationIsOneOfThem) {
    db.exec(
        "INSERT INTO emsn.sync_state VALUES ('attic', '{}', 0, 0, 'UTC', now() - interval '2 hours', NULL)");
    check();
    EXPECT_EQ(open("kind, severity, station, threshold"), "sync_lag|warning|attic|3600");
    // it has its own row
    EXPECT_EQ(health("anomalies", "status"), "ok");
}

TEST_F(Anomalies, HealthShowsThemInOneRow) {
    EXPECT_EQ(health("anomalies", "status"), "") << "nobody looked yet";
    forget("station = 'shore' AND id % 40 <> 0", "2 hours 1 minute");
    check();
    EXPECT_EQ(health("anomalies", "subject, status, value, unit, remedy"),
              "all stations|warning|1|anomalies|SELECT * FROM emsn.anomalies WHERE resolved_at IS NULL;");
    EXPECT_EQ(health("anomalies", "message").substr(0, 40), "station imbalance shore: 1 detection in ");
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.text("SELECT status FROM emsn.health WHERE check_name = 'anomalies'"), "warning");
    EXPECT_EQ(monitor.text("SELECT kind FROM emsn.anomalies"), "station_imbalance");
    EXPECT_NE(monitor.value("SELECT count(*) FROM emsn.baselines"), "0");
    EXPECT_EQ(monitor.fails("SELECT emsn.check_anomalies()").sqlstate, "42501");
    EXPECT_EQ(monitor.fails("TABLE emsn.species_days").sqlstate, "42501");
}

TEST_F(Anomalies, BigTableWithoutAnIndexIsNotRead) {
    db.exec("DROP INDEX d_station_detection_timestamp_species_deleted_idx; ALTER TABLE d ALTER file_name SET "
            "STORAGE PLAIN;"
            "UPDATE d SET file_name = repeat('x', 700) WHERE id % 2 = 0");
    EXPECT_EQ(db.fails("SELECT emsn.check_anomalies_at(" + at_ + ")").sqlstate, "55000");
}

} // namespace
} // namespace emsn::test
