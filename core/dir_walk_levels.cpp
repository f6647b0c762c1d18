// Which levels of a walk are open, and the way back to those that are not.
#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "core/dir_walk.hpp"

namespace emsn::core {

namespace {

constexpr std::size_t kLeastOpenLevels = 4;
constexpr int kOpenLevels = 128; // of all workers together: deeper trees are rare
constexpr int kShareOfFiles = 4; // of those that the process may open: the rest is the host's

} // namespace

int WalkTask::levels_allowed() {
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    return static_cast<int>(std::min<rlim_t>(files.rlim_cur / kShareOfFiles, kOpenLevels));
}

// The directory called name in the one at the bottom. Out of descriptors, it closes one of its own.
Fd DirWalk::open_here(const char *name) {
    for (;;) {
        Fd fd(::openat(levels_.back().fd.get(), name, kOpenFlags));
        if (fd || (errno != EMFILE && errno != ENFILE) || !close_oldest())
            return fd;
    }
}

bool DirWalk::close_oldest() {
    if (first_open_ + 1 >= levels_.size())
        return false;
    levels_[first_open_++].fd.reset();
    return true;
}

void DirWalk::keep_few_open() {
    const auto share = static_cast<std::size_t>(task_.open_levels / std::max(1, task_.workers.load()));
    while (levels_.size() - first_open_ > std::max(share, kLeastOpenLevels) && close_oldest()) {
    }
}

Fd DirWalk::open_by_names(std::size_t index) const {
    Fd fd(::fcntl(levels_[0].fd.get(), F_DUPFD_CLOEXEC, 0));
    for (std::size_t i = 0; fd && i < index; ++i)
        fd = Fd(::openat(fd.get(), levels_[i].names.current(), kOpenFlags));
    return fd;
}

// The parent of the directory behind child_fd, which must still be the one that the walk came through; else,
// as when the child was moved elsewhere meanwhile, the way down from the base.
Fd DirWalk::reopen_parent(int child_fd) const {
    const FileId expected = ids_[ids_.size() - 2];
    const auto is_parent = [&](const Fd &fd) {
        struct stat st {};
        return fd && ::fstat(fd.get(), &st) == 0 && id_of(st) == expected;
    };
    Fd fd(::openat(child_fd, "..", kOpenFlags));
    if (!is_parent(fd))
        fd = open_by_names(levels_.size() - 2);
    return is_parent(fd) ? std::move(fd) : Fd();
}

} // namespace emsn::core
