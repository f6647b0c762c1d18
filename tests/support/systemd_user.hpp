// A real systemd with units of the test's own, see systemd_user.sh. Needs root.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::test {

class SystemdUser {
  public:
    // units: the text of each by its name.
    explicit SystemdUser(const std::map<std::string, std::string> &units);
    ~SystemdUser();
    SystemdUser(const SystemdUser &) = delete;
    SystemdUser &operator=(const SystemdUser &) = delete;

    [[nodiscard]] std::string bus_address() const { return "unix:path=" + (dir_ / "run/bus"); }
    // For programs that are to ask it as the system's.
    [[nodiscard]] std::string as_system_bus() const { return "DBUS_SYSTEM_BUS_ADDRESS=" + bus_address(); }
    // systemctl --user ARGS...
    Outcome ctl(const std::vector<std::string> &args) const;

  private:
    TempDir dir_;
    Process process_;
};

} // namespace emsn::test
