// Which pages the destination has: a hash for each.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sqlite_ext/page_hash.hpp"

namespace emsn::sqlite {

// Pages next to each other; first is counted from 0.
struct PageRun {
    std::int64_t first = 0;
    std::int64_t pages = 0;
};

class PageLedger {
  public:
    // known: of the pages that are there already.
    PageLedger(std::int64_t page_size, std::vector<PageHash> known)
        : page_size_(page_size), hashes_(std::move(known)) {}

    [[nodiscard]] std::int64_t pages() const noexcept { return std::ssize(hashes_); }
    // New pages are not there, and pages past the new end are forgotten.
    void resize(std::int64_t pages) { hashes_.resize(static_cast<std::size_t>(pages)); }

    // Which of these pages, the first of them number first, are not there. They are noted as if they were:
    // the caller writes them. The lock-byte page never is one: SQLite keeps nothing in it.
    [[nodiscard]] std::vector<PageRun> note(std::int64_t first, std::span<const char> pages);

    [[nodiscard]] std::vector<PageHash> take() noexcept { return std::move(hashes_); }

  private:
    std::int64_t page_size_;
    std::vector<PageHash> hashes_; // a default one: not there
};

} // namespace emsn::sqlite
