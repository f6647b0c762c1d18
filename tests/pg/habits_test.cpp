// What is usual for a station: how long it may be silent, and how many detections a day has by now.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Habits : public PgTest {
  protected:
    Habits() {
        db.exec("CREATE TABLE d (station text, detection_timestamp timestamptz, species text,"
                " common_name text, confidence real);"
                "CREATE INDEX ON d (station, detection_timestamp); SELECT emsn.use_detections('d')");
    }
    // A detection every `step` back from `to` to `from` ago, where `when` holds; ago: seconds from t to now.
    void hears(const std::string &station, const std::string &from, const std::string &to,
               const std::string &step, const std::string &when = "true") {
        db.exec("INSERT INTO d SELECT '" + station + "', t, 'x' FROM generate_series(now() - interval '" +
                to + "', now() - interval '" + from + "', - interval '" + step +
                "') AS t, extract(epoch FROM now() - t) AS ago WHERE " + when);
    }
    void on_days(const std::string &station, int days, int count, const std::string &at = "0 s") {
        db.exec("INSERT INTO d SELECT '" + station +
                "', date_trunc('day', now()) - day * interval '1 day' + '" + at +
                "', 'x' FROM generate_series(1, " + std::to_string(days) + ") AS day, generate_series(1, " +
                std::to_string(count) + ")");
    }
    std::string rows(const std::string &check, const std::string &columns) {
        return db.text("SELECT subject, status, " + columns + " FROM emsn.health WHERE check_name = '" +
                       check + "' ORDER BY subject");
    }
};

TEST_F(Habits, SilenceIsJudgedByTheStationsOwnDays) {
    // dawn is now: it never sings in these eight hours
    hears("dawn", "16 days", "8 hours", "10 minutes", "ago % 86400 >= 8 * 3600");
    db.exec("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('dawn', 'Europe/Amsterdam')");
    // it sings at all hours, and stopped
    hears("quiet", "16 days", "3 hours", "10 minutes");
    hears("dead", "16 days", "5 hours", "10 minutes");
    // so did this one, and five days ago for most of a day too: a storm, not a habit
    hears("storm", "16 days", "3 hours", "10 minutes", "ago / 3600 NOT BETWEEN 5 * 24 - 16 AND 5 * 24 + 4");
    // twice a day: ten detections take five days
    hears("rare", "40 days", "20 hours", "12 hours");
    // nobody knows yet, or any more
    hears("new", "3 days", "20 hours", "10 minutes");
    hears("back", "100 days", "70 days", "10 minutes");
    hears("back", "20 hours", "20 hours", "1 hour");
    const std::string judged = "back|ok|20.0|24\ndawn|ok|8.0|9.7\ndead|critical|5.0|2.0\nnew|ok|20.0|24\n"
                               "quiet|warning|3.0|2.0\nrare|ok|20.0|120.0\nstorm|warning|3.0|2.0";
    const std::string columns =
        "value, coalesce(substring(message FROM 'heard again within ([0-9.]+) hours')::numeric,"
        " CASE WHEN message LIKE '%; too few days to know what is usual' THEN 24 END)";
    // where the clock was changed in the last two weeks, dawn came an hour earlier or later
    db.exec("UPDATE emsn.station_settings SET time_zone = 'UTC'");
    EXPECT_EQ(rows("silent_station", columns), judged);
    db.exec("UPDATE emsn.station_settings SET time_zone = 'Europe/Amsterdam'");
    EXPECT_EQ(
        db.value("SELECT status FROM emsn.health WHERE check_name = 'silent_station' AND subject = 'dawn'"),
        "ok");
    // local time of the station
    db.exec("DELETE FROM emsn.station_settings; ALTER TABLE d ALTER detection_timestamp TYPE timestamp USING"
            " detection_timestamp AT TIME ZONE 'UTC'");
    EXPECT_EQ(rows("silent_station", columns), judged);
    db.exec("INSERT INTO emsn.thresholds VALUES ('silent_station', NULL, '6', '1000%'), ('silent_station', "
            "'dawn', "
            "'80%', NULL)");
    EXPECT_EQ(rows("silent_station", "warning_at, critical_at"),
              "back|warning|6|1000%\ndawn|warning|80%|1000%\ndead|ok|6|1000%\nnew|warning|6|1000%\n"
              "quiet|ok|6|1000%\nrare|warning|6|1000%\nstorm|ok|6|1000%");
}

// So much a silence of two days means to somebody who sings all day, and to somebody who sings twice a week.
TEST_F(Habits, SilenceOfManyDaysStaysCritical) {
    hears("always", "40 days", "50 hours", "10 minutes");
    hears("dawn", "40 days", "50 hours", "10 minutes", "ago % 86400 >= 8 * 3600");
    hears("weekly", "60 days", "50 hours", "84 hours");
    EXPECT_EQ(rows("silent_station", "value"), "always|critical|50.0\ndawn|critical|56.0\nweekly|ok|50.0");
}

TEST_F(Habits, DetectionsAgainstUsual) {
    on_days("busy", 5, 600);
    hears("busy", "0 s", "0 s", "1 s"); // one today
    on_days("well", 5, 600);
    on_days("well", 6, 0);
    db.exec("INSERT INTO d SELECT 'well', now(), 'x' FROM generate_series(1, 51)");
    on_days("young", 4, 600);
    on_days("calm", 5, 19);
    on_days("calm2", 5, 20);
    on_days("late", 5, 100, "23:59:59.999999");
    const std::string columns = "value, warning_at, message";
    EXPECT_EQ(rows("detections_today", columns),
              "busy|warning|1|10%|1 detection of 1 species today; usually 500 or more by now\n"
              "calm|ok|0|NULL|0 detections of 0 species today; usually 19 by now\n"
              "calm2|warning|0|10%|0 detections of 0 species today; usually 20 by now\n"
              "late|ok|0|NULL|0 detections of 0 species today; usually 0 by now\n"
              "well|ok|51|10%|51 detections of 1 species today; usually 500 or more by now\n"
              "young|ok|0|NULL|0 detections of 0 species today");
    // a percentage of one's own is of all that is usual, and of nothing there is none
    db.exec("INSERT INTO emsn.thresholds VALUES ('detections_today', NULL, '9%', '8.5%')");
    EXPECT_EQ(rows("detections_today", columns),
              "busy|critical|1|9%|1 detection of 1 species today; usually 600 by now\n"
              "calm|critical|0|9%|0 detections of 0 species today; usually 19 by now\n"
              "calm2|critical|0|9%|0 detections of 0 species today; usually 20 by now\n"
              "late|ok|0|9%|0 detections of 0 species today; usually 0 by now\n"
              "well|critical|51|9%|51 detections of 1 species today; usually 600 by now\n"
              "young|ok|0|9%|0 detections of 0 species today");
    db.exec("UPDATE emsn.thresholds SET critical_at = '8%'");
    EXPECT_EQ(rows("detections_today", "warning_at").find("well|warning|9%"),
              std::string("busy|critical|9%\n"
                          "calm|critical|9%\ncalm2|critical|9%\nlate|ok|9%\n")
                  .size());
}

TEST_F(Habits, WhoDoesNotAskForTheUsualDoesNotPayForIt) {
    const std::string plan =
        "EXPLAIN SELECT station, detections, species, last_detection, minutes_since_last";
    EXPECT_EQ(db.text(plan + " FROM emsn.detections_today").find("habit_rows"), std::string::npos);
    EXPECT_NE(db.text(plan + ", usual_by_now FROM emsn.detections_today").find("habit_rows"),
              std::string::npos);
}

} // namespace
} // namespace emsn::test
