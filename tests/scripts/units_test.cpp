// The unit files: what systemd itself says of them, and what all of them promise.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>

#include "tests/support/machine.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

constexpr const char *kUnits = EMSN_SOURCE_DIR "/scripts/systemd";

std::map<std::string, std::string> files(const std::string &suffix) {
    std::map<std::string, std::string> found;
    for (const auto &entry : fs::directory_iterator(kUnits)) {
        const std::string name = entry.path().filename();
        if (name.ends_with(suffix))
            found[name] = read_file(entry.path());
    }
    return found;
}

bool has_line(const std::string &text, const std::string &line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Units, SystemdFindsNothingWrongInThem) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "only root can start a machine";
    const Machine machine;
    const auto outcome = machine.run({"bash", "-c", "systemd-analyze verify /etc/systemd/system/emsn-*"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out + outcome.err, "");
}

TEST(Units, ExposureIsAtMostThree) {
    int seen = 0;
    for (const auto &[name, text] : files(".service")) {
        const auto outcome = run({"systemd-analyze", "security", "--offline=yes", "--threshold=30",
                                  "--no-pager", std::string(kUnits) + "/" + name},
                                 {"SYSTEMD_IGNORE_CHROOT=1"});
        EXPECT_EQ(outcome.status, 0) << name << ": " << outcome.out.substr(outcome.out.find("Overall"));
        EXPECT_NE(outcome.out.find("Overall exposure level"), std::string::npos) << outcome.err;
        ++seen;
    }
    EXPECT_EQ(seen, 9);
}

TEST(Units, ServicesAreRetriedReportedAndBounded) {
    for (const auto &[name, text] : files(".service")) {
        const bool alert = name == "emsn-alert@.service";
        for (const char *line :
             {"Type=oneshot", "ProtectSystem=strict", "NoNewPrivileges=yes", "PrivateTmp=yes"})
            EXPECT_TRUE(has_line(text, line)) << name << " lacks " << line;
        for (const char *key : {"TimeoutStartSec=", "MemoryHigh=", "MemoryMax=", "CapabilityBoundingSet="})
            EXPECT_NE(text.find(std::string("\n") + key), std::string::npos) << name << " lacks " << key;
        for (const char *line :
             {"OnFailure=emsn-alert@%n.service", "Restart=on-failure", "RestartPreventExitStatus=1 2",
              "RuntimeDirectory=emsn/%N", "RuntimeDirectoryPreserve=yes", "IOSchedulingClass=idle"})
            EXPECT_EQ(has_line(text, line), !alert) << name << ": " << line;
        EXPECT_EQ(text.find("\nExecStart=/usr/bin/emsn-retry ") != std::string::npos, !alert) << name;
        EXPECT_EQ(text.find("RequiresMountsFor="), std::string::npos)
            << name << ": a mount that is away would end it without a retry and without a report";
        EXPECT_EQ(text.find("RemoveIPC=yes"), std::string::npos)
            << name << ": as the user postgres it would take the shared memory of the server away";
    }
}

TEST(Units, TimersCatchUpAndAreSpreadOut) {
    const auto services = files(".service");
    for (const auto &[name, text] : files(".timer")) {
        for (const char *line : {"Persistent=yes", "FixedRandomDelay=yes", "WantedBy=timers.target"})
            EXPECT_TRUE(has_line(text, line)) << name << " lacks " << line;
        EXPECT_NE(text.find("\nRandomizedDelaySec="), std::string::npos) << name;
        const std::string template_name = std::regex_replace(name, std::regex("(@?)[a-z]*\\.timer$"), "$1");
        const std::string stem = name.substr(0, name.size() - 6);
        EXPECT_TRUE(services.contains(stem + ".service") || services.contains(template_name + ".service"))
            << name << " starts nothing";
    }
    EXPECT_EQ(files(".timer").size(), 10U);
}

} // namespace
} // namespace emsn::test
