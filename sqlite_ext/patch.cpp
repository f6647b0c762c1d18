#include "sqlite_ext/patch.hpp"

#include <algorithm>

namespace emsn::sqlite {

namespace {

constexpr std::int64_t kMostInMemory = 16 << 20;
constexpr std::int64_t kRunBytes = 1 << 20;

} // namespace

void Patch::write(std::int64_t first, std::span<const char> pages) {
    for (std::int64_t i = 0; i < std::ssize(pages) / page_size_; ++i) {
        const auto page =
            pages.subspan(static_cast<std::size_t>(i * page_size_), static_cast<std::size_t>(page_size_));
        const auto [at, is_new] = pages_.try_emplace(first + i);
        std::vector<char> &kept = at->second;
        if (!kept.empty() || (is_new && bytes_in_memory_ < kMostInMemory)) {
            bytes_in_memory_ += kept.empty() ? page_size_ : 0;
            kept.assign(page.begin(), page.end());
        } else {
            partial_.write(at->first * page_size_, page);
            written_.bytes += page_size_;
        }
    }
}

void Patch::spill() {
    for (auto &[page, kept] : pages_) {
        if (kept.empty())
            continue;
        partial_.write(page * page_size_, kept);
        written_.bytes += page_size_;
        std::vector<char>().swap(kept);
    }
}

std::vector<std::int64_t> Patch::numbers() const {
    std::vector<std::int64_t> all;
    all.reserve(pages_.size());
    for (const auto &[page, bytes] : pages_)
        all.push_back(page);
    return all;
}

void Patch::each_run(
    const std::function<void(std::int64_t first, std::span<const char> pages)> &visit) const {
    std::vector<char> run;
    std::int64_t first = 0;
    const auto flush = [&] {
        if (!run.empty())
            visit(first, run);
        run.clear();
    };
    for (const auto &[page, kept] : pages_) {
        if (page != first + std::ssize(run) / page_size_ || std::ssize(run) >= kRunBytes)
            flush();
        if (run.empty())
            first = page;
        run.resize(run.size() + static_cast<std::size_t>(page_size_));
        const auto end = std::span(run).last(static_cast<std::size_t>(page_size_));
        if (kept.empty())
            partial_.read(page * page_size_, end);
        else
            std::copy(kept.begin(), kept.end(), end.begin());
    }
    flush();
}

} // namespace emsn::sqlite
