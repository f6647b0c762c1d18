#include "sqlite_ext/files.hpp"

#include "core/dir_usage.hpp"
#include "core/link_set.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

namespace {

using Links = std::shared_ptr<core::LinkSet>;

// The set that lives as long as this statement runs, kept by SQLite beside the options' argument. When that
// is not constant, SQLite keeps nothing, and the next call gets another one.
Links links_of_statement(sqlite3_context *ctx, int argument) {
    if (const auto *kept = static_cast<const Links *>(sqlite3_get_auxdata(ctx, argument)))
        return *kept;
    auto made = std::make_shared<core::LinkSet>();
    sqlite3_set_auxdata(ctx, argument, std::make_unique<Links>(made).release(),
                        [](void *kept) { delete static_cast<Links *>(kept); });
    return made;
}

} // namespace

void dir_size_safe(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    guard("dir_size_safe", ctx, argc, argv, [&] {
        const std::string path = path_of(argv[0]);
        const auto options = core::WalkOptions::parse(argc > 1 ? text_of(argv[1]) : "", true);
        Watch watch(sqlite3_context_db_handle(ctx), 0);
        watch.stage("walking " + path);
        const auto size = core::dir_size(path, options, watch.poll(),
                                         options.shared ? links_of_statement(ctx, 1) : nullptr);
        if (size)
            sqlite3_result_int64(ctx, size->bytes);
    });
}

} // namespace emsn::sqlite
