#include "core/host.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

class Host : public ::testing::Test {
  protected:
    void file(const std::string &path, const std::string &content) {
        std::filesystem::create_directories(std::filesystem::path(root_ / path).parent_path());
        test::write_file(root_ / path, content);
    }
    [[nodiscard]] HostFacts facts() const { return host_facts_below(root_.path()); }
    void throttled(const std::string &text) {
        file("sys/devices/platform/soc/soc:firmware/get_throttled", text);
    }
    test::TempDir root_;
};

TEST_F(Host, APiTellsAll) {
    file("proc/stat", "cpu  1 2 3\nintr 5\nctxt 6\nbtime 1735520000\nprocesses 7\n");
    file("proc/sys/kernel/osrelease", "6.1.21-v8+\n");
    file("proc/device-tree/model", std::string("Raspberry Pi 4 Model B Rev 1.4\0", 31));
    file("etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n");
    file("sys/class/thermal/thermal_zone0/temp", "48312\n");
    file("sys/class/thermal/thermal_zone1/temp", "51000\n");
    file("sys/class/thermal/cooling_device0/temp", "99000\n");
    throttled("50005\n");
    const auto seen = facts();
    EXPECT_EQ(seen.booted_unix, 1735520000);
    EXPECT_EQ(seen.kernel, "6.1.21-v8+");
    EXPECT_EQ(seen.model, "Raspberry Pi 4 Model B Rev 1.4");
    EXPECT_EQ(seen.os, "Debian GNU/Linux 12 (bookworm)");
    EXPECT_EQ(seen.temperature_celsius, 51.0);
    ASSERT_TRUE(seen.throttling);
    EXPECT_EQ(seen.throttling->flags, 0x50005U);
    EXPECT_TRUE(seen.throttling->under_voltage);
    EXPECT_FALSE(seen.throttling->frequency_capped);
    EXPECT_TRUE(seen.throttling->throttled);
    EXPECT_FALSE(seen.throttling->too_warm);
    EXPECT_TRUE(seen.throttling->since_boot);
}

TEST_F(Host, WhatIsNotThereOrMakesNoSenseIsNotKnown) {
    auto seen = facts();
    EXPECT_FALSE(seen.booted_unix || seen.temperature_celsius || seen.throttling || seen.kernel || seen.os ||
                 seen.model);
    file("proc/stat", "btime soon\n");
    file("proc/sys/kernel/osrelease", "");
    file("etc/os-release", "NAME=x");
    file("sys/class/thermal/thermal_zone0/temp", "-274000\n"); // no sensor behind it
    file("sys/class/thermal/thermal_zone1/temp", "warm\n");
    throttled("0xzz\n");
    seen = facts();
    EXPECT_FALSE(seen.booted_unix || seen.temperature_celsius || seen.throttling || seen.kernel || seen.os ||
                 seen.model);
}

TEST_F(Host, APiThatWasNeverHeldBackSaysSo) {
    throttled("0\n");
    ASSERT_TRUE(facts().throttling);
    EXPECT_FALSE(facts().throttling->since_boot);
    throttled("0x80000\n"); // too warm once, not now
    EXPECT_FALSE(facts().throttling->too_warm);
    EXPECT_TRUE(facts().throttling->since_boot);
}

TEST_F(Host, TheDistributorsFileServesWhereTheAdministratorHasNone) {
    file("usr/lib/os-release", "PRETTY_NAME='Other OS'\n");
    EXPECT_EQ(facts().os, "Other OS");
}

TEST_F(Host, TheLiveSystemAgreesWithUname) {
    const auto live = host_facts();
    EXPECT_EQ(live.kernel.value_or("") + "\n", test::run({"uname", "-r"}).out);
    ASSERT_TRUE(live.booted_unix);
    EXPECT_GT(*live.booted_unix, 0);
    EXPECT_LE(*live.booted_unix, std::time(nullptr));
}

} // namespace
} // namespace emsn::core
