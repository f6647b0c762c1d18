// The source's bytes, read through SQLite's own file handle: a second descriptor on the file would, when it
// is closed, drop all locks that this process holds on it (https://sqlite.org/howtocorrupt.html, 2.2).
#pragma once

#include <cstdint>
#include <span>

#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

// From the header of the file (SQLite "Database File Format", 1.3).
struct FileHeader {
    std::uint32_t change_counter = 0; // counts commits, in rollback-journal mode
    std::int64_t page_size = 0;
    std::int64_t pages = 0;
    bool is_wal = false;
};

class SourceFile {
  public:
    // Throws Error when the schema has no file.
    SourceFile(sqlite3 *db, const char *schema);

    // Bytes past the end of the file read as zeros. Throws SqliteError.
    void read(std::int64_t offset, std::span<char> into) const;
    [[nodiscard]] FileHeader header() const;

  private:
    sqlite3_file *file_ = nullptr;
};

} // namespace emsn::sqlite
