// A morning in December: the network and the stick are away, five units fail. When both are back, all is well
// again, and nobody has typed anything; emsn.health at the centre has told what was the matter.
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "tests/support/machine.hpp"

namespace emsn::test {
namespace {

const std::vector<std::string> kJobs{"emsn-mirror", "emsn-publish", "emsn-cleanup", "emsn-backup@daily",
                                     "emsn-backup@hourly"};

// As on any station, only that a day takes seconds.
const std::map<std::string, std::string> kStation{
    {"emsn/emsn.conf", "EMSN_STATION=zolder\n"
                       "EMSN_SOURCE_DB=/home/pi/birds.db\n"
                       "EMSN_MIRROR_DB=/mnt/usb/mirror.db\n"
                       "EMSN_BACKUP_DIR=/mnt/usb/backups\n"
                       "EMSN_BACKUP_TREE=/etc/emsn\n"
                       "EMSN_KEEP=--keep-last 3\n"
                       "EMSN_PG=host=127.0.0.1 port=5499 user=zolder dbname=postgres\n"},
    {"systemd/system/emsn-.service.d/fast.conf",
     "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=100ms\n"
     "Environment=EMSN_RETRY_TRIES=2 EMSN_RETRY_WAIT=0.1 PGCONNECT_TIMEOUT=2\n"
     "ReadWritePaths=-/mnt/usb\n"},
    {"systemd/system/emsn-publish.service.d/test.conf",
     "[Service]\nExecStart=\nExecStart=/usr/bin/emsn-retry /usr/bin/emsn-publish --timeout 1\n"},
    {"systemd/system/emsn-.timer.d/fast.conf",
     "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/4\nRandomizedDelaySec=0\nAccuracySec=50ms\n"},
};

class December : public ::testing::Test {
  protected:
    December() {
        machine_.sh(R"sh(
            mkdir -p /home/pi /var/mail
            chmod 755 /home/pi
            sqlite3 /home/pi/birds.db '.read /usr/share/emsn/sql/birds_schema.sql' "INSERT INTO detections
                VALUES (date('now', 'localtime'), time('now', 'localtime'), 'Strix aluco', 'Tawny Owl', 0.9, 52, 5, 0.7,
                        48, 1.25, 0, 'owl.wav')"
            mkdir /mnt/usb/backups # on the card, from a day when the stick was away
            mount -t tmpfs tmpfs /mnt/usb
            mkdir /mnt/usb/backups
            printf '#!/bin/sh\ncat >>/var/mail/root\n' >/usr/sbin/sendmail
            chmod +x /usr/sbin/sendmail
            ip link set lo up
            mkdir /var/tmp/pg
            . /usr/share/emsn/scripts/lib/private_pg.sh
            EMSN_STAGE=/usr/lib/emsn/stage private_pg_start /var/tmp/pg "listen_addresses = '127.0.0.1'" 'port = 5499'
        )sh");
        psql("CREATE EXTENSION emsn_health; SELECT emsn.create_detections('public.bird_detections');"
             "CREATE ROLE zolder LOGIN; GRANT TEMP ON DATABASE postgres TO zolder;"
             "SELECT emsn.allow_publisher('zolder', 'zolder');"
             "INSERT INTO emsn.thresholds (check_name, warning_at) VALUES ('report_age', '2')");
        std::string timers;
        for (const auto &job : kJobs)
            timers += " " + job + ".timer";
        machine_.sh("systemctl start" + timers);
    }

    std::string psql(const std::string &sql) const {
        auto text = machine_.sh(
            "PGOPTIONS='-c statement_timeout=20s' psql -X -q -A -t -v ON_ERROR_STOP=1 -h /var/tmp/pg -p 5499 "
            "-U postgres postgres -c \"$(cat <<'SQL'\n" +
            sql + "\nSQL\n)\"");
        if (!text.empty())
            text.pop_back();
        return text;
    }
    // What is wrong according to emsn.health, as "check subject" words; disks and detections apart.
    [[nodiscard]] std::string wrong() const {
        return psql("SELECT string_agg(check_name || ' ' || subject, ', ' ORDER BY check_name, subject) FROM "
                    "emsn.health "
                    "WHERE status <> 'ok' AND check_name IN ('failed_units', 'mirror_age', 'overdue_timers', "
                    "'backup_age', 'sync_lag', 'report_age')");
    }
    [[nodiscard]] bool all_succeeded_since(const std::string &mark) const {
        std::string script = "true";
        for (const auto &job : kJobs)
            script += " && [[ /run/emsn/" + job + "/succeeded -nt " + mark + " ]]";
        return machine_.run({"bash", "-c", script}).status == 0;
    }
    [[nodiscard]] std::set<std::string> failed_now() const {
        std::set<std::string> names;
        for (const auto &job : kJobs) {
            if (machine_.state_of(job) == "failed")
                names.insert(job);
        }
        return names;
    }

    Machine machine_{kStation};
};

TEST_F(December, AllIsWellAgainWithoutAPerson) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root can start a machine";
    machine_.sh("touch /run/begun");
    ASSERT_TRUE(eventually([&] { return all_succeeded_since("/run/begun") && wrong().empty(); }))
        << wrong() << machine_.sh("journalctl --no-pager -q -o short | grep emsn");

    EXPECT_EQ(
        psql("SELECT string_agg(f ->> 'mount_point', ' ' ORDER BY f ->> 'mount_point') FROM "
             "emsn.newest_host_reports() AS r, jsonb_array_elements(r.report -> 'filesystems') AS f WHERE "
             "f ->> 'mount_point' IN ('/', '/mnt/usb') AND NOT (f ->> 'read_only')::boolean"),
        "/ /mnt/usb")
        << "in the sandbox all is read-only, on the machine it is not";

    machine_.sh("touch /run/away; umount /mnt/usb; ip link set lo down");
    std::set<std::string> seen;
    EXPECT_TRUE(eventually([&] {
        seen.merge(failed_now());
        return seen.size() == kJobs.size();
    })) << ::testing::PrintToString(seen);
    EXPECT_TRUE(eventually([&] { return wrong() == "report_age zolder"; })) << wrong();

    machine_.sh("ip link set lo up");
    EXPECT_TRUE(eventually([&] {
        return wrong().find("failed_units zolder emsn-mirror.service") != std::string::npos;
    })) << wrong();
    EXPECT_EQ(psql("SELECT last_error FROM emsn.mirrors"),
              "emsn_snapshot: destination '/mnt/usb/mirror.db': nothing is mounted there: its nearest "
              "mount point is / "
              "(option require_mount)");
    EXPECT_TRUE(eventually([&] {
        return psql("SELECT count(*) FROM emsn.services WHERE station = 'zolder' AND active_state = 'failed' "
                    "AND unit = "
                    "'emsn-backup@daily.service'") == "1";
    }));
    EXPECT_EQ(machine_.sh("find /mnt/usb -type f"), "") << "nothing is written where the stick is not";

    machine_.sh("mount -t tmpfs tmpfs /mnt/usb; mkdir /mnt/usb/backups; touch /run/back");
    EXPECT_TRUE(eventually([&] { return all_succeeded_since("/run/back") && wrong().empty(); }))
        << wrong() << machine_.sh("journalctl --no-pager -q -o short | grep emsn | tail -n 100");
    EXPECT_EQ(failed_now(), std::set<std::string>());

    // each failure was one letter, however often it failed
    EXPECT_EQ(machine_.sh("grep -h ^Subject: /var/mail/root | sort"),
              "Subject: emsn: emsn-backup@daily.service failed on zolder (emsn-machine)\n"
              "Subject: emsn: emsn-backup@hourly.service failed on zolder (emsn-machine)\n"
              "Subject: emsn: emsn-cleanup.service failed on zolder (emsn-machine)\n"
              "Subject: emsn: emsn-mirror.service failed on zolder (emsn-machine)\n"
              "Subject: emsn: emsn-publish.service failed on zolder (emsn-machine)\n");
}

} // namespace
} // namespace emsn::test
