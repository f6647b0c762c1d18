// For disk_log_*.cpp: which file of the watched folder a call is about, and how a record of it is written.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>

#include "tests/support/disk_log.hpp"

namespace emsn::test {

template <typename Fn> Fn next(const char *name) {
    return reinterpret_cast<Fn>(::dlsym(RTLD_NEXT, name));
}

inline int refuse(int error_number) {
    errno = error_number;
    return -1;
}

[[noreturn]] inline void give_up(const char *what, const std::string &path) {
    std::fprintf(stderr, "disk_log: %s: %s\n", what, path.c_str());
    std::abort();
}

// Held from before an operation until it is recorded: the order is the true one.
using Turn = std::lock_guard<std::recursive_mutex>;
inline std::recursive_mutex &turn() {
    static std::recursive_mutex mutex;
    return mutex;
}

inline const std::string &watched_folder() {
    static const std::string path = [] {
        const char *dir = std::getenv("DISK_LOG_DIR");
        char real[PATH_MAX];
        return std::string(dir != nullptr && ::realpath(dir, real) != nullptr ? real : "");
    }();
    return path;
}

using Name = std::optional<std::string>; // below the folder; nullopt when elsewhere

inline Name below(const std::string &path) {
    const auto &dir = watched_folder();
    if (dir.empty() || !path.starts_with(dir) || (path.size() > dir.size() && path[dir.size()] != '/'))
        return std::nullopt;
    return path.size() == dir.size() ? "" : path.substr(dir.size() + 1);
}

inline std::string path_of(int fd) {
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    char path[PATH_MAX];
    const ssize_t bytes = ::readlink(link.c_str(), path, sizeof path);
    return {path, bytes > 0 ? static_cast<std::size_t>(bytes) : 0};
}

inline Name name_of(int fd) {
    return below(path_of(fd));
}

// Its last part is not followed when it is a symlink.
inline Name name_of(int dir_fd, const std::string &given) {
    const bool absolute = given.starts_with('/');
    const std::string path = absolute ? given : (dir_fd == AT_FDCWD ? "." : path_of(dir_fd)) + "/" + given;
    const auto slash = path.rfind('/');
    char real[PATH_MAX];
    if (::realpath(path.substr(0, slash + 1).c_str(), real) == nullptr)
        return std::nullopt;
    return below(real + path.substr(slash));
}

inline std::string folder_of(const std::string &name) {
    const auto slash = name.rfind('/');
    return slash == std::string::npos ? "" : name.substr(0, slash);
}

inline struct stat64 stat_of(int fd) {
    struct stat64 st {};
    if (::fstat64(fd, &st) != 0)
        give_up("cannot stat", path_of(fd));
    return st;
}

// By system calls of its own; the log is not kept open, as the program may close any descriptor.
inline void record(DiskOp op, ino_t inode, const std::string &path, const std::string &other, off64_t offset,
                   const std::string &data) {
    DiskRecord head{};
    head.op = op;
    head.path_bytes = static_cast<std::uint32_t>(path.size());
    head.other_bytes = static_cast<std::uint32_t>(other.size());
    head.inode = inode;
    head.offset = offset;
    head.data_bytes = data.size();
    std::string bytes(reinterpret_cast<const char *>(&head), sizeof head);
    bytes.append(path).append(other).append(data);
    const char *log = std::getenv("DISK_LOG");
    const long fd = ::syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || ::syscall(SYS_write, fd, bytes.data(), bytes.size()) != static_cast<long>(bytes.size()))
        give_up("cannot write the log", log != nullptr ? log : "DISK_LOG is not set");
    ::syscall(SYS_close, fd);
}

inline void record_file(DiskOp op, int fd, const std::string &name, off64_t offset = 0,
                        const std::string &data = "") {
    record(op, stat_of(fd).st_ino, name, "", offset, data);
}

} // namespace emsn::test
