#include "sqlite_ext/files.hpp"

#include "core/dir_usage.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

void dir_size_safe(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    guard("dir_size_safe", ctx, argc, argv, [&] {
        const std::string path = path_of(argv[0]);
        const auto options = core::WalkOptions::parse(argc > 1 ? text_of(argv[1]) : "");
        Watch watch(sqlite3_context_db_handle(ctx), 0);
        watch.stage("walking " + path);
        if (const auto size = core::dir_size(path, options, watch.poll()))
            sqlite3_result_int64(ctx, size->bytes);
    });
}

} // namespace emsn::sqlite
