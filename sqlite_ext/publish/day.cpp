#include "sqlite_ext/publish/day.hpp"

#include <chrono>
#include <cstdio>

namespace emsn::publish {

namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int kSixty = 60;
constexpr std::int64_t kMicroseconds = 1'000'000;
constexpr sys_days kEpoch = std::chrono::January / 1 / 2000;

// The number in a part of fixed width; -1 when it is none.
int number(std::string_view text, std::size_t at, std::size_t digits) noexcept {
    constexpr int kTen = 10;
    int value = 0;
    for (const char c : text.substr(at, digits)) {
        if (c < '0' || c > '9')
            return -1;
        value = value * kTen + (c - '0');
    }
    return value;
}

} // namespace

Day parse_day(std::string_view text) noexcept {
    constexpr std::size_t kLength = 10;
    constexpr std::size_t kMonthAt = 5;
    constexpr std::size_t kDayAt = 8;
    if (text.size() != kLength || (text[4] != '-' && text[4] != '/') || text[7] != text[4])
        return std::nullopt;
    const int year = number(text, 0, 4);
    const int month = number(text, kMonthAt, 2);
    const int day = number(text, kDayAt, 2);
    if (year < 1 || month < 0 || day < 0)
        return std::nullopt;
    const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                              std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok())
        return std::nullopt;
    return static_cast<std::int32_t>((sys_days(date) - kEpoch).count());
}

std::string day_text(std::int32_t day) {
    constexpr std::size_t kRoom = 32;
    const year_month_day date(kEpoch + std::chrono::days(day));
    char text[kRoom];
    const int length = std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    return {text, static_cast<std::size_t>(length)};
}

std::optional<std::int64_t> parse_time(std::string_view text) noexcept {
    constexpr std::size_t kLength = 8;
    constexpr std::size_t kSecondAt = 6;
    constexpr int kHours = 24;
    if (text.size() != kLength || text[2] != ':' || text[5] != ':')
        return std::nullopt;
    const int hour = number(text, 0, 2);
    const int minute = number(text, 3, 2);
    const int second = number(text, kSecondAt, 2);
    if (hour < 0 || hour >= kHours || minute < 0 || minute >= kSixty || second < 0 || second >= kSixty)
        return std::nullopt;
    return ((std::int64_t{hour} * kSixty + minute) * kSixty + second) * kMicroseconds;
}

std::string time_text(std::int64_t microseconds) {
    constexpr std::size_t kRoom = 48;
    const auto seconds = static_cast<int>(microseconds / kMicroseconds);
    char text[kRoom];
    const int length = std::snprintf(text, sizeof text, "%02d:%02d:%02d", seconds / kSixty / kSixty,
                                     seconds / kSixty % kSixty, seconds % kSixty);
    return {text, static_cast<std::size_t>(length)};
}

std::string json_of(const DayTallies &days) {
    std::string json = "[";
    for (const auto &[day, tally] : days) {
        json += json.size() > 1 ? "," : "";
        json += R"({"day":)" + (day ? '"' + day_text(*day) + '"' : "null") + R"(,"rows":)" +
                std::to_string(tally.rows) + R"(,"digest":")" + std::to_string(tally.digest) + "\"}";
    }
    return json + "]";
}

} // namespace emsn::publish
