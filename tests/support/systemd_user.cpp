#include "tests/support/systemd_user.hpp"

#include <unistd.h>

#include <filesystem>
#include <stdexcept>

namespace emsn::test {

namespace {

const std::string &plant(const std::string &folder, const std::map<std::string, std::string> &units) {
    std::filesystem::create_directories(folder + "/units");
    for (const auto &[name, text] : units)
        write_file(folder + "/units/" + name, text);
    return folder;
}

} // namespace

SystemdUser::SystemdUser(const std::map<std::string, std::string> &units)
    : process_({"bash", EMSN_SOURCE_DIR "/tests/support/systemd_user.sh", plant(dir_.path(), units)},
               dir_ / "log") {
    const auto is_up = [&] { return ::access((dir_ / "ready").c_str(), F_OK) == 0; };
    eventually([&] { return is_up() || !process_.running(); });
    if (!is_up())
        throw std::runtime_error("start systemd: " + read_file(dir_ / "log"));
}

SystemdUser::~SystemdUser() {
    write_file(dir_ / "stop", "");
    process_.wait();
}

Outcome SystemdUser::ctl(const std::vector<std::string> &args) const {
    std::vector<std::string> argv{"systemctl", "--user"};
    argv.insert(argv.end(), args.begin(), args.end());
    // in a chroot, as a container may be, systemctl would do nothing and be content
    return run(argv, {"DBUS_SESSION_BUS_ADDRESS=" + bus_address(), "XDG_RUNTIME_DIR=/nonexistent",
                      "SYSTEMD_IGNORE_CHROOT=1"});
}

} // namespace emsn::test
