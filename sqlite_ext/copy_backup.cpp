// SQLite's online backup API in slices, inside one read transaction: one moment, whatever others commit.
// (SQLite "Online Backup API", https://sqlite.org/backup.html)
#include <algorithm>
#include <utility>

#include "sqlite_ext/big_endian.hpp"
#include "sqlite_ext/copy.hpp"
#include "sqlite_ext/page_ledger.hpp"
#include "sqlite_ext/page_vfs.hpp"

namespace emsn::sqlite {

namespace {

constexpr std::int64_t kSliceBytes = 2 << 20;   // between two looks at interrupt and deadline
constexpr std::int64_t kBatchBytes = 256 << 10; // written at once, where pages lie next to each other

// Hands pages to the sink unless it has them, neighbours together.
class Batch {
  public:
    Batch(PageSink &sink, PageLedger &ledger, std::int64_t page_size)
        : sink_(sink), ledger_(ledger), page_size_(page_size) {}

    void add(std::int64_t page, const char *bytes) {
        if (page >= ledger_.pages())
            ledger_.resize(page + 1);
        if (ledger_.note(page, std::span(bytes, static_cast<std::size_t>(page_size_))).empty())
            return;
        any_ = true;
        if (page != first_ + std::ssize(bytes_) / page_size_ || std::ssize(bytes_) >= kBatchBytes)
            flush();
        if (bytes_.empty())
            first_ = page;
        bytes_.insert(bytes_.end(), bytes, bytes + page_size_);
    }
    void flush() {
        if (!bytes_.empty())
            sink_.write(first_, bytes_);
        bytes_.clear();
    }
    [[nodiscard]] bool any() const noexcept { return any_; }

  private:
    PageSink &sink_;
    PageLedger &ledger_;
    std::int64_t page_size_;
    std::int64_t first_ = 0;
    std::vector<char> bytes_;
    bool any_ = false;
};

// The backup API leaves fields of its own in the header. In their place: those of a database that stands
// alone, without -wal and -shm.
void put_header(std::vector<char> &page, std::uint32_t schema_cookie, std::uint32_t change_counter,
                std::uint32_t library_version) {
    page[kVersionsAt] = page[kVersionsAt + 1] = 1;
    write_big_endian(change_counter, &page[kChangeCounterAt]);
    write_big_endian(schema_cookie, &page[kSchemaCookieAt]);
    write_big_endian(change_counter, &page[kValidForAt]);
    write_big_endian(library_version, &page[kLibraryVersionAt]);
}

// True when the last page is copied.
bool step(sqlite3_backup *backup, int pages, const PageVfs &vfs) {
    const int code = sqlite3_backup_step(backup, pages);
    vfs.rethrow();
    if (code != SQLITE_OK && code != SQLITE_DONE)
        throw SqliteError(code, std::string("copy: ") + sqlite3_errstr(code));
    return code == SQLITE_DONE;
}

} // namespace

Copied copy_by_backup(const Source &source, PageSink &sink, Known known, Watch &watch) {
    Copied copied;
    copied.passes = 1;
    copied.page_size = source.page_size();
    const bool is_first = known.hashes.empty();
    PageLedger ledger(copied.page_size, std::move(known.hashes));
    Batch batch(sink, ledger, copied.page_size);
    PageVfs vfs(copied.page_size, [&](std::int64_t page, const char *bytes) { batch.add(page, bytes); });
    std::vector<char> &first_page = vfs.first_page();
    std::uint32_t schema_cookie = 0;
    {
        const Db nowhere = vfs.open();
        const Backup backup(sqlite3_backup_init(nowhere.get(), "main", source.db(), source.schema().c_str()));
        if (!backup)
            throw_sqlite(nowhere.get(), "copy");
        const auto transaction = patiently(watch, [&] { return ReadTransaction(source); });
        const int slice_pages = static_cast<int>(std::max<std::int64_t>(1, kSliceBytes / copied.page_size));
        for (bool done = false; !done;) {
            watch.check();
            done = step(backup.get(), slice_pages, vfs);
            const std::int64_t total = sqlite3_backup_pagecount(backup.get());
            watch.progress(total - sqlite3_backup_remaining(backup.get()), total, copied.page_size);
        }
        copied.pages = sqlite3_backup_pagecount(backup.get());
        copied.schema = source.schema_text();
        copied.change_counter = source.change_counter();
        schema_cookie = static_cast<std::uint32_t>(
            query_integer(source.db(), "PRAGMA " + quoted(source.schema()) + ".schema_version"));
    }
    bool changed = is_first || batch.any() || ledger.pages() != copied.pages;
    ledger.resize(copied.pages);
    batch.flush();
    const auto version = static_cast<std::uint32_t>(sqlite3_libversion_number());
    auto counter = static_cast<std::uint32_t>(copied.change_counter.value_or(1));
    if (!is_first) {
        // SQLite's readers of the old mirror look here: "changed" exactly when something did
        counter = read_big_endian(&known.header[kChangeCounterAt]);
        put_header(first_page, schema_cookie, counter, read_big_endian(&known.header[kLibraryVersionAt]));
        changed = !ledger.note(0, first_page).empty() || changed;
        ++counter;
    }
    if (changed) {
        put_header(first_page, schema_cookie, counter, version);
        static_cast<void>(ledger.note(0, first_page));
        sink.write(0, first_page);
    }
    copied.hashes = ledger.take();
    return copied;
}

} // namespace emsn::sqlite
