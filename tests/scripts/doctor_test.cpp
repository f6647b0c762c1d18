// emsn-doctor: each thing that goes wrong has its line, and its remedy works.
#include "tests/scripts/install_support.hpp"

namespace emsn::test {
namespace {

const std::string kBirds = "/home/pi/BirdNET-Pi/scripts/birds.db";

struct Trouble {
    std::string words; // of its line
    std::string broken, mended;
};

class Doctor : public InstallTest {
  protected:
    Doctor() {
        install_packages();
        make_station();
        make_centre();
        const auto made = install_station();
        EXPECT_EQ(made.status, 0) << made.err;
    }

    // Breaks what can be broken at once, and expects a line of each; then mends it.
    void finds(const std::vector<Trouble> &troubles) const {
        for (const auto &trouble : troubles)
            machine_.sh(trouble.broken);
        const auto outcome = machine_.run({"emsn-doctor"});
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.err, "");
        for (const auto &trouble : troubles) {
            EXPECT_NE(outcome.out.find(trouble.words), std::string::npos) << trouble.words << "\n"
                                                                          << outcome.out;
            machine_.sh(trouble.mended);
        }
        std::size_t lines = 0;
        for (std::size_t at = 0; at < outcome.out.size(); at = outcome.out.find('\n', at) + 1, ++lines)
            EXPECT_LT(outcome.out.find(". Remedy: ", at), outcome.out.find('\n', at)) << outcome.out;
        EXPECT_EQ(lines, troubles.size()) << outcome.out;
    }

    ~Doctor() override {
        const auto well = machine_.run({"emsn-doctor"});
        EXPECT_EQ(well.status, 0) << well.out;
        EXPECT_EQ(well.out.find("nothing is wrong: "), 0U) << well.out;
    }
};

TEST_F(Doctor, FindsWhatIsWrongWithTheMachine) {
    finds({
        {"configuration: /etc/emsn/emsn.conf: others than its owner can write it",
         "chmod 666 /etc/emsn/emsn.conf", "chmod 640 /etc/emsn/emsn.conf"},
        {"unknown key EMSN_COLOUR", "echo EMSN_COLOUR=red >>/etc/emsn/emsn.conf",
         "sed -i /COLOUR/d /etc/emsn/emsn.conf"},
        {"timers: emsn-mirror.timer: not enabled", "systemctl -q disable emsn-mirror.timer",
         "systemctl -q enable emsn-mirror.timer"},
        {"timers: emsn-publish.timer: enabled, but not started", "systemctl stop emsn-publish.timer",
         "systemctl start emsn-publish.timer"},
        {"units: bad.service: failed: exit-code", "systemd-run -q --unit bad --wait false || true",
         "systemctl reset-failed bad"},
        {"a line of another's that does what emsn-publish does",
         "mkdir -p /etc/cron.d; echo '* * * * * root lifetime-sync' >/etc/cron.d/old", "rm /etc/cron.d/old"},
        {"clock: ", "touch -d tomorrow /usr/share/emsn/scripts/emsn-doctor",
         "touch -d yesterday /usr/share/emsn/scripts/emsn-doctor"},
        {"programs: sqlite3: version 3.39.2, emsn needs 3.40",
         "printf '#!/bin/sh\\n[ \"$1\" != -version ] || exec echo 3.39.2\\nexec /usr/bin/sqlite3 \"$@\"\\n' "
         ">/usr/local/bin/sqlite3; chmod 755 /usr/local/bin/sqlite3",
         "rm /usr/local/bin/sqlite3"},
        {"mirror: /mnt/usb/birds.db: the last run failed: ",
         "mv " + kBirds + " /run; emsn-mirror || mv /run/birds.db " + kBirds, "emsn-mirror"},
    });
    finds({{"not a KEY=value line", "echo nonsense >>/etc/emsn/emsn.conf",
            "sed -i /nonsense/d /etc/emsn/emsn.conf"},
           {"programs: emsn.so: cannot be loaded", "mv /usr/lib/*/emsn.so /run",
            "mv /run/emsn.so /usr/lib/$(uname -m)-linux-gnu"}});
}

TEST_F(Doctor, FindsWhatIsWrongWithTheDisks) {
    finds({{"mirror: /mnt/usb: nothing is mounted there", "mv /mnt/usb/birds.db /run && umount /mnt/usb",
            "mount -t tmpfs tmpfs /mnt/usb && mv /run/birds.db /mnt/usb"},
           {"the last success was at 2020-", "sed -i 's/20[0-9][0-9]-/2020-/' /var/lib/emsn/mirror.json",
            "emsn-mirror"}});
    finds({{"the disk at /mnt/usb is read-only", "mount -o remount,ro /mnt/usb",
            "mount -o remount,rw /mnt/usb"}});
    finds({{"MB left, less than the", "mount -o remount,size=64k /mnt/usb; truncate -s 1M " + kBirds,
            "mount -o remount,size=50% /mnt/usb; truncate -s 8192 " + kBirds}});
}

TEST_F(Doctor, TellsTheKindsOfJournalApart) {
    finds(
        {{"user pi cannot read it", "chown root " + kBirds + "; chmod 600 " + kBirds, "chown pi " + kBirds}});
    // as a recorder leaves it that died in the middle of a transaction that did not fit into its cache
    const std::string hot =
        "cp " + kBirds +
        " /run/torn.db; printf '%s\\n' 'PRAGMA cache_size = 1; BEGIN;' "
        "'CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "SELECT i, randomblob(500) AS b FROM n; UPDATE detections SET Confidence = 0;' "
        "'.shell cat /run/torn.db >" +
        kBirds + "; cp /run/torn.db-journal " + kBirds + "-journal' | sqlite3 /run/torn.db; chown pi " +
        kBirds + "-journal";
    const std::string recover = "runuser -u pi -- sqlite3 " + kBirds + " 'PRAGMA schema_version' >/dev/null";
    machine_.sh(hot);
    const auto outcome = machine_.run({"emsn-doctor"});
    EXPECT_NE(outcome.out.find("a hot journal is beside it"), std::string::npos) << outcome.out;
    machine_.sh(recover);
    machine_.sh("sqlite3 " + kBirds + " 'PRAGMA journal_mode = wal' >/dev/null; chown pi " + kBirds);
    EXPECT_NE(machine_.run({"emsn-doctor"})
                  .out.find("in WAL mode, and emsn-publish.service may not write birds.db-shm"),
              std::string::npos);
    machine_.sh("emsn-install --station zolder >/dev/null </dev/null");
    finds({{"in WAL mode, and user pi cannot write /home/pi/BirdNET-Pi/scripts",
            "chown root /home/pi/BirdNET-Pi/scripts; touch " + kBirds + "-shm " + kBirds + "-wal; chown pi " +
                kBirds + "-*",
            "chown pi /home/pi/BirdNET-Pi/scripts"}});
}

TEST_F(Doctor, FindsWhatIsWrongOnTheWayToTheCentre) {
    (void)psql("CREATE DATABASE empty");
    const std::string service = "/home/pi/.pg_service.conf";
    finds({{"pgpass: /home/pi/.pgpass: mode 644",
            "echo x >/home/pi/.pgpass; chown pi /home/pi/.pgpass; chmod 644 /home/pi/.pgpass",
            "chmod 600 /home/pi/.pgpass"},
           {"extension: emsn_health: not in this database", "sed -i 's/=postgres/=empty/' " + service,
            "sed -i 's/=empty/=postgres/' " + service}});
    finds({{"service: " + service + ": user pi cannot read it",
            "chown root " + service + "; chmod 600 " + service, "chown pi " + service},
           {"centre: service=emsn: user pi gets no connection: ", "true", "true"}});
    finds({{"service: " + service + ": no [emsn] in it", "sed -i 's/emsn/elsewhere/' " + service,
            "sed -i 's/elsewhere/emsn/' " + service},
           {"centre: service=emsn: user pi gets no connection: ", "true", "true"}});
    finds({{"Remedy: is the server up", "sed -i 's/5499/5498/' " + service,
            "sed -i 's/5498/5499/' " + service}});
    finds({{"extension: emsn_health: the database has version 1.0, the server's files are 9.9",
            "cd /usr/share/postgresql/15/extension && sed -i.old \"s/^default_version.*/default_version = "
            "'9.9'/\" "
            "emsn_health.control",
            "cd /usr/share/postgresql/15/extension && mv emsn_health.control.old emsn_health.control"}});
    machine_.sh("chmod 644 /home/pi/.pgpass");
    EXPECT_EQ(
        machine_.run({"bash", "-c", "emsn-doctor --json | jq -r '.[] | .check, .subject, .remedy'"}).out,
        "pgpass\n/home/pi/.pgpass\nchmod 600 /home/pi/.pgpass\n");
    machine_.sh("chmod 600 /home/pi/.pgpass");
    EXPECT_EQ(machine_.run({"emsn-doctor", "--json"}).out, "[]\n");
    EXPECT_EQ(machine_.run({"emsn-doctor", "--colour"}).status, 2);
}

} // namespace
} // namespace emsn::test
