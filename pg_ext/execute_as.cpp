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

} // namespace emsn::pg
