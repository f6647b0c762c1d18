// The door between SQLite's C callbacks and our C++: no exception passes it.
#pragma once

#include <string>

#include "core/error.hpp"
#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

// The SQLite result code that stands for code. SQLITE_BUSY means: try again later.
[[nodiscard]] int code_of(core::Errc code) noexcept;
// And back, for errors of SQLite itself.
[[nodiscard]] core::Errc errc_of(int sqlite_code) noexcept;

// Turns the exception being handled into the function's error: "FUNCTION: MESSAGE".
void report_exception(sqlite3_context *ctx, const char *function) noexcept;

// Runs the body of a scalar function: NULL in, NULL out.
template <typename Fn>
void guard(const char *function, sqlite3_context *ctx, int argc, sqlite3_value **argv, Fn &&body) noexcept {
    for (int i = 0; i < argc; ++i) {
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
            return;
    }
    try {
        body();
    } catch (...) {
        report_exception(ctx, function);
    }
}

// Puts the exception being handled into *message, as SQLite's tables take it: "TABLE: MESSAGE", and returns
// its code.
[[nodiscard]] int keep_exception(char **message, const char *table) noexcept;

// Runs a callback of a virtual table, which returns a code of SQLite's.
template <typename Fn> [[nodiscard]] int guard_table(const char *table, char **message, Fn &&body) noexcept {
    try {
        return body();
    } catch (...) {
        return keep_exception(message, table);
    }
}

// An argument as the bytes of its text form; a BLOB's bytes pass as they are, so that names which are not
// UTF-8 can be given too.
[[nodiscard]] std::string text_of(sqlite3_value *value);
// As text_of, for a path: a NUL byte in it is an error.
[[nodiscard]] std::string path_of(sqlite3_value *value);

void result_text(sqlite3_context *ctx, const std::string &text);

} // namespace emsn::sqlite
