// Threads that may be given up.
#pragma once

#include <functional>

namespace emsn::core {

// Runs body on a thread that nobody joins and that takes no signals: those are for the host's own threads.
// The body owns what it uses, because a call into a dead network share never returns; it lets no exception
// out. Throws Error{unavailable} when the system gives no thread.
void start_detached(std::function<void()> body);

} // namespace emsn::core
