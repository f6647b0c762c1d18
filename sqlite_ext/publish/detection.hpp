// One row of the source's table, read and judged.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sqlite_ext/db.hpp"
#include "sqlite_ext/publish/copy_buffer.hpp"
#include "sqlite_ext/publish/day.hpp"

namespace emsn::publish {

// In the order in which a statement must give them, behind the rowid.
inline constexpr std::array<const char *, 12> kSourceColumns = {
    "Date", "Time",   "Sci_Name", "Com_Name", "Confidence", "Lat",
    "Lon",  "Cutoff", "Week",     "Sens",     "Overlap",    "File_Name"};

class Detection {
  public:
    // The row that the statement stands on; what was read before is forgotten. Texts point into the
    // statement: good until its next step.
    void read(const sqlite::Statement &row);
    // Only its rowid, hash, day and time: for digests. Whether it is a detection is not known then.
    void read_unjudged(const sqlite::Statement &row);

    [[nodiscard]] std::int64_t rowid() const noexcept { return rowid_; }
    // Of all twelve values with their types and lengths: XXH3, 64 bits.
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
    [[nodiscard]] Day day() const noexcept { return day_; }
    [[nodiscard]] std::optional<std::int64_t> time() const noexcept {
        return time_;
    } // microseconds since midnight
    // Why it is no detection; empty: it is one.
    [[nodiscard]] const std::string &reason() const noexcept { return reason_; }
    [[nodiscard]] bool good() const noexcept { return reason_.empty(); }

    // One row of pg_temp.emsn_incoming.
    void append_to(CopyBuffer &out, const sqlite::Statement &row) const;

  private:
    void hash_values(const sqlite::Statement &row);
    void judge(const sqlite::Statement &row);
    std::string_view text(const sqlite::Statement &row, int column);
    std::optional<double> number(const sqlite::Statement &row, int column);
    void reject(int column, const char *why);

    std::int64_t rowid_ = 0;
    std::uint64_t hash_ = 0;
    Day day_;
    std::optional<std::int64_t> time_;
    std::string_view species_, common_name_, file_name_;
    std::optional<double> confidence_, latitude_, longitude_, cutoff_, sensitivity_, overlap_;
    std::optional<std::int32_t> week_;
    bool has_common_name_ = false;
    std::string reason_;
    std::string scratch_; // the values in one piece, to be hashed
};

} // namespace emsn::publish
