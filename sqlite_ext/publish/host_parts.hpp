// Parts of a host report, as JSON, over the readers of core. Each may throw: the report then has the reason
// in its place (host_report.cpp).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "core/poll.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::publish {

// What the scripts have exported from emsn.conf; empty: not set.
struct HostPlaces {
    std::string backup_dir;
    std::string mirror_db;
    std::string state_dir;
    std::string home;           // of the user, for where emsn-mirror writes when it may not write elsewhere
    std::string xdg_state_home; // instead of HOME/.local/state
    std::string system_state_dir = "/var/lib/emsn";
    [[nodiscard]] static HostPlaces of_environment();
};

// Boot time, temperature, throttling, kernel, operating system, model: added to report.
void add_machine(nlohmann::json &report);

// Of the main database of db: path, bytes, rows (or max_rowid), newest_detection. Locks are short: what would
// hold the recorder for long is not counted.
[[nodiscard]] nlohmann::json database_part(sqlite3 *db);

[[nodiscard]] nlohmann::json filesystems_part();

// systemd is asked once for both: "units" (failed ones, and those named emsn-*) and "timers".
[[nodiscard]] nlohmann::json systemd_part();

// What emsn-mirror remembers of its last run (scripts/lib/mirror_state.sh). Of a mirror that is configured
// and was never made, its destination; null: there is none.
[[nodiscard]] nlohmann::json mirror_part(const HostPlaces &places);

// Of the station, by kind; null: no folder is configured.
[[nodiscard]] nlohmann::json backups_part(const HostPlaces &places, const std::string &station,
                                          const core::Poll &poll);

} // namespace emsn::publish
