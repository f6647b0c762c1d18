// Is this file a whole database?
#pragma once

#include <string>

#include "sqlite_ext/db.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

enum class Level { none, quick, full }; // quick: PRAGMA quick_check; full: PRAGMA integrity_check

[[nodiscard]] Level level_of(const std::string &word);

// The first problem that SQLite finds in db, or "". What stops it from looking (I/O, locks) is an Error.
[[nodiscard]] std::string first_problem(sqlite3 *db, Level level, Watch &watch);

// emsn_verify(path [, level])
void emsn_verify(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::sqlite
