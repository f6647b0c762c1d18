#include "sqlite_ext/mirror_lock.hpp"

namespace emsn::sqlite {

namespace {

constexpr auto kPatience = std::chrono::seconds(2);

bool try_lock(sqlite3 *db) {
    try {
        execute(db, "BEGIN EXCLUSIVE");
        return true;
    } catch (const SqliteError &e) {
        if (!e.is_busy())
            throw;
        return false;
    }
}

} // namespace

std::optional<MirrorLock> MirrorLock::take(const core::Destination &destination, Watch &watch) {
    watch.stage("waiting for readers of the old mirror");
    Db db = open_file(destination.path(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
    const auto end = core::Clock::now() + kPatience;
    while (!try_lock(db.get())) {
        if (core::Clock::now() > end)
            return std::nullopt;
        watch.wait_a_moment();
    }
    return MirrorLock(std::move(db));
}

} // namespace emsn::sqlite
