// emsn-install on a machine with a real systemd, as a person types it.
#include "tests/scripts/install_support.hpp"

#include <sstream>

namespace emsn::test {
namespace {

// What stands below a heading of its output.
std::string section(const std::string &out, const std::string &title) {
    const auto begin = out.find("== " + title + "\n");
    if (begin == std::string::npos)
        return "no section " + title + " in: " + out;
    const auto text = begin + title.size() + 4;
    return out.substr(text, out.find("\n== ", text) - text);
}

class Install : public InstallTest {
  protected:
    Install() {
        install_packages();
        make_station();
    }
};

TEST_F(Install, MakesAStationAndLeavesNothingBehind) {
    make_centre();
    const auto before = tree();
    const auto planned = install_station("--backup-dir /mnt/usb --keep '--keep-within 7' --dry-run");
    EXPECT_EQ(planned.status, 0) << planned.err;
    EXPECT_NE(planned.out.find("would write /etc/emsn/emsn.conf (640, root:pi)"), std::string::npos)
        << planned.out;
    EXPECT_NE(planned.out.find("    | EMSN_MIRROR_DB=/mnt/usb/birds.db\n"), std::string::npos) << planned.out;
    EXPECT_NE(planned.out.find("would enable emsn-mirror.timer"), std::string::npos) << planned.out;
    EXPECT_EQ(difference(before, tree()), "");

    const auto made = install_station("--backup-dir /mnt/usb --keep '--keep-within 7'");
    EXPECT_EQ(made.status, 0) << made.out << made.err;
    EXPECT_EQ(machine_.sh("stat -c '%a %U:%G' /etc/emsn/emsn.conf"), "640 root:pi\n");
    EXPECT_EQ(machine_.sh("sqlite3 -readonly /mnt/usb/birds.db 'SELECT count(*) FROM detections'"), "2\n");
    EXPECT_EQ(psql("SELECT count(*) FROM public.bird_detections WHERE station = 'zolder'"), "2");
    EXPECT_EQ(psql("SELECT count(*) FROM emsn.stations WHERE report_age_seconds < 600"), "1");
    EXPECT_NE(section(made.out, "Health").find("disk_usage"), std::string::npos) << made.out;
    EXPECT_NE(section(made.out, "Next").find("emsn-doctor"), std::string::npos) << made.out;
    const std::string timers = "emsn-mirror.timer emsn-publish.timer emsn-cleanup.timer emsn-health.timer "
                               "emsn-backup@daily.timer emsn-backup@weekly.timer emsn-backup@hourly.timer";
    machine_.sh("systemctl is-enabled " + timers + "; systemctl is-active " + timers);
    // inside the sandbox, and with the rights that it leaves
    machine_.sh("systemctl start emsn-mirror emsn-publish emsn-cleanup emsn-backup@hourly");
    EXPECT_EQ(machine_.sh("ls /mnt/usb/zolder/database | grep -c 'zst$'"), "1\n");
    machine_.sh("emsn-doctor --all");

    const auto again = install_station("--backup-dir /mnt/usb --keep '--keep-within 7'");
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(section(again.out, "Changes"), "");
    EXPECT_EQ(section(again.out, "Timers"), "");

    // one of them is failed when they go
    (void)machine_.run({"systemctl", "start", "emsn-backup@nonsense"});
    EXPECT_EQ(machine_.state_of("emsn-backup@nonsense"), "failed");
    const auto undone = emsn_install("--uninstall");
    EXPECT_EQ(undone.status, 0) << undone.err;
    EXPECT_EQ(undone.err, "");
    EXPECT_EQ(difference(before, tree()), "");
    EXPECT_EQ(machine_.sh("systemctl list-units --all --no-legend 'emsn-*.timer'"), "");
    EXPECT_EQ(machine_.sh("systemctl list-units --failed --no-legend"), "");
    EXPECT_EQ(machine_.sh("sqlite3 -readonly /mnt/usb/birds.db 'SELECT count(*) FROM detections'"), "2\n");
    EXPECT_EQ(emsn_install("--uninstall").status, 0);
}

TEST_F(Install, WhatDoesTheSameIsNeverRunBeside) {
    machine_.sh(R"sh(
        cd /etc/systemd/system
        printf '[Service]\nExecStart=/bin/true\n' | tee emsn-dbmirror-zolder.service sd-backup-daily.service other.service >/dev/null
        printf '[Timer]\nOnCalendar=*:0/5\n[Install]\nWantedBy=timers.target\n' | tee emsn-dbmirror-zolder.timer sd-backup-daily.timer \
            other.timer >/dev/null
        systemctl daemon-reload
        systemctl enable --now emsn-dbmirror-zolder.timer sd-backup-daily.timer other.timer
        mkdir -p /etc/cron.d /var/spool/cron/crontabs
        printf '# minute\nMAILTO=root\n0 3 * * * root /opt/lifetime-sync --all\n1 4 * * * root /opt/other\n' >/etc/cron.d/birds
        printf '5 5 1 * * /opt/emsn-monthly-report\n' >/var/spool/cron/crontabs/pi
        chmod 600 /var/spool/cron/crontabs/pi
        mkdir -p /etc/cron.daily && printf '#!/bin/sh\n' >/etc/cron.daily/sd-backup-cleanup && chmod 755 /etc/cron.daily/sd-backup-cleanup
    )sh");
    const auto before = tree();
    const std::string options = "--no-publish --backup-dir /mnt/usb --keep '--keep-last 3' ";
    const auto refused = install_station(options);
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(section(refused.out, "These do the same already"),
              "mirror   unit emsn-dbmirror-zolder.timer  /bin/true\n"
              "daily    unit sd-backup-daily.timer  /bin/true\n"
              "cleanup  script /etc/cron.daily/sd-backup-cleanup  \n");
    EXPECT_NE(refused.err.find("nothing is changed"), std::string::npos) << refused.err;
    EXPECT_EQ(difference(before, tree()), "");

    // what does another job may stay
    EXPECT_EQ(install_station("--no-publish --no-mirror").status, 0);
    EXPECT_EQ(machine_.sh("systemctl is-active emsn-dbmirror-zolder.timer sd-backup-daily.timer"),
              "active\nactive\n");

    machine_.sh("printf '[fake]\\nhost=/nowhere\\n' >/home/pi/.pg_service.conf");
    const auto replaced =
        emsn_install("--station zolder --mirror /mnt/usb/birds.db --pg service=fake --replace " +
                     std::string("--backup-dir /mnt/usb --keep '--keep-last 3'"));
    EXPECT_EQ(replaced.status, 75) << replaced.out << replaced.err; // no server there
    EXPECT_EQ(machine_
                  .run({"systemctl", "is-active", "emsn-dbmirror-zolder.timer", "sd-backup-daily.timer",
                        "other.timer", "emsn-mirror.timer"})
                  .out,
              "inactive\ninactive\nactive\nactive\n");
    EXPECT_EQ(machine_.run({"systemctl", "is-enabled", "emsn-dbmirror-zolder.timer", "other.timer"}).out,
              "disabled\nenabled\n");
    EXPECT_EQ(machine_.sh("cat /etc/cron.d/birds"), "# minute\nMAILTO=root\n#emsn-install: 0 3 * * * root "
                                                    "/opt/lifetime-sync --all\n1 4 * * * root /opt/other\n");
    EXPECT_EQ(machine_.sh("cat /var/spool/cron/crontabs/pi; stat -c %a /etc/cron.daily/sd-backup-cleanup"),
              "5 5 1 * * /opt/emsn-monthly-report\n644\n"); // this machine makes no reports

    machine_.sh("rm /home/pi/.pg_service.conf");
    EXPECT_EQ(emsn_install("--uninstall").status, 0);
    EXPECT_EQ(difference(before, tree()), "");
    EXPECT_EQ(machine_.sh("systemctl is-active emsn-dbmirror-zolder.timer sd-backup-daily.timer"),
              "active\nactive\n");
}

TEST_F(Install, AKilledRunCanBeTakenBack) {
    const auto before = tree();
    for (int moment = 1; moment <= (long_run() ? 40 : 6); ++moment) {
        // ends by itself or is killed at a moment that is never the same
        (void)machine_.run({"timeout", "--signal=KILL", "0." + std::to_string(moment * 8 + 100).substr(1),
                            "emsn-install", "--station", "zolder", "--mirror", "/mnt/usb/birds.db",
                            "--no-publish"});
        EXPECT_EQ(emsn_install("--uninstall").status, 0);
        EXPECT_EQ(difference(before, tree()), "") << "after " << moment * 8 << " hundredths";
    }
}

TEST_F(Install, WhatAPersonHasWrittenStays) {
    machine_.sh("mkdir -p /etc/emsn && printf '# mine\\nEMSN_KEEP=--keep-last 3\\nEMSN_STATION=old\\n' "
                ">/etc/emsn/emsn.conf");
    const auto before = tree();
    EXPECT_EQ(install_station("--no-publish").status, 0);
    EXPECT_EQ(machine_.sh("cat /etc/emsn/emsn.conf"),
              "# mine\nEMSN_KEEP=--keep-last 3\nEMSN_STATION=zolder\n"
              "EMSN_SOURCE_DB=/home/pi/BirdNET-Pi/scripts/birds.db\n"
              "EMSN_MIRROR_DB=/mnt/usb/birds.db\nEMSN_PG=service=emsn\n");
    EXPECT_EQ(emsn_install("--uninstall").status, 0);
    EXPECT_EQ(difference(before, tree()), "");

    machine_.sh("rm -r /etc/emsn");
    EXPECT_EQ(install_station("--no-publish").status, 0);
    machine_.sh("echo '# a thought' >>/etc/emsn/emsn.conf");
    const auto undone = emsn_install("--uninstall");
    EXPECT_EQ(undone.status, 0);
    EXPECT_EQ(undone.err, "kept: /etc/emsn/emsn.conf was changed since it was written\n");
    EXPECT_EQ(machine_.sh("tail -n 1 /etc/emsn/emsn.conf"), "# a thought\n");
}

TEST_F(Install, SaysEverythingThatIsInTheWayAndChangesNothing) {
    const auto before = tree();
    const std::pair<std::string, std::string> cases[] = {
        {"--mirror /var/tmp/birds.db", "the mirror /var/tmp/birds.db: nothing is mounted there"},
        {"--mirror /mnt/usb/no/birds.db", "there is no folder /mnt/usb/no"},
        {"--source /etc/hostname", "/etc/hostname: cannot be read: "},
        {"--source /nowhere", "/nowhere: no such file"},
        {"--source /dev/null", "/dev/null: no such file"},
        {"--user ghost", "there is no user ghost"},
        {"--pg 'host=x password=y'", "the connection string holds a password"},
    };
    for (const auto &[options, words] : cases) {
        const auto outcome = install_station(options);
        EXPECT_EQ(outcome.status, 1) << options;
        EXPECT_NE(outcome.err.find(words), std::string::npos) << options << ": " << outcome.err;
        EXPECT_NE(outcome.err.find("nothing is changed"), std::string::npos) << outcome.err;
    }
    // nothing is asked for without a terminal
    const std::pair<std::string, std::string> wrong[] = {
        {"", "what is this machine?"},
        {"--station zolder --pg service=emsn", "--mirror FILE"},
        {"--station zolder --mirror /mnt/usb/b.db", "--pg CONNINFO"},
        {"--station", "needs a value"},
        {"--station zolder --colour", "unknown option --colour"},
        {"--station zolder --no-mirror --no-publish --backup-dir /mnt/usb --backups yearly", "not 'yearly'"},
    };
    for (const auto &[options, words] : wrong) {
        const auto outcome = emsn_install(options);
        EXPECT_EQ(outcome.status, 2) << options;
        EXPECT_NE(outcome.err.find(words), std::string::npos) << options << ": " << outcome.err;
    }
    EXPECT_EQ(machine_.run({"runuser", "-u", "pi", "--", "emsn-install", "--uninstall"}).status, 1);
    EXPECT_EQ(difference(before, tree()), "");
}

TEST_F(Install, AsksOnATerminal) {
    machine_.sh("printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' "
                ">/etc/systemd/system/birds-mirror.timer;"
                "systemctl enable birds-mirror.timer");
    const auto outcome = machine_.run(
        {"bash", "-c",
         "printf 'tuin\\n/mnt/usb/birds.db\\ny\\n' | script -qec 'emsn-install --no-publish' /dev/null"});
    EXPECT_EQ(outcome.status, 0) << outcome.out;
    EXPECT_NE(outcome.out.find("The name of this station"), std::string::npos) << outcome.out;
    EXPECT_NE(machine_.sh("cat /etc/emsn/emsn.conf").find("EMSN_STATION=tuin\n"), std::string::npos);
    EXPECT_EQ(machine_.run({"systemctl", "is-enabled", "birds-mirror.timer"}).out, "disabled\n");
}

TEST_F(Install, MakesACentre) {
    machine_.sh(R"sh(
        mkdir /srv/pg
        . /usr/share/emsn/scripts/lib/private_pg.sh
        private_pg_start /srv/pg
        runuser -u postgres -- createdb -h /srv/pg birds
    )sh");
    const auto before = tree();
    const auto made = emsn_install("--centre --pg 'host=/srv/pg dbname=birds' --backup-dir /mnt/usb");
    EXPECT_EQ(made.status, 0) << made.out << made.err;
    EXPECT_NE(section(made.out, "Health").find("connections"), std::string::npos) << made.out;
    EXPECT_EQ(
        machine_.sh("runuser -u postgres -- psql -XqAth /srv/pg birds -c 'SELECT value FROM emsn.settings'"),
        "public.bird_detections\n");
    machine_.sh(
        "systemctl is-active emsn-learn.timer emsn-report.timer emsn-health.timer emsn-backup@centre.timer");
    EXPECT_EQ(machine_.sh("stat -c '%a %U' /etc/emsn/emsn.conf /mnt/usb/centre"), "640 root\n700 postgres\n");
    machine_.sh("systemctl start emsn-backup@centre || { journalctl -u emsn-backup@centre; exit 1; }");
    EXPECT_EQ(machine_.sh("ls /mnt/usb/centre | grep -c 'dump$'"), "1\n");
    EXPECT_EQ(section(emsn_install("--centre").out, "Changes"), "");
    EXPECT_EQ(emsn_install("--uninstall").status, 0);
    EXPECT_EQ(difference(before, tree()), "");
}

} // namespace
} // namespace emsn::test
