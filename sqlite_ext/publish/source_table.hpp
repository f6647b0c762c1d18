// The table of detections in birds.db, read so that the recorder hardly notices: in slices of some
// milliseconds, each in a read transaction of its own (in rollback-journal mode a reader holds the writer).
// That the slices together are one moment is proved afterwards.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "sqlite_ext/publish/detection.hpp"
#include "sqlite_ext/publish/moment.hpp"
#include "sqlite_ext/source.hpp"

namespace emsn::publish {

class SourceTable {
  public:
    // Throws Error when there is no table detections, or a column is missing that a detection needs.
    SourceTable(const sqlite::Source &source, sqlite::Watch &watch);

    [[nodiscard]] const sqlite::Source &source() const noexcept { return source_; }
    // How it stands now, in a read transaction of its own.
    [[nodiscard]] Moment look();
    // The rows up to moment.last_rowid are still those of that moment: nothing was written since, or nothing
    // but rows appended behind it. BirdNET-Pi commits one detection a transaction, so that the change counter
    // tells the two apart.
    [[nodiscard]] bool still(const Moment &moment);
    // Rows that were appended behind rowid `after`, up to moment.last_rowid; more than most: most + 1.
    [[nodiscard]] std::int64_t appended(std::int64_t after, const Moment &moment, std::int64_t most);
    // Hash of the row with this rowid; "" when there is none.
    [[nodiscard]] std::string hash_at(std::int64_t rowid);

    using OnRow = std::function<void(const Detection &, const sqlite::Statement &)>;
    using OnSlice = std::function<void(std::int64_t last_rowid)>;
    // All rows with first <= rowid <= last, by rowid. on_slice is called when no lock is held: it may wait.
    void read(std::int64_t first, std::int64_t last, const OnRow &on_row, const OnSlice &on_slice) {
        read_slices(first, last, &Detection::read, on_row, on_slice);
    }
    // As Detection::read_unjudged.
    void read_unjudged(std::int64_t first, std::int64_t last, const OnRow &on_row, const OnSlice &on_slice) {
        read_slices(first, last, &Detection::read_unjudged, on_row, on_slice);
    }

    // Is there an index by which rows of a day are found?
    [[nodiscard]] bool has_date_index() const noexcept { return has_date_index_; }
    // Adds rows of a day up to rowid last, however it is spelled. One read transaction.
    void tally_day(std::int32_t day, std::int64_t last, DayTally &tally);
    // All rows of one second, in the same way.
    void read_second(std::int32_t day, std::int64_t time, std::int64_t last, const OnRow &on_row);

    // Seconds that read transactions were open, and the rows read in them.
    [[nodiscard]] double held_seconds() const noexcept { return held_seconds_; }
    [[nodiscard]] std::int64_t rows_read() const noexcept { return rows_read_; }

    // While it lives all reads are of one moment, and in rollback-journal mode the recorder waits.
    class Held {
      public:
        explicit Held(SourceTable &table);
        ~Held();
        Held(const Held &) = delete;
        Held &operator=(const Held &) = delete;

      private:
        SourceTable &table_;
        sqlite::ReadTransaction transaction_;
    };

  private:
    void find_columns();
    [[nodiscard]] std::string evidence_of_wal() const;
    [[nodiscard]] std::string select(const char *where) const;
    // Runs work inside a read transaction, once there is one.
    void locked(const std::function<void()> &work);
    using Reading = void (Detection::*)(const sqlite::Statement &);
    void read_slices(std::int64_t first, std::int64_t last, Reading reading, const OnRow &on_row,
                     const OnSlice &on_slice);
    void read_spellings(sqlite::Statement &rows, std::int32_t day, Reading reading, const OnRow &on_row);

    const sqlite::Source &source_;
    sqlite::Watch &watch_;
    // Looked at before a held transaction began: what changes between the two is found by the next run.
    std::optional<std::string> held_evidence_;
    std::string columns_; // for SELECT: rowid and the twelve, NULL for those that are not there
    bool has_date_index_ = false;
    double held_seconds_ = 0;
    std::int64_t rows_read_ = 0;
    Detection row_;
};

} // namespace emsn::publish
