#include "sqlite_ext/rollback_journal.hpp"

#include <array>
#include <cstddef>

#include "sqlite_ext/big_endian.hpp"
#include "sqlite_ext/journal_format.hpp"

namespace emsn::sqlite {

namespace {

// The header lies in a sector of its own, so that writing it again cannot tear a record beside it.
constexpr std::uint32_t kSectorBytes = 4096;
// Written at once. A record more must fit into the less than 128 KiB that SQLite's unix VFS takes.
constexpr std::size_t kBufferBytes = 32 << 10;

using Word = std::array<char, 4>;

Word word(std::uint32_t number) {
    Word bytes{};
    write_big_endian(number, bytes.data());
    return bytes;
}

} // namespace

RollbackJournal::RollbackJournal(sqlite3 *db, std::int64_t page_size, std::int64_t old_pages,
                                 Written &written)
    : name_(sqlite3_filename_journal(sqlite3_db_filename(db, "main"))), page_size_(page_size),
      old_pages_(static_cast<std::uint32_t>(old_pages)), at_(kSectorBytes), written_(written) {
    check(sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, static_cast<void *>(&vfs_)), "open");
    memory_.resize(static_cast<std::size_t>(vfs_->szOsFile) / sizeof(std::max_align_t) + 1);
    file_ = reinterpret_cast<sqlite3_file *>(memory_.data());
    sqlite3_randomness(sizeof nonce_, &nonce_);
    // SQLite's VFS gives it mode and owner of the database: who may write that can roll it back
    int given = 0;
    check(vfs_->xOpen(vfs_, name_, file_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE |
                          SQLITE_OPEN_MAIN_JOURNAL,
                      &given),
          "create");
}

RollbackJournal::~RollbackJournal() {
    close();
    if (!sealed_)
        vfs_->xDelete(vfs_, name_, 0);
}

void RollbackJournal::close() noexcept {
    if (file_->pMethods != nullptr)
        file_->pMethods->xClose(file_);
    file_->pMethods = nullptr;
}

void RollbackJournal::check(int code, const char *what) const {
    if (code != SQLITE_OK)
        throw SqliteError(code, std::string(what) + " " + name_ + ": " + sqlite3_errstr(code));
}

// With 0 records, nothing is rolled back: the records before it are not known to be on the disk yet.
void RollbackJournal::write_header(std::uint32_t records) {
    std::vector<char> header(kJournalMagic.begin(), kJournalMagic.end());
    for (const std::uint32_t field :
         {records, nonce_, old_pages_, kSectorBytes, static_cast<std::uint32_t>(page_size_)}) {
        const Word bytes = word(field);
        header.insert(header.end(), bytes.begin(), bytes.end());
    }
    header.resize(kSectorBytes);
    check(file_->pMethods->xWrite(file_, header.data(), static_cast<int>(header.size()), 0), "write");
    written_.bytes += std::ssize(header);
}

void RollbackJournal::add(std::int64_t page, std::span<const char> bytes) {
    const Word number = word(static_cast<std::uint32_t>(page + 1)); // SQLite counts from 1
    const Word sum = word(journal_sum(nonce_, bytes));
    buffer_.insert(buffer_.end(), number.begin(), number.end());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    buffer_.insert(buffer_.end(), sum.begin(), sum.end());
    ++records_;
    if (buffer_.size() >= kBufferBytes)
        flush();
}

void RollbackJournal::flush() {
    if (buffer_.empty())
        return;
    check(file_->pMethods->xWrite(file_, buffer_.data(), static_cast<int>(buffer_.size()), at_), "write");
    at_ += std::ssize(buffer_);
    written_.bytes += std::ssize(buffer_);
    buffer_.clear();
}

void RollbackJournal::sync() {
    // the first one syncs the folder too: the VFS knows a new journal
    check(file_->pMethods->xSync(file_, SQLITE_SYNC_NORMAL), "sync");
}

void RollbackJournal::seal() {
    flush();
    write_header(0);
    sync();
    sealed_ = true; // from here on it may be on the disk whole
    write_header(records_);
    sync();
}

void RollbackJournal::remove() {
    close();
    check(vfs_->xDelete(vfs_, name_, 1), "remove");
}

} // namespace emsn::sqlite
