#include "sqlite_ext/publish/centre.hpp"

#include <algorithm>
#include <charconv>

#include "sqlite_ext/publish/utf8.hpp"

namespace emsn::publish {

namespace {

constexpr std::int64_t kLockTimeoutMs = 10'000; // of a lock that somebody else holds; then it is tried again

std::int32_t number_of(const std::string &day) {
    const Day parsed = parse_day(day);
    if (!parsed)
        throw core::Error(core::Errc::internal, "the centre keeps a day that is none: " + day);
    return *parsed;
}

} // namespace

std::string CentreState::position() const {
    return "{\"file\":" + json_string(moment.file) + ",\"counter\":" + std::to_string(moment.counter) +
           ",\"wal\":" + json_string(moment.wal) + ",\"last_rowid\":" + std::to_string(moment.last_rowid) +
           ",\"last_row\":" + json_string(moment.last_row) + ",\"time_zone\":" + json_string(time_zone) +
           ",\"newest\":" + json_string(newest) + ",\"run\":" + json_string(run) + "}";
}

std::optional<CentreState> Centre::state() {
    // the extension may keep more there; what is missing reads as nothing and so means a whole comparison
    const Result result = connection_.query(
        "SELECT s #>> '{position,file}', s #>> '{position,counter}', s #>> '{position,wal}',"
        " s #>> '{position,last_rowid}', s #>> '{position,last_row}', s #>> '{position,newest}',"
        " s #>> '{position,run}', s #>> '{position,time_zone}', s ->> 'rows', s ->> 'live_rows',"
        " s ->> 'seconds_since_compared', s ->> 'seconds_since_published'"
        " FROM emsn.publish_state($1::text) AS s WHERE s IS NOT NULL",
        {station_});
    if (result.rows() == 0)
        return std::nullopt;
    CentreState state;
    int column = 0;
    state.moment.file = result.text(0, column++);
    state.moment.counter = result.integer(0, column++);
    state.moment.wal = result.text(0, column++);
    state.moment.last_rowid = result.integer(0, column++);
    state.moment.last_row = result.text(0, column++);
    state.newest = result.text(0, column++);
    state.run = result.text(0, column++);
    state.time_zone = result.text(0, column++);
    state.rows = result.integer(0, column++);
    state.live_rows = result.integer(0, column++);
    if (!result.is_null(0, column))
        state.seconds_since_compared = result.integer(0, column);
    state.seconds_since_published = result.integer(0, ++column);
    return state;
}

DayTallies Centre::tallies_of(const Result &result) {
    DayTallies days;
    for (int row = 0; row < result.rows(); ++row) {
        const Day day = result.is_null(row, 0) ? Day() : Day(number_of(result.text(row, 0)));
        DayTally &tally = days[day];
        tally.rows = result.integer(row, 1);
        const std::string digest = result.text(row, 2);
        std::from_chars(digest.data(), digest.data() + digest.size(), tally.digest);
    }
    return days;
}

DayTallies Centre::days() {
    return tallies_of(connection_.query(
        "SELECT to_char(d.day, 'YYYY-MM-DD'), d.rows, d.digest FROM emsn.publish_days($1::text) AS d",
        {station_}));
}

DayTallies Centre::recent_days(const DayTallies &also) {
    std::string list = "{";
    for (const auto &[day, tally] : also) {
        if (day)
            list.append(list.size() > 1 ? "," : "").append(day_text(*day));
    }
    return tallies_of(connection_.query(
        "WITH d AS MATERIALIZED (SELECT k.day, k.rows, k.digest FROM emsn.publish_days($1::text) AS k"
        " WHERE k.day IS NOT NULL)"
        " SELECT to_char(d.day, 'YYYY-MM-DD'), d.rows, d.digest FROM d WHERE d.day = ANY ($2::date[])"
        " OR d.day IN (SELECT n.day FROM d AS n ORDER BY n.day DESC LIMIT 3)",
        {station_, list + "}"}));
}

std::int64_t Centre::live_rows() {
    return connection_.query("SELECT emsn.publish_live_rows($1::text)", {station_}).integer(0, 0);
}

void Centre::say_unchanged() {
    connection_.query("SELECT emsn.publish_unchanged($1::text)", {station_});
}

void Centre::begin(const std::string &time_zone, std::int64_t timeout_ms) {
    connection_.query("BEGIN ISOLATION LEVEL READ COMMITTED");
    // a client that is gone is noticed while a statement runs, so that its locks are free for the next run
    connection_.query("SELECT set_config('statement_timeout', $3::text, true),"
                      " set_config('lock_timeout', $4::text, true),"
                      " set_config('idle_in_transaction_session_timeout', $3::text, true),"
                      " set_config('client_connection_check_interval', '1000', true),"
                      " emsn.publish_begin($1::text, $2::text)",
                      {station_, time_zone, std::to_string(timeout_ms),
                       std::to_string(std::min(timeout_ms, kLockTimeoutMs))});
}

void Centre::begin_rows() {
    connection_.begin_copy(
        "COPY pg_temp.emsn_incoming (source_row, day, \"time\", species, common_name, confidence,"
        " latitude, longitude, cutoff, week, sensitivity, overlap, file_name, reason, raw)"
        " FROM STDIN (FORMAT binary)");
}

Counts Centre::apply(const Application &what, const CentreState &next) {
    std::string options = what.compared ? "{\"compared\":true" : "{\"compared\":false";
    if (what.max_delete)
        options += ",\"max_delete\":" + std::to_string(*what.max_delete);
    const Result result = connection_.query(
        "SELECT r ->> 'inserted', r ->> 'updated', r ->> 'deleted', r ->> 'restored', r ->> 'unchanged',"
        " r ->> 'rejected', r ->> 'missing' FROM emsn.publish_apply($1::text, $2::text, $3::jsonb, "
        "$4::bigint,"
        " $5::jsonb, $6::jsonb) AS r",
        {station_, what.scope, what.days, std::to_string(what.rows), next.position(), options + "}"});
    Counts counts;
    int column = 0;
    for (auto *count : {&counts.inserted, &counts.updated, &counts.deleted, &counts.restored,
                        &counts.unchanged, &counts.rejected, &counts.missing})
        *count = result.integer(0, column++);
    return counts;
}

void Centre::commit() {
    connection_.query("COMMIT");
}

} // namespace emsn::publish
