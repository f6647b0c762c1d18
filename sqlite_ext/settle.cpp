#include "sqlite_ext/settle.hpp"

#include <unistd.h>

#include <algorithm>

#include "core/partial_file.hpp"
#include "sqlite_ext/db.hpp"

namespace emsn::sqlite {

namespace {

constexpr int kBusyTimeoutMs = 2'000;

bool exists(const std::string &path) {
    return ::access(path.c_str(), F_OK) == 0;
}

void remove_sidecars(const core::Destination &destination) {
    for (const auto &path : destination.sidecars()) {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT)
            core::throw_errno("remove stale", path);
    }
}

void recover(const core::Destination &destination) {
    const Db db = open_file(destination.path(), SQLITE_OPEN_READWRITE, nullptr);
    sqlite3_busy_timeout(db.get(), kBusyTimeoutMs);
    execute(db.get(), "PRAGMA journal_mode = DELETE"); // reads it first: rolls back, or checkpoints its -wal
    execute(db.get(), "BEGIN EXCLUSIVE");              // nobody else is in it now
    remove_sidecars(destination);
    execute(db.get(), "COMMIT");
}

} // namespace

void settle_destination(const core::Destination &destination) {
    const auto sidecars = destination.sidecars();
    const auto stale = std::find_if(sidecars.begin(), sidecars.end(), exists);
    if (stale == sidecars.end())
        return;
    if (exists(destination.path())) {
        try {
            recover(destination);
        } catch (const SqliteError &e) {
            // what is no database has no good copy to lose; anything else is left as it is
            if (e.code() != core::Errc::corrupt && e.code() != core::Errc::not_a_database) {
                throw core::Error(e.code(), *stale + " stands beside the destination and cannot " +
                                                "be cleared up: " + sqlite3_errstr(e.sqlite_code()));
            }
        }
    }
    remove_sidecars(destination);
    core::sync_folder(destination.folder());
}

} // namespace emsn::sqlite
