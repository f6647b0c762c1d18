#include "core/timer.hpp"

#include <algorithm>
#include <ctime>
#include <limits>

namespace emsn::core {

namespace {

constexpr std::uint64_t kMicro = 1'000'000;

bool is_set(std::uint64_t microseconds) {
    return microseconds != 0 && microseconds != std::numeric_limits<std::uint64_t>::max();
}

std::uint64_t clock_microseconds(clockid_t clock) {
    constexpr std::uint64_t kNanosInMicro = 1000;
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kMicro +
           static_cast<std::uint64_t>(now.tv_nsec) / kNanosInMicro;
}

} // namespace

std::optional<std::int64_t> unix_seconds(std::uint64_t microseconds) {
    return is_set(microseconds) ? std::optional(static_cast<std::int64_t>(microseconds / kMicro))
                                : std::nullopt;
}

TwoClocks TwoClocks::now() {
    return {clock_microseconds(CLOCK_REALTIME), clock_microseconds(CLOCK_MONOTONIC)};
}

void judge_timer(const TimerTimes &times, const TwoClocks &now, Timer &timer) {
    constexpr std::uint64_t kGrace = 60 * kMicro;         // a busy machine starts things late
    constexpr std::uint64_t kLongestRun = 86400 * kMicro; // a day: the image of a card takes hours
    std::uint64_t next = is_set(times.next_realtime) ? times.next_realtime : 0;
    if (is_set(times.next_monotonic)) {
        // modulo 2^64, so that it may lie before now too
        const std::uint64_t next_monotonic = now.realtime + (times.next_monotonic - now.monotonic);
        next = next == 0 ? next_monotonic : std::min(next, next_monotonic);
    }
    timer.last_trigger_unix = unix_seconds(times.last_trigger);
    timer.next_trigger_unix = unix_seconds(next);
    timer.overdue = std::nullopt;
    if (!timer.next_trigger_unix)
        return;
    // as long as what it started runs, systemd does not reckon the next time
    const bool at_work = is_set(times.last_trigger) && times.last_trigger + kMicro >= next;
    const std::uint64_t limit = at_work ? kLongestRun : kGrace + times.accuracy;
    timer.overdue = now.realtime > next && now.realtime - next > limit;
}

} // namespace emsn::core
