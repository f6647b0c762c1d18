// Units and timers of systemd, asked over D-Bus (org.freedesktop.systemd1(5)) through libsystemd, which is
// opened when it is used.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/timer.hpp"

namespace emsn::core {

struct Unit {
    std::string name;
    std::string description;
    std::string load_state;   // loaded, not-found, masked
    std::string active_state; // active, inactive, failed, activating
    std::string sub_state;
    std::string path; // on the bus
};

struct UnitDetails {
    std::optional<std::string> result; // success, exit-code, timeout; nullopt: this kind of unit has none
    std::optional<std::int64_t> since_unix; // the last change of its state
};

// How a manager is reached. The environment's DBUS_SYSTEM_BUS_ADDRESS, as for every program on the system
// bus, names another bus: that of a user's manager, say.
struct SystemdSource {
    std::string bus_address;
    std::string library = "libsystemd.so.0";
    std::chrono::milliseconds call_timeout = std::chrono::seconds(2); // each call, and connecting
    [[nodiscard]] static SystemdSource of_system();
};

class Systemd {
  public:
    // Throws Error{unsupported} "ask systemd: no systemd here: REASON" when library or bus are not there.
    explicit Systemd(const SystemdSource &source = SystemdSource::of_system());
    ~Systemd();
    Systemd(const Systemd &) = delete;
    Systemd &operator=(const Systemd &) = delete;

    // All calls throw Error "ask systemd: CALL: REASON": timed_out, permission, or unsupported when nobody on
    // that bus is systemd.

    // Units that systemd has loaded, by name; of any of the states and any of the patterns (glob(7)), where
    // some are given.
    [[nodiscard]] std::vector<Unit> units(const std::vector<std::string> &states,
                                          const std::vector<std::string> &patterns);
    [[nodiscard]] UnitDetails details_of(const Unit &unit);
    [[nodiscard]] std::vector<Timer> timers();
    // False: it was not failed; systemd forgets units that nothing needs any more, they are not failed
    // either. A name without a kind is that of a service, as to systemctl(1).
    bool reset_failed(const std::string &unit);

  private:
    struct Bus;
    std::unique_ptr<Bus> bus_;
};

} // namespace emsn::core
