// The threads of a walk: how many there are, and what becomes of them.
#pragma once

#include <memory>

#include "core/dir_walk.hpp"
#include "core/poll.hpp"

namespace emsn::core {

enum class WalkEnd {
    whole,
    deadline, // it passed: task holds what was found until then
    hung,     // and a thread is still inside a system call a tenth of a second later
};

// Walks task on threads of its own: task->options.threads, or as many as help: as many as cores once it takes
// longer than a moment, more while they mostly wait for the disk. The caller waits, asks poll about every 20
// ms and watches the deadline. A thread that hangs is left behind with its share of task. Throws what poll
// throws and what the walk fails with.
[[nodiscard]] WalkEnd walk(const std::shared_ptr<WalkTask> &task, const Poll &poll);

} // namespace emsn::core
