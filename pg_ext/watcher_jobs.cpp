#include "pg_ext/watcher_jobs.hpp"

#include "pg_ext/execute_as.hpp"
#include "pg_ext/watcher_settings.hpp"

namespace emsn::pg {

namespace {

// Of the row that execute_as left.
Datum column(int number, bool *is_null) {
    return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, is_null);
}

Datum column(int number) {
    bool is_null = false;
    const Datum value = column(number, &is_null);
    if (is_null)
        elog(ERROR, "column %d is NULL", number);
    return value;
}

char *text_column(int number, MemoryContext memory) {
    const char *const text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number);
    return text != nullptr ? MemoryContextStrdup(memory, text) : nullptr;
}

// Whether the extension is there. Then its owner is known, and it stays until the transaction ends.
bool find_owner(Round *round) {
    constexpr const char *kName = "emsn_health";
    constexpr bool kMissingIsFine = true;
    round->owner = InvalidOid;
    const Oid extension = get_extension_oid(kName, kMissingIsFine);
    if (!OidIsValid(extension))
        return false;
    LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
    Oid types[] = {OIDOID};
    Datum values[] = {ObjectIdGetDatum(extension)};
    execute_as(GetUserId(), 0, "SELECT extowner FROM pg_extension WHERE oid = $1", 1, types, values);
    if (SPI_processed > 0)
        round->owner = DatumGetObjectId(column(1));
    return SPI_processed > 0;
}

// The owner of the relation, which is locked from here on: whose rights count must not change before it is
// read.
Oid lock_and_find_owner(Oid extension_owner, Oid relation) {
    LockRelationOid(relation, AccessShareLock);
    Oid types[] = {OIDOID};
    Datum values[] = {ObjectIdGetDatum(relation)};
    execute_as(extension_owner, SECURITY_LOCAL_USERID_CHANGE,
               "SELECT c.relowner FROM pg_class AS c JOIN emsn.settings AS s ON to_regclass(s.value) = c.oid "
               "WHERE s.name = 'detections' AND c.oid = $1",
               1, types, values);
    if (SPI_processed == 0)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("the table of detections was just replaced")));
    return DatumGetObjectId(column(1));
}

} // namespace

void find_extension(void *subject) {
    // what code of others can leave behind in this session when detections are counted: advisory locks
    LockReleaseSession(USER_LOCKMETHOD);
    find_owner(static_cast<Round *>(subject));
}

void count_detections(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    if (!find_owner(round))
        return;
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE,
               "SELECT p.relation, p.query, p.stations, p.time_zones FROM emsn.detection_count_plan() AS p");
    if (SPI_processed == 0)
        return;
    const Oid relation = DatumGetObjectId(column(1));
    const char *const query = TextDatumGetCString(column(2));
    Oid types[] = {TEXTARRAYOID, TEXTARRAYOID};
    Datum values[] = {column(3), column(4)};
    // It may be a view with functions of its owner's making: they get that owner's rights, and cannot take
    // others.
    execute_as(lock_and_find_owner(round->owner, relation),
               SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION, query, 2, types, values);
    round->detections = text_column(1, round->memory);
}

void record_sample(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    if (!find_owner(round))
        return;
    Oid types[] = {TEXTOID, TEXTOID, BOOLOID};
    Datum values[] = {0, 0, BoolGetDatum(round->measure_size)};
    char nulls[] = "nn ";
    if (round->detections != nullptr) {
        values[0] = CStringGetTextDatum(round->detections);
        nulls[0] = ' ';
    }
    if (round->detections_error != nullptr) {
        values[1] = CStringGetTextDatum(round->detections_error);
        nulls[1] = ' ';
    }
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE, "SELECT emsn.record_sample($1::jsonb, $2, $3)", 3,
               types, values, nulls);
}

void forget_history(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    if (!find_owner(round))
        return;
    Oid types[] = {INT4OID};
    Datum values[] = {Int32GetDatum(watcher_settings.history_retention_s)};
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE, "SELECT emsn.forget_history($1)", 1, types,
               values);
}

void choose_victim(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    round->victim_pid = 0;
    if (!find_owner(round))
        return;
    Oid types[] = {INT4OID, INT4OID};
    Datum values[] = {Int32GetDatum(watcher_settings.guard_min_available),
                      Int32GetDatum(watcher_settings.guard_idle_after_s)};
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE,
               "SELECT c.decided_at, c.pid, c.reason FROM emsn.guard_choose($1, $2) AS c", 2, types, values);
    bool nobody = false;
    const Datum pid = column(2, &nobody);
    if (nobody)
        return;
    round->victim_pid = DatumGetInt32(pid);
    round->victim_decided_at = DatumGetTimestampTz(column(1));
    round->victim_reason = text_column(3, round->memory);
}

void end_victim(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    round->victim_ended = false;
    if (!find_owner(round))
        return;
    Oid types[] = {TIMESTAMPTZOID, INT4OID};
    Datum values[] = {TimestampTzGetDatum(round->victim_decided_at), Int32GetDatum(round->victim_pid)};
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE, "SELECT emsn.guard_end($1, $2)", 2, types, values);
    round->victim_ended = DatumGetBool(column(1));
}

void find_due_job(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    round->due_job = nullptr;
    if (!find_owner(round))
        return;
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE,
               "SELECT min(j) FROM (SELECT j FROM emsn.due_jobs() AS j LIMIT 1) AS d");
    round->due_job = text_column(1, round->memory);
}

void run_due_job(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    round->job_failure = nullptr;
    round->job_started_at = GetCurrentTimestamp();
    if (!find_owner(round))
        return;
    Oid types[] = {TEXTOID};
    Datum values[] = {CStringGetTextDatum(round->due_job)};
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE, "SELECT emsn.try_job($1)", 1, types, values);
    round->job_failure = text_column(1, round->memory);
}

void record_failed_job(void *subject) {
    auto *const round = static_cast<Round *>(subject);
    if (!find_owner(round))
        return;
    Oid types[] = {TEXTOID, TIMESTAMPTZOID, TEXTOID};
    Datum values[] = {CStringGetTextDatum(round->due_job), TimestampTzGetDatum(round->job_started_at),
                      CStringGetTextDatum(round->job_failure)};
    execute_as(round->owner, SECURITY_LOCAL_USERID_CHANGE,
               "SELECT emsn.record_run($1, 'all stations', $2, NULL, $3)", 3, types, values);
}

} // namespace emsn::pg
