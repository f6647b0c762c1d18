// A preloaded library (this file and disk_log_data.cpp) that records what a program does to the files of one
// folder, in the order it was done, for power_cut.hpp. Settings:
//   DISK_LOG_DIR     the folder
//   DISK_LOG         the file that the records are added to
//   DISK_LOG_CLONES  FICLONE succeeds, by copying: a program that clones can be watched on any file system
// What changes a file in a way that is not recorded fails as not supported here, or aborts the program. What
// goes past the C library (a system call made by hand) is found by PowerCut, which compares the end.
// Not recorded: syncfs, O_SYNC and their like; such writes count as not synced.
#include <cstdarg>
#include <cstring>

#include "tests/support/disk_log_record.hpp"

using namespace emsn::test;

namespace {

template <typename Fn> int open_with(int dir_fd, const char *path, int flags, Fn real) {
    const bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
    if (!unnamed && (flags & (O_CREAT | O_TRUNC)) == 0)
        return real();
    const Name name = name_of(dir_fd, path);
    if (!name)
        return real();
    if (unnamed)
        return refuse(EOPNOTSUPP);
    const Turn mine(turn());
    struct stat64 before {};
    const bool was_there = ::fstatat64(dir_fd, path, &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (was_there && S_ISLNK(before.st_mode))
        give_up("a symlink's target is not recorded", path);
    const int fd = real();
    if (fd >= 0 && !was_there)
        record_file(DiskOp::create, fd, *name);
    else if (fd >= 0 && (flags & O_TRUNC) != 0 && before.st_size > 0)
        record_file(DiskOp::resize, fd, *name, 0);
    return fd;
}

int open_path(const char *function, const char *path, int flags, mode_t mode) {
    return open_with(AT_FDCWD, path, flags,
                     [&] { return next<int (*)(const char *, int, ...)>(function)(path, flags, mode); });
}

int open_at(const char *function, int dir_fd, const char *path, int flags, mode_t mode) {
    return open_with(dir_fd, path, flags, [&] {
        return next<int (*)(int, const char *, int, ...)>(function)(dir_fd, path, flags, mode);
    });
}

std::FILE *open_stream(const char *function, const char *path, const char *mode) {
    if (std::strcspn(mode, "wa+") < std::strlen(mode) && name_of(AT_FDCWD, path))
        give_up("what stdio writes is not recorded", path);
    return next<std::FILE *(*)(const char *, const char *)>(function)(path, mode);
}

template <typename Fn>
int name_with(DiskOp op, int from_fd, const char *from, int to_fd, const char *to, Fn real) {
    const Name name = name_of(from_fd, from);
    const Name other = op == DiskOp::unlink ? name : name_of(to_fd, to);
    if (!name && !other)
        return real();
    if (!name || !other || folder_of(*name) != folder_of(*other))
        give_up("names that change in two folders at once are not recorded", to);
    const Turn mine(turn());
    struct stat64 before {};
    const bool was_there = ::fstatat64(from_fd, from, &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (was_there && !S_ISREG(before.st_mode))
        give_up("only regular files are recorded", from);
    const int result = real();
    if (result == 0)
        record(op, before.st_ino, *name, op == DiskOp::unlink ? "" : *other, 0, "");
    return result;
}

mode_t mode_of(va_list &rest, int flags) {
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
}

} // namespace

extern "C" {

#define OPEN_PATH(function)                                                                                  \
    int function(const char *path, int flags, ...) {                                                         \
        va_list rest;                                                                                        \
        va_start(rest, flags);                                                                               \
        const mode_t mode = mode_of(rest, flags);                                                            \
        va_end(rest);                                                                                        \
        return open_path(#function, path, flags, mode);                                                      \
    }
OPEN_PATH(open)
OPEN_PATH(open64)
#undef OPEN_PATH

#define OPEN_AT(function)                                                                                    \
    int function(int dir_fd, const char *path, int flags, ...) {                                             \
        va_list rest;                                                                                        \
        va_start(rest, flags);                                                                               \
        const mode_t mode = mode_of(rest, flags);                                                            \
        va_end(rest);                                                                                        \
        return open_at(#function, dir_fd, path, flags, mode);                                                \
    }
OPEN_AT(openat)
OPEN_AT(openat64)
#undef OPEN_AT

// what a program built with _FORTIFY_SOURCE calls when the flags are not constant
int __open_2(const char *path, int flags) {
    return open_path("open", path, flags, 0);
}
int __open64_2(const char *path, int flags) {
    return open_path("open64", path, flags, 0);
}
int __openat_2(int dir_fd, const char *path, int flags) {
    return open_at("openat", dir_fd, path, flags, 0);
}
int __openat64_2(int dir_fd, const char *path, int flags) {
    return open_at("openat64", dir_fd, path, flags, 0);
}

int creat(const char *path, mode_t mode) {
    return open_path("open", path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) {
    return open_path("open64", path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

std::FILE *fopen(const char *path, const char *mode) {
    return open_stream("fopen", path, mode);
}
std::FILE *fopen64(const char *path, const char *mode) {
    return open_stream("fopen64", path, mode);
}

int rename(const char *from, const char *to) {
    static const auto real = next<int (*)(const char *, const char *)>("rename");
    return name_with(DiskOp::rename, AT_FDCWD, from, AT_FDCWD, to, [&] { return real(from, to); });
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    static const auto real = next<int (*)(int, const char *, int, const char *)>("renameat");
    return name_with(DiskOp::rename, from_fd, from, to_fd, to,
                     [&] { return real(from_fd, from, to_fd, to); });
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    static const auto real = next<int (*)(int, const char *, int, const char *, unsigned)>("renameat2");
    if ((flags & RENAME_EXCHANGE) != 0 && name_of(to_fd, to))
        return refuse(EINVAL);
    return name_with(DiskOp::rename, from_fd, from, to_fd, to,
                     [&] { return real(from_fd, from, to_fd, to, flags); });
}

int link(const char *from, const char *to) {
    static const auto real = next<int (*)(const char *, const char *)>("link");
    return name_with(DiskOp::link, AT_FDCWD, from, AT_FDCWD, to, [&] { return real(from, to); });
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    static const auto real = next<int (*)(int, const char *, int, const char *, int)>("linkat");
    return name_with(DiskOp::link, from_fd, from, to_fd, to,
                     [&] { return real(from_fd, from, to_fd, to, flags); });
}

int unlink(const char *path) {
    static const auto real = next<int (*)(const char *)>("unlink");
    return name_with(DiskOp::unlink, AT_FDCWD, path, AT_FDCWD, path, [&] { return real(path); });
}

int unlinkat(int dir_fd, const char *path, int flags) {
    static const auto real = next<int (*)(int, const char *, int)>("unlinkat");
    return name_with(DiskOp::unlink, dir_fd, path, dir_fd, path, [&] { return real(dir_fd, path, flags); });
}

// in the C library it calls its own unlink, past the one above
int remove(const char *path) {
    static const auto real = next<int (*)(const char *)>("remove");
    return name_with(DiskOp::unlink, AT_FDCWD, path, AT_FDCWD, path, [&] { return real(path); });
}

} // extern "C"
