// The second half of disk_log_names.cpp: what changes the content of a file, and what makes it durable.
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <cstdarg>

#include "tests/support/disk_log_record.hpp"

using namespace emsn::test;

namespace {

// at: nullopt for the file's own position.
template <typename Fn>
ssize_t write_with(int fd, std::optional<off64_t> at, const iovec *parts, int count, Fn real) {
    const Name name = name_of(fd);
    if (!name)
        return real();
    const Turn mine(turn());
    if ((::fcntl(fd, F_GETFL) & O_APPEND) != 0) // pwrite(2), BUGS: it appends too
        at = stat_of(fd).st_size;
    else if (!at)
        at = ::lseek64(fd, 0, SEEK_CUR);
    const ssize_t wrote = real();
    if (wrote <= 0)
        return wrote;
    std::string data;
    for (int i = 0; i < count; ++i)
        data.append(static_cast<const char *>(parts[i].iov_base), parts[i].iov_len);
    record_file(DiskOp::write, fd, *name, *at, data.substr(0, static_cast<std::size_t>(wrote)));
    return wrote;
}

template <typename Fn>
ssize_t write_one(int fd, std::optional<off64_t> at, const void *from, size_t bytes, Fn real) {
    const iovec part{const_cast<void *>(from), bytes};
    return write_with(fd, at, &part, 1, real);
}

template <typename Fn> int resize_with(int fd, Fn real) {
    const Name name = name_of(fd);
    if (!name)
        return real();
    const Turn mine(turn());
    const off64_t before = stat_of(fd).st_size;
    const int result = real();
    if (const off64_t now = stat_of(fd).st_size; now != before)
        record_file(DiskOp::resize, fd, *name, now);
    return result;
}

template <typename Fn> int sync_with(int fd, Fn real) {
    const Name name = name_of(fd);
    if (!name)
        return real();
    const Turn mine(turn());
    const int result = real();
    if (result == 0)
        record_file(S_ISDIR(stat_of(fd).st_mode) ? DiskOp::sync_folder : DiskOp::sync, fd, *name);
    return result;
}

int clone_into(int to, int from) {
    if (std::getenv("DISK_LOG_CLONES") == nullptr)
        return refuse(EOPNOTSUPP);
    const Turn mine(turn());
    const off64_t size = stat_of(from).st_size;
    std::string bytes(static_cast<std::size_t>(size), '\0');
    if (::pread64(from, bytes.data(), bytes.size(), 0) != size || ::ftruncate64(to, 0) != 0 ||
        ::pwrite64(to, bytes.data(), bytes.size(), 0) != size)
        give_up("cannot copy in place of a clone", path_of(to));
    return 0;
}

// The modes that move or empty ranges are refused.
template <typename Fn> int allocate(int fd, int mode, Fn real) {
    constexpr int kRecorded = FALLOC_FL_KEEP_SIZE;
    return (mode & ~kRecorded) != 0 && name_of(fd) ? refuse(EOPNOTSUPP) : resize_with(fd, real);
}

bool is_writable_mapping(int flags, int fd) {
    return fd >= 0 && (flags & MAP_TYPE) != MAP_PRIVATE && (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY &&
           name_of(fd);
}

} // namespace

extern "C" {

ssize_t write(int fd, const void *from, size_t bytes) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t)>("write");
    return write_one(fd, std::nullopt, from, bytes, [&] { return real(fd, from, bytes); });
}

ssize_t pwrite(int fd, const void *from, size_t bytes, off_t at) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t, off_t)>("pwrite");
    return write_one(fd, at, from, bytes, [&] { return real(fd, from, bytes, at); });
}

ssize_t pwrite64(int fd, const void *from, size_t bytes, off64_t at) {
    static const auto real = next<ssize_t (*)(int, const void *, size_t, off64_t)>("pwrite64");
    return write_one(fd, at, from, bytes, [&] { return real(fd, from, bytes, at); });
}

ssize_t writev(int fd, const iovec *parts, int count) {
    static const auto real = next<ssize_t (*)(int, const iovec *, int)>("writev");
    return write_with(fd, std::nullopt, parts, count, [&] { return real(fd, parts, count); });
}

ssize_t pwritev(int fd, const iovec *parts, int count, off_t at) {
    static const auto real = next<ssize_t (*)(int, const iovec *, int, off_t)>("pwritev");
    return write_with(fd, at, parts, count, [&] { return real(fd, parts, count, at); });
}

ssize_t pwritev64(int fd, const iovec *parts, int count, off64_t at) {
    static const auto real = next<ssize_t (*)(int, const iovec *, int, off64_t)>("pwritev64");
    return write_with(fd, at, parts, count, [&] { return real(fd, parts, count, at); });
}

int ftruncate(int fd, off_t size) {
    static const auto real = next<int (*)(int, off_t)>("ftruncate");
    return resize_with(fd, [&] { return real(fd, size); });
}

int ftruncate64(int fd, off64_t size) {
    static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
    return resize_with(fd, [&] { return real(fd, size); });
}

int truncate(const char *path, off_t size) {
    static const auto real = next<int (*)(const char *, off_t)>("truncate");
    if (name_of(AT_FDCWD, path))
        give_up("truncate by name is not recorded", path);
    return real(path, size);
}

int truncate64(const char *path, off64_t size) {
    static const auto real = next<int (*)(const char *, off64_t)>("truncate64");
    if (name_of(AT_FDCWD, path))
        give_up("truncate by name is not recorded", path);
    return real(path, size);
}

int fallocate(int fd, int mode, off_t at, off_t bytes) {
    static const auto real = next<int (*)(int, int, off_t, off_t)>("fallocate");
    return allocate(fd, mode, [&] { return real(fd, mode, at, bytes); });
}

int fallocate64(int fd, int mode, off64_t at, off64_t bytes) {
    static const auto real = next<int (*)(int, int, off64_t, off64_t)>("fallocate64");
    return allocate(fd, mode, [&] { return real(fd, mode, at, bytes); });
}

int posix_fallocate(int fd, off_t at, off_t bytes) {
    static const auto real = next<int (*)(int, off_t, off_t)>("posix_fallocate");
    return resize_with(fd, [&] { return real(fd, at, bytes); });
}

int posix_fallocate64(int fd, off64_t at, off64_t bytes) {
    static const auto real = next<int (*)(int, off64_t, off64_t)>("posix_fallocate64");
    return resize_with(fd, [&] { return real(fd, at, bytes); });
}

int fsync(int fd) {
    static const auto real = next<int (*)(int)>("fsync");
    return sync_with(fd, [&] { return real(fd); });
}

int fdatasync(int fd) {
    static const auto real = next<int (*)(int)>("fdatasync");
    return sync_with(fd, [&] { return real(fd); });
}

// A mapping that writes, or could be made to by mprotect.
void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t at) {
    static const auto real = next<void *(*)(void *, size_t, int, int, int, off_t)>("mmap");
    if (is_writable_mapping(flags, fd)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return real(address, bytes, protection, flags, fd, at);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off64_t at) {
    static const auto real = next<void *(*)(void *, size_t, int, int, int, off64_t)>("mmap64");
    if (is_writable_mapping(flags, fd)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return real(address, bytes, protection, flags, fd, at);
}

int ioctl(int fd, unsigned long request, ...) {
    static const auto real = next<int (*)(int, unsigned long, ...)>("ioctl");
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    const bool copies = request == FICLONE || request == FICLONERANGE || request == FIDEDUPERANGE;
    if (!copies || !name_of(fd))
        return real(fd, request, argument);
    return request == FICLONE ? clone_into(fd, static_cast<int>(reinterpret_cast<long>(argument)))
                              : refuse(EOPNOTSUPP);
}

ssize_t pwritev2(int fd, const iovec *parts, int count, off_t at, int flags) {
    static const auto real = next<ssize_t (*)(int, const iovec *, int, off_t, int)>("pwritev2");
    return name_of(fd) ? refuse(EOPNOTSUPP) : real(fd, parts, count, at, flags);
}

ssize_t pwritev64v2(int fd, const iovec *parts, int count, off64_t at, int flags) {
    static const auto real = next<ssize_t (*)(int, const iovec *, int, off64_t, int)>("pwritev64v2");
    return name_of(fd) ? refuse(EOPNOTSUPP) : real(fd, parts, count, at, flags);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t bytes, unsigned flags) {
    static const auto real =
        next<ssize_t (*)(int, off64_t *, int, off64_t *, size_t, unsigned)>("copy_file_range");
    return name_of(to) ? refuse(ENOSYS) : real(from, from_at, to, to_at, bytes, flags);
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t bytes, unsigned flags) {
    static const auto real = next<ssize_t (*)(int, off64_t *, int, off64_t *, size_t, unsigned)>("splice");
    return name_of(to) ? refuse(EINVAL) : real(from, from_at, to, to_at, bytes, flags);
}

ssize_t sendfile(int to, int from, off_t *at, size_t bytes) {
    static const auto real = next<ssize_t (*)(int, int, off_t *, size_t)>("sendfile");
    return name_of(to) ? refuse(ENOSYS) : real(to, from, at, bytes);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t bytes) {
    static const auto real = next<ssize_t (*)(int, int, off64_t *, size_t)>("sendfile64");
    return name_of(to) ? refuse(ENOSYS) : real(to, from, at, bytes);
}

} // extern "C"
