// The watcher: a background worker that takes a sample at each interval, and ends idle transactions where the
// guard is on. No C++ exception and no destructor here; ERRORs stay inside their job.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

#include "pg_ext/job.hpp"
#include "pg_ext/job_worker.hpp"
#include "pg_ext/watcher_jobs.hpp"
#include "pg_ext/watcher_settings.hpp"

extern "C" void emsn_health_watcher_main(Datum argument);

namespace emsn::pg {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kTimeoutMs = 5000;
constexpr int kShortestCountMs = 1000;
// Without an index every row is read: then detections are counted less often, in at most 1 % of the time.
constexpr int kRestsPerCount = 100;
constexpr std::chrono::minutes kSizeInterval{5}; // the size is asked of each file

Job find = {.activity = "looking for the extension", .work = find_extension, .timeout_ms = kTimeoutMs};
Job count = {.activity = "counting detections", .work = count_detections, .timeout_ms = kTimeoutMs};
Job record = {.activity = "taking a sample", .work = record_sample, .timeout_ms = kTimeoutMs};
Job forget = {.activity = "deleting old samples", .work = forget_history, .timeout_ms = kTimeoutMs};
Job look = {.activity = "looking for due jobs", .work = find_due_job, .timeout_ms = kTimeoutMs};
Job choose = {.activity = "guarding the connection slots",
              .work = choose_victim,
              .timeout_ms = kTimeoutMs,
              .durable = true};
Job end = {.activity = "ending an idle transaction", .work = end_victim, .timeout_ms = kTimeoutMs};

Clock::time_point count_due;
Clock::time_point size_due;

Clock::duration interval() {
    return milliseconds(watcher_settings.sample_interval_ms);
}

// Waiting for a lock costs nothing; so not the time that passes.
std::chrono::nanoseconds cpu_time() {
    timespec used = {};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

void count_when_due(Round *round) {
    const auto start = Clock::now();
    if (start < count_due)
        return;
    // the guard and the sample wait for this
    count.timeout_ms = std::clamp(watcher_settings.sample_interval_ms, kShortestCountMs, kTimeoutMs);
    const auto used_before = cpu_time();
    run_job(&count, round, &round->detections_error);
    count_due = start + kRestsPerCount * (cpu_time() - used_before);
}

void record_one(Round *round) {
    const auto start = Clock::now();
    round->measure_size = start >= size_due;
    if (run_job(&record, round) && round->measure_size)
        size_due = start + kSizeInterval;
}

void guard_slots(Round *round) {
    while (run_job(&choose, round) && round->victim_pid != 0) {
        ereport(LOG, (errmsg_internal("emsn_health guard: ends %s", round->victim_reason)));
        if (!run_job(&end, round))
            return;
        if (!round->victim_ended)
            ereport(LOG, (errmsg("emsn_health guard: session %d was not ended", round->victim_pid),
                          errdetail("The outcome is in emsn.guard_log.")));
    }
}

void play(Round *round) {
    if (!run_job(&find, round))
        return;
    static bool waiting = false;
    if (!OidIsValid(round->owner)) {
        if (!waiting)
            ereport(LOG,
                    (errmsg("emsn_health watcher: waits for the extension emsn_health in database \"%s\"",
                            watcher_settings.database)));
        waiting = true;
        pgstat_report_activity(STATE_IDLE, "waiting for the extension emsn_health");
        return;
    }
    waiting = false;
    count_when_due(round);
    record_one(round);
    if (watcher_settings.guard_min_available > 0)
        guard_slots(round);
    run_job(&forget, round);
    if (watcher_settings.run_jobs && may_start_job_worker() && run_job(&look, round) &&
        round->due_job != nullptr)
        start_job_worker();
    pgstat_report_stat(true);
    pgstat_report_activity(STATE_IDLE, "waiting for the next sample");
}

void wait(Clock::duration time) {
    const auto timeout = std::chrono::ceil<milliseconds>(time).count();
    static_cast<void>(WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                                static_cast<long>(timeout), PG_WAIT_EXTENSION));
    ResetLatch(MyLatch);
}

// Ends the process when it is told to. A cancelled query means nothing to a worker without one.
void handle_signals() {
    QueryCancelPending = false;
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending != 0) {
        ConfigReloadPending = 0;
        ProcessConfigFile(PGC_SIGHUP);
    }
}

void wait_for_database() {
    while (*watcher_settings.database == '\0') {
        wait(std::chrono::hours(1));
        handle_signals();
    }
}

// A process keeps its database: for another one the server starts it again.
void leave_when_database_changed(const char *connected) {
    if (std::strcmp(connected, watcher_settings.database) == 0)
        return;
    ereport(LOG, (errmsg("emsn_health watcher: leaves database \"%s\": emsn_health.database has changed",
                         connected)));
    proc_exit(1);
}

[[noreturn]] void watch(const char *database) {
    MemoryContext const memory =
        AllocSetContextCreateInternal(TopMemoryContext, "emsn watcher", ALLOCSET_DEFAULT_SIZES);
    for (;;) {
        const auto start = Clock::now();
        MemoryContextReset(memory);
        MemoryContextSwitchTo(memory);
        Round round = {.memory = memory};
        play(&round);
        for (;;) {
            handle_signals();
            leave_when_database_changed(database);
            const auto rest = start + interval() - Clock::now();
            if (rest <= Clock::duration::zero())
                break;
            wait(rest);
        }
    }
}

} // namespace

} // namespace emsn::pg

void emsn_health_watcher_main(Datum) {
    using namespace emsn::pg;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    wait_for_database();
    const char *const database = MemoryContextStrdup(TopMemoryContext, watcher_settings.database);
    BackgroundWorkerInitializeConnection(database, nullptr, 0);
    prepare_jobs();
    watch(database);
}
