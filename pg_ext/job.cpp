#include "pg_ext/job.hpp"

#include <csignal>
#include <cstring>

namespace emsn::pg {

namespace {

volatile std::sig_atomic_t overstayed = 0;
TimeoutId end_of_patience;

// What plpgsql cannot catch, unlike a cancelled query.
void end_process() {
    overstayed = 1;
    die(SIGTERM);
}

void explain_exit(int, Datum) {
    if (overstayed != 0)
        ereport(LOG, (errmsg("emsn_health watcher: restarts, its work did not end when it was cancelled")));
}

void override_setting(const char *name, const char *value) {
    SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

void start_timeouts(const Job *job) {
    enable_timeout_after(STATEMENT_TIMEOUT, job->timeout_ms);
    enable_timeout_after(end_of_patience, 2 * job->timeout_ms);
}

void stop_timeouts() {
    disable_timeout(end_of_patience, false);
    disable_timeout(STATEMENT_TIMEOUT, false);
}

void run_in_transaction(const Job *job, void *subject) {
    pgstat_report_activity(STATE_RUNNING, job->activity);
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    start_timeouts(job);
    if (job->durable) {
        static_cast<void>(set_config_option("synchronous_commit", "local", PGC_SUSET, PGC_S_SESSION,
                                            GUC_ACTION_LOCAL, true, 0, false));
    }
    SPI_connect();
    job->work(subject);
    SPI_finish();
    stop_timeouts();
    PopActiveSnapshot();
    CommitTransactionCommand();
}

ErrorData *error_of(const Job *job, void *subject, MemoryContext context) {
    ErrorData *volatile error = nullptr;
    PG_TRY();
    { run_in_transaction(job, subject); }
    PG_CATCH();
    {
        disable_all_timeouts(false);
        QueryCancelPending = false;
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
        AbortCurrentTransaction();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    return error;
}

bool is_known(const Job *job, const ErrorData *error) {
    return job->failing && job->sqlstate == error->sqlerrcode &&
           std::strncmp(job->message, error->message, sizeof job->message - 1) == 0;
}

void complain(Job *job, const ErrorData *error) {
    if (is_known(job, error))
        return;
    job->failing = true;
    job->sqlstate = error->sqlerrcode;
    strlcpy(job->message, error->message, sizeof job->message);
    ereport(WARNING, (errcode(error->sqlerrcode),
                      errmsg_internal("emsn_health watcher: %s: %s", job->activity, error->message),
                      error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0,
                      error->hint != nullptr ? errhint("%s", error->hint) : 0,
                      error->context != nullptr ? errcontext_msg("%s", error->context) : 0));
}

} // namespace

void prepare_jobs() {
    end_of_patience = RegisterTimeout(USER_TIMEOUT, end_process);
    on_proc_exit(explain_exit, 0);
    override_setting("search_path", "pg_catalog, pg_temp");
    override_setting("default_transaction_read_only", "off");
    override_setting("default_transaction_isolation", "read committed");
    override_setting("lock_timeout", "500ms"); // as the health checks
    // a sample of the last second before a power cut is not worth a wait for the disk, nor for a standby
    override_setting("synchronous_commit", "off");
    override_setting("jit", "off");
    override_setting("max_parallel_workers_per_gather", "0");
}

bool run_job(Job *job, void *subject, char **error) {
    const ErrorData *const failure = error_of(job, subject, CurrentMemoryContext);
    if (failure == nullptr) {
        if (job->failing)
            ereport(LOG, (errmsg("emsn_health watcher: %s: works again", job->activity)));
        job->failing = false;
        return true;
    }
    complain(job, failure);
    if (error != nullptr)
        *error = failure->message;
    return false;
}

} // namespace emsn::pg
