#include "pg_ext/job_worker.hpp"

#include <chrono>

#include "pg_ext/job.hpp"
#include "pg_ext/watcher_jobs.hpp"
#include "pg_ext/watcher_settings.hpp"

extern "C" void emsn_health_job_worker_main(Datum argument);

namespace emsn::pg {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kRest{60};
constexpr int kLookTimeoutMs = 5000;
constexpr int kJobTimeoutMs = 30 * 60 * 1000;
// of one life; what is due again then waits for the next
constexpr int kMostJobs = 10;

BackgroundWorkerHandle *worker = nullptr; // of the watcher
Clock::time_point next_start;

Job look = {.activity = "looking for due jobs", .work = find_due_job, .timeout_ms = kLookTimeoutMs};
Job work = {.activity = "running a job", .work = run_due_job, .timeout_ms = kJobTimeoutMs};
Job record = {
    .activity = "writing down a failed job", .work = record_failed_job, .timeout_ms = kLookTimeoutMs};

// False: the job would be due again at once.
bool run_one(Round *round) {
    char *error = nullptr;
    if (!run_job(&work, round, &error)) { // logged there
        round->job_failure = error;
        return run_job(&record, round);
    }
    if (round->job_failure != nullptr)
        ereport(WARNING, (errmsg_internal("emsn_health job %s: %s", round->due_job, round->job_failure)));
    return true;
}

void run_due_jobs() {
    Round round = {.memory = CurrentMemoryContext};
    for (int i = 0; i < kMostJobs; ++i) {
        if (!run_job(&look, &round) || round.due_job == nullptr || !run_one(&round))
            return;
        pgstat_report_stat(true);
        CHECK_FOR_INTERRUPTS();
    }
}

} // namespace

bool may_start_job_worker() {
    if (worker != nullptr) {
        pid_t pid = 0;
        const BgwHandleStatus status = GetBackgroundWorkerPid(worker, &pid);
        if (status == BGWH_STARTED || status == BGWH_NOT_YET_STARTED)
            return false;
        pfree(worker);
        worker = nullptr;
    }
    return Clock::now() >= next_start;
}

void start_job_worker() {
    BackgroundWorker job_worker = {};
    strlcpy(job_worker.bgw_name, "emsn_health jobs", BGW_MAXLEN);
    strlcpy(job_worker.bgw_type, "emsn_health jobs", BGW_MAXLEN);
    strlcpy(job_worker.bgw_library_name, "emsn_health", BGW_MAXLEN);
    strlcpy(job_worker.bgw_function_name, "emsn_health_job_worker_main", BGW_MAXLEN);
    job_worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    job_worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    job_worker.bgw_restart_time = BGW_NEVER_RESTART;
    MemoryContext const before = MemoryContextSwitchTo(TopMemoryContext); // it outlives the round
    const bool started = RegisterDynamicBackgroundWorker(&job_worker, &worker);
    MemoryContextSwitchTo(before);
    next_start = Clock::now() + kRest;
    static bool told = false;
    if (!started && !told)
        ereport(LOG, (errmsg("emsn_health watcher: no worker is left to run jobs"),
                      errhint("Raise max_worker_processes.")));
    told = !started;
}

} // namespace emsn::pg

void emsn_health_job_worker_main(Datum) {
    using namespace emsn::pg;
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnection(watcher_settings.database, nullptr, 0);
    prepare_jobs();
    run_due_jobs();
    proc_exit(0);
}
