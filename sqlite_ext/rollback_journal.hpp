// A rollback journal in SQLite's own format, as it stands beside a database while its pages are being
// replaced: whoever opens the database next, with any SQLite, puts the old pages back.
// (SQLite "Database File Format", 3 "The Rollback Journal", https://sqlite.org/fileformat2.html)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sqlite_ext/db.hpp"
#include "sqlite_ext/page_sink.hpp"

namespace emsn::sqlite {

class RollbackJournal {
  public:
    // Makes the journal of the main database of db, which holds SQLite's EXCLUSIVE lock on it. old_pages: how
    // many it has; a rollback cuts it back to so many. These throw SqliteError.
    RollbackJournal(sqlite3 *db, std::int64_t page_size, std::int64_t old_pages, Written &written);
    // Leaves a sealed journal where it is, for SQLite to roll back.
    ~RollbackJournal();
    RollbackJournal(const RollbackJournal &) = delete;
    RollbackJournal &operator=(const RollbackJournal &) = delete;

    // The old content of a page, counted from 0.
    void add(std::int64_t page, std::span<const char> bytes);
    // Makes it durable: the pages may be replaced after it.
    void seal();
    // Replacing is over, the new pages are synced. This is the commit.
    void remove();

  private:
    void write_header(std::uint32_t records);
    void flush();
    void close() noexcept;
    void sync();
    void check(int code, const char *what) const;

    sqlite3_vfs *vfs_ = nullptr;
    const char *name_; // owned by db
    std::vector<std::max_align_t> memory_;
    sqlite3_file *file_;
    std::int64_t page_size_;
    std::uint32_t old_pages_;
    std::uint32_t nonce_ = 0;
    std::uint32_t records_ = 0;
    std::int64_t at_; // where buffer_ goes
    std::vector<char> buffer_;
    bool sealed_ = false;
    Written &written_;
};

} // namespace emsn::sqlite
