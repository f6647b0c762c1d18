// A preloaded library that makes the files of one folder slow, as a cheap stick or a NAS is, or hang.
// Settings:
//   SLOW_DISK_DIR                the folder; files whose path begins with it
//   SLOW_DISK_BYTES_PER_SECOND   pace of writes
//   SLOW_DISK_SYNC_MS            time of each fsync or fdatasync
//   SLOW_DISK_TALLY              a file that gets, at the end, how many bytes were written
//   SLOW_DISK_GATE               writes wait until a file of this name is there; GATE.waiting says that one
//   does
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

bool is_slow(int fd) {
    static const char *const dir = std::getenv("SLOW_DISK_DIR");
    char link[64];
    char path[4096];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = ::readlink(link, path, sizeof path - 1);
    return dir != nullptr && length > 0 && std::strncmp(path, dir, std::strlen(dir)) == 0;
}

void pass_gate() {
    static const char *const gate = std::getenv("SLOW_DISK_GATE");
    if (gate == nullptr || ::access(gate, F_OK) == 0)
        return;
    char waiting[4096];
    std::snprintf(waiting, sizeof waiting, "%s.waiting", gate);
    ::close(::open(waiting, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    while (::access(gate, F_OK) != 0)
        ::usleep(1000);
}

double setting(const char *name) {
    const char *text = std::getenv(name);
    return text != nullptr ? std::atof(text) : 0;
}

void take(double seconds) {
    timespec time{};
    time.tv_sec = static_cast<time_t>(seconds);
    time.tv_nsec = static_cast<long>((seconds - static_cast<double>(time.tv_sec)) * 1e9);
    ::nanosleep(&time, nullptr);
}

long long written = 0;

__attribute__((destructor)) void tell() {
    const char *path = std::getenv("SLOW_DISK_TALLY");
    std::FILE *out = path != nullptr && written > 0 ? std::fopen(path, "w") : nullptr;
    if (out == nullptr)
        return;
    std::fprintf(out, "%lld\n", written);
    std::fclose(out);
}

void slow_write(int fd, size_t bytes) {
    static const double pace = setting("SLOW_DISK_BYTES_PER_SECOND");
    if (!is_slow(fd))
        return;
    written += static_cast<long long>(bytes);
    pass_gate();
    if (pace > 0)
        take(static_cast<double>(bytes) / pace);
}

void slow_sync(int fd) {
    static const double ms = setting("SLOW_DISK_SYNC_MS");
    if (ms > 0 && is_slow(fd))
        take(ms / 1000);
}

template <typename Fn> Fn next(const char *name) {
    return reinterpret_cast<Fn>(::dlsym(RTLD_NEXT, name));
}

} // namespace

extern "C" {

ssize_t write(int fd, const void *from, size_t bytes) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t)>("write");
    slow_write(fd, bytes);
    return real(fd, from, bytes);
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t, off_t)>("pwrite");
    slow_write(fd, bytes);
    return real(fd, from, bytes, at);
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t, off64_t)>("pwrite64");
    slow_write(fd, bytes);
    return real(fd, from, bytes, at);
}

int fsync(int fd) {
    static const auto real = next<int (*)(int)>("fsync");
    slow_sync(fd);
    return real(fd);
}

int fdatasync(int fd) {
    static const auto real = next<int (*)(int)>("fdatasync");
    slow_sync(fd);
    return real(fd);
}

// cp would move the bytes inside the kernel, past all of the above
ssize_t copy_file_range(int, off64_t *, int, off64_t *, size_t, unsigned) {
    errno = ENOSYS;
    return -1;
}

} // extern "C"
