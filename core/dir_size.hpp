// Size of a directory tree, counted as du(1) of Debian 12 (coreutils 9.1) counts it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/poll.hpp"

namespace emsn::core {

struct DirSizeOptions {
    bool allocated = false;       // blocks on disk (du --block-size=1) instead of apparent size (du -b)
    bool one_file_system = false; // du -x: mount points below the root are left out entirely
    bool files_only = false;      // directories' own sizes left out, as du -b does since coreutils 9.2
    std::int64_t deadline_ms = 0; // 0: none

    // From the JSON options of dir_size_safe. Throws Error{invalid_argument}.
    static DirSizeOptions parse(std::string_view json);
};

struct DirSize {
    std::int64_t bytes = 0;
    std::int64_t entries = 0;    // files and directories seen, the root included
    std::int64_t unreadable = 0; // entries and directories that could not be read; not counted in bytes
};

// Bytes of the tree at path: every entry once (a hard-linked file too), symlinks not followed. What cannot be
// read is left out and counted in `unreadable`; what vanishes during the walk is skipped.
// nullopt: lstat(2) cannot reach the root itself. A root given as a symlink counts as the link, with a
// trailing slash as its target.
// Throws Error: too_big past 2^63-1 bytes, timed_out past the deadline, and whatever poll throws.
[[nodiscard]] std::optional<DirSize> dir_size(const std::string &path, const DirSizeOptions &options,
                                              const Poll &poll);

} // namespace emsn::core
