#include "sqlite_ext/due_pages.hpp"

#include <algorithm>
#include <bit>

namespace emsn::sqlite {

namespace {

constexpr std::int64_t kBits = 64;

std::size_t word_of(std::int64_t page) {
    return static_cast<std::size_t>(page / kBits);
}

std::uint64_t bit_of(std::int64_t page) {
    return std::uint64_t{1} << (page % kBits);
}

} // namespace

bool DuePages::has(std::int64_t page) const {
    return (words_[word_of(page)] & bit_of(page)) != 0;
}

void DuePages::resize(std::int64_t pages) {
    const std::int64_t before = pages_;
    remove({pages, std::max<std::int64_t>(0, before - pages)});
    pages_ = pages;
    words_.resize(word_of(pages + kBits - 1));
    add_from(before);
}

void DuePages::add(std::int64_t page) {
    if (page < 0 || page >= pages_ || has(page))
        return;
    words_[word_of(page)] |= bit_of(page);
    ++count_;
}

void DuePages::add_from(std::int64_t first) {
    std::int64_t page = std::max<std::int64_t>(0, first);
    for (; page < pages_ && page % kBits != 0; ++page)
        add(page);
    for (; page + kBits <= pages_; page += kBits) { // a lock is held: whole words
        count_ += kBits - std::popcount(words_[word_of(page)]);
        words_[word_of(page)] = ~std::uint64_t{0};
    }
    for (; page < pages_; ++page)
        add(page);
}

void DuePages::remove(const PageRun &run) {
    for (std::int64_t page = run.first; page < run.first + run.pages; ++page) {
        count_ -= has(page) ? 1 : 0;
        words_[word_of(page)] &= ~bit_of(page);
    }
}

PageRun DuePages::next(std::int64_t from, std::int64_t most) const {
    if (from >= pages_ || most <= 0)
        return {};
    std::size_t word = word_of(from);
    std::uint64_t bits = words_[word] & ~(bit_of(from) - 1);
    while (bits == 0) {
        if (++word == words_.size())
            return {};
        bits = words_[word];
    }
    PageRun run{static_cast<std::int64_t>(word) * kBits + std::countr_zero(bits), 0};
    while (run.pages < most && run.first + run.pages < pages_ && has(run.first + run.pages))
        ++run.pages;
    return run;
}

} // namespace emsn::sqlite
