// The writer of a source in rollback-journal mode waits for memory, never for the destination.
//
// Pages are read in slices, each under a SHARED lock of its own of about a millisecond, and written to the
// destination when the lock is gone. If the change counter is the same in the first slice and in the last,
// nobody has committed in between: what was read is one moment, and that is all. If not, the copy is mended:
// read again, hashes compared, only pages that differ are written. When what is left is little, the same
// comparison runs once under one lock, which makes it one moment; pages that differ are kept in memory, and
// written after the release.
#include "sqlite_ext/copy.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "sqlite_ext/source_file.hpp"

namespace emsn::sqlite {

using core::Clock;
using core::Errc;
using core::Error;

namespace {

constexpr std::int64_t kSliceBytes = 2 << 20; // about a millisecond from memory
// Differing pages kept in memory under the lock; more are left to another pass.
constexpr std::int64_t kMostKeptBytes = 32 << 20;
// A pass that took longer leaves so much behind that a second one without the lock pays.
constexpr double kLongPassMs = 1000;

double ms_since(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Pages next to each other in the destination, to be written at once.
struct Run {
    std::int64_t page = 0; // 0 is the first
    std::vector<char> bytes;
};

class PageCopier {
  public:
    PageCopier(const Source &source, const core::PartialFile &partial, std::int64_t max_hold_ms, Watch &watch)
        : source_(source), partial_(partial), watch_(watch), file_(source.db(), source.schema().c_str()),
          page_size_(source.page_size()), max_hold_ms_(static_cast<double>(max_hold_ms)),
          slice_pages_(std::max<std::int64_t>(1, kSliceBytes / page_size_)),
          slice_(static_cast<std::size_t>(slice_pages_ * page_size_)) {
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
    void read_slice(std::int64_t first, std::int64_t pages);
    void compare_slice(std::int64_t first, std::int64_t pages, std::vector<Run> &differing);
    void write(std::vector<Run> &runs);
    void begin_pass(std::int64_t pages);
    void finish(std::int64_t pages);
    [[nodiscard]] bool fits_one_hold() const;

    const Source &source_;
    const core::PartialFile &partial_;
    Watch &watch_;
    SourceFile file_;
    // In shared-cache mode, locks of the file do not keep us from a writer in this process, whose uncommitted
    // pages may be in the file. SQLite's backup knows of it: a step of no pages asks.
    Db nowhere_ = open_file(":memory:", SQLITE_OPEN_READWRITE, nullptr);
    Backup probe_;
    std::int64_t page_size_;
    double max_hold_ms_;
    std::int64_t slice_pages_;
    std::vector<char> slice_;
    Copied result_;
    std::int64_t known_pages_ = 0; // the destination has them, and their hashes
    std::int64_t kept_bytes_ = 0;  // of differing pages in this slice or this hold
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

void PageCopier::begin_pass(std::int64_t pages) {
    result_.hashes.resize(static_cast<std::size_t>(pages));
    known_pages_ = std::min(known_pages_, pages);
}

void PageCopier::read_slice(std::int64_t first, std::int64_t pages) {
    const auto start = Clock::now();
    file_.read(first * page_size_, std::span(slice_).first(static_cast<std::size_t>(pages * page_size_)));
    compare_ms_ += ms_since(start);
}

// Adds the pages of the slice that the destination does not have to differing.
void PageCopier::compare_slice(std::int64_t first, std::int64_t pages, std::vector<Run> &differing) {
    const auto start = Clock::now();
    for (std::int64_t i = 0; i < pages; ++i) {
        const char *page = slice_.data() + i * page_size_;
        const PageHash hash = hash_page(page, static_cast<std::size_t>(page_size_));
        PageHash &known = result_.hashes[static_cast<std::size_t>(first + i)];
        if (first + i < known_pages_ && hash == known)
            continue;
        known = hash;
        kept_bytes_ += page_size_;
        const bool adjacent =
            !differing.empty() &&
            differing.back().page + std::ssize(differing.back().bytes) / page_size_ == first + i;
        if (!adjacent)
            differing.push_back({first + i, {}});
        differing.back().bytes.insert(differing.back().bytes.end(), page, page + page_size_);
    }
    compare_ms_ += ms_since(start);
}

void PageCopier::write(std::vector<Run> &runs) {
    for (const Run &run : runs) {
        std::size_t done = 0;
        while (done < run.bytes.size()) {
            const ssize_t wrote = ::pwrite(partial_.fd(), run.bytes.data() + done, run.bytes.size() - done,
                                           run.page * page_size_ + static_cast<off_t>(done));
            if (wrote < 0 && errno != EINTR)
                core::throw_errno("write", partial_.path());
            done += static_cast<std::size_t>(std::max<ssize_t>(wrote, 0));
        }
        result_.pages_written += std::ssize(run.bytes) / page_size_;
        result_.bytes_written += std::ssize(run.bytes);
    }
    runs.clear();
    kept_bytes_ = 0;
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
    std::vector<Run> differing;
    FileHeader first_seen;
    bool still = true;
    compare_ms_ = 0;
    for (std::int64_t at = 0, total = 1; at < total;) {
        Held held = hold();
        const FileHeader header = this->header();
        if (at == 0) {
            first_seen = header;
            begin_pass(header.pages);
            result_.schema = source_.schema_text();
            result_.change_counter = header.change_counter;
        }
        still =
            still && header.change_counter == first_seen.change_counter && header.pages == first_seen.pages;
        total = std::min(header.pages, std::ssize(result_.hashes)); // what has grown is for the next pass
        const std::int64_t pages = std::min(slice_pages_, total - at);
        if (pages > 0)
            read_slice(at, pages);
        release(held);
        if (pages <= 0)
            break;
        compare_slice(at, pages, differing);
        write(differing);
        at += pages;
        known_pages_ = std::max(known_pages_, at);
        watch_.progress(at, total);
    }
    return still;
}

// Every page under one lock; what differs is written after the release. False when it took too long, or too
// much differed: then the destination has come closer, and that is all.
bool PageCopier::copy_held() {
    std::vector<Run> differing;
    Held held = hold();
    const FileHeader header = this->header();
    begin_pass(header.pages);
    bool whole = true;
    std::int64_t at = 0;
    while (whole && at < header.pages) {
        const std::int64_t pages = std::min(slice_pages_, header.pages - at);
        read_slice(at, pages);
        compare_slice(at, pages, differing);
        at += pages;
        whole = at == header.pages || (ms_since(held.since) <= max_hold_ms_ && kept_bytes_ <= kMostKeptBytes);
    }
    result_.schema = source_.schema_text();
    result_.change_counter = header.change_counter;
    release(held);
    write(differing);
    known_pages_ = std::max(known_pages_, at);
    return whole;
}

bool PageCopier::fits_one_hold() const {
    return compare_ms_ <= max_hold_ms_;
}

void PageCopier::finish(std::int64_t pages) {
    result_.pages = pages;
    result_.page_size = page_size_;
    if (::ftruncate(partial_.fd(), pages * page_size_) != 0)
        core::throw_errno("truncate", partial_.path());
}

Copied PageCopier::run() {
    watch_.stage("copying");
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
        if (fits_one_hold()) {
            ++result_.passes;
            done = copy_held();
        }
    }
    finish(std::ssize(result_.hashes));
    return std::move(result_);
}

} // namespace

Copied copy_pages(const Source &source, const core::PartialFile &partial, std::int64_t max_hold_ms,
                  Watch &watch) {
    return PageCopier(source, partial, max_hold_ms, watch).run();
}

} // namespace emsn::sqlite
