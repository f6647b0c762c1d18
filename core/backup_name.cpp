#include "core/backup_name.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

namespace emsn::core {

using namespace std::string_view_literals;

namespace {

constexpr std::int64_t kSecondsADay = 86400;
constexpr int kFirstYear = 1970;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// A piece of the name, read from the left.
class Reader {
  public:
    Reader(std::string_view text, std::size_t at) : text_(text), at_(at) {}

    // The next digits when they are exactly count, without moving.
    [[nodiscard]] bool has_digits(std::size_t count) const {
        std::size_t end = at_;
        while (end < text_.size() && is_digit(text_[end]))
            ++end;
        return end - at_ == count;
    }
    [[nodiscard]] bool has(std::string_view characters) const {
        return at_ < text_.size() && characters.find(text_[at_]) != std::string_view::npos;
    }
    int number(std::size_t digits) {
        int value = 0;
        for (; digits > 0; --digits)
            value = value * 10 + (text_[at_++] - '0');
        return value;
    }
    void skip() { ++at_; }
    [[nodiscard]] Reader after() const { return {text_, at_ + 1}; }
    [[nodiscard]] bool ends_word() const {
        const bool letter = at_ < text_.size() && ((text_[at_] >= 'a' && text_[at_] <= 'z') ||
                                                   (text_[at_] >= 'A' && text_[at_] <= 'Z'));
        return !letter;
    }

  private:
    std::string_view text_;
    std::size_t at_;
};

struct Found {
    bool exists = false;   // in the calendar
    std::int64_t wall = 0; // seconds as if local time were UTC
};

bool has_dashed_date(Reader reader) {
    for (const std::size_t digits : {4U, 2U}) {
        if (!reader.has_digits(digits))
            return false;
        reader.number(digits);
        if (!reader.has("-"))
            return false;
        reader.skip();
    }
    return reader.has_digits(2);
}

// The date that begins here, and the time behind it; nullopt when these are no digits of a date.
std::optional<Found> date_at(Reader reader) {
    const bool dashed = has_dashed_date(reader);
    if (!dashed && !reader.has_digits(8))
        return std::nullopt;
    const int year = reader.number(4);
    if (dashed)
        reader.skip();
    const int month = reader.number(2);
    if (dashed)
        reader.skip();
    const int day = reader.number(2);
    const std::chrono::year_month_day date{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    Found found{date.ok() && year >= kFirstYear, 0};
    if (!found.exists && !dashed)
        return std::nullopt; // eight digits that mean something else
    std::array<int, 3> time{};
    for (const std::size_t digits : {6U, 4U, 2U}) {
        if (!reader.has("-_") || !reader.after().has_digits(digits))
            continue;
        reader.skip();
        for (std::size_t i = 0; i < digits / 2; ++i)
            time[i] = reader.number(2);
        break;
    }
    const auto [hour, minute, second] = time;
    found.exists = found.exists && hour < 24 && minute < 60 && second < 60 && reader.ends_word();
    if (found.exists) {
        found.wall = std::chrono::sys_days(date).time_since_epoch().count() * kSecondsADay +
                     std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second;
    }
    return found;
}

std::int64_t utc_offset_at(std::int64_t unix_seconds) {
    const std::time_t time = unix_seconds;
    std::tm local{};
    ::localtime_r(&time, &local);
    return local.tm_gmtoff;
}

std::int64_t unix_of_local(std::int64_t wall) {
    ::tzset();
    const std::int64_t before = utc_offset_at(wall - kSecondsADay);
    const std::int64_t after = utc_offset_at(wall + kSecondsADay);
    for (const std::int64_t offset : {std::max(before, after), std::min(before, after)}) { // earlier first
        if (utc_offset_at(wall - offset) == offset)
            return wall - offset;
    }
    return wall - before;
}

} // namespace

std::optional<DatedName> parse_backup_name(std::string_view name) {
    std::optional<Found> found;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < name.size(); ++at) {
        if (!is_digit(name[at]) || (at > 0 && is_digit(name[at - 1])))
            continue;
        const auto date = date_at(Reader(name, at));
        if (date && found)
            return std::nullopt;
        if (date) {
            found = date;
            begin = at;
        }
    }
    if (!found || !found->exists)
        return std::nullopt;
    return DatedName{unix_of_local(found->wall), std::string(name.substr(0, begin))};
}

NameIs what_is(std::string_view name) {
    constexpr std::array kNoBackup = {".partial"sv, ".corrupt"sv, ".emsn.json"sv, ".emsn.lock"sv,
                                      "-journal"sv, "-wal"sv,     "-shm"sv};
    if (name.starts_with('.'))
        return NameIs::no_backup;
    if (name.ends_with(".removing"sv))
        return NameIs::leftover;
    const bool none = std::ranges::any_of(kNoBackup, [&](auto suffix) { return name.ends_with(suffix); });
    return none ? NameIs::no_backup : NameIs::backup;
}

} // namespace emsn::core
