// Pages that have to be read, or read again: a bit for each.
#pragma once

#include <cstdint>
#include <vector>

#include "sqlite_ext/page_ledger.hpp"

namespace emsn::sqlite {

class DuePages {
  public:
    [[nodiscard]] std::int64_t count() const noexcept { return count_; }
    // New pages are due, and pages past the new end are forgotten.
    void resize(std::int64_t pages);

    void add(std::int64_t page); // nothing, when there is no such page
    void add_from(std::int64_t first);
    void remove(const PageRun &run);

    // The first that are due from here on, next to each other and at most so many; 0 pages: none.
    [[nodiscard]] PageRun next(std::int64_t from, std::int64_t most) const;

  private:
    [[nodiscard]] bool has(std::int64_t page) const;

    std::vector<std::uint64_t> words_; // bits past the end are 0
    std::int64_t pages_ = 0;
    std::int64_t count_ = 0;
};

} // namespace emsn::sqlite
