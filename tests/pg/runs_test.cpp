// emsn.runs: what ran, how it ended, what is due; and how health shows it.
#include "tests/pg/pulse_support.hpp"

namespace emsn::test {
namespace {

class Runs : public PgTest {
  protected:
    void ran(const std::string &job, const std::string &ago, const std::string &result = "ok") {
        db.exec("INSERT INTO emsn.runs (job, subject, started_at, finished_at, rows, result) VALUES ('" +
                job + "', 'all stations', now() - interval '" + ago + "', now() - interval '" + ago +
                "', 1, '" + result + "')");
    }
    std::string due() { return db.text("SELECT j FROM emsn.due_jobs() AS j"); }
    std::string runs(const std::string &columns) {
        return db.text("SELECT " + columns + " FROM emsn.runs ORDER BY run");
    }
    std::string jobs(const std::string &columns) {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = 'jobs' ORDER BY subject");
    }
};

TEST_F(Runs, AreWrittenByTheJobsThemselves) {
    db.exec("SELECT emsn.create_detections('d'); INSERT INTO d (station, detection_timestamp, species) "
            "SELECT 'a', now(),"
            " 'x' FROM generate_series(1, 20); SELECT emsn.learn_baselines(); SELECT emsn.check_anomalies()");
    EXPECT_EQ(runs("run, job, subject, rows, result, started_at <= finished_at"),
              "1|learn|all stations|2|ok|t\n2|check_anomalies|all stations|0|ok|t");
}

TEST_F(Runs, FailureIsWrittenDownAndTold) {
    db.exec("SELECT emsn.create_detections('d'); DROP TABLE d");
    const auto failed = db.fails("CALL emsn.run_job('learn')");
    EXPECT_EQ(failed.message, "42P01: the table of detections public.d is not there");
    EXPECT_EQ(runs("job, rows, result"), "learn|NULL|42P01: the table of detections public.d is not there");
    EXPECT_EQ(jobs("subject, status, message"), "learn|warning|never succeeded; failed 1 time since: 42P01: "
                                                "the table of detections public.d is not there");
    db.exec("SELECT emsn.create_detections('d')");
    db.exec("CALL emsn.run_job('learn')");
    db.exec("CALL emsn.run_job('check_anomalies')");
    EXPECT_EQ(runs("job, result"), "learn|42P01: the table of detections public.d is not there\nlearn|ok\n"
                                   "check_anomalies|ok");
    EXPECT_EQ(db.fails("CALL emsn.run_job('cook')").sqlstate, "22023");
    EXPECT_EQ(db.fails("CALL emsn.run_job(NULL)").sqlstate, "22023");
}

// The procedure has no search_path of its own, for it commits.
TEST_F(Runs, CallersPathReachesNothing) {
    db.exec("SELECT emsn.create_detections('d'); CREATE SCHEMA trap;"
            "CREATE FUNCTION trap.bang(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE "
            "'reached'; END $$;"
            "CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.bang);"
            "CREATE DOMAIN trap.text AS pg_catalog.int4; SET search_path = trap, pg_catalog");
    db.exec("CALL emsn.run_job('learn')");
    EXPECT_EQ(db.fails("SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text").message, "reached");
}

TEST_F(Runs, ScriptsRecordTheirsWithoutARightOnTheTable) {
    const auto script = role();
    db.exec("GRANT USAGE ON SCHEMA emsn TO " + script +
            "; GRANT EXECUTE ON FUNCTION emsn.record_run(text, text, timestamptz, bigint, text) TO " +
            script);
    auto by = session(script);
    by.exec("SELECT emsn.record_run('backup', 'centre', now() - interval '1 minute', 7, 'ok')");
    by.exec("SELECT emsn.record_run('report', NULL, now(), NULL, repeat('x', 3000))");
    EXPECT_EQ(runs("job, subject, rows, length(result)"), "backup|centre|7|2\nreport||NULL|1000");
    EXPECT_EQ(by.fails("SELECT emsn.record_run('', 'x', now(), 1, 'ok')").sqlstate, "22023");
    EXPECT_EQ(by.fails("SELECT emsn.record_run('x', 'x', NULL, 1, 'ok')").sqlstate, "22023");
    EXPECT_EQ(by.fails("SELECT emsn.record_run('x', 'x', now(), 1, NULL)").sqlstate, "22023");
    EXPECT_EQ(by.fails("DELETE FROM emsn.runs").sqlstate, "42501");
    EXPECT_EQ(jobs("subject, status, warning_at"), "backup centre|ok|NULL\nreport|warning|NULL");
}

// The grants that docs/operations.md gives are enough.
TEST_F(Runs, RoleForJobsNeedsTheGrantsOfTheGuideOnly) {
    db.exec("SELECT emsn.create_detections('d')");
    const auto jobs = role();
    std::string guide = read_file(std::string(EMSN_SOURCE_DIR) + "/docs/operations.md");
    const auto from = guide.find("GRANT USAGE ON SCHEMA emsn TO jobs;");
    ASSERT_NE(from, std::string::npos);
    std::string grants = guide.substr(from, guide.find("```", from) - from);
    for (auto at = grants.find("TO jobs"); at != std::string::npos; at = grants.find("TO jobs", at + 1))
        grants.replace(at, std::string("TO jobs").size(), "TO " + jobs);
    auto by = session(jobs);
    EXPECT_EQ(by.fails("CALL emsn.run_job('learn')").sqlstate, "42501");
    db.exec(grants);
    by.exec("CALL emsn.run_job('learn')");
    by.exec("CALL emsn.run_job('check_anomalies')");
    EXPECT_EQ(by.value("SELECT count(*) FROM emsn.baselines"), "0");
    EXPECT_EQ(by.fails("SELECT * FROM d").sqlstate, "42501");
    db.exec("DROP TABLE d");
    EXPECT_EQ(by.fails("CALL emsn.run_job('learn')").message,
              "42P01: the table of detections public.d is not there");
    EXPECT_EQ(runs("job, result = 'ok'"), "learn|t\ncheck_anomalies|t\nlearn|f");
}

TEST_F(Runs, AreForgottenButTheNewestSuccess) {
    ran("learn", "300 days");
    ran("learn", "200 days");
    ran("learn", "100 days", "no");
    ran("check_anomalies", "100 days");
    ran("learn", "80 days", "no");
    db.exec("SELECT emsn.record_run('learn', 'all stations', now(), 1, 'no')");
    EXPECT_EQ(runs("job, result, finished_at < now() - interval '90 days'"),
              "learn|ok|t\ncheck_anomalies|ok|t\nlearn|no|f\nlearn|no|f");
}

TEST_F(Runs, AreDueWhenTheyAreLateAndAfterAFailureLaterEachTime) {
    EXPECT_EQ(due(), "") << "there is nothing to work on";
    db.exec("SELECT emsn.create_detections('d')");
    EXPECT_EQ(due(), "learn\ncheck_anomalies\nmaintain");
    ran("maintain", "1 hour");
    ran("learn", "23 hours");
    ran("check_anomalies", "14 minutes");
    EXPECT_EQ(due(), "");
    db.exec("UPDATE emsn.runs SET finished_at = finished_at - interval '2 hours'");
    EXPECT_EQ(due(), "learn\ncheck_anomalies");
    ran("check_anomalies", "50 seconds", "no");
    EXPECT_EQ(due(), "learn");
    db.exec("UPDATE emsn.runs SET finished_at = finished_at - interval '11 seconds' WHERE result = 'no'");
    EXPECT_EQ(due(), "learn\ncheck_anomalies");
    for (int i = 0; i < 4; ++i)
        ran("check_anomalies", "10 minutes", "no");
    EXPECT_EQ(due(), "learn") << "16 minutes after five of them";
    for (int i = 0; i < 20; ++i)
        ran("check_anomalies", "55 minutes", "no");
    db.exec("DELETE FROM emsn.runs WHERE result = 'no' AND finished_at > now() - interval '50 minutes'");
    EXPECT_EQ(due(), "learn");
    db.exec("UPDATE emsn.runs SET finished_at = finished_at - interval '6 minutes' WHERE result = 'no'");
    EXPECT_EQ(due(), "learn\ncheck_anomalies") << "an hour at most";
}

TEST_F(Runs, HealthShowsTheAgeOfTheLastSuccess) {
    EXPECT_EQ(jobs("subject"), "");
    ran("learn", "9 days");
    ran("check_anomalies", "7 hours");
    ran("nightly", "400 days");
    EXPECT_EQ(jobs("subject, status, value, warning_at, critical_at"),
              "check_anomalies|critical|25200|7200|21600\nlearn|warning|777600|691200|1296000\nnightly|ok|"
              "34560000|NULL|NULL");
    db.exec("INSERT INTO emsn.thresholds VALUES ('jobs', 'nightly', '86400', NULL)");
    EXPECT_EQ(
        session(role("pg_monitor"))
            .text(
                "SELECT subject, status FROM emsn.health WHERE check_name = 'jobs' AND subject = 'nightly'"),
        "nightly|warning");
}

class BaselinesHealth : public PulseTest {};

TEST_F(BaselinesHealth, TellsTheirAgeAndWhetherChangesAreNoted) {
    EXPECT_EQ(health("baselines", "subject, status, unit, warning_at, critical_at"),
              "all stations|critical|days|8|15");
    db.exec("SELECT emsn.learn_baselines_at('365 days', now())");
    EXPECT_EQ(health("baselines", "status, value"), "ok|0.0");
    learn();
    EXPECT_EQ(
        health("baselines",
               "message LIKE '40 baselines of 10 species, learned at 2026-02-20 15:00:00+00; 0 of 3 stations"
               " still learning'"),
        "t");
    db.exec("SELECT emsn.track_changes(false)");
    EXPECT_EQ(health("baselines", "message LIKE '%; changes are not noted%'"), "t");
}

} // namespace
} // namespace emsn::test
