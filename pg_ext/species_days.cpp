// emsn.read_species_days: the detections of some stations, as the owner of the relation reads them, counted
// by station, day and species while they stream by. In C++, because a hash of local days and hours of ten
// million rows costs SQL three times the reading of them: a time zone is looked up for each row, and each
// hour is a group.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "pg_ext/day_counts.hpp"
#include "pg_ext/execute_as.hpp"
#include "pg_ext/guard.hpp"
#include "pg_ext/memory.hpp"
#include "pg_ext/table_owner.hpp"

extern "C" {
#include <executor/tuptable.h>
#include <pgtime.h>
#include <utils/array.h>
#include <utils/date.h>

PG_FUNCTION_INFO_V1(emsn_health_read_species_days);
}

namespace {

using namespace emsn;
using pg::DayCounts;

constexpr const char *kName = "read_species_days";
// Some 50 MB. More are written out on the way; the caller adds them up.
constexpr std::size_t kMostGroups = 200'000;
constexpr int kColumns = 8 + static_cast<int>(DayCounts::kHours);
constexpr int kQueryColumns = 4; // station, species, detection_timestamp, confidence

// A station's clock. Between two changes of it the offset is known.
struct Clock {
    Datum name;  // of the zone
    pg_tz *zone; // NULL: no place, such as an abbreviation
    TimestampTz from;
    TimestampTz until;
    std::int64_t offset;
    DateADT from_day;
    DateADT until_day;
};

struct Counter {
    DestReceiver receiver; // first: it is what the executor knows
    DayCounts *counts;
    Clock *clocks;
    bool is_local; // the column is a timestamp: the station's own time already
    Tuplestorestate *store;
    TupleDesc columns;
};

// PostgreSQL says what time it is there; the zone only, how long that holds. An abbreviation may share its
// name with a place and mean another time: where both differ it holds for a quarter of an hour, at which
// clocks change.
void look_at_clock(Clock *clock, TimestampTz time) {
    constexpr std::int64_t kQuarter = 15 * USECS_PER_MINUTE;
    clock->from = time;
    clock->until = time - time % kQuarter + (time < 0 ? 0 : kQuarter);
    clock->offset =
        DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, clock->name, TimestampTzGetDatum(time))) -
        time;
    if (clock->zone == nullptr)
        return;
    const pg_time_t seconds = timestamptz_to_time_t(time);
    pg_time_t boundary = 0;
    long offset = 0; // NOLINT(google-runtime-int): as pgtime.h has it
    long later = 0;  // NOLINT(google-runtime-int)
    int is_dst = 0;
    const int found =
        pg_next_dst_boundary(&seconds, &offset, &is_dst, &boundary, &later, &is_dst, clock->zone);
    if (found >= 0 && offset * USECS_PER_SEC == clock->offset)
        clock->until = found > 0 ? time_t_to_timestamptz(boundary) : DT_NOEND;
}

std::int64_t local_time(Clock *clock, TimestampTz time) {
    if (time < clock->from || time >= clock->until)
        look_at_clock(clock, time);
    return time + clock->offset;
}

std::string_view view(Datum datum) {
    const text *const value = DatumGetTextPP(datum);
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

Datum text_of(const std::string &value) {
    return PointerGetDatum(cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
}

void put(const Counter *counter, const DayCounts::Group &group) {
    Datum values[kColumns] = {text_of(counter->counts->station_name(group)),
                              DateADTGetDatum(group.day),
                              text_of(counter->counts->species(group)),
                              Int32GetDatum(group.detections),
                              Int32GetDatum(group.confident),
                              Float8GetDatum(group.confidence_sum),
                              TimestampTzGetDatum(group.first),
                              TimestampTzGetDatum(group.last)};
    bool nulls[kColumns] = {};
    std::transform(group.hours.begin(), group.hours.end(), &values[kColumns - DayCounts::kHours],
                   [](std::int32_t count) { return Int32GetDatum(count); });
    tuplestore_putvalues(counter->store, counter->columns, values, nulls);
    pfree(DatumGetPointer(values[0]));
    pfree(DatumGetPointer(values[2]));
}

void put_all(const Counter *counter) {
    for (std::size_t i = 0; i < counter->counts->size(); ++i)
        put(counter, counter->counts->group(i));
    counter->counts->clear();
}

void begin(DestReceiver *self, int, TupleDesc type) {
    auto *const counter = reinterpret_cast<Counter *>(self);
    const bool fits = type->natts == kQueryColumns && TupleDescAttr(type, 0)->atttypid == TEXTOID &&
                      TupleDescAttr(type, 1)->atttypid == TEXTOID &&
                      TupleDescAttr(type, 3)->atttypid == FLOAT8OID;
    const Oid time = fits ? TupleDescAttr(type, 2)->atttypid : InvalidOid;
    if (time != TIMESTAMPTZOID && time != TIMESTAMPOID)
        elog(ERROR, "%s: the query has other columns", kName);
    counter->is_local = time == TIMESTAMPOID;
}

bool receive(TupleTableSlot *slot, DestReceiver *self) {
    auto *const counter = reinterpret_cast<Counter *>(self);
    slot_getallattrs(slot);
    if (slot->tts_isnull[0] || slot->tts_isnull[2])
        return true;
    const TimestampTz time = DatumGetTimestampTz(slot->tts_values[2]);
    const std::string_view station_name = view(slot->tts_values[0]);
    int station = -1;
    pg::call_core(kName, [&] { station = counter->counts->station(station_name); });
    if (station < 0 || TIMESTAMP_NOT_FINITE(time))
        return true;
    Clock *const clock = &counter->clocks[station];
    const std::int64_t local = counter->is_local ? time : local_time(clock, time);
    std::int64_t day = local / USECS_PER_DAY;
    std::int64_t rest = local % USECS_PER_DAY;
    if (rest < 0) {
        rest += USECS_PER_DAY;
        --day;
    }
    if (day < clock->from_day || day >= clock->until_day)
        return true;
    const double confidence =
        slot->tts_isnull[3] ? std::numeric_limits<double>::quiet_NaN() : DatumGetFloat8(slot->tts_values[3]);
    const DayCounts::Detection detection = {.species = slot->tts_isnull[1] ? std::string_view()
                                                                           : view(slot->tts_values[1]),
                                            .day = static_cast<std::int32_t>(day),
                                            .hour = static_cast<unsigned>(rest / USECS_PER_HOUR),
                                            .time = time,
                                            .has_confidence = std::isfinite(confidence),
                                            .confidence = confidence};
    pg::call_core(kName, [&] { counter->counts->count(static_cast<std::uint32_t>(station), detection); });
    if (counter->counts->size() >= kMostGroups)
        put_all(counter);
    return true;
}

void nothing(DestReceiver *) {}

// The elements of a one-dimensional array without NULLs; count is that of the first such array, else the
// same.
Datum *elements(Datum array, Oid type, int *count) {
    Datum *values = nullptr;
    bool *nulls = nullptr;
    int found = 0;
    const bool is_text = type == TEXTOID;
    deconstruct_array(DatumGetArrayTypeP(array), type, is_text ? -1 : static_cast<int>(sizeof(DateADT)),
                      !is_text, TYPALIGN_INT, &values, &nulls, &found);
    for (int i = 0; i < found; ++i) {
        if (nulls[i])
            elog(ERROR, "%s: NULL in an array", kName);
    }
    if (*count >= 0 && *count != found)
        elog(ERROR, "%s: %d elements instead of %d", kName, found, *count);
    *count = found;
    return values;
}

pg_tz *zone_named(Datum name) {
    char zone[TZ_STRLEN_MAX + 1];
    text_to_cstring_buffer(DatumGetTextPP(name), zone, sizeof zone);
    return pg_tzset(zone);
}

} // namespace

Datum emsn_health_read_species_days(PG_FUNCTION_ARGS) {
    const Oid relation = PG_GETARG_OID(0);
    const char *const query = text_to_cstring(PG_GETARG_TEXT_PP(1));
    int stations = -1;
    Datum *const names = elements(PG_GETARG_DATUM(2), TEXTOID, &stations);
    Datum *const zones = elements(PG_GETARG_DATUM(3), TEXTOID, &stations);
    Datum *const from_days = elements(PG_GETARG_DATUM(4), DATEOID, &stations);
    Datum *const until_days = elements(PG_GETARG_DATUM(5), DATEOID, &stations);
    pg::require_owner_of(fcinfo->flinfo->fn_oid, kName);
    const Oid owner = pg::lock_and_find_owner(relation, AccessShareLock, pg::kReadable);
    InitMaterializedSRF(fcinfo, 0);
    const auto *const result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    auto *const owned = pg::make_in<std::unique_ptr<DayCounts>>(CurrentMemoryContext);
    pg::call_core(kName, [&] { *owned = std::make_unique<DayCounts>(); });
    DayCounts *const counts = owned->get();
    auto *const clocks =
        static_cast<Clock *>(palloc0(sizeof(Clock) * (static_cast<std::size_t>(stations) + 1)));
    for (int i = 0; i < stations; ++i) {
        clocks[i].name = zones[i];
        clocks[i].zone = zone_named(zones[i]);
        clocks[i].from_day = DatumGetDateADT(from_days[i]);
        clocks[i].until_day = DatumGetDateADT(until_days[i]);
        const std::string_view name = view(names[i]);
        pg::call_core(kName, [&] { counts->add_station(name); });
    }
    Counter counter = {.receiver = {.receiveSlot = receive,
                                    .rStartup = begin,
                                    .rShutdown = nothing,
                                    .rDestroy = nothing,
                                    .mydest = DestNone},
                       .counts = counts,
                       .clocks = clocks,
                       .is_local = false,
                       .store = result->setResult,
                       .columns = result->setDesc};
    SPI_connect();
    pg::query_as(owner, query, &counter.receiver);
    put_all(&counter);
    SPI_finish();
    return static_cast<Datum>(0);
}
