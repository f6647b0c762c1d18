// Units of a real system manager as emsn shows and mends them, and what a machine that was off makes up for.
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/support/machine.hpp"

namespace emsn::test {
namespace {

const std::map<std::string, std::string> kFiles{
    {"emsn/emsn.conf",
     "EMSN_STATION=zolder\nEMSN_STATE_DIR=/var/lib/emsn\nEMSN_MIRROR_DB=/mnt/usb/mirror.db\n"},
    {"systemd/system/broken.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 7'\n"},
    {"systemd/system/later.service", "[Service]\nType=oneshot\nExecStart=/bin/touch /run/later\n"},
    {"systemd/system/later.timer",
     "[Timer]\nOnCalendar=*-*-01 00:00:00 UTC\nPersistent=yes\nRandomizedDelaySec=2h\n"
     "FixedRandomDelay=yes\n"},
};

class MachineTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "only root can start a machine";
        machine_ = std::make_unique<Machine>(kFiles);
    }
    nlohmann::json health() const {
        return nlohmann::json::parse(machine_->sh("emsn-health --local --json"));
    }
    // The first row of that check.
    nlohmann::json row(const std::string &check) const {
        for (const auto &row : health()) {
            if (row["check_name"] == check)
                return row;
        }
        return {};
    }

    std::unique_ptr<Machine> machine_;
};

TEST_F(MachineTest, AFailedUnitIsSeenAndResetBySql) {
    machine_->run({"systemctl", "start", "broken"});
    const std::string failed = "SELECT name, result FROM emsn_units WHERE active_state = 'failed'";
    EXPECT_EQ(machine_->sql(failed), "broken.service|exit-code\n");
    auto said = row("failed_units");
    EXPECT_EQ(said["subject"], "zolder broken.service");
    EXPECT_EQ(said["status"], "warning");
    EXPECT_EQ(said["remedy"],
              "journalctl -u broken.service; afterwards: systemctl reset-failed broken.service");
    EXPECT_EQ(machine_->run({"emsn-health", "--local", "--check"}).status, 1);
    EXPECT_EQ(machine_->run({"systemctl", "start", "emsn-health"}).status, 0) << "a warning is no failure";
    EXPECT_NE(machine_->journal_of("emsn-health").find("warning | failed_units   | zolder broken.service"),
              std::string::npos)
        << machine_->journal_of("emsn-health");
    EXPECT_EQ(
        machine_->sql("SELECT name, emsn_reset_failed(name) FROM emsn_units WHERE active_state = 'failed'"),
        "broken.service|1\n")
        << "the whole repair of a bad morning";
    EXPECT_EQ(machine_->sql(failed), "");
    EXPECT_EQ(row("failed_units")["status"], "ok");
}

TEST_F(MachineTest, ATimerMakesUpForWhatItMissedWhileTheMachineWasOff) {
    // as systemd leaves it: when the timer last started something, 40 days ago
    machine_->sh(
        "mkdir -p /var/lib/systemd/timers; touch -d '40 days ago' /var/lib/systemd/timers/stamp-later.timer; "
        "systemctl start later.timer");
    // a random delay holds for what is made up for, too: systemd spreads that out after a power cut
    const std::string shown =
        machine_->sql("SELECT last_trigger < strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-39 days'), "
                      "next_trigger < strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+3 hours') "
                      "FROM emsn_timers WHERE name = 'later.timer'");
    EXPECT_EQ(shown, "1|1\n");
    machine_->sh("mkdir /etc/systemd/system/later.timer.d; printf '[Timer]\\nRandomizedDelaySec=0\\n' "
                 ">/etc/systemd/system/later.timer.d/now.conf; systemctl daemon-reload; systemctl restart "
                 "later.timer");
    EXPECT_TRUE(eventually([&] { return machine_->run({"test", "-e", "/run/later"}).status == 0; }));
    EXPECT_EQ(machine_->sql(
                  "SELECT unit, last_trigger > strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 hour'), "
                  "next_trigger > last_trigger, result, overdue FROM emsn_timers WHERE name = 'later.timer'"),
              "later.service|1|1|success|0\n");
}

TEST_F(MachineTest, TheTimersOfEmsnAreStartedAsTheyStand) {
    machine_->sh("systemctl start $(cd /etc/systemd/system; ls emsn-*.timer)");
    EXPECT_EQ(machine_->sql(
                  "SELECT count(*), count(next_trigger), sum(overdue), group_concat(DISTINCT result) FROM "
                  "emsn_timers WHERE name LIKE 'emsn-%'"),
              "10|10|0|success\n");
    EXPECT_EQ(row("overdue_timers")["status"], "ok") << row("overdue_timers");
}

TEST_F(MachineTest, LocalHealthTellsOfTheMirror) {
    auto said = row("mirror_age");
    EXPECT_EQ(said["status"], "unknown");
    EXPECT_EQ(said["message"], "/mnt/usb/mirror.db: never");
    machine_->sh(R"(mkdir -p /var/lib/emsn; now=$(date -u +%FT%TZ -d '1 hour ago')
        printf '{"destination":"/mnt/usb/mirror.db","last_success":"%s","last_attempt":"%s","last_error":"away"}' $now $now \
            >/var/lib/emsn/mirror.json)");
    said = row("mirror_age");
    EXPECT_EQ(said["status"], "warning");
    EXPECT_GE(said["value"], 3600);
    EXPECT_NE(said["message"].get<std::string>().find("; the last try failed: away"), std::string::npos)
        << said;
}

TEST_F(MachineTest, AnAlertGoesToTheJournalWhereNoMailIsTakenAndIsSaidOnce) {
    machine_->sh("printf '#!/bin/sh\\nexit 69\\n' >/usr/sbin/sendmail; chmod +x /usr/sbin/sendmail");
    machine_->run({"systemctl", "start", "broken"});
    const auto alerts = [&] {
        return machine_->sh("journalctl -q --no-pager -o cat -p err -t emsn-alert | grep -c 'broken.service "
                            "failed on zolder' || true");
    };
    EXPECT_EQ(machine_->run({"systemctl", "start", "emsn-alert@broken.service"}).status, 0);
    EXPECT_TRUE(eventually([&] { return alerts() == "1\n"; }));
    machine_->sh("systemctl start emsn-alert@broken.service");
    EXPECT_NE(machine_->journal_of("emsn-alert@broken.service")
                  .find("broken.service failed again; it has been said at"),
              std::string::npos);
    EXPECT_EQ(alerts(), "1\n");
    // a success in between makes it news
    machine_->sh("mkdir -p /run/emsn/broken; touch -d '+1 minute' /run/emsn/broken/succeeded; "
                 "systemctl start emsn-alert@broken.service");
    EXPECT_TRUE(eventually([&] { return alerts() == "2\n"; }));
    // and so does a day
    machine_->sh(
        "rm /run/emsn/broken/succeeded; touch -d '25 hours ago' /var/lib/emsn/alerts/broken.service; "
        "systemctl start emsn-alert@broken.service");
    EXPECT_TRUE(eventually([&] { return alerts() == "3\n"; }));
}

TEST_F(MachineTest, ADeadMansSwitchIsHeldWhileHealthAnswers) {
    machine_->sh("systemctl start emsn-health"); // none is configured: nothing to do
    machine_->sh("echo EMSN_DEADMAN_URL=file:///run/switch >>/etc/emsn/emsn.conf; touch /run/switch");
    EXPECT_EQ(machine_->run({"emsn-alert", "--alive"}).status, 0);
    machine_->sh("rm /run/switch; systemctl start emsn-health");
    EXPECT_NE(machine_->journal_of("emsn-health").find("fetch EMSN_DEADMAN_URL: failed"), std::string::npos)
        << "that it cannot be reached is no failure of this machine, but is said";
    const auto outcome = machine_->run({"emsn-alert", "--alive"});
    EXPECT_EQ(outcome.status, 75);
    EXPECT_EQ(outcome.err.find("file:///run/switch"), std::string::npos)
        << "the address is a secret: " << outcome.err;
}

} // namespace
} // namespace emsn::test
