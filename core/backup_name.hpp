// What the name of a backup tells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emsn::core {

struct DatedName {
    std::int64_t taken_unix = 0;
    std::string series; // what stands before the date: "birds-" of "birds-2025-12-30-14.sql.gz"
};

// The one date in name: YYYY-MM-DD or YYYYMMDD, and behind '-' or '_' the time, if there is one: HH, HHMM or
// HHMMSS. Local time of this process's time zone; without a time it is midnight. A time that comes twice when
// clocks go back is the first of the two; one that is left out when they go forward is counted from the clock
// as it was before: 02:30 is 03:30.
// nullopt: no date, two of them, a day or time that does not exist, or letters and digits right behind it.
[[nodiscard]] std::optional<DatedName> parse_backup_name(std::string_view name);

enum class NameIs {
    backup,
    leftover, // NAME.removing: a removal that was killed (core/remove_tree.hpp)
    no_backup // unfinished (.partial), failed (.corrupt), receipts, locks, SQLite's own files, hidden files
};

[[nodiscard]] NameIs what_is(std::string_view name);

} // namespace emsn::core
