// Watches over one long call: the user's interrupt, the deadline, and the bar on a terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/poll.hpp"
#include "sqlite_ext/db.hpp"

namespace emsn::sqlite {

class Watch {
  public:
    // timeout_ms: 0 for none. draw: a bar on stderr when that is a terminal.
    Watch(sqlite3 *db, std::int64_t timeout_ms, bool draw = false);
    ~Watch();
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;

    // Throws Error{interrupted} after sqlite3_interrupt(), Error{timed_out} past the deadline, saying the
    // stage.
    void check();
    // What is being done now: stands in the message when time runs out.
    void stage(std::string text);
    // So many pages of this stage are done.
    void progress(std::int64_t done, std::int64_t total, std::int64_t page_size);
    void progress_rows(std::int64_t done, std::int64_t total);
    // One short pause while somebody else holds a lock.
    void wait_a_moment();

    // Until the deadline, at least 1; without one: as much as fits an int.
    [[nodiscard]] std::int64_t remaining_ms() const;

    [[nodiscard]] core::Poll poll() {
        return [this] { check(); };
    }

  private:
    void draw(std::int64_t done, std::int64_t total, const char *unit, double per_done, const char *speed);

    std::string stage_ = "starting";
    std::int64_t timeout_ms_;
    core::Clock::time_point start_ = core::Clock::now();
    sqlite3 *db_;
    // A statement prepared or begun while an interrupt is pending is interrupted too. nullopt: not needed
    // yet.
    std::optional<Statement> probe_;
    bool draw_;
    core::Clock::time_point stage_start_ = start_;
    core::Clock::time_point last_drawn_;
    std::size_t drawn_width_ = 0; // of the line on the terminal; 0: nothing yet
};

// Calls attempt until it no longer fails because somebody else holds a lock.
template <typename Fn> auto patiently(Watch &watch, Fn &&attempt) -> decltype(attempt()) {
    for (;;) {
        try {
            return attempt();
        } catch (const SqliteError &e) {
            if (!e.is_busy())
                throw;
        }
        watch.wait_a_moment();
    }
}

} // namespace emsn::sqlite
