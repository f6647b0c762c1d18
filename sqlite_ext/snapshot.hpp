// emsn_snapshot(dest [, options])
#pragma once

#include "sqlite_ext/api.hpp"

namespace emsn::sqlite {

void emsn_snapshot(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::sqlite
