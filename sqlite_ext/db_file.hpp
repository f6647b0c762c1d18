// The bytes of a database file, through SQLite's own file handle: a second descriptor on the file would, when
// it is closed, drop all locks that this process holds on it (https://sqlite.org/howtocorrupt.html, 2.2).
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "sqlite_ext/api.hpp"
#include "sqlite_ext/db_header.hpp"

namespace emsn::sqlite {

// The header of the file, at the beginning of the first page (SQLite "Database File Format", 1.3).
using DbHeaderBytes = std::array<char, 100>;

struct FileHeader {
    std::uint32_t change_counter = 0; // counts commits, in rollback-journal mode
    std::int64_t page_size = 0;
    std::int64_t pages = 0;
    bool is_wal = false;
    friend bool operator==(const FileHeader &, const FileHeader &) = default;
};

class DbFile {
  public:
    // Throws Error when the schema has no file.
    DbFile(sqlite3 *db, const char *schema);

    // Bytes past the end of the file read as zeros. These throw SqliteError.
    void read(std::int64_t offset, std::span<char> into) const;
    [[nodiscard]] DbHeaderBytes header_bytes() const;
    [[nodiscard]] FileHeader header() const;
    [[nodiscard]] std::int64_t size_bytes() const;

    // For who holds SQLite's EXCLUSIVE lock on it.
    void write(std::int64_t offset, std::span<const char> bytes);
    void truncate(std::int64_t bytes);
    void sync();

  private:
    sqlite3_file *file_ = nullptr;
};

} // namespace emsn::sqlite
