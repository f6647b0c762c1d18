// emsn.query_as_owner: rows that only the owner of the user's relation may be made to compute. Views, casts
// and policies there are code of that owner's making.
#include "pg_ext/execute_as.hpp"
#include "pg_ext/table_owner.hpp"

extern "C" {
#include <executor/tstoreReceiver.h>

PG_FUNCTION_INFO_V1(emsn_health_query_as_owner);
}

Datum emsn_health_query_as_owner(PG_FUNCTION_ARGS) {
    using namespace emsn::pg;
    const Oid relation = PG_GETARG_OID(0);
    const char *const query = text_to_cstring(PG_GETARG_TEXT_PP(1));
    require_owner_of(fcinfo->flinfo->fn_oid, "query_as_owner");
    const Oid owner = lock_and_find_owner(relation, AccessShareLock, kReadable);
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    const auto *const result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    DestReceiver *const receiver = CreateDestReceiver(DestTuplestore);
    SetTuplestoreDestReceiverParams(receiver, result->setResult, result->econtext->ecxt_per_query_memory,
                                    false, result->setDesc, "query_as_owner: the query has other columns");
    SPI_connect();
    query_as(owner, query, receiver);
    SPI_finish();
    return static_cast<Datum>(0);
}
