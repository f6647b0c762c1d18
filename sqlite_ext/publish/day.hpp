// Calendar days, and what the source holds of each: how a day that changed is found without sending it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace emsn::publish {

// Days since 2000-01-01, as PostgreSQL counts them; nullopt: of rows whose Date is none.
using Day = std::optional<std::int32_t>;

// "2026-01-02" or "2026/01/02"; nullopt for any other form and for days that do not exist.
[[nodiscard]] Day parse_day(std::string_view text) noexcept;
// "2026-01-02".
[[nodiscard]] std::string day_text(std::int32_t day);

// Microseconds since midnight of "HH:MM:SS", 00:00:00 to 23:59:59.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text) noexcept;

// "HH:MM:SS" of microseconds since midnight.
[[nodiscard]] std::string time_text(std::int64_t microseconds);

// The digest is the sum modulo 2^64 of the hashes of the rows: their order does not matter, and rows are
// added to it one by one.
struct DayTally {
    std::int64_t rows = 0;
    std::uint64_t digest = 0;
    std::int64_t first_rowid = INT64_MAX; // where they lie in the source
    std::int64_t last_rowid = INT64_MIN;

    void add(std::int64_t rowid, std::uint64_t hash) noexcept {
        ++rows;
        digest += hash;
        first_rowid = rowid < first_rowid ? rowid : first_rowid;
        last_rowid = rowid > last_rowid ? rowid : last_rowid;
    }
    [[nodiscard]] bool same(const DayTally &other) const noexcept {
        return rows == other.rows && digest == other.digest;
    }
};
using DayTallies = std::map<Day, DayTally>;

// [{"day": "2026-01-02", "rows": 3, "digest": "123"}, {"day": null, ...}]
[[nodiscard]] std::string json_of(const DayTallies &days);

} // namespace emsn::publish
