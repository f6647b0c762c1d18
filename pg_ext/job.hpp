// Work of a background worker in transactions of its own. Plain frames only: an ERROR of the backend jumps
// over them.
#pragma once

#include "pg_ext/worker_api.hpp"

namespace emsn::pg {

// An ERROR ends the job and nothing else: it is logged, once for as long as the same one comes back.
struct Job {
    const char *activity; // in pg_stat_activity and in the log
    void (*work)(void *subject);
    int timeout_ms;
    bool durable = false; // the commit is on disk before run_job returns

    bool failing = false;
    int sqlstate = 0;
    char message[256] = ""; // the beginning is enough to know it again
};

// Before the first job, once connected: settings of the database or the user that would get in the way are
// overridden, and nothing is looked up but in pg_catalog.
void prepare_jobs();

// False after an ERROR; then *error is its message, in memory of the current context. Work that catches its
// own cancellation and goes on ends the process, which the server starts again.
bool run_job(Job *job, void *subject, char **error = nullptr);

// For the work of a job: one statement, as user; at most one row, in SPI_tuptable. What it sets is undone.
// security: SECURITY_LOCAL_USERID_CHANGE, and SECURITY_RESTRICTED_OPERATION for code that is not trusted.
void execute_as(Oid user, int security, const char *statement, int arguments = 0, Oid *types = nullptr,
                Datum *values = nullptr, const char *nulls = nullptr);

} // namespace emsn::pg
