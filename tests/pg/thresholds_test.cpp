#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Thresholds : public PgTest {
  protected:
    std::string judged(const std::string &value, const std::string &whole,
                       const std::string &bad_when_low = "false") {
        return db.text("SELECT status, warning_at, critical_at FROM emsn.judge('c', 's', " + value +
                       ", 'u', " + whole + ", " + bad_when_low + ", NULL, NULL, 'm', 'r')");
    }
    void set(const std::string &subject, const std::string &warning, const std::string &critical) {
        db.exec("DELETE FROM emsn.thresholds; INSERT INTO emsn.thresholds VALUES ('c', " + subject + ", " +
                warning + ", " + critical + ")");
    }
};

TEST_F(Thresholds, PlainNumbersPercentAndLeftOver) {
    set("NULL", "'10'", "'20'");
    EXPECT_EQ(judged("9.9", "NULL"), "ok|10|20");
    EXPECT_EQ(judged("10", "NULL"), "warning|10|20");
    EXPECT_EQ(judged("20", "NULL"), "critical|10|20");
    set("NULL", "'80%'", "'90.5%'");
    EXPECT_EQ(judged("13", "17"), "ok|80%|90.5%");
    EXPECT_EQ(judged("14", "17"), "warning|80%|90.5%");
    EXPECT_EQ(judged("16", "17"), "critical|80%|90.5%");
    EXPECT_EQ(judged("8", "10"), "warning|80%|90.5%");
    set("NULL", "'-10'", "'-5%'");
    EXPECT_EQ(judged("189", "200"), "ok|-10|-5%");
    EXPECT_EQ(judged("190", "200"), "critical|-10|-5%");
    set("NULL", "'-10'", "'-2%'");
    EXPECT_EQ(judged("190", "200"), "warning|-10|-2%");
}

TEST_F(Thresholds, LowValuesAreBadForDetections) {
    set("NULL", "'50%'", "'0'");
    EXPECT_EQ(judged("21", "40", "true"), "ok|50%|0");
    EXPECT_EQ(judged("20", "40", "true"), "warning|50%|0");
    EXPECT_EQ(judged("0", "40", "true"), "critical|50%|0");
    EXPECT_EQ(judged("1", "NULL", "true"), "ok|50%|0");
}

TEST_F(Thresholds, WhatHasNoMeaningIsUnknownNotOk) {
    set("NULL", "'80%'", "'90%'");
    EXPECT_EQ(judged("1", "NULL"), "unknown|80%|90%");
    set("NULL", "'-3'", "NULL");
    EXPECT_EQ(judged("1", "10", "true"), "unknown|-3|NULL");
    EXPECT_EQ(db.value("SELECT message FROM emsn.judge('c', 's', 1, 'u', NULL, true, NULL, NULL, 'm', 'r')"),
              "m; a limit (-3, none) has no meaning here");
}

TEST_F(Thresholds, TheMostSpecificRowWinsForEachLevel) {
    db.exec("INSERT INTO emsn.thresholds VALUES ('c', NULL, '10', '20'), ('c', 's', '15', NULL), ('other', "
            "'s', '1', '1')");
    EXPECT_EQ(judged("14", "NULL"), "ok|15|20");
    EXPECT_EQ(judged("20", "NULL"), "critical|15|20");
    db.exec("DELETE FROM emsn.thresholds WHERE subject IS NULL; INSERT INTO emsn.thresholds VALUES ('c', '', "
            "'1', '18')");
    EXPECT_EQ(judged("18", "NULL"), "critical|15|18");
    EXPECT_EQ(db.text("SELECT warning_at, critical_at FROM emsn.limits('c', 'another', '5', '6')"), "1|18");
    EXPECT_EQ(db.text("SELECT warning_at, critical_at FROM emsn.limits('none', 's', '5', '6')"), "5|6");
}

TEST_F(Thresholds, OtherFormsAndDoubleRowsAreRefused) {
    for (const std::string text : {"", "x", "80 %", "--1", "1e3", "%", "8%0", ".5", "80%%"})
        EXPECT_EQ(db.fails("INSERT INTO emsn.thresholds VALUES ('c', 's', '" + text + "', NULL)").sqlstate,
                  "23514")
            << text;
    EXPECT_EQ(db.fails("INSERT INTO emsn.thresholds VALUES ('c', 's', NULL, NULL)").sqlstate, "23514");
    db.exec("INSERT INTO emsn.thresholds VALUES ('c', NULL, '1', NULL)");
    EXPECT_EQ(db.fails("INSERT INTO emsn.thresholds VALUES ('c', NULL, '2', NULL)").sqlstate, "23505");
}

TEST_F(Thresholds, ReplaceTheDefaultsOfTheChecks) {
    db.exec("SELECT emsn.create_detections('d'); INSERT INTO d (station, detection_timestamp, species) VALUES"
            " ('a', now(), 'x'), ('b', now() - interval '3 hours', 'x');"
            "INSERT INTO emsn.thresholds VALUES ('connections', 'server', '-17', '-1'), ('disk_usage', '/', "
            "'0', '-0'),"
            " ('detections_today', 'a', '1', NULL), ('silent_station', 'b', '1', '3')");
    EXPECT_EQ(db.text("SELECT check_name, subject, status, warning_at, critical_at FROM emsn.health WHERE "
                      "status <> 'ok'"),
              "silent_station|b|critical|1|3\nconnections|server|warning|-17|-1\ndetections_today|a|warning|"
              "1|NULL\n"
              "disk_usage|/|warning|0|-0");
}

TEST_F(Thresholds, StationsHaveRealTimeZones) {
    db.exec("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('a', 'Europe/Amsterdam'), ('b', "
            "NULL)");
    for (const std::string zone : {"Amsterdam/Europe", "", "Europe/Amsterdam "})
        EXPECT_EQ(
            db.fails("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('c', '" + zone + "')")
                .sqlstate,
            "23514")
            << zone;
    EXPECT_EQ(db.fails("INSERT INTO emsn.station_settings (station) VALUES ('')").sqlstate, "23514");
}

} // namespace
} // namespace emsn::test
