#include "core/systemd.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "core/error.hpp"
#include "core/handle.hpp"
#include "tests/support/systemd_user.hpp"

namespace emsn::core {
namespace {

// One for the whole binary: it takes most of a second to start.
class SystemdTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (::geteuid() != 0)
            return;
        manager_ = std::make_unique<test::SystemdUser>(std::map<std::string, std::string>{
            {"emsn-mirror.service",
             "[Unit]\nDescription=The mirror\n[Service]\nType=oneshot\nExecStart=/bin/false\n"},
            {"emsn-mirror.timer", "[Timer]\nOnActiveSec=1h\nOnUnitActiveSec=1h\nAccuracySec=1s\n"},
            {"often.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"},
            {"often.timer", "[Timer]\nOnActiveSec=0\nOnCalendar=2099-01-01 00:00:00 UTC\nAccuracySec=1us\n"},
            {"idle.timer", "[Timer]\nOnCalendar=hourly\nUnit=often.service\n"}});
    }
    static void TearDownTestSuite() { manager_.reset(); }
    void SetUp() override {
        if (!manager_)
            GTEST_SKIP() << "only root can start one in namespaces";
    }
    static SystemdSource source() { return {manager_->bus_address()}; }
    static bool start(const std::string &unit) { return manager_->ctl({"start", unit}).status == 0; }
    static void fail_the_mirror() {
        EXPECT_FALSE(start("emsn-mirror.service"));
        ASSERT_EQ(manager_->ctl({"is-failed", "emsn-mirror.service"}).out, "failed\n");
    }
    static std::optional<Timer> timer(Systemd &systemd, const std::string &name) {
        const auto all = systemd.timers();
        const auto found = std::ranges::find(all, name, &Timer::name);
        return found == all.end() ? std::nullopt : std::optional(*found);
    }

    static std::unique_ptr<test::SystemdUser> manager_;
};

std::unique_ptr<test::SystemdUser> SystemdTest::manager_;

std::vector<std::string> names_of(const std::vector<Unit> &units) {
    std::vector<std::string> names;
    std::ranges::transform(units, std::back_inserter(names), &Unit::name);
    return names;
}

TEST_F(SystemdTest, FindsWhatFailedAndWhy) {
    fail_the_mirror();
    const auto before = std::time(nullptr);
    Systemd systemd(source());
    const auto failed = systemd.units({"failed"}, {});
    ASSERT_EQ(names_of(failed), std::vector<std::string>{"emsn-mirror.service"});
    EXPECT_EQ(failed[0].description, "The mirror");
    EXPECT_EQ(failed[0].load_state, "loaded");
    EXPECT_EQ(failed[0].active_state, "failed");
    EXPECT_EQ(failed[0].sub_state, "failed");
    const auto details = systemd.details_of(failed[0]);
    EXPECT_EQ(details.result, "exit-code");
    ASSERT_TRUE(details.since_unix);
    EXPECT_NEAR(static_cast<double>(*details.since_unix), static_cast<double>(before), 60);
}

TEST_F(SystemdTest, ListsEveryUnitOnceAsSystemctlDoes) {
    Systemd systemd(source());
    const auto names = names_of(systemd.units({}, {}));
    EXPECT_TRUE(std::ranges::is_sorted(names));
    const auto theirs = manager_->ctl({"list-units", "--all", "--plain", "--no-legend"}).out;
    EXPECT_EQ(std::ranges::count(theirs, '\n'), std::ssize(names));
    for (const auto &name : names)
        EXPECT_NE(theirs.find(name), std::string::npos) << name;
    EXPECT_TRUE(systemd.units({}, {"none-*"}).empty());
}

TEST_F(SystemdTest, ATargetHasNoResult) {
    Systemd systemd(source());
    const auto targets = systemd.units({"active"}, {"basic.target"});
    ASSERT_EQ(targets.size(), 1U);
    EXPECT_EQ(systemd.details_of(targets[0]).result, std::nullopt);
    EXPECT_TRUE(systemd.details_of(targets[0]).since_unix);
}

TEST_F(SystemdTest, TimersTellWhenTheyStartedAndWillStartSomething) {
    ASSERT_TRUE(start("often.timer"));
    ASSERT_TRUE(start("emsn-mirror.timer"));
    Systemd systemd(source());
    for (const char *name : {"often.timer", "emsn-mirror.timer"})
        ASSERT_TRUE(timer(systemd, name)) << name;
    ASSERT_TRUE(
        test::eventually([&] { return timer(systemd, "often.timer")->last_trigger_unix.has_value(); }));
    const auto often = timer(systemd, "often.timer");
    EXPECT_EQ(often->unit, "often.service");
    EXPECT_EQ(often->result, "success");
    EXPECT_NEAR(static_cast<double>(*often->last_trigger_unix), static_cast<double>(std::time(nullptr)), 60);
    ASSERT_TRUE(
        test::eventually([&] { return timer(systemd, "often.timer")->next_trigger_unix == 4070908800; }));
    EXPECT_EQ(timer(systemd, "often.timer")->overdue, false);
    const auto mirror = timer(systemd, "emsn-mirror.timer");
    EXPECT_EQ(mirror->last_trigger_unix, std::nullopt);
    ASSERT_TRUE(mirror->next_trigger_unix) << "of the clock that runs since the boot";
    EXPECT_NEAR(static_cast<double>(*mirror->next_trigger_unix),
                static_cast<double>(std::time(nullptr) + 3600), 60);
    EXPECT_EQ(mirror->overdue, false);
}

TEST_F(SystemdTest, ATimerThatIsNotStartedWillNotStartAnything) {
    ASSERT_TRUE(start("idle.timer"));
    ASSERT_EQ(manager_->ctl({"stop", "idle.timer"}).status, 0);
    Systemd systemd(source());
    const auto idle = timer(systemd, "idle.timer").value_or(Timer{}); // it may have been forgotten already
    EXPECT_FALSE(idle.next_trigger_unix || idle.overdue);
}

TEST_F(SystemdTest, ResettingSaysWhetherTheUnitWasFailed) {
    fail_the_mirror();
    Systemd systemd(source());
    EXPECT_TRUE(systemd.reset_failed("emsn-mirror")) << "a service, as systemctl takes it";
    EXPECT_TRUE(systemd.units({"failed"}, {}).empty());
    EXPECT_FALSE(systemd.reset_failed("emsn-mirror.service"));
    EXPECT_FALSE(systemd.reset_failed("basic.target"));
    EXPECT_FALSE(systemd.reset_failed("no-such.service"));
    EXPECT_FALSE(systemd.reset_failed("*"));
}

// What an error says, with its code.
std::pair<Errc, std::string> failure_of(const SystemdSource &source) {
    try {
        const Systemd systemd(source);
    } catch (const Error &e) {
        return {e.code(), e.what()};
    }
    return {Errc::internal, "no error"};
}

TEST(SystemdAbsent, NoLibraryIsAReason) {
    const auto [code, message] = failure_of({"unix:path=/nonexistent/bus", "libsystemd-none.so.0"});
    EXPECT_EQ(code, Errc::unsupported);
    EXPECT_EQ(message,
              "ask systemd: no systemd here: libsystemd-none.so.0: cannot open shared object file: No "
              "such file or directory");
}

TEST(SystemdAbsent, AnotherLibraryOfThatNameIsAReason) {
    const auto [code, message] = failure_of({"unix:path=/nonexistent/bus", "libc.so.6"});
    EXPECT_EQ(code, Errc::unsupported);
    EXPECT_EQ(message, "ask systemd: its library lacks sd_bus_new");
}

TEST(SystemdAbsent, NoBusIsAReason) {
    const auto [code, message] = failure_of({"unix:path=/nonexistent/bus"});
    EXPECT_EQ(code, Errc::unsupported);
    EXPECT_EQ(message,
              "ask systemd: no systemd here: bus unix:path=/nonexistent/bus: No such file or directory");
    EXPECT_EQ(failure_of({"nonsense"}).first, Errc::unsupported);
}

TEST(SystemdAbsent, ABusThatDoesNotAnswerIsGivenUp) {
    const test::TempDir dir;
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir / "bus").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    SystemdSource source{"unix:path=" + (dir / "bus")};
    source.call_timeout = std::chrono::milliseconds(200);
    const auto begun = std::chrono::steady_clock::now();
    const auto [code, message] = failure_of(source);
    EXPECT_EQ(code, Errc::timed_out);
    EXPECT_EQ(message, "ask systemd: connect: bus unix:path=" + (dir / "bus") + ": Connection timed out");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

// A message bus on which systemd is not.
TEST(SystemdAbsent, ABusWithoutSystemdIsAReason) {
    const test::TempDir dir;
    const std::string address = "unix:path=" + (dir / "bus");
    test::write_file(dir / "log", "");
    const test::Process daemon(
        {"dbus-daemon", "--session", "--nofork", "--print-address", "--address=" + address}, dir / "log");
    // the socket is there before anybody listens to it; the address is printed when somebody does
    ASSERT_TRUE(
        test::eventually([&] { return test::read_file(dir / "log").find(address) != std::string::npos; }));
    Systemd systemd({address});
    try {
        static_cast<void>(systemd.units({}, {}));
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::unsupported);
        EXPECT_EQ(std::string(e.what()).find("ask systemd: ListUnitsByPatterns: "), 0U) << e.what();
    }
}

TEST(SystemdSourceTest, TheEnvironmentNamesTheBus) {
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
    EXPECT_EQ(SystemdSource::of_system().bus_address, "unix:path=/run/dbus/system_bus_socket");
    ::setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/user/1000/bus", 1);
    EXPECT_EQ(SystemdSource::of_system().bus_address, "unix:path=/run/user/1000/bus");
    ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
}

} // namespace
} // namespace emsn::core
