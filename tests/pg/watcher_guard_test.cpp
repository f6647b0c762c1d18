// The guard of the watcher: with all slots taken by sessions that sit idle in a transaction.
#include <memory>
#include <vector>

#include "tests/pg/watcher_support.hpp"

namespace emsn::test {
namespace {

class SessionGuard : public WatcherTest {
  protected:
    void TearDown() override {
        clients_.clear();
        EXPECT_TRUE(eventually([&] {
            return db.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") ==
                   "1";
        }));
    }
    Session &open(const std::string &user, const std::string &words, const std::string &statement) {
        clients_.push_back(std::make_unique<Session>(session(user, words)));
        clients_.back()->exec(statement);
        return *clients_.back();
    }
    // 20 connections, 3 of them reserved
    void fill(const std::string &user) {
        open(user, "application_name=first", "BEGIN; SELECT 'the first'");
        open(user, "application_name=aborted", "BEGIN");
        clients_.back()->fails("SELECT 1 / 0");
        open(user, "application_name=resting", "SELECT 1");
        while (db.value("SELECT available FROM emsn.connections") != "0")
            open(user, "application_name=later", "BEGIN");
    }
    static bool gets_in(const std::string &user) {
        const std::string conninfo = PgCluster::shared().conninfo("postgres", user);
        const std::unique_ptr<PGconn, decltype(&PQfinish)> client(PQconnectdb(conninfo.c_str()), PQfinish);
        return PQstatus(client.get()) == CONNECTION_OK;
    }
    static bool works(Session &client) { return client.fails("ROLLBACK").sqlstate.empty(); }

    std::vector<std::unique_ptr<Session>> clients_;
};

TEST_F(SessionGuard, OffItEndsNothingOnItLetsANewClientIn) {
    const auto user = role();
    fill(user);
    EXPECT_FALSE(gets_in(user));
    const std::string full = now();
    ASSERT_TRUE(eventually([&] { return sampled("available = 0 AND sampled_at > " + full); }));
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.guard_log"), "0");
    EXPECT_EQ(db.text("SELECT check_name, status, message FROM emsn.health_at(now()) LIMIT 1"),
              "connections|critical|17 of 20 connections used, 0 available (3 reserved)");

    set("emsn_health.guard_idle_after = '1s'");
    set("emsn_health.guard_min_available = 1");
    const auto first = std::to_string(clients_[0]->pid());
    ASSERT_TRUE(eventually([&] { return gets_in(user); }));
    ASSERT_TRUE(eventually([&] { return db.value("SELECT count(outcome) > 0 FROM emsn.guard_log") == "t"; }));
    EXPECT_EQ(db.text("SELECT user_name, application_name, client_addr, database_name, transaction_seconds "
                      "BETWEEN 1 AND 60, idle_seconds BETWEEN 1 AND 60, last_query, available, outcome, "
                      "pid FROM emsn.guard_log ORDER BY decided_at LIMIT 1"),
              user + "|first|NULL|postgres|t|t|BEGIN; SELECT 'the first'|0|ended|" + first);
    EXPECT_FALSE(works(*clients_[0]));
    EXPECT_GE(times_logged("LOG:  emsn_health guard: ends session " + first + " (user " + user +
                           ", application first, database postgres): idle in a "),
              1u);
    EXPECT_TRUE(works(*clients_[2])); // idle, but in no transaction
}

TEST_F(SessionGuard, EndsAsManyAsItMustAndSuperusersLast) {
    const auto user = role();
    auto &repair = open("postgres", "application_name=repair", "BEGIN");
    fill(user);
    // all are old enough: until then the superuser's, opened first, may be the only one that is
    ASSERT_TRUE(eventually([&] {
        return db.value("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND "
                        "state_change > clock_timestamp() - interval '1 s'") == "0";
    }));
    set("emsn_health.guard_idle_after = '1s'");
    set("emsn_health.guard_min_available = 3");
    ASSERT_TRUE(eventually([&] { return db.value("SELECT available FROM emsn.connections") == "3"; }));
    EXPECT_TRUE(sampled_again());
    EXPECT_EQ(db.text("SELECT application_name, available, outcome FROM emsn.guard_log ORDER BY decided_at"),
              "first|0|ended\naborted|1|ended\nlater|2|ended");
    set("emsn_health.guard_min_available = 20");
    EXPECT_TRUE(eventually([&] {
        return db.value("SELECT application_name FROM emsn.guard_log ORDER BY decided_at DESC LIMIT 1") ==
               "repair";
    }));
    EXPECT_FALSE(works(repair));
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.guard_log WHERE application_name = 'resting'"), "0");
}

TEST_F(SessionGuard, LeavesASessionAloneThatIsYoungOrWentOn) {
    const auto user = role();
    auto &client = open(user, "application_name=busy", "BEGIN");
    EXPECT_EQ(db.text("SELECT pid FROM emsn.guard_choose(20, 3600)"), "NULL");
    // nor does it shield an old one, be it a superuser's
    auto &old = open("postgres", "application_name=old", "BEGIN");
    ASSERT_TRUE(eventually([&] {
        return db.value(
                   "SELECT clock_timestamp() - state_change > interval '2 s' FROM pg_stat_activity WHERE "
                   "application_name = 'old'") == "t";
    }));
    client.exec("SELECT 1");
    EXPECT_EQ(db.text("SELECT pid FROM emsn.guard_choose(20, 2)"), std::to_string(old.pid()));
    old.exec("ROLLBACK");
    db.exec("DELETE FROM emsn.guard_log");
    const auto chosen = db.text("SELECT decided_at, pid, reason FROM emsn.guard_choose(20, 0)");
    const auto pid = std::to_string(client.pid());
    EXPECT_NE(chosen.find("|" + pid + "|session " + pid + " (user " + user +
                          ", application busy, database postgres): idle in a transaction for "),
              std::string::npos)
        << chosen;
    client.exec("SELECT 1");
    EXPECT_EQ(db.value("SELECT emsn.guard_end('" + chosen.substr(0, chosen.find('|')) + "', " + pid + ")"),
              "f");
    EXPECT_EQ(db.text("SELECT outcome FROM emsn.guard_log"), "went on");
    EXPECT_TRUE(works(client));
}

} // namespace
} // namespace emsn::test
