// The pages in which a new moment differs from the last mirror, until they are written.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "sqlite_ext/page_sink.hpp"

namespace emsn::sqlite {

class Patch : public PageSink {
  public:
    // What does not fit in memory waits in the partial file, each page at its place.
    Patch(core::PartialFile &partial, std::int64_t page_size, Written &written)
        : partial_(partial), page_size_(page_size), written_(written) {}

    // A page that is given again takes the place of what was given before.
    void write(std::int64_t first, std::span<const char> pages) override;

    [[nodiscard]] std::int64_t pages() const noexcept { return std::ssize(pages_); }
    [[nodiscard]] bool has(std::int64_t page) const { return pages_.count(page) != 0; }
    [[nodiscard]] std::vector<std::int64_t> numbers() const;
    // Brings all of it into the partial file; nothing is written after it.
    void spill();
    // All pages in order, neighbours together.
    void each_run(const std::function<void(std::int64_t first, std::span<const char> pages)> &visit) const;

  private:
    core::PartialFile &partial_;
    std::int64_t page_size_;
    Written &written_;
    std::map<std::int64_t, std::vector<char>> pages_; // no bytes: in the partial file
    std::int64_t bytes_in_memory_ = 0;
};

} // namespace emsn::sqlite
