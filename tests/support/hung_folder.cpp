// A dead network share: every call that looks into the folder HUNG_FOLDER waits until the file HUNG_GATE is
// there; GATE.waiting says that one waits. Linked into a test or preloaded into another program.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

template <typename Fn> Fn next(const char *name) {
    return reinterpret_cast<Fn>(::dlsym(RTLD_NEXT, name));
}

void wait_in(const char *path) {
    const char *const folder = std::getenv("HUNG_FOLDER");
    const char *const gate = std::getenv("HUNG_GATE");
    if (folder == nullptr || gate == nullptr || std::strncmp(path, folder, std::strlen(folder)) != 0)
        return;
    if (::access(gate, F_OK) == 0)
        return;
    char waiting[4096];
    std::snprintf(waiting, sizeof waiting, "%s.waiting", gate);
    ::close(::open(waiting, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    while (::access(gate, F_OK) != 0)
        ::usleep(1000);
}

void wait_in(int fd) {
    if (std::getenv("HUNG_FOLDER") == nullptr)
        return;
    char link[64];
    char path[4096];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = ::readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    wait_in(path);
}

} // namespace

#pragma GCC visibility push(default)

extern "C" {

ssize_t getdents64(int fd, void *to, size_t room) {
    static const auto real = next<ssize_t (*)(int, void *, size_t)>("getdents64");
    wait_in(fd);
    return real(fd, to, room);
}

DIR *fdopendir(int fd) {
    static const auto real = next<DIR *(*)(int)>("fdopendir");
    wait_in(fd);
    return real(fd);
}

int lstat(const char *path, struct stat *to) {
    static const auto real = next<int (*)(const char *, struct stat *)>("lstat");
    wait_in(path);
    return real(path, to);
}

int statvfs(const char *path, struct statvfs *to) {
    static const auto real = next<int (*)(const char *, struct statvfs *)>("statvfs");
    wait_in(path);
    return real(path, to);
}

} // extern "C"
