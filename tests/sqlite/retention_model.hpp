// The rules of sql/retention.sql, written a second time and plainly.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace emsn::test {

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kNow = 1774872000; // 2026-03-30 12:00 UTC: the clock went forward a day ago

using Policy = std::map<std::string, int>;
inline const std::vector<std::string> kPeriods{"last", "hourly", "daily", "weekly", "monthly", "yearly"};

struct Entry {
    Entry(std::string path_, std::string station_, std::int64_t taken_)
        : path(std::move(path_)), station(std::move(station_)), taken(taken_) {}

    std::string path;
    std::string station;
    std::int64_t taken;
    std::optional<bool> complete;
    std::optional<bool> verified;
    std::string source = "name";
    std::string kind = "daily";
    std::string series;

    [[nodiscard]] bool may_be_dropped() const {
        return source != "mtime" && kind != "other" && taken <= kNow;
    }
    [[nodiscard]] bool good() const { return complete != false; }
};
using Entries = std::vector<Entry>;

// The paths that stay.
std::set<std::string> kept_by_model(const Policy &policy, const Entries &entries);

} // namespace emsn::test
