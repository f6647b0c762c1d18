// The user's relation, and who answers for what is done to it.
#pragma once

#include "pg_ext/worker_api.hpp"

namespace emsn::pg {

// ERROR unless the current user owns the function, whoever was granted EXECUTE on it by mistake.
void require_owner_of(Oid function, const char *name);

// Locks the relation first: whose rights count must not change before it is read. ERROR unless it is of one
// of the kinds (RELKIND_...).
[[nodiscard]] Oid lock_and_find_owner(Oid relation, LOCKMODE lock, const char *kinds);

// What can be read.
extern const char *const kReadable;

} // namespace emsn::pg
