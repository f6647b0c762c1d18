// What happens when the module is preloaded: settings are defined, the watcher is announced to the server.
#include "pg_ext/watcher_settings.hpp"

#include <climits>

#include "pg_ext/worker_api.hpp"

extern "C" void _PG_init(); // NOLINT(bugprone-reserved-identifier): the backend looks for this name

namespace emsn::pg {

WatcherSettings watcher_settings;

namespace {

constexpr int kDefaultIntervalMs = 10'000;
constexpr int kShortestIntervalMs = 100;
constexpr int kLongestIntervalMs = 24 * 60 * 60 * 1000;
constexpr int kDefaultRetentionSeconds = 14 * 24 * 60 * 60;
constexpr int kDefaultIdleAfterSeconds = 300; // where the health check begins to warn
constexpr int kMostConnections = 262'143;     // MAX_BACKENDS
// after it was terminated, or when its database is not there
constexpr int kRestartSeconds = 3;

void define_number(const char *name, const char *text, const char *more, int *value, int initial, int least,
                   int most, int flags) {
    DefineCustomIntVariable(name, text, more, value, initial, least, most, PGC_SIGHUP, flags, nullptr,
                            nullptr, nullptr);
}

void define_settings() {
    WatcherSettings *const settings = &watcher_settings;
    define_number("emsn_health.sample_interval", "Time between two samples of the watcher.", nullptr,
                  &settings->sample_interval_ms, kDefaultIntervalMs, kShortestIntervalMs, kLongestIntervalMs,
                  GUC_UNIT_MS);
    define_number("emsn_health.history_retention", "How long samples are kept.", nullptr,
                  &settings->history_retention_s, kDefaultRetentionSeconds, 1, INT_MAX, GUC_UNIT_S);
    define_number("emsn_health.guard_min_available",
                  "With fewer connection slots left, sessions that sit idle in a transaction are ended.",
                  "0 turns this off.", &settings->guard_min_available, 0, 0, kMostConnections, 0);
    define_number("emsn_health.guard_idle_after",
                  "How long a session sits idle in a transaction before it may be ended.", nullptr,
                  &settings->guard_idle_after_s, kDefaultIdleAfterSeconds, 1, INT_MAX, GUC_UNIT_S);
    DefineCustomBoolVariable("emsn_health.run_jobs",
                             "Runs the jobs learn and check_anomalies when they are due.",
                             "In a worker of its own, so that samples go on meanwhile.", &settings->run_jobs,
                             false, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("emsn_health.database", "Database in which the watcher works.",
                               "It has the extension emsn_health. Empty: the watcher rests.",
                               &settings->database, "postgres", PGC_SIGHUP, GUC_IS_NAME, nullptr, nullptr,
                               nullptr);
    MarkGUCPrefixReserved("emsn_health");
}

void announce_watcher() {
    BackgroundWorker worker = {};
    strlcpy(worker.bgw_name, "emsn_health watcher", BGW_MAXLEN);
    strlcpy(worker.bgw_type, "emsn_health watcher", BGW_MAXLEN);
    strlcpy(worker.bgw_library_name, "emsn_health", BGW_MAXLEN);
    strlcpy(worker.bgw_function_name, "emsn_health_watcher_main", BGW_MAXLEN);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished; // it writes
    worker.bgw_restart_time = kRestartSeconds;
    RegisterBackgroundWorker(&worker);
}

} // namespace

} // namespace emsn::pg

void _PG_init() {
    // a backend that loads the module for one of its functions has nothing to do here; pg_upgrade wants no
    // company
    if (!process_shared_preload_libraries_in_progress)
        return;
    emsn::pg::define_settings();
    if (!IsBinaryUpgrade)
        emsn::pg::announce_watcher();
}
