// The copying engine: one consistent moment of the source into an empty file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/destination.hpp"
#include "sqlite_ext/source.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

// What was copied, and what it cost. pages, schema and change_counter are of the moment copied.
struct Copied {
    std::int64_t pages = 0;
    std::string schema;
    std::optional<std::int64_t> change_counter;
    std::int64_t pages_written = 0; // into the destination, every pass counted
    std::int64_t bytes_written = 0;
    double held_ms = 0; // longest time that a writer could have been kept waiting
    int passes = 0;     // 1 when nothing had to be read again
};

// Copies source into the partial file, whose database is in rollback-journal mode afterwards; the caller
// syncs and publishes it. No hold on a source in rollback-journal mode is begun that would, at the speed
// measured, last longer than max_hold_ms; one that does is given up and tried again. Throws Error; the source
// is free then.
[[nodiscard]] Copied copy_database(const Source &source, const core::PartialFile &partial,
                                   std::int64_t max_hold_ms, Watch &watch);

} // namespace emsn::sqlite
