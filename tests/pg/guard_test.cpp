// What must not go wrong where C++ and the backend meet: exceptions, errors and cancellation.
#include "tests/support/pg_cluster.hpp"

#include <chrono>

namespace emsn::test {
namespace {

class Guard : public PgTest {
  protected:
    Guard() {
        const std::string module =
            " AS '" + PgCluster::shared().socket_dir() + "/stage/emsn_health_testing.so', ";
        db.exec("CREATE FUNCTION throw(kind text) RETURNS void LANGUAGE c STRICT" + module +
                "'emsn_testing_throw'");
        db.exec("CREATE FUNCTION walk_for_ever(path text) RETURNS void LANGUAGE c STRICT" + module +
                "'emsn_testing_walk_for_ever'");
        db.exec(
            "CREATE FUNCTION rows(wide integer, fail_at integer, OUT a text, OUT b text) RETURNS SETOF record"
            " LANGUAGE c STRICT" +
            module + "'emsn_testing_rows'");
        db.exec("CREATE FUNCTION live_objects() RETURNS integer LANGUAGE c STRICT" + module +
                "'emsn_testing_live_objects'");
    }
    std::string live() { return db.value("SELECT live_objects()"); }
    std::string ended_by(Session &victim, const std::string &how);
};

TEST_F(Guard, EachCodeOfCoreHasItsSqlstate) {
    const std::vector<std::string> states = {"22023", "58P01", "42501", "55006", "57P03",
                                             "53100", "58030", "XX001", "XX001", "55000",
                                             "57014", "57014", "22003", "0A000", "XX000"};
    for (std::size_t code = 0; code < states.size(); ++code) {
        const auto failed = db.fails("SELECT throw('" + std::to_string(code) + "')");
        EXPECT_EQ(failed.sqlstate, states[code]) << code;
        EXPECT_EQ(failed.message, "testing: code " + std::to_string(code));
    }
    EXPECT_EQ(live(), "0");
}

TEST_F(Guard, OtherExceptionsAreErrorsAndTheSessionGoesOn) {
    const auto none = db.fails("SELECT throw('bad_alloc')");
    EXPECT_EQ(none.sqlstate, "53200");
    EXPECT_EQ(none.message, "testing: out of memory");
    const auto standard = db.fails("SELECT throw('standard')");
    EXPECT_EQ(standard.sqlstate, "XX000");
    EXPECT_EQ(standard.message, "testing: a standard exception");
    EXPECT_EQ(db.fails("SELECT throw('unknown')").message, "testing: unknown C++ exception");
    EXPECT_EQ(live(), "0");
    EXPECT_EQ(db.value("SELECT 1"), "1");
}

TEST_F(Guard, BytesThatTheEncodingRefusesAreEscapedInMessages) {
    EXPECT_EQ(db.fails("SELECT throw('bytes')").message, "testing: open /a\\xff\xc3\xa9: no");
    EXPECT_LT(db.fails("SELECT throw('long')").message.size(), 2001u);
}

TEST_F(Guard, ErrorOfTheBackendBelowCppKeepsAllItsParts) {
    const auto failed = db.fails("SELECT throw('backend')");
    EXPECT_EQ(failed.sqlstate, "22012");
    EXPECT_EQ(failed.message, "from the backend");
    EXPECT_EQ(failed.detail, "the detail");
    EXPECT_EQ(failed.hint, "the hint");
    EXPECT_EQ(live(), "0");
}

TEST_F(Guard, ErrorHalfwayThroughRowsLeavesNoObjectBehind) {
    EXPECT_EQ(db.value("SELECT count(*) FROM rows(2, -1)"), "1000");
    EXPECT_EQ(live(), "0");
    EXPECT_EQ(db.fails("SELECT count(*) FROM rows(2, 500)").sqlstate, "22012");
    EXPECT_EQ(live(), "0");
    EXPECT_EQ(db.value("SELECT count(*) FROM (SELECT 1 FROM rows(2, -1) LIMIT 1) AS one"), "1");
    EXPECT_EQ(live(), "0");
}

TEST_F(Guard, RowWithTheWrongNumberOfColumnsIsAnError) {
    EXPECT_EQ(db.fails("SELECT 1 FROM rows(1, -1)").message, "row with 1 of 2 columns");
    EXPECT_EQ(db.fails("SELECT 1 FROM rows(3, -1)").message, "row with more than 2 columns");
    EXPECT_EQ(live(), "0");
}

// Contract: 250 ms. A loaded machine or a sanitizer needs more; what must fail is a walk that runs on.
constexpr std::chrono::seconds kPatience{2};

std::string Guard::ended_by(Session &victim, const std::string &how) {
    victim.send("SELECT walk_for_ever('/usr/share')");
    EXPECT_TRUE(eventually([&] { return session_is(db, victim.pid(), "active"); }));
    const auto start = std::chrono::steady_clock::now();
    db.exec("SELECT " + how + "(" + std::to_string(victim.pid()) + ")");
    const auto failed = victim.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - start, kPatience);
    return failed.sqlstate + " " + failed.message;
}

TEST_F(Guard, LongWalkEndsWhenItIsCancelled) {
    auto victim = session();
    EXPECT_EQ(ended_by(victim, "pg_cancel_backend"), "57014 canceling statement due to user request");
    EXPECT_EQ(victim.value("SELECT live_objects()"), "0");
    EXPECT_EQ(ended_by(victim, "pg_cancel_backend"), "57014 canceling statement due to user request");
}

TEST_F(Guard, LongWalkEndsWhenItsSessionIsTerminated) {
    auto victim = session();
    EXPECT_EQ(ended_by(victim, "pg_terminate_backend"),
              "57P01 terminating connection due to administrator command");
}

TEST_F(Guard, LongWalkEndsAtTheStatementTimeout) {
    db.exec("SET statement_timeout = '100ms'");
    EXPECT_EQ(db.fails("SELECT walk_for_ever('/usr/share')").message,
              "canceling statement due to statement timeout");
}

// DROP DATABASE waits until every session has acknowledged it.
TEST_F(Guard, LongWalkDoesNotHoldUpOtherSessions) {
    auto walker = session();
    walker.send("SELECT walk_for_ever('/usr/share')");
    ASSERT_TRUE(eventually([&] { return session_is(db, walker.pid(), "active"); }));
    db.exec("CREATE DATABASE short_lived");
    db.exec("SET statement_timeout = '20s'");
    EXPECT_EQ(db.fails("DROP DATABASE short_lived").message, "");
    db.exec("SELECT pg_cancel_backend(" + std::to_string(walker.pid()) + ")");
    EXPECT_EQ(walker.wait().sqlstate, "57014");
}

} // namespace
} // namespace emsn::test
