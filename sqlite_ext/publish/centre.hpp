// The centre's side of publishing: the functions of the extension emsn_health, one call each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sqlite_ext/publish/day.hpp"
#include "sqlite_ext/publish/moment.hpp"
#include "sqlite_ext/publish/pg.hpp"

namespace emsn::publish {

// What the centre keeps of the last run that was committed.
struct CentreState {
    Moment moment;
    std::string newest; // newest detection then, "2026-01-02 10:11:12"; "": none
    std::string run;    // its random name
    std::string time_zone;
    std::int64_t rows = 0;      // of the source
    std::int64_t live_rows = 0; // of the station at the centre
    std::int64_t seconds_since_compared = INT64_MAX;
    std::int64_t seconds_since_published = 0;

    [[nodiscard]] std::string position() const; // as JSON, for the centre to keep
};

// Rows really changed at the centre.
struct Counts {
    std::int64_t inserted = 0;
    std::int64_t updated = 0;
    std::int64_t deleted = 0;
    std::int64_t restored = 0;
    std::int64_t unchanged = 0;
    std::int64_t rejected = 0;
    std::int64_t missing = 0;
};

struct Application {
    const char *scope = ""; // moments, days, all
    std::string days;       // JSON
    std::int64_t rows = 0;  // of the source in total
    std::optional<std::int64_t> max_delete;
    bool compared = false; // the whole source was
};

class Centre {
  public:
    Centre(Connection &connection, std::string station)
        : connection_(connection), station_(std::move(station)) {}

    // See Connection.
    void while_waiting(std::function<bool()> work) { connection_.while_waiting(std::move(work)); }

    // nullopt: the station was never published.
    [[nodiscard]] std::optional<CentreState> state();
    // What it keeps of each day.
    [[nodiscard]] DayTallies days();
    // The same of the three newest days, and of those in the list.
    [[nodiscard]] DayTallies recent_days(const DayTallies &also);
    // Counted now.
    [[nodiscard]] std::int64_t live_rows();

    // We looked, and there was nothing: so that a quiet night does not look like a publisher that is down.
    void say_unchanged();

    // A transaction with an empty table for the rows. timeout_ms: for any one statement in it.
    void begin(const std::string &time_zone, std::int64_t timeout_ms);
    void begin_rows();
    void rows(std::span<const char> bytes) { connection_.copy(bytes); } // as CopyBuffer writes them
    void end_rows() { connection_.end_copy(); }
    [[nodiscard]] Counts apply(const Application &what, const CentreState &next);
    void commit();
    void roll_back() { connection_.abandon(); } // wherever it stands

  private:
    [[nodiscard]] static DayTallies tallies_of(const Result &result);

    Connection &connection_;
    std::string station_;
};

} // namespace emsn::publish
