// Getting a connection. libpq looks up the host's name in a call that can take very long and that nothing can
// interrupt, so all of it happens on a thread that may be left behind (core/detached.hpp).
#pragma once

#include "sqlite_ext/publish/pg.hpp"

namespace emsn::publish {

// A connection that is ready, or throws PgError, or what the watch throws.
[[nodiscard]] PgConn connect(const Conninfo &conninfo, sqlite::Watch &watch);

} // namespace emsn::publish
