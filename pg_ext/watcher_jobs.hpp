// What the watcher does in one round, as work for jobs (job.hpp): each calls a function of the extension, as
// its owner.
#pragma once

#include "pg_ext/worker_api.hpp"

namespace emsn::pg {

// What the jobs of a round hand to each other.
struct Round {
    MemoryContext memory;   // of the texts below
    Oid owner = InvalidOid; // of the extension; invalid: it is not there

    char *detections = nullptr; // jsonb
    char *detections_error = nullptr;
    bool measure_size = false;

    int victim_pid = 0; // 0: nobody is to be ended
    TimestampTz victim_decided_at = 0;
    char *victim_reason = nullptr;
    bool victim_ended = false;

    char *due_job = nullptr;     // nullptr: none is due
    char *job_failure = nullptr; // nullptr: it succeeded
    TimestampTz job_started_at = 0;
};

// subject is the Round.
void find_extension(void *subject);
void count_detections(void *subject);
void record_sample(void *subject);
void forget_history(void *subject);
void choose_victim(void *subject);
void end_victim(void *subject);
void find_due_job(void *subject);
void run_due_job(void *subject);
void record_failed_job(void *subject); // of one that was cancelled, so that it could not do so itself

} // namespace emsn::pg
