#include "sqlite_ext/mirror_lock.hpp"

namespace emsn::sqlite {

namespace {

constexpr auto kPatience = std::chrono::seconds(2);

} // namespace

std::optional<MirrorLock> MirrorLock::take(const core::Destination &destination, Watch &watch) {
    watch.stage("waiting for readers of the old mirror");
    Db db = open_file(destination.path(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
    const auto end = core::Clock::now() + kPatience;
    for (;; watch.wait_a_moment()) {
        try {
            execute(db.get(), "BEGIN EXCLUSIVE");
            return MirrorLock(std::move(db));
        } catch (const SqliteError &e) {
            if (!e.is_busy())
                throw;
        }
        if (core::Clock::now() > end)
            return std::nullopt;
    }
}

} // namespace emsn::sqlite
