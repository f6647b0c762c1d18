// emsn_publish(conninfo, station [, options])
#pragma once

#include "sqlite_ext/api.hpp"

namespace emsn::publish {

void emsn_publish(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::publish
