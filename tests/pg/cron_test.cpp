// pg_cron runs the jobs as documented (docs/operations.md). Its shortest schedule is a minute, so that it is
// waited for in long runs only; else what it was told is run by hand, as its client would.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

const bool kSettings = [] {
    auto &settings = cluster_settings();
    settings.insert(settings.end(),
                    {"shared_preload_libraries = 'pg_cron'", "cron.database_name = 'postgres'"});
    return true;
}();

class Cron : public ::testing::Test {
  protected:
    static Session session() { return Session(PgCluster::shared().conninfo("postgres")); }
};

TEST_F(Cron, RunsTheJobsAsDocumented) {
    {
        auto first = session();
        first.exec("ALTER SYSTEM SET cron.host = '" + PgCluster::shared().socket_dir() + "'");
        first.exec("CHECKPOINT"); // it is stopped at once
    }
    PgCluster::shared().stop();
    PgCluster::shared().start();
    auto db = session();
    db.exec("CREATE EXTENSION pg_cron; CREATE EXTENSION emsn_health; SELECT "
            "emsn.create_detections('public.heard');"
            "INSERT INTO heard (station, detection_timestamp, species) SELECT 'a', now(), 'x' FROM "
            "generate_series(1, 20)");
    const std::string guide = read_file(std::string(EMSN_SOURCE_DIR) + "/docs/operations.md");
    const auto from = guide.find("SELECT cron.schedule(");
    ASSERT_NE(from, std::string::npos);
    db.exec(guide.substr(from, guide.find("```", from) - from));
    EXPECT_EQ(db.text("SELECT jobname, schedule, command FROM cron.job ORDER BY jobid"),
              "emsn-learn|20 3 * * *|CALL emsn.run_job('learn')\n"
              "emsn-anomalies|*/15 * * * *|CALL emsn.run_job('check_anomalies')\n"
              "emsn-maintain|40 3 * * *|CALL emsn.run_job('maintain')");
    if (long_run()) {
        db.exec("SELECT cron.alter_job(jobid, schedule => '* * * * *') FROM cron.job");
        constexpr int kTries = 3; // of a bounded wait each: a minute may just have begun
        bool ran = false;
        for (int i = 0; i < kTries && !ran; ++i)
            ran = eventually([&] {
                return db.value("SELECT count(DISTINCT job) FROM emsn.runs WHERE result = 'ok'") == "3";
            });
        EXPECT_TRUE(ran) << db.text("SELECT command, status, return_message FROM cron.job_run_details");
    } else {
        for (const auto &job : db.rows("SELECT command FROM cron.job ORDER BY jobid"))
            db.exec(job[0].value());
    }
    EXPECT_EQ(db.text("SELECT DISTINCT job, rows, result FROM emsn.runs ORDER BY job"),
              "check_anomalies|0|ok\nlearn|2|ok\nmaintain|0|ok");
}

} // namespace
} // namespace emsn::test
