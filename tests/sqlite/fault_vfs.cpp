#include "tests/sqlite/fault_vfs.hpp"

#include <stdexcept>

namespace emsn::test {

namespace {

int calls_left = 0; // 0: nothing fails
bool failed = false;

bool fails() {
    if (calls_left == 0 || --calls_left > 0)
        return false;
    failed = true;
    return true;
}

// Our file, with SQLite's own behind it.
struct FaultFile {
    sqlite3_file base;
    sqlite3_file *real;
};

sqlite3_file *real(sqlite3_file *file) {
    return reinterpret_cast<FaultFile *>(file)->real;
}

int close_file(sqlite3_file *file) {
    return real(file)->pMethods->xClose(real(file));
}
int read_file(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) {
    return fails() ? SQLITE_IOERR_READ : real(file)->pMethods->xRead(real(file), to, bytes, at);
}
int write_file(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) {
    return real(file)->pMethods->xWrite(real(file), from, bytes, at);
}
int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    return real(file)->pMethods->xTruncate(real(file), size);
}
int sync_file(sqlite3_file *file, int flags) {
    return real(file)->pMethods->xSync(real(file), flags);
}
int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return fails() ? SQLITE_IOERR_FSTAT : real(file)->pMethods->xFileSize(real(file), size);
}
int lock(sqlite3_file *file, int level) {
    return fails() ? SQLITE_IOERR_LOCK : real(file)->pMethods->xLock(real(file), level);
}
int unlock(sqlite3_file *file, int level) {
    // it is unlocked all the same: a VFS that keeps a lock has no way to tell
    const int code = real(file)->pMethods->xUnlock(real(file), level);
    return fails() ? SQLITE_IOERR_UNLOCK : code;
}
int check_reserved(sqlite3_file *file, int *out) {
    return fails() ? SQLITE_IOERR_CHECKRESERVEDLOCK
                   : real(file)->pMethods->xCheckReservedLock(real(file), out);
}
int control(sqlite3_file *file, int op, void *argument) {
    return real(file)->pMethods->xFileControl(real(file), op, argument);
}
int sector_size(sqlite3_file *file) {
    return real(file)->pMethods->xSectorSize(real(file));
}
int characteristics(sqlite3_file *file) {
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

const sqlite3_io_methods kMethods = {
    1,       close_file, read_file,      write_file, truncate_file, sync_file,       file_size,
    lock,    unlock,     check_reserved, control,    sector_size,   characteristics, nullptr,
    nullptr, nullptr,    nullptr,        nullptr,    nullptr};

int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
    auto *parent = static_cast<sqlite3_vfs *>(vfs->pAppData);
    auto *mine = reinterpret_cast<FaultFile *>(file);
    mine->real = reinterpret_cast<sqlite3_file *>(mine + 1);
    mine->base.pMethods = nullptr;
    const int code = parent->xOpen(parent, name, mine->real, flags, out_flags);
    if (code == SQLITE_OK)
        mine->base.pMethods = &kMethods;
    return code;
}

} // namespace

FaultVfs::FaultVfs() {
    sqlite3_vfs *parent = sqlite3_vfs_find(nullptr);
    vfs_ = *parent;
    vfs_.pNext = nullptr;
    vfs_.zName = kName;
    vfs_.pAppData = parent;
    vfs_.szOsFile = static_cast<int>(sizeof(FaultFile)) + parent->szOsFile;
    vfs_.xOpen = open_file;
    if (sqlite3_vfs_register(&vfs_, 0) != SQLITE_OK)
        throw std::runtime_error("register the fault VFS");
}

FaultVfs::~FaultVfs() {
    sqlite3_vfs_unregister(&vfs_);
}

void FaultVfs::fail_at(int call) {
    calls_left = call;
    failed = false;
}

bool FaultVfs::has_failed() const {
    return failed;
}

} // namespace emsn::test
