// The Debian packages, put on a machine by dpkg and taken off again.
#include <sstream>

#include "tests/scripts/install_support.hpp"

namespace emsn::test {
namespace {

class Packages : public InstallTest {};

TEST_F(Packages, LintianFindsNoError) {
    const auto outcome =
        machine_.run({"bash", "-c", "lintian --allow-root --fail-on error /shared/packages/1/*.deb"});
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
}

TEST_F(Packages, InstallUpgradeRemoveAndPurge) {
    make_station();
    machine_.sh("printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' "
                ">/etc/systemd/system/sd-backup-hourly.timer;"
                "printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/sd-backup-hourly.service;"
                "systemctl enable --now sd-backup-hourly.timer");
    const auto before = tree();
    machine_.sh("dpkg --no-triggers -i /shared/packages/1/*.deb");
    EXPECT_EQ(machine_.sh("systemctl list-unit-files --state=enabled --no-legend 'emsn*' || true"), "")
        << "nobody asked for that";
    EXPECT_EQ(machine_.sh("cd /; sqlite3 :memory: '.load emsn' '.load emsn_pg sqlite3_emsnpg_init' 'SELECT "
                          "emsn_version() IS NOT NULL'"),
              "1\n");

    EXPECT_EQ(install_station("--no-publish --backup-dir /mnt/usb --replace").status, 0);
    const auto set_up = tree();
    machine_.sh("dpkg --no-triggers -i /shared/packages/2/*.deb");
    EXPECT_EQ(
        machine_.sh("dpkg-query -W -f '${Version} ' emsn postgresql-15-emsn-health | grep -c -- '-2 .*-2 '"),
        "1\n");
    std::string changed;
    std::istringstream lines(difference(set_up, tree()));
    for (std::string line; std::getline(lines, line);) {
        if (line.find("/usr/share/doc/") == std::string::npos) // its changelog has the number
            changed += line + "\n";
    }
    EXPECT_EQ(changed, "");
    machine_.sh("systemctl is-active emsn-mirror.timer && systemctl start emsn-mirror");

    machine_.sh("dpkg -L emsn postgresql-15-emsn-health >/run/files");
    machine_.sh("dpkg --no-triggers -r emsn postgresql-15-emsn-health");
    EXPECT_EQ(machine_.sh("systemctl list-units --all --no-legend 'emsn-*.timer'"), "");
    EXPECT_EQ(machine_.sh("systemctl is-active sd-backup-hourly.timer"), "active\n");
    EXPECT_EQ(machine_.sh("cat /etc/emsn/emsn.conf | grep -c EMSN_STATION=zolder"), "1\n");
    machine_.sh("dpkg --no-triggers -P emsn postgresql-15-emsn-health");
    EXPECT_EQ(difference(before, tree()), "");
    EXPECT_EQ(machine_.sh("while read -r file; do [[ -d $file || (! -e $file && ! -L $file) ]] || echo "
                          "\"$file\"; done </run/files"),
              "");
    EXPECT_EQ(machine_.sh("ls /mnt/usb"), "birds.db\n");
}

TEST_F(Packages, EveryScriptHasAManPageAndCompletes) {
    install_packages();
    std::istringstream names(machine_.sh("ls /usr/bin | grep ^emsn-"));
    int seen = 0;
    for (std::string name; std::getline(names, name); ++seen) {
        const auto page = machine_.sh("zcat /usr/share/man/man1/" + name + ".1.gz");
        EXPECT_NE(page.find("\n.SH SYNOPSIS\n"), std::string::npos) << page;
        EXPECT_NE(page.find("\\fB\\-\\-help\\fR"), std::string::npos) << page;
        EXPECT_EQ(page.find("DESCRIPTION\nUsage"), std::string::npos) << page;
        EXPECT_EQ(machine_.sh("readlink -f /usr/share/bash-completion/completions/" + name),
                  "/usr/share/bash-completion/completions/emsn\n");
    }
    EXPECT_GE(seen, 10);
    const auto completed = [&](const std::string &line, int word) {
        return machine_.sh(". /usr/share/bash-completion/completions/emsn; COMP_WORDS=(" + line +
                           " ''); COMP_CWORD=" + std::to_string(word) +
                           "; _emsn emsn-backup; echo ${COMPREPLY[*]}; complete -p emsn-backup >/dev/null");
    };
    EXPECT_EQ(completed("emsn-backup", 1), "daily weekly hourly centre\n");
    EXPECT_EQ(completed("emsn-backup h", 1), "hourly\n");
    EXPECT_EQ(completed("emsn-backup daily --no-r", 2), "--no-require-mount\n");
    EXPECT_EQ(completed("emsn-backup daily", 2), "\n");
}

} // namespace
} // namespace emsn::test
