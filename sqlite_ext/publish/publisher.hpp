// One station's detections, brought to the centre.
#pragma once

#include <optional>
#include <string>

#include "sqlite_ext/publish/plan.hpp"

namespace emsn::publish {

struct Wishes {
    bool full = false;
    bool dry_run = false;
    std::string time_zone;
    std::optional<std::int64_t> max_delete;
};

struct Report {
    const char *mode = "nothing"; // or moments, days, all
    Counts counts;
    std::int64_t rows_sent = 0;
    std::int64_t rows_read = 0;
    double connect_seconds = 0;
};

class Publisher {
  public:
    Publisher(SourceTable &table, const Conninfo &conninfo, std::string station, Wishes wishes,
              sqlite::Watch &watch)
        : table_(table), conninfo_(conninfo), station_(std::move(station)), wishes_(std::move(wishes)),
          watch_(watch) {}

    // One try over one connection. Throws PgError: when that may_retry(), call it again a moment later.
    [[nodiscard]] Report run();
    // The last try had to send every row: that takes its time.
    [[nodiscard]] bool sends_all() const noexcept { return sends_all_; }

  private:
    using Sink = std::function<void(std::span<const char>)>;
    using Feed = std::function<void(const Sink &)>; // gives all rows to the sink
    struct Work;                                    // what is to be done, and of which moment
    class Changed {};                               // the source, while it was read
    class MoreThanNewRows {};                       // happened since the last run

    [[nodiscard]] Report bring(Centre &centre, const std::optional<CentreState> &state, bool in_one_go);
    [[nodiscard]] bool is_due(const CentreState &state) const;
    [[nodiscard]] Work work_for(Centre &centre, const std::optional<CentreState> &state, bool in_one_go);
    void compare_days(Centre &centre, Work &work);
    void read_rows(Work &work, const Sink &sink);
    void check_still(const Moment &moment);
    void check_calm(const std::optional<CentreState> &state) const;
    void send(Centre &centre, const std::optional<CentreState> &state, Work &work, const Feed &feed);
    [[nodiscard]] std::string likely_cause(const std::optional<CentreState> &state, const Work &work) const;

    SourceTable &table_;
    const Conninfo &conninfo_;
    std::string station_;
    Wishes wishes_;
    sqlite::Watch &watch_;
    bool tried_before_ = false;
    bool sends_all_ = false;
    bool compares_days_ = false; // whatever it looks like
    // A run whose COMMIT was sent, and its answer not seen: the next connection finds its name, or not.
    struct Unanswered {
        std::string run;
        Report report;
    };
    std::optional<Unanswered> unanswered_;
};

} // namespace emsn::publish
