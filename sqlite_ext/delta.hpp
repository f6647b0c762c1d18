// Only the pages that changed since the last mirror are written.
#pragma once

#include <cstdint>
#include <optional>

#include "core/destination.hpp"
#include "core/partial_file.hpp"
#include "sqlite_ext/copy.hpp"
#include "sqlite_ext/source.hpp"
#include "sqlite_ext/verify.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

// What one call works with.
struct Job {
    const Source &source;
    const core::Destination &destination;
    core::PartialFile &partial;
    bool atomic;
    Level level;
    std::int64_t max_hold_ms;
    Watch &watch;
};

struct Made {
    Copied copied;
    Written written;
    bool is_delta = false;
    bool is_published = false; // and verified; otherwise the partial file is the copy
};

// nullopt: nothing stands at the destination that would help, or it could not be kept from being written
// whole. Nothing has been done then.
[[nodiscard]] std::optional<Made> make_from_old_mirror(const Job &job);

} // namespace emsn::sqlite
