// SQLite's EXCLUSIVE lock on the mirror: no reader, no writer, in this process or another.
#pragma once

#include <optional>

#include "core/destination.hpp"
#include "sqlite_ext/db.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

class MirrorLock {
  public:
    // nullopt when somebody stays in it for longer than two seconds.
    [[nodiscard]] static std::optional<MirrorLock> take(const core::Destination &destination, Watch &watch);

    [[nodiscard]] sqlite3 *db() const noexcept { return db_.get(); }
    void release() noexcept { db_.reset(); }

  private:
    explicit MirrorLock(Db db) : db_(std::move(db)) {}

    Db db_;
};

} // namespace emsn::sqlite
