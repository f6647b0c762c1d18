#include "sqlite_ext/page_ledger.hpp"

#include "sqlite_ext/db_file.hpp"

namespace emsn::sqlite {

std::vector<PageRun> PageLedger::note(std::int64_t first, std::span<const char> pages) {
    std::vector<PageRun> runs;
    const std::int64_t count = std::ssize(pages) / page_size_;
    for (std::int64_t i = 0; i < count; ++i) {
        if (first + i == lock_byte_page(page_size_))
            continue;
        PageHash &known = hashes_[static_cast<std::size_t>(first + i)];
        const PageHash hash =
            hash_page(&pages[static_cast<std::size_t>(i * page_size_)], static_cast<std::size_t>(page_size_));
        if (hash == known)
            continue;
        known = hash;
        if (!runs.empty() && runs.back().first + runs.back().pages == first + i)
            ++runs.back().pages;
        else
            runs.push_back({first + i, 1});
    }
    return runs;
}

} // namespace emsn::sqlite
