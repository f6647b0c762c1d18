// The writer of a source in rollback-journal mode waits for memory, never for the destination.
//
// Pages are read in slices, each under a SHARED lock of its own of about a millisecond, and written to the
// destination when the lock is gone. All pages are due at first. When the change counter has moved from one
// slice to the next, pages are due again that these commits may have changed: those that their journals name
// (journal_watch.hpp), or all, when that is not known. A slice after which nothing is due makes the copy one
// moment: that of its lock. When what is due does not get less, but is little enough, it is read under one
// lock; pages that differ are kept in memory, and written after the release.
#include "sqlite_ext/copy.hpp"

#include <algorithm>
#include <utility>

#include "sqlite_ext/due_pages.hpp"
#include "sqlite_ext/journal_watch.hpp"
#include "sqlite_ext/page_ledger.hpp"

namespace emsn::sqlite {

using core::Clock;
using core::Errc;
using core::Error;

namespace {

constexpr std::int64_t kSliceBytes = 2 << 20; // about a millisecond from memory
// Read at once. Under the one lock, small enough that the hash finds them in the processor's cache.
constexpr std::int64_t kPieceBytes = 256 << 10;
constexpr double kSliceMs = 10; // from a slow disk a slice is smaller
// What is read in fewer slices changes too little meanwhile to be worth a thread.
constexpr std::int64_t kWatchedBytes = 4 * kSliceBytes;
// Differing pages kept in memory under the lock; more are left to another pass.
constexpr std::int64_t kMostKeptBytes = 16 << 20;
// A pass that took longer leaves so much behind that a second one without the lock pays.
constexpr double kLongPassMs = 1000;

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Pages that differ, found under the lock, until they can be written.
struct Kept {
    std::int64_t first = 0;
    std::vector<char> bytes;
};

class PageCopier {
  public:
    PageCopier(const Source &source, PageSink &sink, Known known, std::int64_t max_hold_ms, Watch &watch)
        : source_(source), sink_(sink), watch_(watch), file_(source.db(), source.schema().c_str()),
          page_size_(source.page_size()), max_hold_ms_(static_cast<double>(max_hold_ms)),
          slice_(static_cast<std::size_t>(std::max(kSliceBytes, page_size_))),
          ledger_(page_size_, std::move(known.hashes)) {
        probe_.reset(sqlite3_backup_init(nowhere_.get(), "main", source.db(), source.schema().c_str()));
        if (!probe_)
            throw_sqlite(nowhere_.get(), "copy");
        if (source.pages() * page_size_ >= kWatchedBytes)
            journals_ =
                JournalWatch::start(sqlite3_db_filename(source.db(), source.schema().c_str()), page_size_);
    }

    Copied run();

  private:
    struct Held { // a read transaction, and since when
        Clock::time_point since;
        std::optional<ReadTransaction> transaction;
    };

    Held hold();
    void release(Held &held);
    void learn();
    bool copy_unheld();
    bool copy_held();
    void note_moment();
    [[nodiscard]] double due_ms() const {
        return std::max(page_ms_, slowest_page_ms_) * static_cast<double>(due_.count());
    }
    [[nodiscard]] std::span<char> in_slice(std::int64_t first, std::int64_t pages);

    const Source &source_;
    PageSink &sink_;
    Watch &watch_;
    DbFile file_;
    // In shared-cache mode, locks of the file do not keep us from a writer in this process, whose uncommitted
    // pages may be in the file. SQLite's backup knows of it: a step of no pages asks.
    Db nowhere_ = open_file(":memory:", SQLITE_OPEN_READWRITE, nullptr);
    Backup probe_;
    std::int64_t page_size_;
    double max_hold_ms_;
    std::vector<char> slice_;
    PageLedger ledger_;
    std::unique_ptr<JournalWatch> journals_;
    FileHeader header_; // at the last lock: what is not due is as it was then
    DuePages due_;
    Copied result_;
    double page_ms_ = 0;         // reading and hashing a page took in the last pass over most of the source
    double slowest_page_ms_ = 0; // and in a hold that was given up
};

PageCopier::Held PageCopier::hold() {
    watch_.check();
    return patiently(watch_, [&] {
        // the clock first: the wait for the lock is not ours, but what follows it is
        Held held{Clock::now(), ReadTransaction(source_)};
        const int code = sqlite3_backup_step(probe_.get(), 0);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
            throw SqliteError(code, "another connection of this process is writing to the source");
        return held;
    });
}

void PageCopier::release(Held &held) {
    held.transaction.reset();
    result_.held_ms = std::max(result_.held_ms, ms_since(held.since));
}

// What is due now, under a lock.
void PageCopier::learn() {
    const FileHeader now = file_.header();
    // the file is as this copy began it, or the next run will do better
    if (now.page_size != page_size_ || now.is_wal)
        throw Error(Errc::busy, "the source changed its page size or journal mode meanwhile");
    const auto changes = journals_ ? journals_->take() : std::nullopt;
    ledger_.resize(now.pages);
    due_.resize(now.pages);
    if (now != header_) {
        if (changes && changes->lead(header_.change_counter, now.change_counter)) {
            for (const std::int64_t page : changes->pages)
                due_.add(page);
            due_.add_from(changes->old_pages);
        } else {
            due_.add_from(0);
        }
    }
    header_ = now;
}

// Nothing is due any more, and the lock is still held.
void PageCopier::note_moment() {
    result_.schema = source_.schema_text();
    result_.change_counter = header_.change_counter;
}

std::span<char> PageCopier::in_slice(std::int64_t first, std::int64_t pages) {
    return std::span(slice_).subspan(static_cast<std::size_t>(first * page_size_),
                                     static_cast<std::size_t>(pages * page_size_));
}

// Each page that is due, once, in slices. True when the last of them left nothing due.
bool PageCopier::copy_unheld() {
    const std::int64_t slice_pages = std::max<std::int64_t>(1, kSliceBytes / page_size_);
    const std::int64_t piece_pages = std::max<std::int64_t>(1, kPieceBytes / page_size_);
    std::int64_t copied = 0;
    double copy_ms = 0;
    bool whole = false;
    std::vector<PageRun> runs;
    for (std::int64_t at = 0; !whole;) {
        runs.clear();
        std::int64_t pages = 0;
        Held held = hold();
        learn();
        auto start = Clock::now();
        do {
            const PageRun run = due_.next(at, std::min(piece_pages, slice_pages - pages));
            if (run.pages == 0)
                break;
            file_.read(run.first * page_size_, in_slice(pages, run.pages));
            due_.remove(run);
            runs.push_back(run);
            pages += run.pages;
            at = run.first + run.pages;
        } while (pages < slice_pages && ms_since(held.since) < std::min(kSliceMs, max_hold_ms_));
        copy_ms += ms_since(start);
        whole = due_.count() == 0;
        if (whole)
            note_moment();
        release(held);
        if (runs.empty())
            break; // what is due lies before
        std::int64_t in = 0;
        for (const PageRun &run : runs) {
            start = Clock::now();
            const auto differing = ledger_.note(run.first, in_slice(in, run.pages));
            copy_ms += ms_since(start);
            for (const PageRun &part : differing)
                sink_.write(part.first, in_slice(in + part.first - run.first, part.pages));
            in += run.pages;
        }
        copied += pages;
        watch_.progress(at, header_.pages, page_size_);
    }
    // a few pages that were read just before, or written, are in memory: they tell nothing of all the others
    if (copied * 2 > header_.pages)
        page_ms_ = copy_ms / static_cast<double>(copied);
    return whole;
}

// All that is due under one lock; what differs is written after the release. False when it would take, or
// took, too long, or too much differed: then the destination has come closer, and that is all.
bool PageCopier::copy_held() {
    const std::int64_t piece_pages = std::max<std::int64_t>(1, kPieceBytes / page_size_);
    std::vector<Kept> differing;
    std::int64_t kept_bytes = 0;
    std::int64_t copied = 0;
    Held held = hold();
    learn();
    bool whole = due_.count() == 0;
    for (bool fits = due_ms() <= max_hold_ms_; fits && !whole;) {
        const PageRun run = due_.next(0, piece_pages);
        const auto pages = in_slice(0, run.pages);
        file_.read(run.first * page_size_, pages);
        for (const PageRun &part : ledger_.note(run.first, pages)) {
            const auto bytes = in_slice(part.first - run.first, part.pages);
            differing.push_back({part.first, {bytes.begin(), bytes.end()}});
            kept_bytes += std::ssize(bytes);
        }
        due_.remove(run);
        copied += run.pages;
        whole = due_.count() == 0;
        const double page_ms = ms_since(held.since) / static_cast<double>(copied);
        fits = kept_bytes <= kMostKeptBytes &&
               page_ms * static_cast<double>(copied + std::min(piece_pages, due_.count())) <= max_hold_ms_;
        if (!fits && !whole)
            slowest_page_ms_ = std::max(slowest_page_ms_, page_ms);
    }
    if (whole)
        note_moment();
    release(held);
    for (const Kept &run : differing)
        sink_.write(run.first, run.bytes);
    return whole;
}

Copied PageCopier::run() {
    for (bool done = false; !done;) {
        const auto start = Clock::now();
        const std::int64_t due_before = result_.passes == 0 ? source_.pages() : due_.count();
        ++result_.passes;
        done = copy_unheld();
        // another pass pays while each leaves much less to the next
        if (done || due_.count() <= due_before / 2)
            continue;
        watch_.stage("copying a source that changed during " + std::to_string(result_.passes) +
                     " passes (max_hold_ms too short for its size?)");
        if (ms_since(start) > kLongPassMs && result_.passes == 1)
            continue;
        if (due_ms() <= max_hold_ms_) {
            ++result_.passes;
            done = copy_held();
        }
    }
    result_.page_size = page_size_;
    result_.pages = ledger_.pages();
    result_.hashes = ledger_.take();
    return std::move(result_);
}

} // namespace

Copied copy_pages(const Source &source, PageSink &sink, Known known, std::int64_t max_hold_ms, Watch &watch) {
    return PageCopier(source, sink, std::move(known), max_hold_ms, watch).run();
}

} // namespace emsn::sqlite
