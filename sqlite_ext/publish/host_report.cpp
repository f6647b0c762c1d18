#include "sqlite_ext/publish/host_report.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/utc.hpp"
#include "core/within.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/publish/host_parts.hpp"
#include "sqlite_ext/publish/pg.hpp"
#include "sqlite_ext/publish/station.hpp"

namespace emsn::publish {

using core::Errc;
using core::Error;
using nlohmann::json;
using std::chrono::milliseconds;

namespace {

constexpr std::int64_t kTimeoutMs = 60'000;
constexpr milliseconds kPartLimit(10'000);  // a disk that was asleep takes some seconds
constexpr std::size_t kMostBytes = 250'000; // the centre takes 256 kB
constexpr std::size_t kMostReason = 500;

// Bytes that are no UTF-8, as file names may have, become U+FFFD; PostgreSQL's jsonb has no NUL.
std::string text_of(const json &value) {
    auto text = value.dump(-1, ' ', false, json::error_handler_t::replace);
    constexpr std::string_view kNul = "\\u0000";
    for (auto at = text.find(kNul); at != std::string::npos; at = text.find(kNul, at)) {
        // an even number of backslashes before it: it is an escape, and not the text of one
        const auto before = text.find_last_not_of('\\', at);
        const auto backslashes = at - (before == std::string::npos ? 0 : before + 1);
        if (backslashes % 2 == 0)
            text.replace(at, kNul.size(), "\\ufffd");
        at += kNul.size();
    }
    return text;
}

// A part that fails is a reason in the report, unless it is the caller who gives up.
template <typename Fn> void part(json &report, const char *name, Fn &&gather) {
    try {
        report[name] = gather();
    } catch (const Error &e) {
        if (e.code() == Errc::interrupted)
            throw;
        report[std::string(name) + "_error"] = std::string(e.what()).substr(0, kMostReason);
    }
}

void add_systemd(json &report, const core::Poll &asked) {
    try {
        auto both = core::within<json>(kPartLimit, "ask systemd", asked,
                                       [](const core::Poll & /*poll*/) { return systemd_part(); });
        report["systemd"] = true;
        report.update(both);
    } catch (const Error &e) {
        if (e.code() == Errc::interrupted)
            throw;
        if (e.code() == Errc::unsupported)
            report["systemd"] = false;
        report["units_error"] = report["timers_error"] = std::string(e.what()).substr(0, kMostReason);
    }
}

json gather(sqlite3 *db, const std::string &station, const core::Poll &asked) {
    const auto places = HostPlaces::of_environment();
    json report{{"emsn", EMSN_VERSION}, {"sqlite", sqlite3_libversion()}};
    add_machine(report);
    part(report, "database", [&] { return database_part(db); });
    // every one of these may meet a disk that does not answer
    part(report, "filesystems", [&] {
        return core::within<json>(kPartLimit, "measure the file systems", asked,
                                  [](const core::Poll & /*poll*/) { return filesystems_part(); });
    });
    part(report, "mirror", [&] {
        return core::within<json>(kPartLimit, "read what emsn-mirror remembers", asked,
                                  [places](const core::Poll & /*poll*/) { return mirror_part(places); });
    });
    part(report, "backups", [&] {
        return core::within<json>(
            kPartLimit, "list " + places.backup_dir, asked,
            [places, station](const core::Poll &poll) { return backups_part(places, station, poll); });
    });
    add_systemd(report, asked);
    for (const char *name : {"timers", "units", "filesystems", "backups"}) {
        if (text_of(report).size() <= kMostBytes)
            break;
        report.erase(name);
        report[std::string(name) + "_error"] = "left out: the report would be too long";
    }
    return report;
}

// UTC with milliseconds.
std::string now_text() {
    const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    std::array<char, 8> fraction{};
    std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>((now - seconds).count()));
    auto text = core::utc_text(seconds.time_since_epoch().count());
    text.pop_back(); // its Z
    return text + fraction.data();
}

} // namespace

void emsn_report_host(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    sqlite::guard("emsn_report_host", ctx, argc, argv, [&] {
        sqlite3 *db = sqlite3_context_db_handle(ctx);
        const std::string station = station_of(sqlite::text_of(argv[1]));
        const Conninfo conninfo(sqlite::text_of(argv[0]), "emsn_report_host/" + station);
        sqlite::Watch watch(db, kTimeoutMs);
        watch.stage("gathering the host report");
        json report = gather(db, station, watch.poll());
        Connection connection(conninfo, watch);
        watch.stage("waiting for the centre to store the host report");
        // as late as can be: the centre compares it with its own clock
        report["reported_at"] = now_text();
        const auto answer =
            connection.query("SELECT emsn.store_host_report($1::text, $2::jsonb) ->> 'clock_offset_ms'",
                             {station, text_of(report)});
        report["clock_offset_ms"] = answer.integer(0, 0);
        sqlite::result_text(ctx, text_of(report));
    });
}

} // namespace emsn::publish
