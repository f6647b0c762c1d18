#include "sqlite_ext/copy.hpp"

#include <utility>

namespace emsn::sqlite {

Copied copy_database(const Source &source, PageSink &sink, Known known, std::int64_t max_hold_ms,
                     Watch &watch) {
    watch.stage("copying");
    if (source.is_wal() || !source.file())
        return copy_by_backup(source, sink, std::move(known), watch);
    return copy_pages(source, sink, std::move(known), max_hold_ms, watch);
}

} // namespace emsn::sqlite
