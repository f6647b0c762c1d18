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

// Turns the exception being handled into the function's error.
void report_exception(sqlite3_context *ctx) noexcept;

// Runs the body of a scalar function.
template <typename Fn> void guard(sqlite3_context *ctx, Fn &&body) noexcept {
    try {
        body();
    } catch (...) {
        report_exception(ctx);
    }
}

// An argument as the bytes of its text form; a BLOB's bytes pass as they are, so that names which are not
// UTF-8 can be given too.
[[nodiscard]] std::string text_of(sqlite3_value *value);
// As text_of, for a path: a NUL byte in it is an error.
[[nodiscard]] std::string path_of(const char *function, sqlite3_value *value);

void result_text(sqlite3_context *ctx, const std::string &text);

} // namespace emsn::sqlite
