// The copying engine: one consistent moment of the source, page by page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sqlite_ext/db_file.hpp"
#include "sqlite_ext/page_hash.hpp"
#include "sqlite_ext/page_sink.hpp"
#include "sqlite_ext/source.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

// What the destination has already: nothing, or the pages of the last mirror and the first of them's header.
struct Known {
    std::vector<PageHash> hashes;
    DbHeaderBytes header{};
};

// What was copied, and what it cost. All but the last two are of the moment copied.
struct Copied {
    std::int64_t pages = 0;
    std::int64_t page_size = 0;
    std::string schema;
    std::vector<PageHash> hashes; // one a page
    std::optional<std::int64_t> change_counter;
    double held_ms = 0; // longest time that a writer could have been kept waiting
    int passes = 0;     // over the source

    [[nodiscard]] std::int64_t bytes() const noexcept { return pages * page_size; }
};

// Gives every page that is not known to the sink. A page that changes meanwhile is given again. No hold on a
// source in rollback-journal mode is begun that would, at the speed measured, last longer than max_hold_ms;
// one that does is given up and tried again. Throws Error; the source is free then.
[[nodiscard]] Copied copy_database(const Source &source, PageSink &sink, Known known,
                                   std::int64_t max_hold_ms, Watch &watch);

// The two ways of it. Pages read from the file of a source in rollback-journal mode: its writer never waits
// for the destination.
[[nodiscard]] Copied copy_pages(const Source &source, PageSink &sink, Known known, std::int64_t max_hold_ms,
                                Watch &watch);
// SQLite's online backup API, for what is not in the file alone: WAL mode, where readers hold nobody, and
// databases in memory, which have no other writer.
[[nodiscard]] Copied copy_by_backup(const Source &source, PageSink &sink, Known known, Watch &watch);

} // namespace emsn::sqlite
