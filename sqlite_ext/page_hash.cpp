#include "sqlite_ext/page_hash.hpp"

// the whole algorithm from the header: no library is needed at run time
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace emsn::sqlite {

PageHash hash_page(const char *page, std::size_t bytes) noexcept {
    const XXH128_hash_t hash = XXH3_128bits(page, bytes);
    return {hash.low64, hash.high64};
}

} // namespace emsn::sqlite
