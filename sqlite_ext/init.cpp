// Entry point of emsn.so: one list of every function, one of every table.
#include <array>

#include "sqlite_ext/backups.hpp"
#include "sqlite_ext/disk_tables.hpp"
#include "sqlite_ext/files.hpp"
#include "sqlite_ext/functions.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/remove.hpp"
#include "sqlite_ext/snapshot.hpp"
#include "sqlite_ext/systemd_tables.hpp"
#include "sqlite_ext/verify.hpp"
#include "sqlite_ext/vtab.hpp"

extern "C" {
SQLITE_EXTENSION_INIT1
}

namespace emsn::sqlite {

namespace {

void emsn_version(sqlite3_context *ctx, int /*argc*/, sqlite3_value ** /*argv*/) noexcept {
    sqlite3_result_text(ctx, EMSN_VERSION, -1, SQLITE_STATIC);
}

constexpr Function kFunctions[] = {
    {"emsn_version", emsn_version, 0, SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC},
    {"emsn_snapshot", emsn_snapshot, 1},
    {"emsn_snapshot", emsn_snapshot, 2},
    {"emsn_verify", emsn_verify, 1},
    {"emsn_verify", emsn_verify, 2},
    {"dir_size_safe", dir_size_safe, 1},
    {"dir_size_safe", dir_size_safe, 2},
    {"emsn_remove", emsn_remove, 2},
    {"emsn_reset_failed", emsn_reset_failed, 1},
};

constexpr std::array kTables{add_table<BackupsTable>, add_table<DirUsageTable>, add_table<FilesystemsTable>,
                             add_table<TimersTable>, add_table<UnitsTable>};

int register_all(sqlite3 *db) {
    if (const int code = add_functions(db, kFunctions); code != SQLITE_OK)
        return code;
    for (const auto add : kTables) {
        if (const int code = add(db); code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}

} // namespace

} // namespace emsn::sqlite

extern "C" __attribute__((visibility("default"))) int sqlite3_emsn_init(sqlite3 *db, char **error,
                                                                        const sqlite3_api_routines *api) {
    SQLITE_EXTENSION_INIT2(api);
    if (const int code = emsn::sqlite::check_library("emsn", error); code != SQLITE_OK)
        return code;
    const int code = emsn::sqlite::register_all(db);
    // there are threads in it (journal_watch.hpp): its code stays until the process ends
    return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
}
