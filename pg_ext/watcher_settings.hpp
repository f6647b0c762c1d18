// Settings of the watcher, as postgresql.conf has them (docs/postgresql.md).
#pragma once

namespace emsn::pg {

struct WatcherSettings {
    int sample_interval_ms;
    char *database; // empty: no watcher at work
    int history_retention_s;
    int guard_min_available; // 0: the guard is off
    int guard_idle_after_s;
    bool run_jobs;
};

extern WatcherSettings watcher_settings;

} // namespace emsn::pg
