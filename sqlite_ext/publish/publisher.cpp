#include "sqlite_ext/publish/publisher.hpp"

#include <algorithm>
#include <random>

#include "sqlite_ext/publish/spool.hpp"

namespace emsn::publish {

using core::Clock;
using core::Errc;
using core::Error;
using sqlite::Statement;

namespace {

constexpr std::int64_t kSecondsBetweenComparisons = std::int64_t{24} * 60 * 60;
constexpr std::int64_t kSecondsBetweenSigns = 60; // of life, where nothing else is written
constexpr int kTries = 3;                         // of reading a source that is being changed
constexpr double kLongestHoldSeconds = 1;

double since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string random_name() {
    std::random_device device;
    return std::to_string(device()) + std::to_string(device());
}

// Work for the waits of this connection, as long as this lives.
class Meanwhile {
  public:
    Meanwhile(Centre &centre, std::function<bool()> work) : centre_(centre) {
        centre_.while_waiting(std::move(work));
    }
    ~Meanwhile() { centre_.while_waiting({}); }
    Meanwhile(const Meanwhile &) = delete;
    Meanwhile &operator=(const Meanwhile &) = delete;

  private:
    Centre &centre_;
};

} // namespace

struct Publisher::Work {
    Report report;
    Application what;
    CentreState next;
    std::optional<NewRows> new_rows;
    DayCheck *check = nullptr; // of the days of new rows
    DayTallies days;           // to be sent; of `all`, found while sending
    bool all = false;
};

Report Publisher::run() {
    const auto start = Clock::now();
    Connection connection(conninfo_, watch_);
    const double connect_seconds = since(start);
    Centre centre(connection, station_);
    const bool is_first_try = !std::exchange(tried_before_, true);
    Report report;
    try {
        const auto state = centre.state();
        if (unanswered_ && state && state->run == unanswered_->run)
            return unanswered_->report; // it was committed after all
        unanswered_.reset();
        for (int tries = 0;; ++tries) {
            try {
                report = bring(centre, state, tries >= kTries);
                break;
            } catch (const Changed &) {
                centre.roll_back();
            } catch (const MoreThanNewRows &) {
                centre.roll_back();
                compares_days_ = true;
            }
        }
    } catch (const PgError &e) {
        // after a try of ours that broke off it may be ourselves, whom the server has not missed yet
        if (e.sqlstate() == "55P03" && is_first_try)
            throw Error(Errc::busy, e.what());
        throw;
    }
    report.rows_read = table_.rows_read();
    report.connect_seconds = connect_seconds;
    return report;
}

// Is the last comparison of everything long ago, or is one asked for?
bool Publisher::is_due(const CentreState &state) const {
    return wishes_.full || state.time_zone != wishes_.time_zone ||
           state.seconds_since_compared >= kSecondsBetweenComparisons;
}

Report Publisher::bring(Centre &centre, const std::optional<CentreState> &state, bool in_one_go) {
    std::optional<SourceTable::Held> held;
    const bool holds_recorder = in_one_go && !table_.source().is_wal();
    if (holds_recorder)
        check_calm(state);
    if (in_one_go || table_.source().is_wal())
        held.emplace(table_);
    Work work = work_for(centre, state, in_one_go);
    if (*work.what.scope == '\0')
        return work.report;
    if (work.new_rows) {
        DayCheck check(table_, work.new_rows->expected, work.next.moment);
        work.check = &check;
        send(centre, state, work, [&](const Sink &sink) { sink(work.new_rows->rows.bytes()); });
    } else if (holds_recorder) {
        // the network, which may be slow, comes when the recorder does not wait any more
        Spool spool;
        read_rows(work, [&](std::span<const char> bytes) { spool.append(bytes); });
        held.reset();
        send(centre, state, work, [&](const Sink &sink) { spool.replay(sink); });
    } else {
        send(centre, state, work, [&](const Sink &sink) {
            read_rows(work, sink);
            check_still(work.next.moment);
        });
    }
    return work.report;
}

void Publisher::check_still(const Moment &moment) {
    if (!table_.still(moment))
        throw Changed();
}

// At the speed of the tries before, it must not take longer than the recorder may wait. Days are read twice:
// to be compared, and to be sent.
void Publisher::check_calm(const std::optional<CentreState> &state) const {
    const auto read = static_cast<double>(std::max<std::int64_t>(table_.rows_read(), 1));
    const double rows = state ? 2 * static_cast<double>(state->rows) : read / kTries;
    if (rows * table_.held_seconds() / read > kLongestHoldSeconds)
        throw Error(Errc::busy, "the source changes too fast to be read at one moment");
}

Publisher::Work Publisher::work_for(Centre &centre, const std::optional<CentreState> &state, bool in_one_go) {
    watch_.stage("looking for what changed");
    Work work;
    work.next.moment = table_.look();
    work.next.time_zone = wishes_.time_zone;
    work.next.run = random_name();
    work.what.max_delete = wishes_.max_delete;
    const Moment &moment = work.next.moment;
    if (state && !is_due(*state)) {
        if (state->moment.proves_same(moment)) {
            work.report.counts.unchanged = state->rows;
            if (!wishes_.dry_run && state->seconds_since_published >= kSecondsBetweenSigns)
                centre.say_unchanged();
            return work;
        }
        if (!in_one_go && !compares_days_)
            work.new_rows = find_new_rows(table_, centre, *state, moment);
    }
    if (work.new_rows) {
        work.report.mode = work.what.scope = "moments";
        work.report.rows_sent = work.new_rows->count;
        work.days = work.new_rows->days;
        work.what.rows = state->rows + work.new_rows->added;
        work.next.newest = work.new_rows->newest.text();
        return work;
    }
    work.what.compared = true;
    // when somebody else changed the centre's rows, what is kept of them says nothing
    work.all = !state || wishes_.full || state->time_zone != wishes_.time_zone ||
               centre.live_rows() != state->live_rows;
    work.report.mode = work.what.scope = work.all ? "all" : "days";
    sends_all_ = work.all;
    if (!work.all)
        compare_days(centre, work);
    return work;
}

void Publisher::compare_days(Centre &centre, Work &work) {
    const DayTallies kept = centre.days();
    Digests digests = digest_of(table_, work.next.moment, watch_);
    check_still(work.next.moment);
    work.days = differing(digests.days, kept);
    work.what.rows = digests.rows;
    work.next.newest = digests.newest.text();
}

// The rows of the days, or all: once more compared with what is said of them.
void Publisher::read_rows(Work &work, const Sink &sink) {
    CopyBuffer buffer;
    DayTallies sent;
    Newest newest;
    std::int64_t count = 0;
    const auto on_row = [&](const Detection &row, const Statement &values) {
        if (!work.all && work.days.find(row.day()) == work.days.end())
            return;
        row.append_to(buffer, values);
        sent[row.day()].add(row.rowid(), row.hash());
        newest.see(row);
        ++count;
    };
    const std::int64_t last = work.next.moment.last_rowid;
    const auto on_slice = [&](std::int64_t at) {
        sink(buffer.bytes());
        buffer.clear();
        watch_.progress_rows(at, last);
    };
    watch_.stage("sending rows");
    const auto ranges = work.all ? std::vector<RowidRange>{{INT64_MIN, last}} : ranges_of(work.days);
    for (const auto &[first, end] : ranges)
        table_.read(first, end, on_row, on_slice);
    if (!work.all && !differing(sent, work.days).empty()) {
        for (const auto &[day, tally] : differing(sent, work.days)) {
            if (work.days[day].rows > 0 || tally.rows > 0)
                throw Changed();
        }
    }
    if (work.all) {
        work.days = std::move(sent);
        work.what.rows = count;
        work.next.newest = newest.text();
    }
    work.report.rows_sent = count;
}

void Publisher::send(Centre &centre, const std::optional<CentreState> &state, Work &work, const Feed &feed) {
    // nobody else publishes this station from here on; until here somebody may have
    const auto now = centre.begin(wishes_.time_zone, watch_.remaining_ms());
    if (now.has_value() != state.has_value() || (now && now->run != state->run))
        throw PgError("40001", "another publisher of this station was faster");
    try {
        if (work.all || work.report.rows_sent > 0 || !work.days.empty()) {
            CopyBuffer frame;
            frame.header();
            centre.begin_rows();
            centre.rows(frame.bytes());
            feed([&](std::span<const char> bytes) { centre.rows(bytes); });
            frame.clear();
            frame.trailer();
            centre.rows(frame.bytes());
            centre.end_rows();
        }
        watch_.stage("waiting for the centre to take the rows");
        work.what.days = json_of(work.days);
        // that takes as long as it takes to check the days
        const Meanwhile meanwhile(centre, [&] { return work.check != nullptr && work.check->step(); });
        work.report.counts = centre.apply(work.what, work.next);
    } catch (const PgError &e) {
        if (work.check != nullptr && !e.may_retry() && !work.check->all_as_expected())
            throw MoreThanNewRows();
        if (e.sqlstate() != "EM001")
            throw;
        throw Error(Errc::invalid_argument, e.what() + likely_cause(state, work));
    }
    if (work.check != nullptr) {
        if (!work.check->all_as_expected())
            throw MoreThanNewRows();
        check_still(work.next.moment);
    }
    if (wishes_.dry_run)
        return centre.roll_back();
    table_.source().check_not_moved();
    watch_.check(); // the last moment at which stopping changes nothing
    unanswered_ = Unanswered{work.next.run, work.report};
    centre.commit();
    unanswered_.reset();
}

// What may be wrong with a source that the centre refuses because of what it lacks.
std::string Publisher::likely_cause(const std::optional<CentreState> &state, const Work &work) const {
    const std::string source = "; source " + table_.source().file()->path;
    if (work.what.rows == 0)
        return source + " has no detection at all";
    std::string cause;
    if (state && state->moment.file != work.next.moment.file)
        cause = " is another file than at the last run";
    if (state && work.next.newest < state->newest) {
        cause += cause.empty() ? "" : ", and";
        cause += " looks like an older copy: its newest detection is of " +
                 (work.next.newest.empty() ? "no time" : work.next.newest) +
                 ", the newest that was published of " + state->newest;
    }
    return cause.empty() ? "" : source + cause;
}

} // namespace emsn::publish
