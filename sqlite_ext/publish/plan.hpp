// What one run has to send, found by comparing the source with what the centre keeps.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sqlite_ext/publish/centre.hpp"
#include "sqlite_ext/publish/source_table.hpp"

namespace emsn::publish {

// Newest moment that is one, as text that sorts: "2026-01-02 10:11:12".
class Newest {
  public:
    explicit Newest(std::string text = "") : text_(std::move(text)) {}
    void see(const Detection &row);
    [[nodiscard]] std::string text() const;

  private:
    std::string text_; // of before
    std::pair<std::int32_t, std::int64_t> seen_{INT32_MIN, 0};
};

// Rows of whole seconds in which new ones lie, and what they add to the digests of their days. Cheap: nothing
// but these rows is read, and the days that are to be checked.
struct NewRows {
    CopyBuffer rows;
    std::int64_t count = 0; // of rows in there
    std::int64_t added = 0; // rows that the source has more
    DayTallies days;        // to be added to what the centre keeps
    Newest newest;
    DayTallies
        expected; // the three newest days, and those of new rows: as they must be when nothing else happened
};

// The check of those days, a day at a time: it fits into the waits for the centre.
class DayCheck {
  public:
    DayCheck(SourceTable &table, const DayTallies &expected, const Moment &moment)
        : table_(table), expected_(expected), moment_(moment), next_(expected.begin()) {}

    // Checks one day; false: there is none left to check.
    bool step();
    [[nodiscard]] bool all_as_expected();

  private:
    SourceTable &table_;
    const DayTallies &expected_;
    const Moment &moment_;
    DayTallies::const_iterator next_;
    bool as_expected_ = true;
};

// nullopt: something else than new rows, or too much to be cheap; then all days are compared.
[[nodiscard]] std::optional<NewRows> find_new_rows(SourceTable &table, Centre &centre,
                                                   const CentreState &state, const Moment &moment);

// The whole source, by day.
struct Digests {
    DayTallies days;
    std::int64_t rows = 0;
    Newest newest;
};
[[nodiscard]] Digests digest_of(SourceTable &table, const Moment &moment, sqlite::Watch &watch);

// The days in which two sides differ: as the source has them, with 0 rows where it has none.
[[nodiscard]] DayTallies differing(const DayTallies &source, const DayTallies &centre);

// Where rows of these days lie in the source: ranges of rowids that do not overlap, in order.
using RowidRange = std::pair<std::int64_t, std::int64_t>;
[[nodiscard]] std::vector<RowidRange> ranges_of(const DayTallies &days);

} // namespace emsn::publish
