// Where things stand in the header of a database file (SQLite "Database File Format", 1.3). Four bytes each
// where nothing else is said.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emsn::sqlite {

constexpr std::size_t kPageSizeAt = 16; // two bytes; 1 stands for 65536
constexpr std::size_t kVersionsAt = 18; // to write and to read, a byte each; 1: rollback journal
constexpr std::size_t kReadVersionAt = 19;
constexpr std::size_t kChangeCounterAt = 24;
constexpr std::size_t kPagesAt = 28;
constexpr std::size_t kFirstFreeTrunkAt = 32;
constexpr std::size_t kFreePagesAt = 36;
constexpr std::size_t kSchemaCookieAt = 40;
constexpr std::size_t kLargestRootAt = 52; // 0: neither auto_vacuum nor incremental_vacuum
constexpr std::size_t kValidForAt = 92;    // the change counter for which the page count is right
constexpr std::size_t kLibraryVersionAt = 96;

// The page, counted from 0, that SQLite leaves unused because its locks lie on it
// (SQLite "Database File Format", 1.4).
[[nodiscard]] constexpr std::int64_t lock_byte_page(std::int64_t page_size) noexcept {
    constexpr std::int64_t kPendingByte = 1 << 30;
    return kPendingByte / page_size;
}

} // namespace emsn::sqlite
