// Which pages a transaction may have changed: its rollback journal tells, once it has ended.
//
// SQLite changes a page of the database only after its old content is in the journal (pager.c, pager_write),
// with two exceptions, which the other fields of the journal tell:
// - Pages that were not part of the database when the transaction began. That is from the page count in the
//   old first page on: the file may have been longer than that.
// - Free pages, whose old content nobody needs (PAGER_GET_NOCONTENT in btree.c, allocateBtreePage): leaves of
//   the freelist when the transaction began, and not since (BtShared.pHasContent). SQLite takes a leaf only
//   from the first trunk page of the freelist, after writing to that, so the old list of its leaves is in the
//   journal. With auto_vacuum it takes them from anywhere: such a journal is not understood here, unless
//   the freelist was empty.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace emsn::sqlite {

struct JournalPages {
    std::uint32_t change_counter = 0; // of the database when the transaction began
    std::int64_t old_pages = 0;       // of the database; pages from here on may be new. Pages count from 0
    std::vector<std::int64_t> pages;  // in no order, and perhaps more than once
};

// Reads the whole journal, whose writer must be done with it. nullopt: it is not whole, too big to be worth
// it, of a transaction that was rolled back before it came to changing the database, or not understood: of
// several parts because the writer's cache spilled, or with the name of a super-journal. Throws Error (io).
[[nodiscard]] std::optional<JournalPages> read_journal(int fd, std::int64_t page_size);

} // namespace emsn::sqlite
