// The writer of a source in rollback-journal mode waits for memory, never for the destination.
//
// Pages are read in slices, each under a SHARED lock of its own of about a millisecond, and written to the
// destination when the lock is gone. If the change counter is the same in the first slice and in the last,
// nobody has committed in between: what was read is one moment, and that is all. If not, the copy is mended:
// read again, hashes compared, only pages that differ are written. When what is left is little, the same
// comparison runs once under one lock, which makes it one moment; pages that differ are kept in memory, and
// written after the release.
#include "sqlite_ext/copy.hpp"

#include <algorithm>
#include <utility>

#include "sqlite_ext/page_ledger.hpp"

namespace emsn::sqlite {

using core::Clock;
using core::Errc;
using core::Error;

namespace {

constexpr std::int64_t kSliceBytes = 2 << 20; // about a millisecond from memory
// Under the one lock: small enough that the hash finds them in the processor's cache.
constexpr std::int64_t kHeldSliceBytes = 256 << 10;
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
    }

    Copied run();

  private:
    struct Held { // a read transaction, and since when
        Clock::time_point since;
        std::optional<ReadTransaction> transaction;
    };

    Held hold();
    void release(Held &held);
    bool copy_unheld();
    bool copy_held();
    [[nodiscard]] FileHeader header() const;
    std::span<const char> read(std::int64_t first, std::int64_t pages);
    [[nodiscard]] std::vector<PageRun> compare(std::int64_t first, std::span<const char> pages);
    [[nodiscard]] std::span<const char> in_slice(std::int64_t slice_first, const PageRun &run) const;

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
    Copied result_;
    double compare_ms_ = 0; // reading and hashing in the last pass: what a hold of all of it would take
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

std::span<const char> PageCopier::read(std::int64_t first, std::int64_t pages) {
    const auto start = Clock::now();
    const auto into = std::span(slice_).first(static_cast<std::size_t>(pages * page_size_));
    file_.read(first * page_size_, into);
    compare_ms_ += ms_since(start);
    return into;
}

std::vector<PageRun> PageCopier::compare(std::int64_t first, std::span<const char> pages) {
    const auto start = Clock::now();
    auto differing = ledger_.note(first, pages);
    compare_ms_ += ms_since(start);
    return differing;
}

std::span<const char> PageCopier::in_slice(std::int64_t slice_first, const PageRun &run) const {
    return std::span(slice_).subspan(static_cast<std::size_t>((run.first - slice_first) * page_size_),
                                     static_cast<std::size_t>(run.pages * page_size_));
}

// The file is as this copy began it, or the next run will do better.
FileHeader PageCopier::header() const {
    const FileHeader header = file_.header();
    if (header.page_size != page_size_ || header.is_wal)
        throw Error(Errc::busy, "the source changed its page size or journal mode meanwhile");
    return header;
}

// Every page in slices. True when the source stood still from the first slice to the last.
bool PageCopier::copy_unheld() {
    const std::int64_t slice_pages = std::max<std::int64_t>(1, kSliceBytes / page_size_);
    FileHeader first_seen;
    bool still = true;
    compare_ms_ = 0;
    for (std::int64_t at = 0, total = 1; at < total;) {
        Held held = hold();
        const FileHeader header = this->header();
        if (at == 0) {
            first_seen = header;
            ledger_.resize(header.pages);
            result_.schema = source_.schema_text();
            result_.change_counter = header.change_counter;
        }
        still = still && header == first_seen;
        total = std::min(header.pages, ledger_.pages()); // what has grown is for the next pass
        const std::int64_t pages = std::min(slice_pages, total - at);
        if (pages <= 0)
            break;
        const auto slice = read(at, pages);
        release(held);
        for (const PageRun &run : compare(at, slice))
            sink_.write(run.first, in_slice(at, run));
        at += pages;
        watch_.progress(at, total, page_size_);
    }
    return still;
}

// Every page under one lock; what differs is written after the release. False when it took too long, or too
// much differed: then the destination has come closer, and that is all.
bool PageCopier::copy_held() {
    const std::int64_t slice_pages = std::max<std::int64_t>(1, kHeldSliceBytes / page_size_);
    std::vector<Kept> differing;
    std::int64_t kept_bytes = 0;
    Held held = hold();
    const FileHeader header = this->header();
    ledger_.resize(header.pages);
    bool whole = true;
    for (std::int64_t at = 0; whole && at < header.pages;) {
        const std::int64_t pages = std::min(slice_pages, header.pages - at);
        const auto slice = read(at, pages);
        for (const PageRun &run : compare(at, slice)) {
            const auto bytes = in_slice(at, run);
            differing.push_back({run.first, {bytes.begin(), bytes.end()}});
            kept_bytes += std::ssize(bytes);
        }
        at += pages;
        whole = at == header.pages || (ms_since(held.since) <= max_hold_ms_ && kept_bytes <= kMostKeptBytes);
    }
    result_.schema = source_.schema_text();
    result_.change_counter = header.change_counter;
    release(held);
    for (const Kept &run : differing)
        sink_.write(run.first, run.bytes);
    return whole;
}

Copied PageCopier::run() {
    for (bool done = false; !done;) {
        const auto start = Clock::now();
        ++result_.passes;
        done = copy_unheld();
        if (done)
            break;
        watch_.stage("copying a source that changed during " + std::to_string(result_.passes) +
                     " passes (max_hold_ms too short for its size?)");
        if (ms_since(start) > kLongPassMs && result_.passes == 1)
            continue;
        if (compare_ms_ <= max_hold_ms_) {
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
