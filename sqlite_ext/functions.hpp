// What a module adds to a connection as its entry point runs.
#pragma once

#include <span>

#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

struct Function {
    const char *name;
    void (*body)(sqlite3_context *, int, sqlite3_value **) noexcept;
    int arguments;
    int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY; // what touches files is never called from a schema
};

// An SQLite result code. A library before 3.40 is refused, and *error says so: call it first.
[[nodiscard]] int check_library(const char *module, char **error) noexcept;
[[nodiscard]] int add_functions(sqlite3 *db, std::span<const Function> functions) noexcept;

} // namespace emsn::sqlite
