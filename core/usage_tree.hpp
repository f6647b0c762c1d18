// The rows of a walk: one for each directory down to a depth; what lies deeper counts in its ancestor's row.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dir_usage.hpp"

namespace emsn::core {

// What was counted. A worker keeps one of its own and adds it to a row once in a while.
struct Tally {
    std::int64_t bytes = 0;
    std::int64_t allocated_bytes = 0;
    std::int64_t files = 0;
    std::int64_t directories = 0;
    std::int64_t unreadable = 0;
    std::int64_t pending = 0; // directories found, less those read to their end
    std::int64_t newest_mtime = INT64_MIN;
    std::optional<std::string> error;

    // Throws Error{too_big}.
    void add_bytes(std::int64_t apparent, std::int64_t allocated);
    void add(const Tally &other);
};

class UsageRow {
  public:
    UsageRow(UsageRow *parent, std::string_view name);

    void add(const Tally &tally);
    [[nodiscard]] Tally tally() const;
    [[nodiscard]] UsageRow *parent() const noexcept { return parent_; }
    [[nodiscard]] int depth() const noexcept { return depth_; }
    [[nodiscard]] const std::string &name() const noexcept { return name_; }

  private:
    UsageRow *parent_;
    std::string name_;
    int depth_;
    mutable std::mutex mutex_;
    Tally tally_;
};

// The lowest row that is above both, or one of them; nullptr when either is.
[[nodiscard]] UsageRow *common_row(UsageRow *a, UsageRow *b) noexcept;

class UsageTree {
  public:
    // path: of the root, as it was given.
    UsageTree(const std::string &path, int max_depth);

    [[nodiscard]] UsageRow *root() noexcept { return &rows_.front(); }
    // True when a directory inside that of row has a row of its own.
    [[nodiscard]] bool opens_below(const UsageRow *row) const noexcept { return row->depth() < max_depth_; }
    // A new one, with what is known of it. Its address stays.
    [[nodiscard]] UsageRow *add_row(UsageRow *parent, std::string_view name, const Tally &first);

    // Every row with all below it, parents first, siblings by name. finished: the walk was not stopped.
    // Throws Error{too_big}.
    [[nodiscard]] std::vector<DirUsage> sum_up(const std::string &path, bool finished) const;

  private:
    int max_depth_;
    mutable std::mutex mutex_; // of the list; each row has its own
    std::deque<UsageRow> rows_;
};

} // namespace emsn::core
