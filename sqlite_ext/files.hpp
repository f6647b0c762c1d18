// Functions over files and folders.
#pragma once

#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

// dir_size_safe(path [, options])
void dir_size_safe(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::sqlite
