// Where the pages of a copy go.
#pragma once

#include <cstdint>
#include <span>

#include "core/partial_file.hpp"

namespace emsn::sqlite {

// What was written below the destination's name, every pass counted.
struct Written {
    std::int64_t pages = 0;
    std::int64_t bytes = 0; // pages, and the journal of those that are replaced in place
};

class PageSink {
  public:
    PageSink() = default;
    virtual ~PageSink() = default;
    PageSink(const PageSink &) = delete;
    PageSink &operator=(const PageSink &) = delete;

    // Pages next to each other, the first of them number first (0 is the first of the database). Called when
    // nothing holds the source.
    virtual void write(std::int64_t first, std::span<const char> pages) = 0;
};

// Into the partial file, each page at its place.
class PartialSink : public PageSink {
  public:
    PartialSink(core::PartialFile &partial, std::int64_t page_size, Written &written)
        : partial_(partial), page_size_(page_size), written_(written) {}

    void write(std::int64_t first, std::span<const char> pages) override {
        partial_.write(first * page_size_, pages);
        written_.pages += std::ssize(pages) / page_size_;
        written_.bytes += std::ssize(pages);
    }

  private:
    core::PartialFile &partial_;
    std::int64_t page_size_;
    Written &written_;
};

} // namespace emsn::sqlite
