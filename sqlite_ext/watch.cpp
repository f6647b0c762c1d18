#include "sqlite_ext/watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <sstream>
#include <thread>

namespace emsn::sqlite {

namespace {

constexpr auto kPause = std::chrono::milliseconds(5);
constexpr auto kBetweenDrawings = std::chrono::milliseconds(100);
constexpr std::size_t kBarWidth = 30;
constexpr double kPercent = 100;
constexpr double kMegabyte = 1e6;

} // namespace

Watch::Watch(sqlite3 *db, std::int64_t timeout_ms, bool draw)
    : timeout_ms_(timeout_ms), db_(db), draw_(draw && ::isatty(STDERR_FILENO) == 1) {}

Watch::~Watch() {
    if (drawn_width_ > 0)
        static_cast<void>(std::fputc('\n', stderr));
}

void Watch::check() {
    // SQLite 3.40 has no sqlite3_is_interrupted(); the flag stands until the outer statement ends
    try {
        if (!probe_)
            probe_.emplace(db_, "SELECT 1");
        probe_->step();
        probe_->reset();
    } catch (const SqliteError &e) {
        if (e.code() != core::Errc::interrupted)
            throw;
        throw core::Error(core::Errc::interrupted, "interrupted while " + stage_);
    }
    if (timeout_ms_ > 0 && core::Clock::now() - start_ >= std::chrono::milliseconds(timeout_ms_)) {
        throw core::Error(core::Errc::timed_out,
                          "deadline of " + std::to_string(timeout_ms_) + " ms passed while " + stage_);
    }
}

void Watch::wait_a_moment() {
    check();
    std::this_thread::sleep_for(kPause);
}

void Watch::stage(std::string text) {
    stage_ = std::move(text);
    stage_start_ = core::Clock::now();
}

std::int64_t Watch::remaining_ms() const {
    if (timeout_ms_ <= 0)
        return INT32_MAX;
    const auto passed =
        std::chrono::duration_cast<std::chrono::milliseconds>(core::Clock::now() - start_).count();
    return std::clamp<std::int64_t>(timeout_ms_ - passed, 1, INT32_MAX);
}

void Watch::progress(std::int64_t done, std::int64_t total, std::int64_t page_size) {
    draw(done, total, "pages", static_cast<double>(page_size) / kMegabyte, "MB/s");
}

void Watch::progress_rows(std::int64_t done, std::int64_t total) {
    draw(done, total, "rows", 1, "rows/s");
}

// One line: how much, how fast, how long still.
void Watch::draw(std::int64_t done, std::int64_t total, const char *unit, double per_done,
                 const char *speed) {
    const auto now = core::Clock::now();
    if (!draw_ || total <= 0 || (done < total && now - last_drawn_ < kBetweenDrawings))
        return;
    last_drawn_ = now;
    const double share = static_cast<double>(done) / static_cast<double>(total);
    const double seconds = std::chrono::duration<double>(now - stage_start_).count();
    const auto filled = static_cast<std::size_t>(share * kBarWidth);
    std::ostringstream line;
    line << '[' << std::string(filled, '#') << std::string(kBarWidth - filled, ' ') << "] " << std::fixed
         << std::setprecision(0) << share * kPercent << " %  " << done << " of " << total << ' ' << unit;
    if (done > 0 && seconds > 0) {
        line << "  " << std::setprecision(1) << static_cast<double>(done) * per_done / seconds << ' ' << speed
             << "  " << std::setprecision(0) << std::ceil(seconds / share - seconds) << " s left";
    }
    line << "  " << stage_;
    std::string text = line.str();
    const std::size_t width = text.size();
    text.resize(std::max(width, drawn_width_), ' '); // over a longer line before it
    drawn_width_ = width;
    std::fprintf(stderr, "\r%s", text.c_str());
}

} // namespace emsn::sqlite
