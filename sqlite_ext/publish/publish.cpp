#include "sqlite_ext/publish/publish.hpp"

#include <algorithm>

#include "core/options.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/publish/publisher.hpp"
#include "sqlite_ext/publish/station.hpp"
#include "sqlite_ext/publish/time_zone.hpp"

namespace emsn::publish {

using core::Clock;
using core::Errc;
using core::Error;

namespace {

struct PublishOptions {
    Wishes wishes;
    std::int64_t timeout_ms;
    bool progress;

    explicit PublishOptions(std::string_view json) {
        constexpr std::int64_t kNone = -1;
        core::Options options(json);
        wishes.full = options.flag("full", false);
        wishes.dry_run = options.flag("dry_run", false);
        wishes.time_zone = options.text("time_zone", "");
        const auto most = options.integer("max_delete", kNone, kNone, INT64_MAX);
        timeout_ms = options.integer("timeout_ms", 60'000, 1, INT32_MAX);
        progress = options.flag("progress", false);
        options.finish();
        if (most != kNone)
            wishes.max_delete = most;
        if (wishes.time_zone.empty())
            wishes.time_zone = machine_time_zone();
    }
};

// As JSON, by SQLite itself: running out of memory there is an error, not the end of the host program.
std::string report_text(sqlite3 *db, const Report &report, const PublishOptions &options, double seconds) {
    sqlite::Statement json(db,
                           "SELECT json_object('mode', ?1, 'dry_run', json(iif(?2, 'true', 'false')), "
                           "'inserted', ?3, 'updated', "
                           "?4, 'deleted', ?5, 'restored', ?6, 'unchanged', ?7, 'rejected', ?8, 'missing', "
                           "?9, 'rows_sent', ?10, "
                           "'rows_read', ?11, 'connect_seconds', round(?12, 4), 'seconds', round(?13, 4))");
    const Counts &counts = report.counts;
    int parameter = 0;
    json.bind(++parameter, std::string(report.mode));
    json.bind(++parameter, options.wishes.dry_run ? 1 : 0);
    for (const auto number :
         {counts.inserted, counts.updated, counts.deleted, counts.restored, counts.unchanged, counts.rejected,
          counts.missing, report.rows_sent, report.rows_read})
        json.bind(++parameter, number);
    json.bind(++parameter, report.connect_seconds);
    json.bind(++parameter, seconds);
    json.step();
    return json.text(0);
}

// Tries again, at growing intervals, as long as it may go through before the deadline.
Report persist(Publisher &publisher, sqlite::Watch &watch) {
    constexpr auto kFirstPause = std::chrono::milliseconds(250);
    constexpr auto kLongestPause = std::chrono::milliseconds(8000);
    for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
        try {
            return publisher.run();
        } catch (const PgError &e) {
            if (!e.may_retry() || pause.count() >= watch.remaining_ms())
                throw;
            watch.stage(std::string("waiting to try again, after: ") + e.what());
        }
        for (const auto until = Clock::now() + pause; Clock::now() < until;)
            watch.wait_a_moment();
    }
}

// What to expect of an error that may pass.
std::string outlook(const Error &e, bool sends_all) {
    switch (e.code()) {
    case Errc::timed_out:
        if (sends_all)
            return "; nothing is changed, and sending every row may need a longer timeout";
        [[fallthrough]];
    case Errc::busy:
    case Errc::unavailable:
        return "; nothing is lost, emsn will catch up with the next run";
    default:
        return "";
    }
}

Report publish(sqlite3 *db, const Conninfo &conninfo, const std::string &station,
               const PublishOptions &options) {
    sqlite::Watch watch(db, options.timeout_ms, options.progress);
    bool sends_all = false;
    try {
        const sqlite::NoBusyTimeout no_busy_timeout(db);
        const sqlite::Source source(db, "main", watch);
        SourceTable table(source, watch);
        Publisher publisher(table, conninfo, station, options.wishes, watch);
        try {
            return persist(publisher, watch);
        } catch (...) {
            sends_all = publisher.sends_all();
            throw;
        }
    } catch (const Error &e) {
        throw Error(e.code(), e.what() + outlook(e, sends_all));
    }
}

} // namespace

void emsn_publish(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    sqlite::guard("emsn_publish", ctx, argc, argv, [&] {
        const auto start = Clock::now();
        sqlite3 *db = sqlite3_context_db_handle(ctx);
        const PublishOptions options(argc > 2 ? sqlite::text_of(argv[2]) : "");
        const std::string station = station_of(sqlite::text_of(argv[1]));
        const Conninfo conninfo(sqlite::text_of(argv[0]), "emsn_publish/" + station);
        const Report report = publish(db, conninfo, station, options);
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        sqlite::result_text(ctx, report_text(db, report, options, seconds));
    });
}

} // namespace emsn::publish
