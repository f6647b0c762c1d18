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

} // namespace emsn::pg
