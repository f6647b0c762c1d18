#include "sqlite_ext/source_file.hpp"

#include <array>

#include "sqlite_ext/db.hpp"

namespace emsn::sqlite {

namespace {

std::uint32_t big_endian(const char *bytes) {
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i)
        number = number << 8 | static_cast<unsigned char>(bytes[i]);
    return number;
}

} // namespace

SourceFile::SourceFile(sqlite3 *db, const char *schema) {
    const int code = sqlite3_file_control(db, schema, SQLITE_FCNTL_FILE_POINTER, &file_);
    if (code != SQLITE_OK || file_ == nullptr || file_->pMethods == nullptr)
        throw core::Error(core::Errc::unsupported, std::string("source ") + schema + " has no file to read");
}

void SourceFile::read(std::int64_t offset, std::span<char> into) const {
    const int code = file_->pMethods->xRead(file_, into.data(), static_cast<int>(into.size()), offset);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        throw SqliteError(code, std::string("read the source: ") + sqlite3_errstr(code));
}

FileHeader SourceFile::header() const {
    constexpr int kPageSizeAt = 16; // two bytes; 1 stands for 65536
    constexpr int kReadVersionAt = 19;
    constexpr char kWal = 2;
    constexpr int kChangeCounterAt = 24;
    constexpr int kPagesAt = 28;
    constexpr int kValidForAt = 92;
    std::array<char, 100> bytes{};
    read(0, bytes);
    FileHeader header;
    constexpr std::uint32_t kLargestPage = 65536;
    const std::uint32_t page_size = big_endian(&bytes[kPageSizeAt]) >> 16;
    header.page_size = page_size == 1 ? kLargestPage : page_size;
    header.is_wal = bytes[kReadVersionAt] == kWal;
    header.change_counter = big_endian(&bytes[kChangeCounterAt]);
    header.pages = big_endian(&bytes[kPagesAt]);
    // libraries before 3.7.0 did not keep the page count: then the size of the file tells
    if (header.pages == 0 || big_endian(&bytes[kValidForAt]) != header.change_counter) {
        sqlite3_int64 size = 0;
        if (file_->pMethods->xFileSize(file_, &size) != SQLITE_OK)
            throw SqliteError(SQLITE_IOERR, "size of the source: disk I/O error");
        header.pages = header.page_size > 0 ? size / header.page_size : 0;
    }
    return header;
}

} // namespace emsn::sqlite
