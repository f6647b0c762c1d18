#include "sqlite_ext/publish/plan.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

namespace emsn::publish {

namespace {

constexpr std::int64_t kMostNewRows = 5000;      // more come faster as whole days
constexpr std::int64_t kMostRowsInDays = 20'000; // of the days that are checked, each under one lock

// As the days must be: what the centre keeps, and the new rows. nullopt: too many rows to be checked cheaply.
std::optional<DayTallies> expected_days(const DayTallies &kept, const DayTallies &added) {
    DayTallies expected = kept;
    for (const auto &[day, tally] : added) {
        if (day) {
            expected[day].rows += tally.rows;
            expected[day].digest += tally.digest;
        }
    }
    std::int64_t rows = 0;
    for (const auto &[day, tally] : expected)
        rows += tally.rows;
    return rows > kMostRowsInDays ? std::nullopt : std::optional(std::move(expected));
}

} // namespace

void Newest::see(const Detection &row) {
    if (row.day() && row.time())
        seen_ = std::max(seen_, {*row.day(), *row.time()});
}

std::string Newest::text() const {
    if (seen_.first == INT32_MIN)
        return text_;
    return std::max(text_, day_text(seen_.first) + " " + time_text(seen_.second));
}

std::optional<NewRows> find_new_rows(SourceTable &table, Centre &centre, const CentreState &state,
                                     const Moment &moment) {
    constexpr std::int64_t kWraps = std::int64_t{1} << 32;
    const std::int64_t commits = (moment.counter - state.moment.counter + kWraps) % kWraps;
    if (table.source().is_wal() || !table.has_date_index() || moment.file != state.moment.file ||
        !state.moment.wal.empty() || commits == 0 || commits > kMostNewRows ||
        moment.last_rowid <= state.moment.last_rowid ||
        table.appended(state.moment.last_rowid, moment, commits) != commits ||
        table.hash_at(state.moment.last_rowid) != state.moment.last_row)
        return std::nullopt;

    NewRows found;
    found.newest = Newest(state.newest);
    std::set<std::pair<std::int32_t, std::int64_t>> seconds;
    table.read(
        state.moment.last_rowid + 1, moment.last_rowid,
        [&](const Detection &row, const sqlite::Statement &values) {
            ++found.added;
            found.days[row.day()].add(row.rowid(), row.hash());
            found.newest.see(row);
            if (row.good()) {
                seconds.emplace(*row.day(), *row.time());
            } else { // nothing else is known of its second
                row.append_to(found.rows, values);
                ++found.count;
            }
        },
        [](std::int64_t) {});
    for (const auto &[day, time] : seconds) {
        table.read_second(day, time, moment.last_rowid,
                          [&](const Detection &row, const sqlite::Statement &values) {
                              if (!row.good())
                                  return; // sent above when it is new, and known when it is not
                              row.append_to(found.rows, values);
                              ++found.count;
                          });
    }
    auto expected = expected_days(centre.recent_days(found.days), found.days);
    if (found.added != commits || !expected)
        return std::nullopt;
    found.expected = *std::move(expected);
    return found;
}

bool DayCheck::step() {
    if (next_ == expected_.end())
        return false;
    const auto &[day, expected] = *next_++;
    DayTally found;
    table_.tally_day(*day, moment_.last_rowid, found);
    as_expected_ = as_expected_ && found.same(expected);
    return true;
}

bool DayCheck::all_as_expected() {
    while (as_expected_ && step()) {
    }
    return as_expected_;
}

Digests digest_of(SourceTable &table, const Moment &moment, sqlite::Watch &watch) {
    watch.stage("comparing the days of the source");
    Digests digests;
    table.read_unjudged(
        INT64_MIN, moment.last_rowid,
        [&](const Detection &row, const sqlite::Statement &) {
            digests.days[row.day()].add(row.rowid(), row.hash());
            digests.newest.see(row);
            ++digests.rows;
        },
        [&](std::int64_t at) { watch.progress_rows(at, moment.last_rowid); });
    return digests;
}

DayTallies differing(const DayTallies &source, const DayTallies &centre) {
    DayTallies days;
    for (const auto &[day, tally] : source) {
        const auto kept = centre.find(day);
        if (kept == centre.end() || !kept->second.same(tally))
            days[day] = tally;
    }
    for (const auto &[day, tally] : centre) {
        if (source.find(day) == source.end())
            days[day] = DayTally();
    }
    return days;
}

std::vector<RowidRange> ranges_of(const DayTallies &days) {
    std::vector<RowidRange> ranges;
    for (const auto &[day, tally] : days) {
        if (tally.rows > 0)
            ranges.emplace_back(tally.first_rowid, tally.last_rowid);
    }
    std::sort(ranges.begin(), ranges.end());
    std::vector<RowidRange> merged;
    for (const auto &range : ranges) {
        if (!merged.empty() && range.first <= merged.back().second)
            merged.back().second = std::max(merged.back().second, range.second);
        else
            merged.push_back(range);
    }
    return merged;
}

} // namespace emsn::publish
