#include "sqlite_ext/publish/host_parts.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "core/backup_kinds.hpp"
#include "core/host.hpp"
#include "core/mounts.hpp"
#include "core/systemd.hpp"
#include "core/utc.hpp"
#include "sqlite_ext/publish/source_table.hpp"

namespace emsn::publish {

using nlohmann::json;

namespace {

template <typename T> json value_or_null(const std::optional<T> &value) {
    return value ? json(*value) : json();
}

json time_or_null(const std::optional<std::int64_t> &unix_seconds) {
    return unix_seconds ? json(core::utc_text(*unix_seconds)) : json();
}

std::string environment(const char *name) {
    const char *value = std::getenv(name);
    return value != nullptr ? value : "";
}

std::string hexadecimal(std::uint32_t number) {
    constexpr int kHexadecimal = 16;
    std::array<char, 8> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, kHexadecimal).ptr;
    return "0x" + std::string(digits.data(), end);
}

} // namespace

HostPlaces HostPlaces::of_environment() {
    HostPlaces places;
    places.backup_dir = environment("EMSN_BACKUP_DIR");
    places.mirror_db = environment("EMSN_MIRROR_DB");
    places.state_dir = environment("EMSN_STATE_DIR");
    places.home = environment("HOME");
    places.xdg_state_home = environment("XDG_STATE_HOME");
    return places;
}

void add_machine(json &report) {
    const auto facts = core::host_facts();
    report["boot_time"] = time_or_null(facts.booted_unix);
    report["temperature_celsius"] = value_or_null(facts.temperature_celsius);
    report["kernel"] = value_or_null(facts.kernel);
    report["os"] = value_or_null(facts.os);
    report["model"] = value_or_null(facts.model);
    if (const auto &held = facts.throttling) {
        report["throttling"] = {{"flags", hexadecimal(held->flags)},
                                {"under_voltage", held->under_voltage},
                                {"frequency_capped", held->frequency_capped},
                                {"throttled", held->throttled},
                                {"too_warm", held->too_warm},
                                {"since_boot", held->since_boot}};
    } else {
        report["throttling"] = nullptr;
    }
}

json database_part(sqlite3 *db) {
    constexpr std::int64_t kPatienceMs = 3000;   // of somebody else's lock: the recorder's commit
    constexpr std::int64_t kCountedTo = 100'000; // rows, by their smallest index: 0.1 ms here, when in memory
    sqlite::Watch watch(db, kPatienceMs);
    const sqlite::NoBusyTimeout no_busy_timeout(db);
    const sqlite::Source source(db, "main", watch);
    if (!source.file())
        throw core::Error(core::Errc::unsupported, "the main database is in memory");
    json part{{"path", source.file()->path}, {"bytes", sqlite::DbFile(db, "main").size_bytes()}};
    const SourceTable table(source, watch);
    watch.stage("reading the newest detection");
    return sqlite::patiently(watch, [&] {
        sqlite::Statement last(db, "SELECT max(rowid) FROM main.detections");
        last.step();
        const std::int64_t max_rowid = last.integer(0);
        last.reset(); // its lock with it
        part["max_rowid"] = max_rowid;
        part["rows"] = nullptr;
        const bool is_cheap = max_rowid <= kCountedTo || source.is_wal(); // there nobody waits
        if (is_cheap) {
            sqlite::Statement count(db, "SELECT count(*) FROM main.detections");
            count.step();
            part["rows"] = count.integer(0);
        }
        // without an index on them all rows would be sorted: the last one written serves
        sqlite::Statement newest(
            db, table.has_date_index() || is_cheap
                    ? "SELECT Date || ' ' || Time FROM main.detections ORDER BY Date DESC, "
                      "Time DESC LIMIT 1"
                    : "SELECT Date || ' ' || Time FROM main.detections ORDER BY rowid DESC LIMIT 1");
        part["newest_detection"] = newest.step() ? json(newest.text(0)) : json();
        return part;
    });
}

json filesystems_part() {
    json list = json::array();
    for (const auto &row : core::filesystems(core::system_mounts())) {
        json disk{{"mount_point", row.mount.mount_point},
                  {"device", row.mount.device},
                  {"fs_type", row.mount.fs_type},
                  {"read_only", row.mount.read_only},
                  {"error", value_or_null(row.error)}};
        if (const auto &usage = row.usage) {
            disk["total_bytes"] = usage->total_bytes;
            disk["used_bytes"] = usage->used_bytes;
            disk["available_bytes"] = usage->available_bytes;
            disk["used_percent"] = usage->used_percent;
            disk["inodes_total"] = usage->inodes_total;
            disk["inodes_used"] = usage->inodes_used;
        }
        list.push_back(std::move(disk));
    }
    return list;
}

json systemd_part() {
    core::Systemd systemd;
    std::map<std::string, core::Unit> units;
    for (const auto &found : {systemd.units({"failed"}, {}), systemd.units({}, {"emsn-*"})}) {
        for (const auto &unit : found)
            units.emplace(unit.name, unit);
    }
    json part{{"units", json::array()}, {"timers", json::array()}};
    for (const auto &[name, unit] : units) {
        const auto details = systemd.details_of(unit);
        part["units"].push_back({{"name", name},
                                 {"load_state", unit.load_state},
                                 {"active_state", unit.active_state},
                                 {"sub_state", unit.sub_state},
                                 {"description", unit.description},
                                 {"result", value_or_null(details.result)},
                                 {"since", time_or_null(details.since_unix)}});
    }
    for (const auto &timer : systemd.timers()) {
        part["timers"].push_back({{"name", timer.name},
                                  {"unit", timer.unit},
                                  {"last_trigger", time_or_null(timer.last_trigger_unix)},
                                  {"next_trigger", time_or_null(timer.next_trigger_unix)},
                                  {"result", value_or_null(timer.result)},
                                  {"overdue", value_or_null(timer.overdue)}});
    }
    return part;
}

json backups_part(const HostPlaces &places, const std::string &station, const core::Poll &poll) {
    if (places.backup_dir.empty())
        return nullptr;
    json list = json::array();
    const auto backups = core::backups_in(places.backup_dir, core::Listed::backups, poll);
    for (const auto &kind : core::backup_kinds(backups, station)) {
        const core::Backup newest = kind.newest.value_or(core::Backup{});
        json part{{"kind", kind.kind},
                  {"entries", kind.entries},
                  {"bytes", value_or_null(kind.bytes)},
                  {"name", kind.newest ? json(newest.name) : json()},
                  {"complete", value_or_null(newest.complete)},
                  {"verified", value_or_null(newest.verified)}};
        part["newest"] = newest.taken ? json(core::utc_text(newest.taken->unix_seconds)) : json();
        list.push_back(std::move(part));
    }
    return list;
}

} // namespace emsn::publish
