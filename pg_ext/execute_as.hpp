// A statement as another user. Plain frames only: an ERROR of the backend jumps over them, and takes the user
// back with the (sub)transaction.
#pragma once

#include "pg_ext/worker_api.hpp"

namespace emsn::pg {

// Between SPI_connect and SPI_finish: one statement, as user; at most one row, in SPI_tuptable. What it sets
// is undone. security: SECURITY_LOCAL_USERID_CHANGE, and SECURITY_RESTRICTED_OPERATION for code that is not
// trusted.
void execute_as(Oid user, int security, const char *statement, int arguments = 0, Oid *types = nullptr,
                Datum *values = nullptr, const char *nulls = nullptr);

// The same for code that is not trusted, whose rows go to receiver, all of them. search_path is pg_catalog,
// pg_temp.
void query_as(Oid user, const char *query, DestReceiver *receiver);

} // namespace emsn::pg
