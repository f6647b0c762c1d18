#include "core/timer.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace emsn::core {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr TwoClocks kNow{1'735'520'000 * kSecond, 5000 * kSecond};

Timer judged(const TimerTimes &times) {
    Timer timer;
    judge_timer(times, kNow, timer);
    return timer;
}

TEST(Timer, TheNextMomentIsTheFirstOfBothClocks) {
    EXPECT_EQ(judged({0, kNow.realtime + 60 * kSecond, 0, 0}).next_trigger_unix, 1'735'520'060);
    EXPECT_EQ(judged({0, 0, 5090 * kSecond, 0}).next_trigger_unix, 1'735'520'090);
    EXPECT_EQ(judged({0, kNow.realtime + 60 * kSecond, 5090 * kSecond, 0}).next_trigger_unix, 1'735'520'060);
    EXPECT_EQ(judged({0, kNow.realtime + 60 * kSecond, 4990 * kSecond, 0}).next_trigger_unix, 1'735'519'990);
}

TEST(Timer, NeverIsNeitherATimeNorOverdue) {
    for (const std::uint64_t never : {std::uint64_t{0}, kNever}) {
        const auto timer = judged({never, never, never, 0});
        EXPECT_FALSE(timer.last_trigger_unix || timer.next_trigger_unix || timer.overdue);
    }
}

TEST(Timer, IsOverdueAMinuteAndItsAccuracyAfterItsTime) {
    const auto overdue = [](std::uint64_t seconds_late, std::uint64_t accuracy_seconds) {
        return judged({kNow.realtime - 3600 * kSecond, kNow.realtime - seconds_late * kSecond, kNever,
                       accuracy_seconds * kSecond})
            .overdue;
    };
    EXPECT_EQ(overdue(60, 0), false);
    EXPECT_EQ(overdue(61, 0), true);
    EXPECT_EQ(overdue(120, 60), false);
    EXPECT_EQ(overdue(121, 60), true);
}

// systemd reckons the next time only when what it started has ended.
TEST(Timer, WhatItStartedMayBeAtWorkForADay) {
    const auto overdue = [](std::uint64_t hours) {
        const auto started = kNow.realtime - hours * 3600 * kSecond;
        return judged({started, started - kSecond / 2, kNever, 0}).overdue;
    };
    EXPECT_EQ(overdue(1), false);
    EXPECT_EQ(overdue(23), false);
    EXPECT_EQ(overdue(25), true);
}

} // namespace
} // namespace emsn::core
