#include "sqlite_ext/watch.hpp"

#include <unistd.h>

#include <cstdio>
#include <thread>

namespace emsn::sqlite {

namespace {

constexpr auto kPause = std::chrono::milliseconds(5);
constexpr int kBarWidth = 40;

} // namespace

Watch::Watch(sqlite3 *db, std::int64_t timeout_ms, bool draw)
    : timeout_ms_(timeout_ms), probe_(db, "SELECT 1"), draw_(draw && ::isatty(STDERR_FILENO) == 1) {}

Watch::~Watch() {
    if (percent_ >= 0)
        static_cast<void>(std::fputc('\n', stderr));
}

void Watch::check() {
    // SQLite 3.40 has no sqlite3_is_interrupted(); the flag stands until the outer statement ends
    try {
        probe_.step();
        probe_.reset();
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

void Watch::progress(std::int64_t done, std::int64_t total) {
    if (!draw_ || total <= 0)
        return;
    const int percent = static_cast<int>(done * 100 / total);
    if (percent == percent_)
        return;
    percent_ = percent;
    const int filled = percent * kBarWidth / 100;
    std::fprintf(stderr, "\r[%.*s%*s] %3d %% %s", filled, "########################################",
                 kBarWidth - filled, "", percent, stage_.c_str());
}

} // namespace emsn::sqlite
