// What a rollback journal looks like: a header in a sector of its own, then a record for each page with its
// content before the transaction. (SQLite "Database File Format", 3 "The Rollback Journal")
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace emsn::sqlite {

constexpr std::array<char, 8> kJournalMagic = {'\xd9', '\xd5', '\x05', '\xf9',
                                               '\x20', '\xa1', '\x63', '\xd7'};

// Four bytes each.
constexpr std::size_t kJournalRecordsAt = 8;
constexpr std::size_t kJournalNonceAt = 12;
constexpr std::size_t kJournalOldPagesAt = 16;
constexpr std::size_t kJournalSectorBytesAt = 20;
constexpr std::size_t kJournalPageSizeAt = 24;
constexpr std::size_t kJournalHeaderBytes = 28; // the rest of the sector is not used

// A record is the number of the page, counted from 1, its content, and the sum of that.
constexpr std::size_t kJournalWordBytes = 4;
[[nodiscard]] constexpr std::size_t journal_record_bytes(std::size_t page_bytes) noexcept {
    return kJournalWordBytes + page_bytes + kJournalWordBytes;
}

[[nodiscard]] inline std::uint32_t journal_sum(std::uint32_t nonce, std::span<const char> page) noexcept {
    constexpr std::ptrdiff_t kStep = 200;
    std::uint32_t sum = nonce;
    for (std::ptrdiff_t at = std::ssize(page) - kStep; at > 0; at -= kStep)
        sum += static_cast<unsigned char>(page[static_cast<std::size_t>(at)]);
    return sum;
}

} // namespace emsn::sqlite
