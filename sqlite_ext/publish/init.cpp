// Entry point of emsn_pg.so: one list of every function. What needs libpq is here and not in emsn.so.
#include "sqlite_ext/functions.hpp"
#include "sqlite_ext/publish/host_report.hpp"
#include "sqlite_ext/publish/publish.hpp"

extern "C" {
SQLITE_EXTENSION_INIT1
}

namespace {

using emsn::sqlite::Function;

constexpr Function kFunctions[] = {
    {"emsn_publish", emsn::publish::emsn_publish, 2},
    {"emsn_publish", emsn::publish::emsn_publish, 3},
    {"emsn_report_host", emsn::publish::emsn_report_host, 2},
};

} // namespace

extern "C" __attribute__((visibility("default"))) int sqlite3_emsnpg_init(sqlite3 *db, char **error,
                                                                          const sqlite3_api_routines *api) {
    SQLITE_EXTENSION_INIT2(api);
    if (const int code = emsn::sqlite::check_library("emsn_pg", error); code != SQLITE_OK)
        return code;
    const int code = emsn::sqlite::add_functions(db, kFunctions);
    // a connection attempt, or a look at a disk that hangs, may be left behind on a thread (connect.hpp,
    // host_report.cpp): its code stays until the process ends
    return code == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : code;
}
