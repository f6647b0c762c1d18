// Owners of SQLite handles, and statements that throw.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

struct CloseDb {
    void operator()(sqlite3 *db) const noexcept { sqlite3_close_v2(db); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;

struct FinalizeStatement {
    void operator()(sqlite3_stmt *statement) const noexcept { sqlite3_finalize(statement); }
};

struct FinishBackup {
    void operator()(sqlite3_backup *backup) const noexcept { sqlite3_backup_finish(backup); }
};
using Backup = std::unique_ptr<sqlite3_backup, FinishBackup>;

// An error of SQLite: core's Error, and the code it came from.
class SqliteError : public core::Error {
  public:
    SqliteError(int sqlite_code, const std::string &message);
    [[nodiscard]] int sqlite_code() const noexcept { return sqlite_code_; }
    // A lock of somebody else: the same call may go through a moment later.
    [[nodiscard]] bool is_busy() const noexcept { return code() == core::Errc::busy; }

  private:
    int sqlite_code_;
};

// Throws SqliteError "WHAT: MESSAGE" from the last error of db.
[[noreturn]] void throw_sqlite(sqlite3 *db, const std::string &what);

// Opens the plain file at path, never a URI (Debian's library reads names that begin with "file:" as URIs
// everywhere; path is absolute, so it does not begin so). vfs: nullptr for the usual one.
[[nodiscard]] Db open_file(const std::string &path, int flags, const char *vfs);
// For a file that nobody changes meanwhile: read-only, without locks, blind for a journal beside it.
[[nodiscard]] Db open_immutable(const std::string &path);

class Statement {
  public:
    Statement(sqlite3 *db, const std::string &sql);

    // Parameters are numbered from 1; one that is not bound is NULL.
    void bind(int parameter, const std::string &text);
    void bind(int parameter, std::int64_t number);
    void bind(int parameter, int number) { bind(parameter, std::int64_t{number}); }
    void bind(int parameter, double number);

    // True while there is a row. Throws SqliteError.
    bool step();
    void reset() noexcept { sqlite3_reset(statement_.get()); }
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const; // NULL gives ""
    [[nodiscard]] int type(int column) const noexcept {
        return sqlite3_column_type(statement_.get(), column);
    }
    [[nodiscard]] double real(int column) const noexcept {
        return sqlite3_column_double(statement_.get(), column);
    }
    // The bytes of a text or BLOB where they stand: good until the next step. Call type() first.
    [[nodiscard]] std::string_view bytes(int column) const;

  private:
    void check(int code);

    sqlite3 *db_;
    std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement_;
};

// Runs one statement, rows ignored. Throws SqliteError.
void execute(sqlite3 *db, const std::string &sql);
// The first column of the only row of a query.
[[nodiscard]] std::int64_t query_integer(sqlite3 *db, const std::string &sql);

// Page size, encoding and auto_vacuum: what two databases must have in common to share pages.
[[nodiscard]] std::string layout_of(sqlite3 *db, const std::string &schema);

// name as an SQL identifier: quoted, its quotes doubled.
[[nodiscard]] std::string quoted(const std::string &name);

// Every row of the schema as text: two databases whose texts are equal have the same tables on the same
// pages.
[[nodiscard]] std::string schema_text(sqlite3 *db, const std::string &schema);

} // namespace emsn::sqlite
