#include "pg_ext/rows.hpp"

#include <type_traits>

#include "pg_ext/guard.hpp"

namespace emsn::pg {

static_assert(std::is_trivially_destructible_v<Row>, "ereport jumps over it");

Row::Row(FunctionCallInfo fcinfo)
    : out_(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo)),
      // not the macro without Internal: it is a statement expression, which is no standard C++
      scratch_(AllocSetContextCreateInternal(CurrentMemoryContext, "emsn row", ALLOCSET_SMALL_SIZES)) {}

void Row::next_column() {
    if (columns_ >= kMostColumns || columns_ >= out_->setDesc->natts)
        elog(ERROR, "row with more than %d columns", out_->setDesc->natts);
    ++columns_;
}

void Row::add(Datum value) {
    next_column();
    values_[columns_ - 1] = value;
    nulls_[columns_ - 1] = false;
}

void Row::null() {
    next_column();
    values_[columns_ - 1] = 0;
    nulls_[columns_ - 1] = true;
}

void Row::text(std::string_view value) {
    MemoryContext const before = MemoryContextSwitchTo(scratch_);
    const Datum datum = PointerGetDatum(cstring_to_text(valid_text(value.data(), value.size())));
    MemoryContextSwitchTo(before);
    add(datum);
}

void Row::time(std::int64_t unix_seconds) {
    constexpr std::int64_t kEpoch = std::int64_t{POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE} * SECS_PER_DAY;
    TimestampTz time = 0;
    if (unix_seconds < MIN_TIMESTAMP / USECS_PER_SEC)
        TIMESTAMP_NOBEGIN(time);
    else if (unix_seconds >= END_TIMESTAMP / USECS_PER_SEC)
        TIMESTAMP_NOEND(time);
    else
        time = (unix_seconds - kEpoch) * USECS_PER_SEC;
    add(TimestampTzGetDatum(time));
}

void Row::put(CellReader cells) {
    while (cells.more()) {
        switch (cells.kind()) {
        case CellKind::null:
            null();
            break;
        case CellKind::text:
            text(cells.text());
            break;
        case CellKind::integer:
            integer(cells.integer());
            break;
        case CellKind::real:
            real(cells.real());
            break;
        case CellKind::boolean:
            boolean(cells.boolean());
            break;
        case CellKind::time:
            time(cells.time());
            break;
        }
    }
    put();
}

void Row::put() {
    if (columns_ != out_->setDesc->natts)
        elog(ERROR, "row with %d of %d columns", columns_, out_->setDesc->natts);
    tuplestore_putvalues(out_->setResult, out_->setDesc, values_, nulls_);
    columns_ = 0;
    MemoryContextReset(scratch_);
}

} // namespace emsn::pg
