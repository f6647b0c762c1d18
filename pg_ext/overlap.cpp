// The aggregate behind emsn.detection_overlap. In C++, because the rows of a month want one order, and each
// its neighbours in it: window functions take five times as long, a join of the table with itself explodes.
#include <memory>

#include "pg_ext/guard.hpp"
#include "pg_ext/memory.hpp"
#include "pg_ext/overlaps.hpp"

extern "C" {
#include <utils/array.h>
#include <utils/lsyscache.h>
#include <utils/typcache.h>

PG_FUNCTION_INFO_V1(emsn_health_count_overlaps_step);
PG_FUNCTION_INFO_V1(emsn_health_count_overlaps_end);
}

namespace {

using namespace emsn;
using pg::Overlaps;

constexpr const char *kName = "count_overlaps";
constexpr int kColumns = 5;

struct State {
    std::unique_ptr<Overlaps> kept;
    std::unique_ptr<std::vector<Overlaps::Count>> counts;
    std::int64_t reach = 0; // microseconds
};

MemoryContext context_of(FunctionCallInfo fcinfo) {
    MemoryContext context = nullptr;
    if (AggCheckCallContext(fcinfo, &context) == 0)
        elog(ERROR, "%s: not called by an aggregate", kName);
    return context;
}

State *new_state(MemoryContext context, std::int32_t seconds) {
    auto *const state = pg::make_in<State>(context);
    state->reach = seconds * USECS_PER_SEC;
    pg::call_core(kName, [&] {
        state->kept = std::make_unique<Overlaps>();
        state->counts = std::make_unique<std::vector<Overlaps::Count>>();
    });
    return state;
}

} // namespace

// (state, species text, station integer, at timestamptz, reach integer)
Datum emsn_health_count_overlaps_step(PG_FUNCTION_ARGS) {
    MemoryContext const context = context_of(fcinfo);
    State *state = PG_ARGISNULL(0) ? nullptr : reinterpret_cast<State *>(PG_GETARG_POINTER(0));
    if (state == nullptr) {
        if (PG_ARGISNULL(4) || PG_GETARG_INT32(4) < 0)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("%s: the reach is a number of seconds, 0 or more", kName)));
        state = new_state(context, PG_GETARG_INT32(4));
    }
    if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2) && !PG_ARGISNULL(3) &&
        !TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(3))) {
        const text *const name = PG_GETARG_TEXT_PP(1);
        const std::string_view species(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
        const std::int32_t station = PG_GETARG_INT32(2);
        const TimestampTz at = PG_GETARG_TIMESTAMPTZ(3);
        pg::call_core(kName, [&] { state->kept->add(species, station, at); });
    }
    PG_RETURN_POINTER(state);
}

// An array of emsn.overlap; NULL without rows.
Datum emsn_health_count_overlaps_end(PG_FUNCTION_ARGS) {
    static_cast<void>(context_of(fcinfo));
    if (PG_ARGISNULL(0))
        PG_RETURN_NULL();
    State *const state = reinterpret_cast<State *>(PG_GETARG_POINTER(0));
    const Oid type = get_element_type(get_fn_expr_rettype(fcinfo->flinfo));
    TupleDesc columns = lookup_rowtype_tupdesc_copy(type, -1);
    if (columns->natts != kColumns)
        elog(ERROR, "%s: %d columns", kName, columns->natts);
    state->counts->clear(); // a window function asks more than once
    for (std::size_t i = 0; i < state->kept->size(); ++i) {
        CHECK_FOR_INTERRUPTS();
        pg::call_core(kName, [&] { state->kept->count(i, state->reach, state->counts.get()); });
    }
    const std::size_t count = state->counts->size();
    auto *const rows = static_cast<Datum *>(palloc(sizeof(Datum) * (count + 1)));
    for (std::size_t i = 0; i < count; ++i) {
        const Overlaps::Count &one = (*state->counts)[i];
        Datum values[kColumns] = {Int32GetDatum(one.station),
                                  PointerGetDatum(cstring_to_text_with_len(
                                      one.species.data(), static_cast<int>(one.species.size()))),
                                  Int64GetDatum(one.shared), Int64GetDatum(one.repeated),
                                  Int64GetDatum(one.partners)};
        bool nulls[kColumns] = {};
        rows[i] = HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
    }
    PG_RETURN_ARRAYTYPE_P(construct_array(rows, static_cast<int>(count), type, -1, false, TYPALIGN_DOUBLE));
}
