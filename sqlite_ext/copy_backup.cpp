// SQLite's online backup API in slices, inside one read transaction: one moment, whatever others commit.
// (SQLite "Online Backup API", https://sqlite.org/backup.html)
#include <unistd.h>

#include <algorithm>
#include <array>

#include "sqlite_ext/copy.hpp"

namespace emsn::sqlite {

using core::Errc;
using core::Error;

namespace {

constexpr std::int64_t kSliceBytes = 2 << 20; // between two looks at interrupt and deadline

// The partial file is ours alone and is thrown away when anything fails: no locks, no journal, no syncs.
Db open_partial(const std::string &path) {
    Db db = open_file(path, SQLITE_OPEN_READWRITE, "unix-none");
    execute(db.get(), "PRAGMA journal_mode = OFF");
    execute(db.get(), "PRAGMA synchronous = OFF");
    return db;
}

// True when the last page is copied.
bool step(sqlite3_backup *backup, int pages) {
    const int code = sqlite3_backup_step(backup, pages);
    if (code == SQLITE_FULL)
        throw Error(Errc::no_space, "the destination's file system is full");
    if (code != SQLITE_OK && code != SQLITE_DONE)
        throw SqliteError(code, std::string("copy: ") + sqlite3_errstr(code));
    return code == SQLITE_DONE;
}

// The copy of a WAL source says in its header that it is one; a mirror stands alone, without -wal and -shm.
// Header bytes 18 and 19: file format write and read version, 1 = rollback journal.
std::int64_t leave_wal_mode(const core::PartialFile &partial) {
    constexpr off_t kVersionsAt = 18;
    constexpr std::array<char, 2> kRollback = {1, 1};
    if (::pwrite(partial.fd(), kRollback.data(), kRollback.size(), kVersionsAt) != std::ssize(kRollback))
        core::throw_errno("write", partial.path());
    return std::ssize(kRollback);
}

} // namespace

Copied copy_by_backup(const Source &source, const core::PartialFile &partial, Watch &watch) {
    watch.stage("copying");
    const int slice_pages = static_cast<int>(std::max<std::int64_t>(1, kSliceBytes / source.page_size()));
    const Db destination = open_partial(partial.path());
    Backup backup(sqlite3_backup_init(destination.get(), "main", source.db(), source.schema().c_str()));
    if (!backup)
        throw_sqlite(destination.get(), "copy");
    const auto transaction = patiently(watch, [&] { return ReadTransaction(source); });
    for (bool done = false; !done;) {
        watch.check();
        done = step(backup.get(), slice_pages);
        const std::int64_t total = sqlite3_backup_pagecount(backup.get());
        watch.progress(total - sqlite3_backup_remaining(backup.get()), total);
    }
    Copied copied;
    copied.passes = 1;
    copied.pages = sqlite3_backup_pagecount(backup.get());
    copied.page_size = source.page_size();
    copied.schema = source.schema_text();
    copied.change_counter = source.change_counter();
    if (sqlite3_backup_finish(backup.release()) != SQLITE_OK)
        throw_sqlite(destination.get(), "copy");
    int written = 0;
    int unused = 0;
    sqlite3_db_status(destination.get(), SQLITE_DBSTATUS_CACHE_WRITE, &written, &unused, 0);
    copied.pages_written = written;
    copied.bytes_written = written * source.page_size();
    if (source.is_wal())
        copied.bytes_written += leave_wal_mode(partial);
    return copied;
}

} // namespace emsn::sqlite
