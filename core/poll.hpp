// How long work asks whether it should go on.
#pragma once

#include <chrono>
#include <functional>

namespace emsn::core {

using Clock = std::chrono::steady_clock;

// Called often from long work. Throws Error{interrupted} or Error{timed_out} to end it; the work cleans up
// after itself on the way out.
using Poll = std::function<void()>;

} // namespace emsn::core
