#include "pg_ext/guard.hpp"

#include <algorithm>
#include <cstring>

namespace emsn::pg {

using core::Errc;

int sqlstate_of(Errc code) noexcept {
    switch (code) {
    case Errc::invalid_argument:
        return ERRCODE_INVALID_PARAMETER_VALUE;
    case Errc::not_found:
        return ERRCODE_UNDEFINED_FILE;
    case Errc::permission:
        return ERRCODE_INSUFFICIENT_PRIVILEGE;
    case Errc::busy:
        return ERRCODE_OBJECT_IN_USE;
    case Errc::unavailable:
        return ERRCODE_CANNOT_CONNECT_NOW;
    case Errc::no_space:
        return ERRCODE_DISK_FULL;
    case Errc::io:
        return ERRCODE_IO_ERROR;
    case Errc::corrupt:
    case Errc::not_a_database:
        return ERRCODE_DATA_CORRUPTED;
    case Errc::source_changed:
        return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    case Errc::interrupted:
    case Errc::timed_out:
        return ERRCODE_QUERY_CANCELED;
    case Errc::too_big:
        return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
    case Errc::unsupported:
        return ERRCODE_FEATURE_NOT_SUPPORTED;
    case Errc::internal:
        return ERRCODE_INTERNAL_ERROR;
    }
    return ERRCODE_INTERNAL_ERROR;
}

void Failure::set(int state, const char *function, const char *message) noexcept {
    sqlstate = state;
    std::size_t length = 0;
    const auto append = [&](const char *part) {
        const std::size_t bytes = std::min(std::strlen(part), kMostBytes - 1 - length);
        std::memcpy(text + length, part, bytes);
        length += bytes;
    };
    append(function);
    append(": ");
    append(message);
    text[length] = '\0';
}

void report(Failure *failure) {
    CHECK_FOR_INTERRUPTS();
    const char *message = valid_text(failure->text, std::strlen(failure->text));
    ereport(ERROR, (errcode(failure->sqlstate), errmsg_internal("%s", message)));
    pg_unreachable();
}

char *valid_text(const char *text, std::size_t bytes) {
    constexpr std::size_t kEscapeBytes = 4; // \xNN
    constexpr const char *kHex = "0123456789abcdef";
    const int encoding = GetDatabaseEncoding();
    auto *const out = static_cast<char *>(palloc(bytes * kEscapeBytes + 1));
    char *end = out;
    for (std::size_t at = 0; at < bytes;) {
        const auto *from = reinterpret_cast<const unsigned char *>(text + at);
        const int length = pg_encoding_verifymbchar(encoding, text + at, static_cast<int>(bytes - at));
        if (length > 0 && *from != 0) {
            std::memcpy(end, from, static_cast<std::size_t>(length));
            end += length;
            at += static_cast<std::size_t>(length);
        } else {
            *end++ = '\\';
            *end++ = 'x';
            *end++ = kHex[*from >> 4];
            *end++ = kHex[*from & 0xf];
            ++at;
        }
    }
    *end = '\0';
    return out;
}

} // namespace emsn::pg
