// The database being copied: one schema of the calling connection. Nothing here writes to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/destination.hpp"
#include "sqlite_ext/db.hpp"
#include "sqlite_ext/db_file.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

class Source {
  public:
    // Throws Error: unknown schema, an open transaction that would hold the writer, not a database, no pages.
    // Waits for a writer in the middle of a commit.
    Source(sqlite3 *db, std::string schema, Watch &watch);

    [[nodiscard]] sqlite3 *db() const noexcept { return db_; }
    [[nodiscard]] const std::string &schema() const noexcept { return schema_; }
    [[nodiscard]] const std::optional<core::SourceFile> &file() const noexcept {
        return file_;
    }                                                              // nullopt: in memory
    [[nodiscard]] bool is_wal() const noexcept { return is_wal_; } // readers do not hold the writer
    [[nodiscard]] std::int64_t page_size() const noexcept { return page_size_; }
    [[nodiscard]] std::int64_t pages() const noexcept { return pages_; } // when it was first looked at
    [[nodiscard]] const std::string &layout() const noexcept { return layout_; }
    // Of a source with a file.
    [[nodiscard]] FileHeader header() const;
    [[nodiscard]] std::string schema_text() const { return sqlite::schema_text(db_, schema_); }
    // The change counter in the header of the file (SQLite "Database File Format" 1.3.8); nullopt in memory.
    // A database in WAL mode counts only checkpoints there. Call inside a ReadTransaction.
    [[nodiscard]] std::optional<std::int64_t> change_counter() const;
    // Throws Error{source_changed} when the file was deleted or replaced since it was opened.
    void check_not_moved() const;

    // What a user should know of this source, as the report's warnings.
    [[nodiscard]] std::vector<std::string> warnings() const;

  private:
    void check_may_read() const;
    void check_no_transaction() const;
    [[noreturn]] void throw_reading() const;
    [[nodiscard]] std::vector<std::string> sidecars() const; // -wal and -shm that are there

    sqlite3 *db_;
    std::string schema_;
    std::optional<core::SourceFile> file_;
    std::vector<std::string> sidecars_before_;
    bool is_wal_ = false;
    std::int64_t page_size_ = 0;
    std::int64_t pages_ = 0;
    std::string layout_;
};

// Holds one consistent moment of the source until it is destroyed. In rollback-journal mode that holds its
// writer too. Throws SqliteError (busy) when a writer is in the middle of a commit.
class ReadTransaction {
  public:
    explicit ReadTransaction(const Source &source);

  private:
    Statement statement_;
};

// The calling connection's own busy timeout would wait inside SQLite, deaf to interrupts and deadlines: it is
// set to 0 while this lives, and put back. A busy handler written by the host cannot be read back, so it
// stays.
class NoBusyTimeout {
  public:
    explicit NoBusyTimeout(sqlite3 *db);
    ~NoBusyTimeout();
    NoBusyTimeout(const NoBusyTimeout &) = delete;
    NoBusyTimeout &operator=(const NoBusyTimeout &) = delete;

  private:
    sqlite3 *db_;
    int timeout_ms_;
};

} // namespace emsn::sqlite
