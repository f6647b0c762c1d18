#include "sqlite_ext/remove.hpp"

#include "core/remove_tree.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

void emsn_remove(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    guard("emsn_remove", ctx, argc, argv, [&] {
        const std::string path = path_of(argv[0]);
        const std::string inside = path_of(argv[1]);
        Watch watch(sqlite3_context_db_handle(ctx), 0);
        watch.stage("removing " + path);
        sqlite3_result_int64(ctx, core::remove_tree(path, inside, watch.poll()));
    });
}

} // namespace emsn::sqlite
