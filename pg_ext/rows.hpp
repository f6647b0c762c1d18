// Rows of a set-returning function, written to its tuplestore.
#pragma once

#include <string_view>

#include "pg_ext/cells.hpp"
#include "pg_ext/postgres_api.hpp"

namespace emsn::pg {

// Fills one row column by column, in the order of the SQL declaration. Plain data: an ERROR may jump over it.
// Values are made in a memory context that put() resets, so a million rows need the memory of one.
class Row {
  public:
    // After InitMaterializedSRF(fcinfo, 0).
    explicit Row(FunctionCallInfo fcinfo);

    void text(std::string_view value); // bytes that the database's encoding refuses become \xNN
    void integer(std::int64_t value) { add(Int64GetDatum(value)); }
    void real(double value) { add(Float8GetDatum(value)); }
    void boolean(bool value) { add(BoolGetDatum(value)); }
    void time(std::int64_t unix_seconds); // beyond PostgreSQL's calendar: infinity, -infinity
    void null();

    // A whole row that a helper process made.
    void put(CellReader cells);

    // Writes the row and starts the next one. A row with too few or too many columns is a bug of ours: ERROR.
    void put();

  private:
    static constexpr int kMostColumns = 32;

    void add(Datum value);
    void next_column();

    ReturnSetInfo *out_;
    MemoryContext scratch_;
    int columns_ = 0;
    Datum values_[kMostColumns];
    bool nulls_[kMostColumns];
};

} // namespace emsn::pg
