// A timer of systemd: when it started something, when it will, and whether it should have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace emsn::core {

// What systemd says of a timer, in its own units: microseconds; 0 and the greatest number mean never.
struct TimerTimes {
    std::uint64_t last_trigger = 0;
    std::uint64_t next_realtime = 0;
    std::uint64_t next_monotonic = 0; // CLOCK_MONOTONIC
    std::uint64_t accuracy = 0;
};

// nullopt for never.
[[nodiscard]] std::optional<std::int64_t> unix_seconds(std::uint64_t microseconds);

// The two clocks at one moment, in microseconds.
struct TwoClocks {
    std::uint64_t realtime = 0;
    std::uint64_t monotonic = 0;
    [[nodiscard]] static TwoClocks now();
};

struct Timer {
    std::string name;
    std::string unit; // what it starts
    std::optional<std::int64_t> last_trigger_unix;
    std::optional<std::int64_t> next_trigger_unix; // nullopt: it will not start anything by itself
    std::optional<std::string> result;
    // nullopt without a next_trigger. true: that moment is more than a minute past (and what the timer calls
    // its accuracy) and nothing was started; or what was started then is at work for more than a day.
    std::optional<bool> overdue;
};

// Fills in the times of timer.
void judge_timer(const TimerTimes &times, const TwoClocks &now, Timer &timer);

} // namespace emsn::core
