// What a machine says of itself: since when it runs, how hot it is, whether it is held back, and what runs on
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace emsn::core {

// Of a Raspberry Pi, whose firmware slows the processor down and remembers until the next boot that it did.
struct Throttling {
    std::uint32_t flags = 0; // as `vcgencmd get_throttled` prints them
    bool under_voltage = false;
    bool frequency_capped = false;
    bool throttled = false;
    bool too_warm = false;   // the soft limit of temperature is reached
    bool since_boot = false; // any of these, now or since the boot
};

// nullopt: the kernel does not tell.
struct HostFacts {
    std::optional<std::int64_t> booted_unix;
    std::optional<double> temperature_celsius; // of the hottest zone
    std::optional<Throttling> throttling;
    std::optional<std::string> kernel; // "6.1.21-v8+"
    std::optional<std::string> os;     // "Debian GNU/Linux 12 (bookworm)"
    std::optional<std::string> model;  // "Raspberry Pi 4 Model B Rev 1.4"
};

// From the files below root, the live system's "". Nothing here is an error: what is not there, cannot be
// read or makes no sense is nullopt.
[[nodiscard]] HostFacts host_facts_below(const std::string &root);
[[nodiscard]] inline HostFacts host_facts() {
    return host_facts_below("");
}

} // namespace emsn::core
