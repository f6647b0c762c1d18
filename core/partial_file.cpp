#include "core/partial_file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/error.hpp"

namespace emsn::core {

namespace {

constexpr mode_t kPrivate = 0600; // until it is published
constexpr mode_t kModeBits = 07777;

} // namespace

PartialFile::PartialFile(const Destination &destination)
    : destination_(destination), path_(destination.partial_path()) {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
        throw_errno("remove leftover", path_);
}

PartialFile::~PartialFile() {
    if (fd_)
        ::unlink(path_.c_str());
}

void PartialFile::make() {
    if (fd_)
        return;
    fd_ = Fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kPrivate));
    if (!fd_)
        throw_errno("create", path_);
}

std::int64_t PartialFile::size_bytes() const {
    struct stat st {};
    if (fd_ && ::fstat(fd_.get(), &st) != 0)
        throw_errno("stat", path_);
    return st.st_size;
}

void PartialFile::write(std::int64_t offset, std::span<const char> bytes) {
    make();
    for (std::span<const char> rest = bytes; !rest.empty();) {
        const ssize_t wrote =
            ::pwrite(fd_.get(), rest.data(), rest.size(), offset + std::ssize(bytes) - std::ssize(rest));
        if (wrote < 0 && errno != EINTR)
            throw_errno("write", path_);
        rest = rest.subspan(static_cast<std::size_t>(std::max<ssize_t>(wrote, 0)));
    }
    static_cast<void>(::sync_file_range(fd_.get(), offset, std::ssize(bytes), SYNC_FILE_RANGE_WRITE));
}

void PartialFile::read(std::int64_t offset, std::span<char> into) const {
    const ssize_t got = ::pread(fd_.get(), into.data(), into.size(), offset);
    if (got < 0)
        throw_errno("read", path_);
    if (got != std::ssize(into))
        throw Error(Errc::io, "read " + path_ + ": it ends too early");
}

void PartialFile::resize(std::int64_t bytes) {
    make();
    if (::ftruncate(fd_.get(), bytes) != 0)
        throw_errno("truncate", path_);
}

bool PartialFile::clone(const std::string &from) {
    make();
    const Fd original(::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!original)
        throw_errno("open", from);
    return ::ioctl(fd_.get(), FICLONE, original.get()) == 0;
}

void PartialFile::keep_mode_and_owner(mode_t new_mode, std::vector<std::string> &warnings) const {
    struct stat old {};
    struct stat now {};
    const bool replaces = ::lstat(destination_.path().c_str(), &old) == 0;
    if (::fstat(fd_.get(), &now) != 0)
        throw_errno("stat", path_);
    const auto warn = [&](const char *what) {
        warnings.push_back(std::string(what) + " of " + destination_.path() +
                           " could not be kept: " + errno_text(errno));
    };
    if (replaces && (old.st_uid != now.st_uid || old.st_gid != now.st_gid) &&
        ::fchown(fd_.get(), old.st_uid, old.st_gid) != 0) {
        warn("owner");
        // its group may be one of ours: its readers stay readers
        if (::fchown(fd_.get(), static_cast<uid_t>(-1), old.st_gid) != 0)
            warn("group");
    }
    if (::fchmod(fd_.get(), (replaces ? old.st_mode : new_mode) & kModeBits) != 0)
        warn("mode");
}

void PartialFile::rename_to(const std::string &path) {
    if (::fsync(fd_.get()) != 0)
        throw_errno("sync", path_);
    if (::rename(path_.c_str(), path.c_str()) != 0)
        throw_errno("rename " + path_ + " to", path);
    fd_.reset();
    sync_folder(destination_.folder());
}

void PartialFile::publish(mode_t new_mode, std::vector<std::string> &warnings) {
    make();
    keep_mode_and_owner(new_mode, warnings);
    rename_to(destination_.path());
}

void PartialFile::set_aside(const std::string &path) {
    make();
    rename_to(path);
}

void sync_folder(const std::string &folder) {
    const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd && errno == EACCES) // a folder to write into but not to list: nothing to sync it by
        return;
    if (!fd)
        throw_errno("open folder", folder);
    sync_folder(fd, folder);
}

void sync_folder(const Fd &fd, const std::string &folder) {
    if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
        throw_errno("sync folder", folder);
}

} // namespace emsn::core
