// The worker that runs due jobs: beside the watcher, which goes on.
#include "tests/pg/watcher_support.hpp"

namespace emsn::test {
namespace {

class JobWorker : public WatcherTest {
  protected:
    ~JobWorker() override {
        session().exec("SET client_min_messages = warning; DROP TABLE IF EXISTS heard, heard_changes;"
                       "DROP SCHEMA IF EXISTS trap CASCADE");
    }
    std::string runs(const std::string &columns, const std::string &where = "true") {
        return db.text("SELECT " + columns + " FROM emsn.runs WHERE " + where + " ORDER BY run");
    }
    // Nothing was started for a minute before: a new server knows of none.
    static void begin_anew() {
        session().exec("CHECKPOINT"); // it is stopped at once
        PgCluster::shared().stop();
        PgCluster::shared().start();
    }
    void turn_on() {
        set("emsn_health.run_jobs = on");
        begin_anew();
        db = session();
    }
};

TEST_F(JobWorker, RunsWhatIsDueAndLeaves) {
    db.exec("SELECT emsn.create_detections('public.heard'); INSERT INTO heard (station, detection_timestamp, "
            "species,"
            " common_name) SELECT 'attic', now() - i * interval '1 minute', 'x', 'X' FROM generate_series(1, "
            "30) AS i");
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(runs("job"), "") << "it is off";
    turn_on();
    EXPECT_TRUE(eventually([&] { return runs("job, result") == "learn|ok\ncheck_anomalies|ok"; }));
    EXPECT_EQ(db.value("SELECT common_name FROM emsn.baselines WHERE station = 'attic'"), "X");
    EXPECT_TRUE(eventually([&] {
        return db.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'emsn_health jobs'") ==
               "0";
    }));
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(runs("job"), "learn\ncheck_anomalies");
}

TEST_F(JobWorker, FailureIsWrittenDownAndTheSamplesGoOn) {
    // a view that takes its time, is cancelled with the worker, and fails when it is read
    db.exec("CREATE SCHEMA trap; CREATE FUNCTION trap.fail() RETURNS boolean LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_sleep(2); RAISE 'no birds today'; END $$;"
            "CREATE VIEW trap.heard AS SELECT 'attic'::text AS station, now() AS detection_timestamp, "
            "'x'::text AS"
            " species, 'X'::text AS common_name, 1.0 AS confidence WHERE trap.fail();"
            "SELECT emsn.use_detections('trap.heard'); UPDATE emsn.settings SET value = value");
    turn_on();
    const auto busy = [&] {
        return db.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'emsn_health jobs' AND state ="
                   " 'active' AND query = 'running a job'") == "1";
    };
    ASSERT_TRUE(eventually(busy));
    EXPECT_TRUE(sampled_again());
    EXPECT_TRUE(eventually(
        [&] { return runs("job", "result = 'P0001: no birds today'") == "learn\ncheck_anomalies"; }));
    EXPECT_GE(times_logged("emsn_health job learn: P0001: no birds today"), 1u);
    EXPECT_EQ(db.text("SELECT subject, status FROM emsn.health WHERE check_name = 'jobs' ORDER BY subject"),
              "check_anomalies|warning\nlearn|warning");
}

// plpgsql does not catch a cancelled query: the worker writes it down.
TEST_F(JobWorker, CancelledJobIsWrittenDown) {
    db.exec("SELECT emsn.create_detections('public.heard')");
    auto locker = session();
    locker.exec("BEGIN; LOCK TABLE emsn.learned_from");
    locker.exec("SET application_name = 'locker'");
    set("emsn_health.run_jobs = on");
    begin_anew();
    db = session();
    auto again = session();
    again.exec("BEGIN; LOCK TABLE emsn.learned_from");
    EXPECT_TRUE(eventually([&] { return runs("job, result") != ""; }));
    EXPECT_NE(runs("result").find("canceling statement due to lock timeout"), std::string::npos)
        << runs("job, result");
}

} // namespace
} // namespace emsn::test
