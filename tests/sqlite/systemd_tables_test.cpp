// emsn_units, emsn_timers and emsn_reset_failed in the sqlite3 program, beside a real systemd.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/sqlite/support.hpp"
#include "tests/support/systemd_user.hpp"

namespace emsn::test {
namespace {

class SystemdTables : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (::geteuid() == 0) {
            manager_ = std::make_unique<SystemdUser>(std::map<std::string, std::string>{
                {"emsn-publish.service",
                 "[Unit]\nDescription=To the centre\n[Service]\nType=oneshot\nExecStart=/bin/false\n"},
                {"emsn-publish.timer", "[Timer]\nOnCalendar=2099-01-01 00:00:00 UTC\n"}});
        }
    }
    static void TearDownTestSuite() { manager_.reset(); }
    void SetUp() override {
        if (!manager_)
            GTEST_SKIP() << "only root can start one in namespaces";
    }
    static Outcome ask(const std::string &sql, const std::string &bus = manager_->as_system_bus()) {
        auto env = sanitizer_env();
        env.push_back(bus);
        return run({"sqlite3", ":memory:", load_command(), sql}, env);
    }

    static std::unique_ptr<SystemdUser> manager_;
};

std::unique_ptr<SystemdUser> SystemdTables::manager_;

TEST_F(SystemdTables, UnitsTellWhatFailedUntilItIsReset) {
    EXPECT_NE(manager_->ctl({"start", "emsn-publish.service"}).status, 0);
    const std::string failed =
        "SELECT name, load_state, active_state, sub_state, result, description, since BETWEEN "
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 minute') AND "
        "strftime('%Y-%m-%dT%H:%M:%SZ', 'now') FROM emsn_units WHERE active_state = 'failed'";
    auto outcome = ask(failed);
    EXPECT_EQ(outcome.out, "emsn-publish.service|loaded|failed|failed|exit-code|To the centre|1\n")
        << outcome.err;
    EXPECT_EQ(
        ask("SELECT emsn_reset_failed('emsn-publish.service'), emsn_reset_failed('emsn-publish.service')")
            .out,
        "1|0\n");
    EXPECT_EQ(ask(failed).out, "");
    EXPECT_EQ(ask("SELECT emsn_reset_failed(NULL) IS NULL").out, "1\n");
}

TEST_F(SystemdTables, UnitsAreAllUnlessAPatternIsGiven) {
    EXPECT_EQ(manager_->ctl({"start", "emsn-publish.timer"}).status, 0);
    EXPECT_EQ(ask("SELECT name, active_state FROM emsn_units('emsn-*.timer')").out,
              "emsn-publish.timer|active\n");
    EXPECT_EQ(ask("SELECT count(*) > 10, count(result) < count(*) FROM emsn_units").out, "1|1\n");
    EXPECT_EQ(ask("SELECT count(*) FROM emsn_units(NULL)").out, "0\n");
}

TEST_F(SystemdTables, Timers) {
    EXPECT_EQ(manager_->ctl({"start", "emsn-publish.timer"}).status, 0);
    EXPECT_EQ(ask("SELECT name, unit, last_trigger IS NULL, next_trigger, result, overdue FROM emsn_timers "
                  "WHERE name "
                  "LIKE 'emsn-%'")
                  .out,
              "emsn-publish.timer|emsn-publish.service|1|2099-01-01T00:00:00Z|success|0\n");
}

TEST_F(SystemdTables, WithoutSystemdTheyAreErrorsThatSaySo) {
    for (const std::string sql :
         {"SELECT * FROM emsn_units", "SELECT * FROM emsn_timers", "SELECT emsn_reset_failed('a.service')"}) {
        const auto outcome = ask(sql, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent");
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.out, "");
        EXPECT_NE(
            outcome.err.find(
                ": ask systemd: no systemd here: bus unix:path=/nonexistent: No such file or directory"),
            std::string::npos)
            << outcome.err;
    }
    // the library itself hidden
    auto env = sanitizer_env();
    const auto outcome = run({"unshare", "--mount", "bash", "-c",
                              "mount --bind /dev/null /usr/lib/$(uname -m)-linux-gnu/libsystemd.so.0 && "
                              "sqlite3 :memory: \"$1\" 'SELECT * FROM emsn_timers'",
                              "bash", load_command()},
                             env);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("emsn_timers: ask systemd: no systemd here: "), std::string::npos)
        << outcome.err;
    EXPECT_NE(outcome.err.find("libsystemd.so.0: "), std::string::npos) << outcome.err;
}

TEST_F(SystemdTables, AreOutOfReachOfASchema) {
    SqliteDb db(":memory:");
    db("CREATE VIEW v AS SELECT * FROM emsn_units; CREATE VIEW w AS SELECT emsn_reset_failed('a')");
    EXPECT_EQ(db.error_of("SELECT * FROM v"), "unsafe use of virtual table \"emsn_units\"");
    EXPECT_EQ(db.error_of("SELECT * FROM w"), "unsafe use of emsn_reset_failed()");
}

} // namespace
} // namespace emsn::test
