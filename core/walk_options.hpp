// How a directory tree is counted.
#pragma once

#include <cstdint>
#include <string_view>

namespace emsn::core {

struct WalkOptions {
    bool allocated = false;       // blocks on disk (du --block-size=1) instead of apparent size (du -b)
    bool one_file_system = false; // du -x: mount points below the root are left out entirely
    bool files_only = false;      // directories' own sizes left out, as du -b does since coreutils 9.2
    bool exclusive = false;       // hard-linked files only where every link lies below: what deleting frees
    bool shared = false; // hard-linked files once over several walks: for callers that keep a LinkSet
    int threads = 0;     // at most so many; 0: chosen
    std::int64_t deadline_ms = 0; // 0: none

    // From the JSON options of the SQL functions. "shared" is known only where the caller can keep its
    // promise. Throws Error{invalid_argument}.
    static WalkOptions parse(std::string_view json, bool may_share = false);
};

} // namespace emsn::core
