// The worker that runs the jobs of the server (emsn.server_jobs) when they are due. It is started by the
// watcher, for as long as it has something to do: a job may take minutes, and samples go on.
#pragma once

namespace emsn::pg {

// Not while one is at work, nor right after one: whoever could not even write down why it failed is not tried
// at once.
[[nodiscard]] bool may_start_job_worker();

void start_job_worker();

} // namespace emsn::pg
