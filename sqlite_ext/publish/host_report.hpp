// emsn_report_host(conninfo, station)
#pragma once

#include "sqlite_ext/api.hpp"

namespace emsn::publish {

void emsn_report_host(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::publish
