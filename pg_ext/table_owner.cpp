// emsn.execute_as_owner: what publishing does to the user's table, with the rights of that table's owner and
// no others. Triggers, defaults, checks and casts there are code of the owner's making; the functions that
// call this act as the owner of the extension, a superuser.
#include "pg_ext/table_owner.hpp"

#include <cstring>

#include "pg_ext/execute_as.hpp"

extern "C" {
#include <catalog/pg_class.h>
#include <utils/acl.h>
#include <utils/syscache.h>

PG_FUNCTION_INFO_V1(emsn_health_execute_as_owner);
}

namespace emsn::pg {

const char *const kReadable = "rpfvm"; // RELKIND_RELATION, partitioned, foreign, view, materialized view

void require_owner_of(Oid function, const char *name) {
    if (!pg_proc_ownercheck(function, GetUserId()))
        aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FUNCTION, name);
}

Oid lock_and_find_owner(Oid relation, LOCKMODE lock, const char *kinds) {
    LockRelationOid(relation, lock);
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple))
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("the table of detections was just replaced")));
    const auto *const row = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    const Oid owner = row->relowner;
    const char kind = row->relkind;
    ReleaseSysCache(tuple);
    if (std::strchr(kinds, kind) == nullptr)
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                        errmsg("the relation with OID %u is not a table", relation)));
    return owner;
}

} // namespace emsn::pg

namespace {

using namespace emsn;

constexpr const char *kWritable = "rp"; // RELKIND_RELATION, RELKIND_PARTITIONED_TABLE

// The number of rows changed, or the bigint that the statement returned.
std::int64_t outcome() {
    if (SPI_tuptable == nullptr)
        return static_cast<std::int64_t>(SPI_processed);
    bool is_null = true;
    Datum value = 0;
    if (SPI_processed > 0 && SPI_gettypeid(SPI_tuptable->tupdesc, 1) == INT8OID)
        value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    if (is_null)
        elog(ERROR, "execute_as_owner: the statement returned no bigint");
    return DatumGetInt64(value);
}

} // namespace

Datum emsn_health_execute_as_owner(PG_FUNCTION_ARGS) {
    const Oid relation = PG_GETARG_OID(0);
    const char *const search_path = text_to_cstring(PG_GETARG_TEXT_PP(1));
    const char *const statement = text_to_cstring(PG_GETARG_TEXT_PP(2));
    pg::require_owner_of(fcinfo->flinfo->fn_oid, "execute_as_owner");
    const Oid owner = pg::lock_and_find_owner(relation, RowExclusiveLock, kWritable);
    SPI_connect();
    const int settings = NewGUCNestLevel();
    static_cast<void>(set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
                                        GUC_ACTION_SAVE, true, 0, false));
    pg::execute_as(owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION, statement);
    AtEOXact_GUC(false, settings);
    const std::int64_t result = outcome();
    SPI_finish();
    PG_RETURN_INT64(result);
}
