#include "sqlite_ext/guard.hpp"

#include <new>

namespace emsn::sqlite {

using core::Errc;

int code_of(Errc code) noexcept {
    switch (code) {
    case Errc::invalid_argument:
    case Errc::unsupported:
        return SQLITE_ERROR;
    case Errc::not_found:
        return SQLITE_CANTOPEN;
    case Errc::permission:
        return SQLITE_PERM;
    case Errc::busy:
    case Errc::unavailable:
    case Errc::timed_out:
        return SQLITE_BUSY;
    case Errc::no_space:
        return SQLITE_FULL;
    case Errc::io:
        return SQLITE_IOERR;
    case Errc::corrupt:
        return SQLITE_CORRUPT;
    case Errc::not_a_database:
        return SQLITE_NOTADB;
    case Errc::source_changed:
        return SQLITE_ABORT;
    case Errc::interrupted:
        return SQLITE_INTERRUPT;
    case Errc::too_big:
        return SQLITE_TOOBIG;
    case Errc::internal:
        return SQLITE_INTERNAL;
    }
    return SQLITE_INTERNAL;
}

Errc errc_of(int sqlite_code) noexcept {
    constexpr int kPrimaryBits = 0xff;
    switch (sqlite_code & kPrimaryBits) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return Errc::busy;
    case SQLITE_FULL:
        return Errc::no_space;
    case SQLITE_IOERR:
        return Errc::io;
    case SQLITE_CORRUPT:
        return Errc::corrupt;
    case SQLITE_NOTADB:
        return Errc::not_a_database;
    case SQLITE_CANTOPEN:
        return Errc::not_found;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return Errc::permission;
    case SQLITE_INTERRUPT:
        return Errc::interrupted;
    case SQLITE_TOOBIG:
        return Errc::too_big;
    case SQLITE_ERROR: // an unknown collation or function of the host program, say
        return Errc::unsupported;
    default:
        return Errc::internal;
    }
}

namespace {

// What the exception being handled says. text belongs to SQLite's allocator; null: memory is short.
struct Failure {
    int code;
    char *text;
};

Failure failure_of_exception(const char *name) noexcept {
    const auto fail = [&](const char *message, int code) -> Failure {
        char *text = sqlite3_mprintf("%s: %s", name, message);
        return {text != nullptr ? code : SQLITE_NOMEM, text};
    };
    try {
        throw;
    } catch (const core::Error &e) {
        return fail(e.what(), code_of(e.code()));
    } catch (const std::bad_alloc &) {
        return {SQLITE_NOMEM, nullptr};
    } catch (const std::exception &e) {
        return fail(e.what(), SQLITE_INTERNAL);
    } catch (...) {
        return fail("unknown C++ exception", SQLITE_INTERNAL);
    }
}

} // namespace

void report_exception(sqlite3_context *ctx, const char *function) noexcept {
    const Failure failure = failure_of_exception(function);
    if (failure.text == nullptr)
        return sqlite3_result_error_nomem(ctx);
    sqlite3_result_error(ctx, failure.text, -1);
    sqlite3_free(failure.text);
    sqlite3_result_error_code(ctx, failure.code); // last: the call above sets the code back to SQLITE_ERROR
}

int keep_exception(char **message, const char *table) noexcept {
    const Failure failure = failure_of_exception(table);
    sqlite3_free(*message);
    *message = failure.text;
    return failure.code;
}

std::string text_of(sqlite3_value *value) {
    const auto *text = sqlite3_value_text(value);
    if (text == nullptr)
        throw std::bad_alloc();
    return {reinterpret_cast<const char *>(text), static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

std::string path_of(sqlite3_value *value) {
    auto path = text_of(value);
    if (path.find('\0') != std::string::npos)
        throw core::Error(Errc::invalid_argument, "the path contains a NUL byte");
    return path;
}

void result_text(sqlite3_context *ctx, const std::string &text) {
    sqlite3_result_text64(ctx, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

} // namespace emsn::sqlite
