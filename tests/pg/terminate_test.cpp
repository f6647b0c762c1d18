#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Terminate : public PgTest {
  protected:
    Session idle_in_transaction(const std::string &user) {
        Session victim(PgCluster::shared().conninfo(database(), user) + " application_name=forgotten");
        victim.exec("BEGIN");
        EXPECT_TRUE(eventually([&] { return session_is(db, victim.pid(), "idle in transaction"); }));
        return victim;
    }
};

TEST_F(Terminate, DryRunIsTheDefaultAndEndsNothing) {
    auto victim = idle_in_transaction("postgres");
    EXPECT_EQ(db.text("SELECT pid, user_name, application_name, transaction_seconds < 60, terminated"
                      " FROM emsn.terminate_idle_transactions('0')"),
              std::to_string(victim.pid()) + "|postgres|forgotten|t|f");
    EXPECT_EQ(victim.value("SELECT 1"), "1");
}

TEST_F(Terminate, EndsOldTransactionsAndLeavesYoungOnesAndOthersAlone) {
    auto victim = idle_in_transaction("postgres");
    auto idle = session();
    EXPECT_EQ(db.text("SELECT pid FROM emsn.terminate_idle_transactions('1 hour', dry_run => false)"), "");
    EXPECT_EQ(db.text("SELECT pid, terminated FROM emsn.terminate_idle_transactions('0', dry_run => false)"),
              std::to_string(victim.pid()) + "|t");
    EXPECT_NE(victim.fails("SELECT 1").sqlstate, "");
    EXPECT_EQ(idle.value("SELECT 1"), "1");
    EXPECT_EQ(db.text("SELECT pid FROM emsn.terminate_idle_transactions('0')"), "");
}

// The server forgets when an aborted transaction began.
TEST_F(Terminate, EndsAbortedTransactionsToo) {
    auto victim = session();
    victim.exec("BEGIN");
    victim.fails("SELECT 1 / 0");
    ASSERT_TRUE(eventually([&] { return session_is(db, victim.pid(), "idle in transaction (aborted)"); }));
    EXPECT_EQ(db.text("SELECT pid, transaction_seconds < 60, terminated"
                      " FROM emsn.terminate_idle_transactions('0', dry_run => false)"),
              std::to_string(victim.pid()) + "|t|t");
}

TEST_F(Terminate, OneSessionThatMayNotBeEndedDoesNotStopTheOthers) {
    auto superuser = idle_in_transaction("postgres");
    auto ordinary = idle_in_transaction(role());
    auto operator_session = session(role("pg_monitor, pg_signal_backend"));
    EXPECT_EQ(operator_session.text("SELECT pid, terminated FROM"
                                    " emsn.terminate_idle_transactions('0 s', dry_run => false)"),
              std::to_string(superuser.pid()) + "|f\n" + std::to_string(ordinary.pid()) + "|t");
    EXPECT_EQ(superuser.value("SELECT 1"), "1");
    EXPECT_NE(ordinary.fails("SELECT 1").sqlstate, "");
}

TEST_F(Terminate, NeedsBothRolesAndSaysWhichIsMissing) {
    auto blind = session(role("pg_signal_backend"));
    auto failed = blind.fails("SELECT * FROM emsn.terminate_idle_transactions('0')");
    EXPECT_EQ(failed.sqlstate, "42501");
    EXPECT_EQ(failed.message.find("sessions of others are not visible to role "), 0u) << failed.message;
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.fails("SELECT * FROM emsn.terminate_idle_transactions('0')").sqlstate, "42501");
    const auto name = role("pg_monitor");
    db.exec("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA emsn TO " + name);
    auto powerless = session(name);
    failed = powerless.fails("SELECT * FROM emsn.terminate_idle_transactions('0')");
    EXPECT_EQ(failed.sqlstate, "42501");
    EXPECT_EQ(failed.message, "terminate_idle_transactions: role \"" + name + "\" may not end sessions");
}

TEST_F(Terminate, BadArgumentsAreErrors) {
    EXPECT_EQ(db.fails("SELECT * FROM emsn.terminate_idle_transactions(NULL)").sqlstate, "22004");
    EXPECT_EQ(db.fails("SELECT * FROM emsn.terminate_idle_transactions('1 h', NULL)").sqlstate, "22004");
    const auto failed = db.fails("SELECT * FROM emsn.terminate_idle_transactions('-1 s')");
    EXPECT_EQ(failed.sqlstate, "22023");
    EXPECT_EQ(failed.message, "terminate_idle_transactions: older_than must not be negative: -00:00:01");
}

} // namespace
} // namespace emsn::test
