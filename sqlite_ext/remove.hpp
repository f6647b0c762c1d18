// Removal of files and trees, such as old backups.
#pragma once

#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

// emsn_remove(path, inside)
void emsn_remove(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::sqlite
