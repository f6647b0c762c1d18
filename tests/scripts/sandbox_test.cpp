// What a job of emsn can do inside the sandbox of its unit, and what it says when that is not enough.
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/machine.hpp"

namespace emsn::test {
namespace {

const std::map<std::string, std::string> kStation{
    {"emsn/emsn.conf", "EMSN_STATION=zolder\n"
                       "EMSN_SOURCE_DB=/home/pi/scripts/birds.db\n"
                       "EMSN_MIRROR_DB=/mnt/usb/mirror.db\n"},
    {"systemd/system/emsn-.service.d/fast.conf",
     "[Service]\nRestartSec=100ms\nEnvironment=EMSN_RETRY_TRIES=2 EMSN_RETRY_WAIT=0.1\n"},
    {"systemd/system/emsn-mirror.service.d/paths.conf", "[Service]\nReadWritePaths=-/mnt/usb\n"},
    // as emsn-install would have it for a database whose folder must be written to
    {"emsn/writable.conf", "[Service]\nReadWritePaths=/home/pi/scripts\n"},
};

class Sandbox : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (::geteuid() != 0)
            return;
        machine_ = std::make_unique<Machine>(kStation);
        machine_->sh("mkdir -p /home/pi && useradd --no-create-home --home-dir /home/pi --uid 1234 birdnet; "
                     "mount -t tmpfs tmpfs /mnt/usb");
    }
    static void TearDownTestSuite() { machine_.reset(); }
    void SetUp() override {
        if (!machine_)
            GTEST_SKIP() << "only root can start a machine";
        machine_->sh(R"sh(
            rm -rf /home/pi/scripts /mnt/usb/* /etc/systemd/system/emsn-mirror.service.d/writable.conf
            systemctl daemon-reload
            mkdir /home/pi/scripts
            sqlite3 /home/pi/scripts/birds.db '.read /usr/share/emsn/sql/birds_schema.sql' "INSERT INTO detections
                SELECT date('now'), '12:00:00', 'Strix aluco', 'Tawny Owl', 0.9, 52, 5, 0.7, 48, 1.25, 0, value || '.wav'
                FROM generate_series(1, 2000)"
            chown -R birdnet: /home/pi)sh");
    }
    // The exit status of the unit's start.
    static int start(const std::string &unit = "emsn-mirror") {
        return machine_->run({"systemctl", "start", unit}).status;
    }
    static void let_write() {
        machine_->sh(
            "cp /etc/emsn/writable.conf /etc/systemd/system/emsn-mirror.service.d; systemctl daemon-reload");
    }
    static std::string mirrored() {
        return machine_->sh("sqlite3 -readonly /mnt/usb/mirror.db 'SELECT count(*) FROM detections'");
    }
    // The newest lines.
    static std::string said() { return machine_->sh("journalctl -q --no-pager -o cat -n 24 -u emsn-mirror"); }

    static std::unique_ptr<Machine> machine_;
};

std::unique_ptr<Machine> Sandbox::machine_;

TEST_F(Sandbox, ARollbackJournalDatabaseIsReadFromAReadOnlyHome) {
    EXPECT_EQ(start(), 0) << said();
    EXPECT_EQ(mirrored(), "2000\n");
    EXPECT_EQ(machine_->sh("ls -A /home/pi/scripts"), "birds.db\n") << "nothing is left beside it";
    EXPECT_EQ(machine_->sh("stat -c %U /mnt/usb/mirror.db"), "root\n");
}

TEST_F(Sandbox, AWalDatabaseNeedsItsFolderToBeWritable) {
    machine_->sh("sqlite3 /home/pi/scripts/birds.db 'PRAGMA journal_mode=wal'");
    EXPECT_NE(start(), 0);
    EXPECT_NE(said().find("WAL"), std::string::npos) << said();
    EXPECT_NE(said().find("/home/pi/scripts"), std::string::npos) << said();
    let_write();
    EXPECT_EQ(start(), 0) << said();
    EXPECT_EQ(mirrored(), "2000\n");
}

TEST_F(Sandbox, AHotJournalIsWaitedForUntilTheRecorderWrites) {
    // a recorder that is killed in the middle of a transaction
    machine_->sh(R"sh(
        cd /home/pi/scripts
        mkfifo /run/sql
        sqlite3 birds.db </run/sql & recorder=$!
        exec 9>/run/sql
        echo 'PRAGMA cache_size=1; BEGIN; UPDATE detections SET Confidence = 0.1; DELETE FROM detections WHERE rowid % 2;' >&9
        until [[ -s birds.db-journal && $(od -An -v -tx1 -N8 birds.db-journal | tr -d " ") == d9d505f920a163d7 ]]; do
            sleep 0.05
        done
        kill -KILL $recorder
        wait $recorder || true
        rm /run/sql)sh");
    EXPECT_NE(start(), 0);
    EXPECT_TRUE(eventually([] { return machine_->state_of("emsn-mirror") == "failed"; }));
    EXPECT_NE(said().find("left a hot journal, which a read-only connection cannot roll back; the recorder's "
                          "next write does"),
              std::string::npos)
        << said();
    EXPECT_NE(said().find("try 1 of 2"), std::string::npos)
        << "that is no reason to give up at once: " << said();
    EXPECT_EQ(machine_->run({"test", "-s", "/home/pi/scripts/birds.db-journal"}).status, 0)
        << "it is the recorder's";
    machine_->sh("sqlite3 /home/pi/scripts/birds.db \"DELETE FROM detections WHERE File_Name = '7.wav'\"");
    EXPECT_EQ(start(), 0) << said();
    EXPECT_EQ(mirrored(), "1999\n");
}

TEST_F(Sandbox, WhatIsNotNamedCannotBeWrittenTo) {
    machine_->sh("mkdir -p /srv/other && mount -t tmpfs tmpfs /srv/other");
    machine_->sh("sed -i s,^EMSN_MIRROR_DB=.*,EMSN_MIRROR_DB=/srv/other/mirror.db, /etc/emsn/emsn.conf");
    EXPECT_NE(start(), 0);
    EXPECT_NE(said().find("Read-only file system"), std::string::npos) << said();
    machine_->sh("sed -i s,^EMSN_MIRROR_DB=.*,EMSN_MIRROR_DB=/mnt/usb/mirror.db, /etc/emsn/emsn.conf; umount "
                 "/srv/other");
}

TEST_F(Sandbox, AStickThatIsAwayIsTriedAgainAndThenReported) {
    // what failed before this is being told still, and what has been said is not said again
    ASSERT_TRUE(eventually([] {
        return machine_->sh(
                   "systemctl list-jobs --no-legend 'emsn-alert@*'; systemctl list-units --no-legend "
                   "--state=activating,active,deactivating 'emsn-alert@*'") == "";
    }));
    machine_->sh(
        "umount /mnt/usb; : >/run/mail; printf '#!/bin/sh\\ncat >>/run/mail\\n' >/usr/sbin/sendmail; "
        "chmod +x /usr/sbin/sendmail; rm -rf /var/lib/emsn/alerts/*");
    EXPECT_NE(start(), 0);
    EXPECT_TRUE(eventually([] { return machine_->state_of("emsn-mirror") == "failed"; }));
    const std::string words = said();
    EXPECT_NE(words.find("emsn-retry: emsn-mirror: exit code 75, try 1 of 2; the next one in 0.1 s"),
              std::string::npos)
        << words;
    EXPECT_NE(words.find("given up after 2 tries"), std::string::npos) << words;
    EXPECT_TRUE(eventually([] {
        return machine_->sh("cat /run/mail").find("nothing is mounted there") != std::string::npos;
    })) << machine_->journal_of("emsn-alert@emsn-mirror.service");
    EXPECT_EQ(machine_->sh("ls -A /mnt/usb"), "");
    machine_->sh("mount -t tmpfs tmpfs /mnt/usb");
    EXPECT_EQ(start(), 0) << said();
    EXPECT_EQ(machine_->state_of("emsn-mirror"), "inactive");
}

TEST_F(Sandbox, AMirrorThatBelongsToTheRecordersUserNeedsNoRoot) {
    machine_->sh("chown birdnet: /mnt/usb; printf '[Service]\\nUser=birdnet\\n' >"
                 "/etc/systemd/system/emsn-mirror.service.d/user.conf; systemctl daemon-reload");
    EXPECT_EQ(start(), 0) << said();
    EXPECT_EQ(machine_->sh("stat -c %U /mnt/usb/mirror.db /var/lib/emsn/mirror.json"), "birdnet\nbirdnet\n");
    machine_->sh("rm /etc/systemd/system/emsn-mirror.service.d/user.conf; systemctl daemon-reload");
    EXPECT_EQ(start(), 0) << said();
}

TEST_F(Sandbox, BackupsKeepWhatASystemNeeds) {
    machine_->sh(R"sh(
        mkdir -p /srv/tree /mnt/usb/backups
        mknod /srv/tree/null c 1 3
        cp /bin/true /srv/tree/ping && chown daemon:tty /srv/tree/ping && chmod 6755 /srv/tree/ping
        setfattr -n user.note -v kept /srv/tree/ping
        sqlite3 /srv/tree/birds.db 'CREATE TABLE t(a)'
        head -c 100000 /dev/urandom >/mnt/usb/card
        { echo EMSN_BACKUP_DIR=/mnt/usb/backups; echo EMSN_BACKUP_TREE=/srv/tree; echo EMSN_BACKUP_DEVICE=/mnt/usb/card; } \
            >>/etc/emsn/emsn.conf
        mkdir -p /etc/systemd/system/emsn-backup@.service.d
        cp /etc/systemd/system/emsn-mirror.service.d/paths.conf /etc/systemd/system/emsn-backup@.service.d
        systemctl daemon-reload)sh");
    for (const char *kind : {"daily", "weekly", "hourly"})
        EXPECT_EQ(start(std::string("emsn-backup@") + kind), 0)
            << machine_->journal_of(std::string("emsn-backup@") + kind);
    EXPECT_EQ(machine_->sh("cd /mnt/usb/backups/zolder; jq -s 'map(.verified)' -c */*.emsn.json"),
              "[true,true,true]\n");
    EXPECT_EQ(machine_->sh("cd /mnt/usb/backups/zolder/daily/20*-*/; stat -c '%n %A %U %G' null ping; "
                           "getfattr --only-values -n user.note ping"),
              "null crw-r--r-- root root\nping -rwsr-sr-x daemon tty\nkept");
    EXPECT_EQ(
        machine_->sh("zstd -dcq /mnt/usb/backups/zolder/images/*.zst | cmp - /mnt/usb/card && echo equal"),
        "equal\n");
}

} // namespace
} // namespace emsn::test
