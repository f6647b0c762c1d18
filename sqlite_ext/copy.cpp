#include "sqlite_ext/copy.hpp"

namespace emsn::sqlite {

Copied copy_database(const Source &source, const core::PartialFile &partial, std::int64_t max_hold_ms,
                     Watch &watch) {
    if (source.is_wal() || !source.file())
        return copy_by_backup(source, partial, watch);
    return copy_pages(source, partial, max_hold_ms, watch);
}

} // namespace emsn::sqlite
