// What must not go wrong where C++ and the backend meet: exceptions and errors.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

class Guard : public PgTest {
  protected:
    Guard() {
        const std::string module =
            " AS '" + PgCluster::shared().socket_dir() + "/stage/emsn_health_testing.so', ";
        db.exec("CREATE FUNCTION throw(kind text) RETURNS void LANGUAGE c STRICT" + module +
                "'emsn_testing_throw'");
        db.exec(
            "CREATE FUNCTION rows(wide integer, fail_at integer, OUT a text, OUT b text) RETURNS SETOF record"
            " LANGUAGE c STRICT" +
            module + "'emsn_testing_rows'");
        db.exec("CREATE FUNCTION live_objects() RETURNS integer LANGUAGE c STRICT" + module +
                "'emsn_testing_live_objects'");
    }
    std::string live() { return db.value("SELECT live_objects()"); }
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

} // namespace
} // namespace emsn::test
