// Sizes of directory trees, counted as du(1) of Debian 12 (coreutils 9.1) counts them.
//
// Every entry counts once (a hard-linked file too), symlinks are not followed. What cannot be read is left
// out and counted in `unreadable`; what vanishes during the walk is skipped. A root given as a symlink counts
// as the link, with a trailing slash as its target.
//
// The walk runs on threads of its own; the calling thread only waits, calls poll about every 20 ms, and
// watches the deadline. A thread whose system call never returns, as on a dead network share, is given up:
// the call answers all the same. Code that is unloaded must therefore not call these.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/poll.hpp"
#include "core/walk_options.hpp"

namespace emsn::core {

class LinkSet;

struct DirSize {
    std::int64_t bytes = 0;
    std::int64_t entries = 0;    // names seen, the root included
    std::int64_t unreadable = 0; // entries and directories that could not be read; not counted in bytes
};

// One directory with all below it.
struct DirUsage {
    std::string path; // as the root was given, names behind it
    std::string name;
    int depth = 0;                    // 0: the root
    bool reached = true;              // false: lstat(2) did not reach the root; only path, name, error hold
    std::int64_t bytes = 0;           // as dir_size with the same options
    std::int64_t allocated_bytes = 0; // blocks on disk
    std::int64_t files = 0;           // names of what is no directory
    std::int64_t directories = 0;     // below it, and itself
    std::int64_t unreadable = 0;
    std::int64_t newest_mtime = 0;    // unix seconds, directories included
    std::optional<std::string> error; // the first of `unreadable`: "open NAME: REASON"
    bool complete = true;             // false: the deadline passed first
};

// nullopt: lstat(2) cannot reach the root itself. links: a set that is shared with other walks.
// Throws Error: too_big past 2^63-1 bytes, timed_out past the deadline saying how far it came, and whatever
// poll throws.
[[nodiscard]] std::optional<DirSize> dir_size(const std::string &path, const WalkOptions &options,
                                              const Poll &poll, std::shared_ptr<LinkSet> links = nullptr);

// A row for each directory down to max_depth (0: the root only), parents first, siblings by name. threads = 0
// is one here: with more, the directory that a hard-linked file is counted in may differ from run to run.
// With `exclusive` each row counts the files whose every link lies below that row.
// Past the deadline what was found until then, complete = false where something is missing. A root out of
// reach is a row as well. Throws Error{too_big} and whatever poll throws.
[[nodiscard]] std::vector<DirUsage> dir_usage(const std::string &path, int max_depth,
                                              const WalkOptions &options, const Poll &poll);

} // namespace emsn::core
