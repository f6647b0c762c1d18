// emsn-learn: when it learns and what its exit code says; what it calls stands in for the extension's own.
#include <gtest/gtest.h>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class LearnScript : public PgTest {
  protected:
    LearnScript() {
        db.exec(
            "DROP EXTENSION emsn_health; CREATE SCHEMA IF NOT EXISTS emsn; CREATE TABLE emsn.ran (job text);"
            "CREATE TABLE emsn.baselines (learned_at timestamptz); CREATE TABLE emsn.anomalies "
            "(resolved_at timestamptz);"
            "CREATE PROCEDURE emsn.run_job(job text) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO emsn.ran "
            "VALUES (job); COMMIT; "
            "END $$");
    }
    Outcome learn(const std::vector<std::string> &options, const std::string &conninfo) {
        std::vector<std::string> argv{EMSN_SOURCE_DIR "/scripts/emsn-learn"};
        argv.insert(argv.end(), options.begin(), options.end());
        write_file(scratch_ / "emsn.conf", "");
        return run(argv, {"EMSN_PG=" + conninfo, "EMSN_CONF=" + (scratch_ / "emsn.conf")});
    }
    Outcome learn(const std::vector<std::string> &options = {}) {
        return learn(options, PgCluster::shared().conninfo(database()));
    }
    std::string ran() {
        return db.value(
            "WITH gone AS (DELETE FROM emsn.ran RETURNING job) SELECT string_agg(job, ' ') FROM gone");
    }

    TempDir scratch_;
};

TEST_F(LearnScript, LearnsWhenThatIsDueAndAlwaysLooksForAnomalies) {
    db.exec("INSERT INTO emsn.anomalies VALUES (NULL), (now())");
    auto outcome = learn();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "0 baselines, 1 anomalies open\n");
    EXPECT_EQ(ran(), "check_anomalies maintain learn") << "never learned before";
    db.exec("INSERT INTO emsn.baselines VALUES (now() - interval '19 hours')");
    EXPECT_EQ(learn().status, 0);
    EXPECT_EQ(ran(), "check_anomalies");
    EXPECT_EQ(learn({"--every", "19"}).status, 0);
    EXPECT_EQ(ran(), "check_anomalies maintain learn");
}

TEST_F(LearnScript, ExitCodesTellWhetherItIsWorthTryingAgain) {
    EXPECT_EQ(learn({}, "host=/nonexistent user=postgres").status, 75);
    EXPECT_EQ(learn({}, "host=x password=secret").status, 2);
    EXPECT_EQ(learn({"--every", "x"}).status, 2);
    EXPECT_EQ(learn({"--nonsense"}).status, 2);
    db.exec("DROP PROCEDURE emsn.run_job");
    const auto outcome = learn();
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("emsn.run_job"), std::string::npos) << outcome.err;
}

} // namespace
} // namespace emsn::test
