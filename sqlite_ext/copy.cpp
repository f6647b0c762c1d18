// SQLite's online backup API, in slices. Each slice takes a SHARED lock of its own, so a writer waits for one
// slice at most; when it commits in between, SQLite starts the copy over. A quiet source is copied that way
// to its last slice. A busy one is then copied under one lock, if that fits into max_hold_ms. (SQLite "Online
// Backup API", https://sqlite.org/backup.html)
#include "sqlite_ext/copy.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace emsn::sqlite {

using core::Clock;
using core::Errc;
using core::Error;

namespace {

constexpr std::int64_t kSliceBytes = 2 << 20; // 1 to 2 ms from memory

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

struct FinishBackup {
    void operator()(sqlite3_backup *backup) const noexcept { sqlite3_backup_finish(backup); }
};

// The partial file is ours alone and is thrown away when anything fails: no locks, no journal, no syncs.
Db open_partial(const std::string &path) {
    Db db = open_file(path, SQLITE_OPEN_READWRITE, "unix-none");
    execute(db.get(), "PRAGMA journal_mode = OFF");
    execute(db.get(), "PRAGMA synchronous = OFF");
    return db;
}

class Copier {
  public:
    Copier(const Source &source, const std::string &path, std::int64_t max_hold_ms, Watch &watch)
        : source_(source), watch_(watch), max_hold_ms_(static_cast<double>(max_hold_ms)),
          slice_pages_(static_cast<int>(std::max<std::int64_t>(1, kSliceBytes / source.page_size()))),
          destination_(open_partial(path)),
          backup_(sqlite3_backup_init(destination_.get(), "main", source.db(), source.schema().c_str())) {
        if (!backup_)
            throw_sqlite(destination_.get(), "copy");
        result_.passes = 1;
    }

    Copied run();

  private:
    enum class Step { more, restarted, done };

    Step step();
    bool copy_unheld();
    bool copy_held();
    void finish(double held_ms);
    [[nodiscard]] bool fits_one_hold() const;
    void say_stage();

    const Source &source_;
    Watch &watch_;
    double max_hold_ms_;
    int slice_pages_;
    Db destination_;
    std::unique_ptr<sqlite3_backup, FinishBackup> backup_;
    Copied result_;
    std::int64_t copied_ = 0; // pages of this pass
    double step_ms_ = 0;      // of all steps that copied, for the speed
    std::int64_t stepped_pages_ = 0;
};

void Copier::say_stage() {
    watch_.stage(result_.passes == 1 ? "copying"
                                     : "copying a source that changed " + std::to_string(result_.passes - 1) +
                                           " times meanwhile (max_hold_ms too short for its size?)");
}

Copier::Step Copier::step() {
    watch_.check();
    const auto start = Clock::now();
    const int code = sqlite3_backup_step(backup_.get(), slice_pages_);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        throw SqliteError(code, "source is locked");
    if (code != SQLITE_OK && code != SQLITE_DONE) {
        if ((code & 0xff) == SQLITE_FULL)
            throw Error(Errc::no_space, "the destination's file system is full");
        throw SqliteError(code, std::string("copy: ") + sqlite3_errstr(code));
    }
    const double took_ms = ms_since(start);
    if (!source_.is_wal())
        result_.held_ms = std::max(result_.held_ms, took_ms);
    const std::int64_t total = sqlite3_backup_pagecount(backup_.get());
    const std::int64_t copied = total - sqlite3_backup_remaining(backup_.get());
    const bool restarted = copied <= copied_ && code != SQLITE_DONE;
    step_ms_ += took_ms;
    stepped_pages_ += restarted ? copied : copied - copied_;
    copied_ = copied;
    watch_.progress(copied, total);
    if (restarted) {
        ++result_.passes;
        say_stage();
    }
    if (code == SQLITE_DONE)
        return Step::done;
    return restarted ? Step::restarted : Step::more;
}

// At the speed seen so far. Before anything was measured the answer is yes.
bool Copier::fits_one_hold() const {
    if (stepped_pages_ <= 0)
        return true;
    const auto total = static_cast<double>(sqlite3_backup_pagecount(backup_.get()));
    return total * step_ms_ / static_cast<double>(stepped_pages_) <= max_hold_ms_;
}

// Slices under locks of their own, all but the last. False when the source changed on the way.
bool Copier::copy_unheld() {
    const auto left = [&] {
        return stepped_pages_ == 0 ? source_.pages() : std::int64_t{sqlite3_backup_remaining(backup_.get())};
    };
    while (left() > slice_pages_) {
        if (patiently(watch_, [&] { return step(); }) == Step::restarted)
            return false;
    }
    return true;
}

// What is left, under one lock, with what must be known of that moment. False when that took too long, or
// would have: the source changed just before, and all of it is to be copied again.
bool Copier::copy_held() {
    watch_.check();
    Clock::time_point start;
    const auto transaction = patiently(watch_, [&] {
        start = Clock::now();
        return std::make_unique<ReadTransaction>(source_);
    });
    const bool limited = !source_.is_wal();
    for (bool first = true;; first = false) {
        const Step outcome = step();
        if (outcome == Step::done)
            break;
        const double held_ms = ms_since(start);
        if (limited &&
            (held_ms > max_hold_ms_ || (first && outcome == Step::restarted && !fits_one_hold()))) {
            result_.held_ms = std::max(result_.held_ms, held_ms);
            return false;
        }
    }
    result_.pages = sqlite3_backup_pagecount(backup_.get());
    result_.schema = source_.schema_text();
    result_.change_counter = source_.change_counter();
    if (limited)
        result_.held_ms = std::max(result_.held_ms, ms_since(start));
    return true;
}

Copied Copier::run() {
    say_stage();
    if (source_.is_wal()) {
        copy_held();
    } else {
        for (bool done = false; !done;)
            done = (copy_unheld() || fits_one_hold()) && copy_held();
    }
    if (sqlite3_backup_finish(backup_.release()) != SQLITE_OK)
        throw_sqlite(destination_.get(), "copy");
    int written = 0;
    int unused = 0;
    sqlite3_db_status(destination_.get(), SQLITE_DBSTATUS_CACHE_WRITE, &written, &unused, 0);
    result_.pages_written = written;
    result_.bytes_written = written * source_.page_size();
    return std::move(result_);
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

Copied copy_database(const Source &source, const core::PartialFile &partial, std::int64_t max_hold_ms,
                     Watch &watch) {
    Copied copied = Copier(source, partial.path(), max_hold_ms, watch).run();
    if (source.is_wal())
        copied.bytes_written += leave_wal_mode(partial);
    return copied;
}

} // namespace emsn::sqlite
