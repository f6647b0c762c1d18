// Work in a process of its own. A system call on a dead network share never returns, and a backend inside it
// could be neither cancelled nor terminated: so the backend only waits, for rows on a pipe.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

#include "core/handle.hpp"
#include "pg_ext/cells.hpp"
#include "pg_ext/postgres_api.hpp"

namespace emsn::pg {

// The helper's end of the pipe: rows, cell by cell. When nobody reads any more it ends the process.
class RowSender : public CellWriter {
  public:
    void put();
};

// Belongs to a memory context (make_in), so that neither an ERROR nor a cancelled query leaves the process.
class Helper {
  public:
    // Runs in the process, on memory that is the backend's as it was: may read what it captured and call
    // core, threads included; nothing of the backend. What it throws comes out of read().
    using Work = std::function<void(RowSender &)>;
    enum class Got { nothing_yet, row, end };

    Helper() noexcept = default;
    ~Helper() { stop(); }
    Helper(const Helper &) = delete;
    Helper &operator=(const Helper &) = delete;

    // Once. Throws Error when the system has no process for it.
    void start(const Work &work);
    // Never waits. Throws what the work threw: Error or std::bad_alloc, others as Error{internal}; or
    // Error{io} "helper process ended by signal N".
    Got read();
    // After Got::row, until the next read().
    [[nodiscard]] CellReader row() const { return CellReader(row_); }
    // To wait for when there is nothing yet.
    [[nodiscard]] int fd() const noexcept { return pipe_.get(); }

  private:
    bool fill();
    [[noreturn]] void fail_without_result();
    int reap() noexcept;
    void stop() noexcept;

    core::Fd pipe_;
    pid_t pid_ = 0;
    std::string incoming_;
    std::size_t taken_ = 0; // bytes of incoming_ that are done with
    std::string_view row_;
};

// Waits for the next row; false at the end. Cancel, timeout and termination are answered meanwhile. A plain
// frame, as its caller has to be: an ERROR jumps over both.
[[nodiscard]] bool next_row(const char *function, Helper *helper);

} // namespace emsn::pg
