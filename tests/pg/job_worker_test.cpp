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
    // Takes its time, and then fails.
    void make_slow_view(const std::string &seconds) {
        db.exec("CREATE SCHEMA trap; CREATE FUNCTION trap.fail() RETURNS boolean LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(" +
                seconds +
                "); RAISE 'no birds today'; END $$;"
                "CREATE VIEW trap.heard AS SELECT 'attic'::text AS station, now() AS detection_timestamp, "
                "'x'::text AS"
                " species, 'X'::text AS common_name, 1.0 AS confidence WHERE trap.fail();"
                "SELECT emsn.use_detections('trap.heard')");
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
    constexpr int kRounds = 10;
    for (int i = 0; i < kRounds; ++i)
        EXPECT_TRUE(sampled_again());
    EXPECT_EQ(runs("job"), "") << "it is off";
    turn_on();
    EXPECT_TRUE(
        eventually([&] { return runs("job, result") == "learn|ok\ncheck_anomalies|ok\nmaintain|ok"; }));
    EXPECT_EQ(db.value("SELECT common_name FROM emsn.baselines WHERE station = 'attic'"), "X");
    EXPECT_TRUE(eventually([&] {
        return db.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'emsn_health jobs'") ==
               "0";
    }));
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(runs("job"), "learn\ncheck_anomalies\nmaintain");
}

TEST_F(JobWorker, FailureIsWrittenDownAndTheSamplesGoOn) {
    make_slow_view("2");
    turn_on();
    const auto busy = [&] {
        return db.value(
                   "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'emsn_health jobs' AND state ="
                   " 'active' AND query = 'running a job'") == "1";
    };
    ASSERT_TRUE(eventually(busy));
    EXPECT_TRUE(sampled_again());
    EXPECT_TRUE(eventually([&] {
        return runs("job, result") == "learn|P0001: no birds today\ncheck_anomalies|P0001: no birds today\n"
                                      "maintain|ok"; // it reads no view
    }));
    EXPECT_GE(times_logged("emsn_health job learn: P0001: no birds today"), 1u);
    EXPECT_EQ(db.text("SELECT subject, status FROM emsn.health WHERE check_name = 'jobs' ORDER BY subject"),
              "check_anomalies|warning\nlearn|warning\nmaintain|ok");
}

// plpgsql does not catch a cancelled query: the worker writes it down.
TEST_F(JobWorker, CancelledJobIsWrittenDown) {
    make_slow_view("60");
    turn_on();
    const std::string at_work =
        " FROM pg_stat_activity WHERE backend_type = 'emsn_health jobs' AND wait_event = 'PgSleep'";
    ASSERT_TRUE(eventually([&] { return db.value("SELECT count(*)" + at_work) == "1"; }));
    db.exec("SELECT pg_cancel_backend(pid)" + at_work);
    EXPECT_TRUE(
        eventually([&] { return runs("job, result") == "learn|canceling statement due to user request"; }));
    // the next job is not held up by it
    ASSERT_TRUE(eventually([&] { return db.value("SELECT count(*)" + at_work) == "1"; }));
    db.exec("SELECT pg_terminate_backend(pid)" + at_work);
    EXPECT_TRUE(sampled_again());
}

} // namespace
} // namespace emsn::test
