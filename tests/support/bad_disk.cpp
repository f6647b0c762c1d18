// A preloaded library that makes one folder a bad disk: slow as a cheap stick or a NAS, hung, failing or
// lying. Settings:
//   BAD_DISK_DIR                the folder; files whose path begins with it
//   BAD_DISK_BYTES_PER_SECOND   pace of writes
//   BAD_DISK_SYNC_MS            time of each fsync or fdatasync
//   BAD_DISK_TALLY              a file that gets, at the end, how many bytes were written
//   BAD_DISK_TALLY_EXCEPT       end of the names of files that are not counted there
//   BAD_DISK_GATE               writes wait until this file is there; GATE.waiting says that one waits
//   BAD_DISK_LIE_AT             number of the write, from 1, that stores another first byte than it got
//   BAD_DISK_FAIL_AT            number of the call that fails, from 1; every call below counts
//   BAD_DISK_DIES               not one call fails but all from that one on, names included
//   BAD_DISK_KILLS              that call does not fail, the process is killed before it
//   BAD_DISK_ERRNO              what it fails with
//   BAD_DISK_FAILED             a file that is made when it did
//   BAD_DISK_NO_XATTR           extended attributes are not supported
//   BAD_DISK_READ_DIR           a second folder, of a slow card: files whose path begins with it
//   BAD_DISK_READ_BYTES_PER_SECOND  pace of reads there that are not in the page cache
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

template <typename Fn> Fn next(const char *name) {
    return reinterpret_cast<Fn>(::dlsym(RTLD_NEXT, name));
}

using OpenFn = int (*)(const char *, int, ...);

void touch(const char *path) {
    static const auto real = next<OpenFn>("open");
    ::close(real(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

bool is_below(const char *path, const char *dir) {
    return dir != nullptr && path != nullptr && std::strncmp(path, dir, std::strlen(dir)) == 0;
}

bool ends_with(const char *path, const char *end) {
    const size_t length = std::strlen(path);
    const size_t tail = std::strlen(end);
    return length >= tail && std::strcmp(path + length - tail, end) == 0;
}

bool is_below(int fd, const char *dir, char (&path)[4096]) {
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = ::readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    return is_below(path, dir);
}

bool is_bad_path(const char *path) {
    static const char *const dir = std::getenv("BAD_DISK_DIR");
    return is_below(path, dir);
}

// Gives its path too.
bool is_bad(int fd, char (&path)[4096]) {
    static const char *const dir = std::getenv("BAD_DISK_DIR");
    return is_below(fd, dir, path);
}

bool is_bad(int fd) {
    char path[4096];
    return is_bad(fd, path);
}

const char *slow_card() {
    static const char *const dir = std::getenv("BAD_DISK_READ_DIR");
    return dir;
}

double setting(const char *name) {
    const char *text = std::getenv(name);
    return text != nullptr ? std::atof(text) : 0;
}

bool dead = false;

// Counts a call on the bad disk; true when it fails.
bool fails() {
    static const int at = static_cast<int>(setting("BAD_DISK_FAIL_AT"));
    static int calls = 0;
    errno = static_cast<int>(setting("BAD_DISK_ERRNO"));
    if (dead)
        return true;
    if (at == 0 || ++calls != at)
        return false;
    dead = std::getenv("BAD_DISK_DIES") != nullptr;
    if (const char *marker = std::getenv("BAD_DISK_FAILED"))
        touch(marker);
    if (std::getenv("BAD_DISK_KILLS") != nullptr)
        ::kill(::getpid(), SIGKILL);
    errno = static_cast<int>(setting("BAD_DISK_ERRNO"));
    return true;
}

bool lies() {
    static const int at = static_cast<int>(setting("BAD_DISK_LIE_AT"));
    static int writes = 0;
    return at != 0 && ++writes == at;
}

void pass_gate() {
    static const char *const gate = std::getenv("BAD_DISK_GATE");
    if (gate == nullptr || ::access(gate, F_OK) == 0)
        return;
    char waiting[4096];
    std::snprintf(waiting, sizeof waiting, "%s.waiting", gate);
    touch(waiting);
    while (::access(gate, F_OK) != 0)
        ::usleep(1000);
}

void take(double seconds) {
    timespec time{};
    time.tv_sec = static_cast<time_t>(seconds);
    time.tv_nsec = static_cast<long>((seconds - static_cast<double>(time.tv_sec)) * 1e9);
    ::nanosleep(&time, nullptr);
}

double now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Sleeping takes longer than asked, which would slow down small writes more than large ones: what was
// slept too long is left out the next time.
void take_in_pace(double &owed, double seconds) {
    owed += seconds;
    if (owed <= 0)
        return;
    const double begin = now();
    take(owed);
    owed -= now() - begin;
}

long long written = 0;

__attribute__((destructor)) void tell() {
    const char *path = std::getenv("BAD_DISK_TALLY");
    std::FILE *out = path != nullptr ? std::fopen(path, "w") : nullptr;
    if (out == nullptr)
        return;
    std::fprintf(out, "%lld\n", written);
    std::fclose(out);
}

// True when the write fails.
bool bad_write(int fd, size_t bytes) {
    static const double pace = setting("BAD_DISK_BYTES_PER_SECOND");
    static const char *const not_counted = std::getenv("BAD_DISK_TALLY_EXCEPT");
    char path[4096];
    if (!is_bad(fd, path))
        return false;
    if (fails())
        return true;
    if (not_counted == nullptr || !ends_with(path, not_counted))
        written += static_cast<long long>(bytes);
    pass_gate();
    static double owed = 0;
    if (pace > 0)
        take_in_pace(owed, static_cast<double>(bytes) / pace);
    return false;
}

// A read from the slow card waits for those of its bytes that the page cache does not have.
void read_slowly(int fd, void *to, size_t bytes, off64_t at) {
    static const double pace = setting("BAD_DISK_READ_BYTES_PER_SECOND");
    char path[4096];
    if (pace <= 0 || !is_below(fd, slow_card(), path))
        return;
    const iovec place{to, bytes};
    const ssize_t cached = ::preadv2(fd, &place, 1, at, RWF_NOWAIT);
    const size_t missing = bytes - (cached > 0 ? static_cast<size_t>(cached) : 0);
    static double owed = 0;
    if (missing > 0)
        take_in_pace(owed, static_cast<double>(missing) / pace);
}

bool bad_sync(int fd) {
    static const double ms = setting("BAD_DISK_SYNC_MS");
    if (!is_bad(fd))
        return false;
    if (fails())
        return true;
    if (ms > 0)
        take(ms / 1000);
    return false;
}

int open_with(const char *name, const char *path, int flags, mode_t mode) {
    if (is_bad_path(path) && fails())
        return -1;
    const int fd = next<OpenFn>(name)(path, flags, mode);
    if (fd >= 0 && is_below(path, slow_card()))
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); // reading ahead would come for nothing
    return fd;
}

ssize_t write_at(const char *name, int fd, const void *from, size_t bytes, off64_t at) {
    const auto real = next<ssize_t (*)(int, const void *, size_t, off64_t)>(name);
    if (bad_write(fd, bytes))
        return -1;
    const ssize_t wrote = real(fd, from, bytes, at);
    if (wrote > 0 && is_bad(fd) && lies()) {
        const char other = static_cast<char>(~*static_cast<const char *>(from));
        real(fd, &other, 1, at);
    }
    return wrote;
}

} // namespace

extern "C" {

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open_with("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open_with("open64", path, flags, mode);
}

ssize_t write(int fd, const void *from, size_t bytes) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t)>("write");
    return bad_write(fd, bytes) ? -1 : real(fd, from, bytes);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
    return write_at("pwrite", fd, from, bytes, at);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) {
    return write_at("pwrite64", fd, from, bytes, at);
}

ssize_t pread(int fd, void *to, size_t bytes, off_t at) {
    static const auto real = next<ssize_t (*)(int, void *, size_t, off_t)>("pread");
    read_slowly(fd, to, bytes, at);
    return is_bad(fd) && fails() ? -1 : real(fd, to, bytes, at);
}

ssize_t pread64(int fd, void *to, size_t bytes, off64_t at) {
    static const auto real = next<ssize_t (*)(int, void *, size_t, off64_t)>("pread64");
    read_slowly(fd, to, bytes, at);
    return is_bad(fd) && fails() ? -1 : real(fd, to, bytes, at);
}

int fsync(int fd) {
    static const auto real = next<int (*)(int)>("fsync");
    return bad_sync(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    static const auto real = next<int (*)(int)>("fdatasync");
    return bad_sync(fd) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size) {
    static const auto real = next<int (*)(int, off_t)>("ftruncate");
    return is_bad(fd) && fails() ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
    static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
    return is_bad(fd) && fails() ? -1 : real(fd, size);
}

int rename(const char *from, const char *to) {
    static const auto real = next<int (*)(const char *, const char *)>("rename");
    return is_bad_path(to) && fails() ? -1 : real(from, to);
}

int fchmod(int fd, mode_t mode) {
    static const auto real = next<int (*)(int, mode_t)>("fchmod");
    return is_bad(fd) && fails() ? -1 : real(fd, mode);
}

int fstat(int fd, struct stat *to) {
    static const auto real = next<int (*)(int, struct stat *)>("fstat");
    return is_bad(fd) && fails() ? -1 : real(fd, to);
}

int unlink(const char *path) {
    static const auto real = next<int (*)(const char *)>("unlink");
    return dead && is_bad_path(path) && fails() ? -1 : real(path);
}

int openat(int folder, const char *name, int flags, ...) {
    static const auto real = next<int (*)(int, const char *, int, ...)>("openat");
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return is_bad(folder) && fails() ? -1 : real(folder, name, flags, mode);
}

int fstatat(int folder, const char *name, struct stat *to, int flags) {
    static const auto real = next<int (*)(int, const char *, struct stat *, int)>("fstatat");
    return is_bad(folder) && fails() ? -1 : real(folder, name, to, flags);
}

ssize_t getdents64(int fd, void *to, size_t bytes) {
    static const auto real = next<ssize_t (*)(int, void *, size_t)>("getdents64");
    return is_bad(fd) && fails() ? -1 : real(fd, to, bytes);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    static const auto real = next<int (*)(int, const char *, int, const char *)>("renameat");
    return is_bad(to_folder) && fails() ? -1 : real(from_folder, from, to_folder, to);
}

int unlinkat(int folder, const char *name, int flags) {
    static const auto real = next<int (*)(int, const char *, int)>("unlinkat");
    return is_bad(folder) && fails() ? -1 : real(folder, name, flags);
}

ssize_t lgetxattr(const char *path, const char *name, void *to, size_t room) {
    static const auto real = next<ssize_t (*)(const char *, const char *, void *, size_t)>("lgetxattr");
    if (!is_bad_path(path) || std::getenv("BAD_DISK_NO_XATTR") == nullptr)
        return real(path, name, to, room);
    errno = ENOTSUP;
    return -1;
}

int lsetxattr(const char *path, const char *name, const void *from, size_t bytes, int flags) {
    static const auto real =
        next<int (*)(const char *, const char *, const void *, size_t, int)>("lsetxattr");
    if (!is_bad_path(path) || std::getenv("BAD_DISK_NO_XATTR") == nullptr)
        return real(path, name, from, bytes, flags);
    errno = ENOTSUP;
    return -1;
}

// cp would move the bytes inside the kernel, past all of the above
ssize_t copy_file_range(int, off64_t *, int, off64_t *, size_t, unsigned) {
    errno = ENOSYS;
    return -1;
}

} // extern "C"
