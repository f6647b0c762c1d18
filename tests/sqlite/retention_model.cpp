#include "tests/sqlite/retention_model.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <tuple>

namespace emsn::test {

namespace {

bool older(const Entry &a, const Entry &b) {
    return std::tie(a.taken, a.path) < std::tie(b.taken, b.path);
}

std::int64_t wall_of(std::int64_t taken) {
    const std::time_t time = taken;
    std::tm local{};
    ::localtime_r(&time, &local);
    return taken + local.tm_gmtoff;
}

// The number of the period that taken lies in: larger is later.
std::int64_t period_of(const std::string &rule, std::int64_t taken) {
    const std::int64_t wall = wall_of(taken);
    const std::chrono::sys_days day{std::chrono::days(wall / kDay)};
    const std::chrono::year_month_day date{day};
    const auto month = int{date.year()} * 12 + static_cast<int>(unsigned{date.month()});
    if (rule == "hourly")
        return taken / kHour; // offsets are whole hours here
    if (rule == "daily")
        return wall / kDay;
    if (rule == "weekly")
        return (wall / kDay + 3) / 7; // 1970-01-01 was a Thursday
    return rule == "monthly" ? month : int{date.year()};
}

// What one rule keeps of a station's entries, which are sorted, the oldest first.
void keep_by(const std::string &rule, int count, const Entries &sorted, std::set<std::string> &kept) {
    std::map<std::int64_t, const Entry *> chosen;
    for (const Entry &entry : sorted) {
        const std::int64_t period = rule == "last" ? &entry - sorted.data() : period_of(rule, entry.taken);
        const Entry *&best = chosen[period];
        if (best == nullptr || entry.good() || !best->good())
            best = &entry;
    }
    for (auto it = chosen.rbegin(); it != chosen.rend() && count > 0; ++it, --count)
        kept.insert(it->second->path);
}

} // namespace

std::set<std::string> kept_by_model(const Policy &policy, const Entries &entries) {
    std::set<std::string> kept;
    std::map<std::string, Entries> stations;
    for (const Entry &entry : entries) {
        if (entry.may_be_dropped() && !policy.empty())
            stations[entry.station].push_back(entry);
        else
            kept.insert(entry.path);
    }
    for (auto &station : stations) {
        Entries &all = station.second;
        std::sort(all.begin(), all.end(), older);
        Entries good;
        std::copy_if(all.begin(), all.end(), std::back_inserter(good),
                     [](const Entry &e) { return e.good(); });
        for (const Entries *some : {&all, &good}) {
            for (const auto &[rule, count] : policy) {
                if (rule != "within") {
                    keep_by(rule, count, *some, kept);
                    continue;
                }
                for (const Entry &entry : *some) {
                    if (wall_of(some->back().taken) - wall_of(entry.taken) < count * kDay)
                        kept.insert(entry.path);
                }
            }
        }
        const auto keep_newest = [&](auto &&condition) {
            const auto found = std::find_if(all.rbegin(), all.rend(), condition);
            if (found != all.rend())
                kept.insert(found->path);
        };
        keep_newest([](const Entry &) { return true; });
        keep_newest([](const Entry &e) { return e.complete == true; });
        keep_newest([](const Entry &e) { return e.verified == true; });
    }
    return kept;
}

} // namespace emsn::test
