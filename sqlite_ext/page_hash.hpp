// A fingerprint of one page, strong enough that equal means equal: XXH3, 128 bits (https://xxhash.com).
#pragma once

#include <cstddef>
#include <cstdint>

namespace emsn::sqlite {

struct PageHash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const PageHash &, const PageHash &) = default;
};

[[nodiscard]] PageHash hash_page(const char *page, std::size_t bytes) noexcept;

} // namespace emsn::sqlite
