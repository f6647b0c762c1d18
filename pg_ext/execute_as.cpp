#include "pg_ext/execute_as.hpp"

namespace emsn::pg {

void execute_as(Oid user, int security, const char *statement, int arguments, Oid *types, Datum *values,
                const char *nulls) {
    Oid user_before = InvalidOid;
    int security_before = 0;
    GetUserIdAndSecContext(&user_before, &security_before);
    SetUserIdAndSecContext(user, security_before | security);
    const int settings = NewGUCNestLevel();
    const int result = SPI_execute_with_args(statement, arguments, types, values, nulls, false, 1);
    if (result < 0)
        elog(ERROR, "%s: %s", statement, SPI_result_code_string(result));
    AtEOXact_GUC(false, settings);
    SetUserIdAndSecContext(user_before, security_before);
}

void query_as(Oid user, const char *query, DestReceiver *receiver) {
    Oid user_before = InvalidOid;
    int security_before = 0;
    GetUserIdAndSecContext(&user_before, &security_before);
    SetUserIdAndSecContext(user,
                           security_before | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    const int settings = NewGUCNestLevel();
    static_cast<void>(set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                                        GUC_ACTION_SAVE, true, 0, false));
    SPIExecuteOptions options = {};
    options.must_return_tuples = true;
    options.dest = receiver;
    const int result = SPI_execute_extended(query, &options);
    if (result < 0)
        elog(ERROR, "%s: %s", query, SPI_result_code_string(result));
    AtEOXact_GUC(false, settings);
    SetUserIdAndSecContext(user_before, security_before);
}

} // namespace emsn::pg
