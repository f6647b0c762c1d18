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

void report_exception(sqlite3_context *ctx, const char *function) noexcept {
    const auto fail = [&](const char *message, int code) {
        char *text = sqlite3_mprintf("%s: %s", function, message);
        if (text == nullptr)
            return sqlite3_result_error_nomem(ctx);
        sqlite3_result_error(ctx, text, -1);
        sqlite3_free(text);
        sqlite3_result_error_code(ctx, code); // last: the call above sets the code back to SQLITE_ERROR
    };
    try {
        throw;
    } catch (const core::Error &e) {
        fail(e.what(), code_of(e.code()));
    } catch (const std::bad_alloc &) {
        sqlite3_result_error_nomem(ctx);
    } catch (const std::exception &e) {
        fail(e.what(), SQLITE_INTERNAL);
    } catch (...) {
        fail("unknown C++ exception", SQLITE_INTERNAL);
    }
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
