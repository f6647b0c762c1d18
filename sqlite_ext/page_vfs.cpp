#include "sqlite_ext/page_vfs.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace emsn::sqlite {

struct PageVfs::File {
    sqlite3_file base;
    PageVfs *vfs;
};

// "Nothing to do" for whatever concerns locks, syncs and a disk.
const sqlite3_io_methods PageVfs::kMethods = {
    .iVersion = 1,
    .xClose = [](sqlite3_file *) { return SQLITE_OK; },
    .xRead = &PageVfs::on_read,
    .xWrite = &PageVfs::on_write,
    .xTruncate =
        [](sqlite3_file *file, sqlite3_int64 size) {
            reinterpret_cast<File *>(file)->vfs->size_ = size;
            return SQLITE_OK;
        },
    .xSync = [](sqlite3_file *, int) { return SQLITE_OK; },
    .xFileSize =
        [](sqlite3_file *file, sqlite3_int64 *size) {
            *size = reinterpret_cast<File *>(file)->vfs->size_;
            return SQLITE_OK;
        },
    .xLock = [](sqlite3_file *, int) { return SQLITE_OK; },
    .xUnlock = [](sqlite3_file *, int) { return SQLITE_OK; },
    .xCheckReservedLock =
        [](sqlite3_file *, int *locked) {
            *locked = 0;
            return SQLITE_OK;
        },
    .xFileControl = [](sqlite3_file *, int, void *) { return SQLITE_NOTFOUND; },
    .xSectorSize = [](sqlite3_file *) { return 0; },
    .xDeviceCharacteristics = [](sqlite3_file *) { return 0; },
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

PageVfs::PageVfs(std::int64_t page_size, OnPage on_page)
    : page_size_(page_size), on_page_(std::move(on_page)),
      // one of its own for each copy that runs in this process
      name_("emsn-pages-" + std::to_string(reinterpret_cast<std::uintptr_t>(this))),
      first_page_(static_cast<std::size_t>(page_size)) {
    vfs_ = *sqlite3_vfs_find(nullptr); // its clock, its randomness
    vfs_.iVersion = 1;
    vfs_.szOsFile = sizeof(File);
    vfs_.pNext = nullptr;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    vfs_.xOpen = &PageVfs::on_open;
    vfs_.xDelete = [](sqlite3_vfs *, const char *, int) { return SQLITE_OK; };
    vfs_.xAccess = [](sqlite3_vfs *, const char *, int, int *there) {
        *there = 0;
        return SQLITE_OK;
    };
    vfs_.xFullPathname = [](sqlite3_vfs *, const char *name, int room, char *out) {
        sqlite3_snprintf(room, out, "%s", name);
        return SQLITE_OK;
    };
    if (sqlite3_vfs_register(&vfs_, 0) != SQLITE_OK)
        throw std::bad_alloc();
}

PageVfs::~PageVfs() {
    sqlite3_vfs_unregister(&vfs_);
}

Db PageVfs::open() {
    Db db = open_file("/pages", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, name_.c_str());
    execute(db.get(), "PRAGMA journal_mode = OFF");
    execute(db.get(), "PRAGMA synchronous = OFF");
    return db;
}

int PageVfs::on_open(sqlite3_vfs *vfs, const char *, sqlite3_file *file, int flags, int *out) noexcept {
    file->pMethods = nullptr;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return SQLITE_CANTOPEN; // a journal, a temporary file: there is no use for one
    reinterpret_cast<File *>(file)->vfs = static_cast<PageVfs *>(vfs->pAppData);
    file->pMethods = &kMethods;
    if (out != nullptr)
        *out = flags;
    return SQLITE_OK;
}

int PageVfs::on_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) noexcept {
    const PageVfs &vfs = *reinterpret_cast<File *>(file)->vfs;
    std::memset(to, 0, static_cast<std::size_t>(bytes));
    if (at + bytes > vfs.size_)
        return SQLITE_IOERR_SHORT_READ;
    if (at + bytes > vfs.page_size_)
        return SQLITE_IOERR_READ; // was handed on
    std::memcpy(to, vfs.first_page_.data() + at, static_cast<std::size_t>(bytes));
    return SQLITE_OK;
}

int PageVfs::on_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) noexcept {
    PageVfs &vfs = *reinterpret_cast<File *>(file)->vfs;
    if (bytes != vfs.page_size_ || at % vfs.page_size_ != 0)
        return SQLITE_IOERR_WRITE; // SQLite writes whole pages
    vfs.size_ = std::max(vfs.size_, at + bytes);
    const char *page = static_cast<const char *>(from);
    if (at == 0) {
        std::copy_n(page, vfs.page_size_, vfs.first_page_.begin());
        return SQLITE_OK;
    }
    try {
        vfs.on_page_(at / vfs.page_size_, page);
        return SQLITE_OK;
    } catch (...) {
        vfs.failure_ = std::current_exception();
        return SQLITE_IOERR_WRITE;
    }
}

} // namespace emsn::sqlite
