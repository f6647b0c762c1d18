#include "sqlite_ext/functions.hpp"

namespace emsn::sqlite {

int check_library(const char *module, char **error) noexcept {
    constexpr int kOldestSqlite = 3040000;
    if (sqlite3_libversion_number() >= kOldestSqlite)
        return SQLITE_OK;
    *error = sqlite3_mprintf("%s needs SQLite 3.40 or later, this is %s", module, sqlite3_libversion());
    return SQLITE_ERROR;
}

int add_functions(sqlite3 *db, std::span<const Function> functions) noexcept {
    for (const Function &function : functions) {
        const int code = sqlite3_create_function_v2(db, function.name, function.arguments, function.flags,
                                                    nullptr, function.body, nullptr, nullptr, nullptr);
        if (code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}

} // namespace emsn::sqlite
