// Work that one worker of a walk gives to another. Each worker walks its part alone and looks here only to
// see whether somebody has nothing to do.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/file_id.hpp"
#include "core/handle.hpp"
#include "core/poll.hpp"

namespace emsn::core {

class UsageRow;

// Names inside one directory, in order.
class NameList {
  public:
    // row: of the name's own; nullptr when it counts in the directory's.
    void add(std::string_view name, UsageRow *row = nullptr);
    [[nodiscard]] bool empty() const noexcept { return next_ >= names_.size(); }

    struct Taken {
        const char *name; // until the list changes
        UsageRow *row;
    };
    Taken take();
    // The name taken last.
    [[nodiscard]] const char *current() const noexcept { return names_.data() + current_; }

    // Takes the later half of what is left; of a single name, that one.
    [[nodiscard]] NameList split();
    void clear() noexcept { next_ = names_.size(); }
    void shrink() { names_.shrink_to_fit(); }

  private:
    std::string names_;            // each ended by NUL
    std::vector<UsageRow *> rows_; // empty: none has a row of its own
    std::size_t next_ = 0;
    std::size_t current_ = 0;
    std::size_t next_row_ = 0;
};

struct Job {
    Fd base;                       // the directory; none: the root of the walk is to be looked at
    std::vector<FileId> ancestors; // of the names: the base is the last
    UsageRow *row = nullptr;       // that the base counts in
    NameList names;
    bool counted = false; // they are directories to visit; false: entries that nobody looked at yet
};

class JobQueue {
  public:
    // One of the workers has nothing to do, and nothing waits for it.
    [[nodiscard]] bool hungry() const noexcept {
        return idle_.load(std::memory_order_relaxed) > queued_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool all_busy() const noexcept { return idle_.load(std::memory_order_relaxed) == 0; }

    void give(Job job);
    // Waits for one; nullopt: there will be none. To be followed by finish().
    std::optional<Job> take();
    // A failure ends the walk for all.
    void finish(std::exception_ptr failure = nullptr);
    void stop();

    // True when every job is done, or one failed.
    bool wait_over(Clock::time_point until);
    // What a job failed with.
    [[nodiscard]] std::exception_ptr failure();

  private:
    std::mutex mutex_;
    std::condition_variable given_;
    std::condition_variable over_;
    std::deque<Job> jobs_;
    int unfinished_ = 0; // jobs given, not finished yet
    std::exception_ptr failure_;
    std::atomic<int> idle_{0};
    std::atomic<int> queued_{0};
    std::atomic<bool> stopped_{false};
};

} // namespace emsn::core
