#include "tests/support/pg_cluster.hpp"

#include <memory>

namespace emsn::test {
namespace {

class Sessions : public PgTest {
  protected:
    // Sessions of the tests before may still be on their way out.
    void SetUp() override {
        ASSERT_TRUE(eventually([&] {
            return db.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'") ==
                   "1";
        }));
    }
};

TEST_F(Sessions, ConnectionsCountsClientBackendsByState) {
    auto idle = session();
    auto open = session();
    open.exec("BEGIN");
    auto failed = session();
    failed.exec("BEGIN");
    failed.fails("SELECT 1 / 0");
    ASSERT_TRUE(eventually([&] { return session_is(db, failed.pid(), "idle in transaction (aborted)"); }));
    EXPECT_EQ(db.text("SELECT used, max_connections, reserved, available, used_percent, active, idle,"
                      " idle_in_transaction FROM emsn.connections"),
              "4|20|3|13|20.0|1|1|2");
}

TEST_F(Sessions, AvailableIsNeverBelowZero) {
    std::vector<std::unique_ptr<Session>> all;
    while (all.size() < 19) // superusers may use the reserved ones
        all.push_back(std::make_unique<Session>(PgCluster::shared().conninfo(database())));
    EXPECT_EQ(db.text("SELECT used, available, used_percent FROM emsn.connections"), "20|0|100.0");
    EXPECT_EQ(db.text("SELECT status, value, message FROM emsn.health WHERE check_name = 'connections'"),
              "critical|20|20 of 20 connections used, 0 available (3 reserved)");
    db.exec("INSERT INTO emsn.thresholds VALUES ('connections', NULL, '1000', '1000')");
    EXPECT_EQ(
        db.text(
            "SELECT status, critical_at, remedy IS NULL FROM emsn.health WHERE check_name = 'connections'"),
        "critical|1000|f");
}

TEST_F(Sessions, ConnectionsAreNullWithoutTheRightToSeeThem) {
    const auto name = role();
    db.exec("GRANT USAGE ON SCHEMA emsn TO " + name + "; GRANT SELECT ON emsn.connections TO " + name +
            "; GRANT EXECUTE ON FUNCTION emsn.sees_sessions() TO " + name);
    auto blind = session(name);
    EXPECT_EQ(blind.text("SELECT used, max_connections, reserved, available, used_percent, active, idle,"
                         " idle_in_transaction FROM emsn.connections"),
              "NULL|20|3|NULL|NULL|NULL|NULL|NULL");
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.value("SELECT used FROM emsn.connections"), "3");
}

TEST_F(Sessions, ConnectionClientsNamesWhoHoldsTheSlots) {
    Session named(PgCluster::shared().conninfo(database()) + " application_name=recorder");
    Session other(PgCluster::shared().conninfo(database()) + " application_name=recorder");
    other.exec("BEGIN");
    ASSERT_TRUE(eventually([&] { return session_is(db, other.pid(), "idle in transaction"); }));
    EXPECT_EQ(db.text("SELECT user_name, application_name, client_addr, database_name, used, active, idle,"
                      " idle_in_transaction FROM emsn.connection_clients"),
              "postgres|recorder|NULL|" + database() + "|2|0|1|1\npostgres||NULL|" + database() + "|1|1|0|0");
}

TEST_F(Sessions, IdleTransactionsTellsWhatIsHeldAndWhoWaits) {
    db.exec("CREATE TABLE held (n integer)");
    Session holder(PgCluster::shared().conninfo(database()) + " application_name=forgotten");
    holder.exec("BEGIN; INSERT INTO held VALUES (1); LOCK TABLE held; SELECT txid_current()");
    auto waiter = session();
    waiter.send("SELECT count(*) FROM held");
    ASSERT_TRUE(eventually([&] { return session_is(db, waiter.pid(), "Lock"); }));
    EXPECT_EQ(db.text("SELECT pid = " + std::to_string(holder.pid()) +
                      ", user_name, application_name, client_addr, database_name = current_database(),"
                      " transaction_seconds BETWEEN 0 AND 60, idle_seconds BETWEEN 0 AND 60, last_query,"
                      " locks_held > 1, blocks_pids = ARRAY[" +
                      std::to_string(waiter.pid()) + "], xmin_age FROM emsn.idle_transactions"),
              "t|postgres|forgotten|NULL|t|t|t|BEGIN; INSERT INTO held VALUES (1); LOCK TABLE held; SELECT "
              "txid_current()|t|t|NULL");
    const auto health =
        db.text("SELECT status, message FROM emsn.health WHERE check_name = 'idle_in_transaction'");
    EXPECT_EQ(health.find("ok|pid " + std::to_string(holder.pid()) +
                          " (user postgres, application forgotten) is idle in a transaction for "),
              0u)
        << health;
    EXPECT_NE(health.find(" s, blocks pid " + std::to_string(waiter.pid())), std::string::npos) << health;
    holder.exec("ROLLBACK");
    EXPECT_EQ(waiter.wait().sqlstate, "");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.idle_transactions"), "0");
}

TEST_F(Sessions, WhoCannotSeeSessionsGetsAnErrorNotAnEmptySet) {
    const auto name = role();
    db.exec("GRANT USAGE ON SCHEMA emsn TO " + name + "; GRANT SELECT ON ALL TABLES IN SCHEMA emsn TO " +
            name + "; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA emsn TO " + name);
    auto blind = session(name);
    for (const std::string view : {"connection_clients", "idle_transactions"}) {
        const auto failed = blind.fails("SELECT count(*) FROM emsn." + view);
        EXPECT_EQ(failed.sqlstate, "42501");
        EXPECT_EQ(failed.message, "sessions of others are not visible to role \"" + name + "\"");
        EXPECT_EQ(failed.hint, "GRANT pg_monitor to it.");
    }
}

} // namespace
} // namespace emsn::test
