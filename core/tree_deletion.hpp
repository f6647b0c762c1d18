// Deletes a tree through descriptors: no path is built, no symlink followed, no mount point crossed.
#pragma once

#include <cstdint>
#include <string>

#include "core/handle.hpp"
#include "core/poll.hpp"

namespace emsn::core {

struct Deleted {
    std::int64_t bytes = 0;    // apparent size of what is gone: directories too, a file with its last link
    std::int64_t failures = 0; // entries that could not be deleted; the folders that hold them do not count
    int first_error = 0;       // errno(3) of the first one
    std::string first_failure; // "NAME BELOW THE TREE: REASON"
};

// Neither negative nor past 2^63-1, where it stays.
[[nodiscard]] std::int64_t saturating_sum(std::int64_t a, std::int64_t b) noexcept;

// Deletes name in folder, with everything in it when it is a directory. Goes on with the rest when something
// cannot be deleted. What vanishes meanwhile is no failure. A directory that its owner, this user, may not
// read, write or search gets these rights first.
// Throws Error{source_changed} when a folder is moved elsewhere meanwhile, and whatever poll throws.
[[nodiscard]] Deleted delete_tree(const Fd &folder, const std::string &name, const Poll &poll);

} // namespace emsn::core
