#include "sqlite_ext/db_file.hpp"

#include <algorithm>

#include "sqlite_ext/big_endian.hpp"
#include "sqlite_ext/db.hpp"

namespace emsn::sqlite {

namespace {

// SQLite itself never reads or writes more at once; the unix VFS takes less than 128 KiB.
constexpr std::size_t kMostAtOnce = 64 << 10;

void check(int code, const char *what) {
    if (code != SQLITE_OK)
        throw SqliteError(code, std::string(what) + ": " + sqlite3_errstr(code));
}

} // namespace

DbFile::DbFile(sqlite3 *db, const char *schema) {
    const int code = sqlite3_file_control(db, schema, SQLITE_FCNTL_FILE_POINTER, &file_);
    if (code != SQLITE_OK || file_ == nullptr || file_->pMethods == nullptr)
        throw core::Error(core::Errc::unsupported, std::string("schema ") + schema + " has no file");
}

void DbFile::read(std::int64_t offset, std::span<char> into) const {
    while (!into.empty()) {
        const auto part = into.first(std::min(into.size(), kMostAtOnce));
        const int code = file_->pMethods->xRead(file_, part.data(), static_cast<int>(part.size()), offset);
        if (code != SQLITE_IOERR_SHORT_READ)
            check(code, "read the database file");
        into = into.subspan(part.size());
        offset += std::ssize(part);
    }
}

std::int64_t DbFile::size_bytes() const {
    sqlite3_int64 size = 0;
    check(file_->pMethods->xFileSize(file_, &size), "size of the database file");
    return size;
}

void DbFile::write(std::int64_t offset, std::span<const char> bytes) {
    while (!bytes.empty()) {
        const auto part = bytes.first(std::min(bytes.size(), kMostAtOnce));
        check(file_->pMethods->xWrite(file_, part.data(), static_cast<int>(part.size()), offset),
              "write the database file");
        bytes = bytes.subspan(part.size());
        offset += std::ssize(part);
    }
}

void DbFile::truncate(std::int64_t bytes) {
    check(file_->pMethods->xTruncate(file_, bytes), "truncate the database file");
}

void DbFile::sync() {
    check(file_->pMethods->xSync(file_, SQLITE_SYNC_NORMAL), "sync the database file");
}

DbHeaderBytes DbFile::header_bytes() const {
    DbHeaderBytes bytes{};
    read(0, bytes);
    return bytes;
}

FileHeader DbFile::header() const {
    constexpr char kWal = 2;
    const DbHeaderBytes bytes = header_bytes();
    FileHeader header;
    constexpr std::uint32_t kLargestPage = 65536;
    const std::uint32_t page_size = read_big_endian(&bytes[kPageSizeAt]) >> 16;
    header.page_size = page_size == 1 ? kLargestPage : page_size;
    header.is_wal = bytes[kReadVersionAt] == kWal;
    header.change_counter = read_big_endian(&bytes[kChangeCounterAt]);
    header.pages = read_big_endian(&bytes[kPagesAt]);
    // libraries before 3.7.0 did not keep the page count: then the size of the file tells
    if (header.pages == 0 || read_big_endian(&bytes[kValidForAt]) != header.change_counter)
        header.pages = header.page_size > 0 ? size_bytes() / header.page_size : 0;
    return header;
}

} // namespace emsn::sqlite
