#include "core/destination.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>

#include "core/error.hpp"
#include "core/mounts.hpp"

namespace emsn::core {

namespace {

constexpr std::size_t kLongestSuffix = sizeof ".emsn.partial" - 1;
// SQLite's unix VFS opens names of at most 512 bytes, 8 of which it keeps for "-journal"
constexpr std::size_t kMostPathBytes = 512 - 8 - kLongestSuffix;

[[noreturn]] void refuse(Errc code, std::string_view path, const std::string &reason) {
    throw Error(code, "destination '" + std::string(path) + "': " + reason);
}

struct CFree {
    void operator()(char *text) const noexcept { std::free(text); }
};

std::string folder_of(const std::string &path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string &path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

void check_words(std::string_view path) {
    if (path.empty())
        refuse(Errc::invalid_argument, path, "is empty");
    if (path.find('\0') != std::string_view::npos)
        refuse(Errc::invalid_argument, path.substr(0, path.find('\0')), "contains a NUL byte");
    if (path == ":memory:")
        refuse(Errc::invalid_argument, path, "is a database in memory, not a file");
    if (path.starts_with("file:"))
        refuse(Errc::invalid_argument, path, "is a URI; give a plain path");
}

// The nearest folder on the way to path that is there.
std::string nearest_folder(std::string path) {
    while (!real_path(path) && path != "." && path != "/")
        path = folder_of(path);
    return path;
}

void require_mounted(std::string_view given, const std::string &path) {
    const std::string folder = nearest_folder(folder_of(path));
    if (disk_of(folder).mount_point == "/") {
        refuse(Errc::unavailable, given,
               "nothing is mounted there: its nearest mount point is / (option require_mount)");
    }
}

const char *kind_of(mode_t mode) {
    if (S_ISDIR(mode))
        return "is a directory";
    if (S_ISFIFO(mode))
        return "is a FIFO";
    if (S_ISSOCK(mode))
        return "is a socket";
    return "is a device";
}

} // namespace

std::optional<std::string> real_path(const std::string &path) {
    const std::unique_ptr<char, CFree> real(::realpath(path.c_str(), nullptr));
    if (!real)
        return std::nullopt;
    return std::string(real.get());
}

Destination::Destination(std::string_view path, const DestinationRules &rules,
                         const std::optional<SourceFile> &source) {
    check_words(path);
    resolve(path, rules);
    check_existing(rules);
    if (path_.size() > kMostPathBytes)
        refuse(Errc::invalid_argument, path_,
               "is too long: at most " + std::to_string(kMostPathBytes) + " bytes");
    if (name_of(path_).size() > NAME_MAX - kLongestSuffix) {
        refuse(Errc::invalid_argument, path_,
               "has too long a file name: at most " + std::to_string(NAME_MAX - kLongestSuffix) + " bytes");
    }
    if (source)
        check_not_source(*source);
}

void Destination::resolve(std::string_view given, const DestinationRules &rules) {
    std::string path(given);
    if (rules.follow_symlink)
        path = real_path(path).value_or(path);
    if (rules.require_mount)
        require_mounted(given, path);
    const std::string name = name_of(path);
    if (name.empty() || name == "." || name == "..")
        refuse(Errc::invalid_argument, given, "is a directory");
    const auto folder = real_path(folder_of(path));
    if (!folder) {
        const int error_number = errno;
        if (error_number == ENOENT)
            refuse(Errc::not_found, given, "folder " + folder_of(path) + " does not exist");
        refuse(errc_of(error_number), given, "folder " + folder_of(path) + ": " + errno_text(error_number));
    }
    struct stat st {};
    if (::stat(folder->c_str(), &st) != 0 || !S_ISDIR(st.st_mode))
        refuse(Errc::invalid_argument, given, folder_of(path) + " is not a folder");
    folder_ = *folder;
    path_ = (folder_ == "/" ? "" : folder_) + "/" + name;
}

void Destination::check_existing(const DestinationRules &rules) const {
    struct stat st {};
    if (::lstat(path_.c_str(), &st) != 0) {
        if (errno == ENOENT)
            return;
        refuse(errc_of(errno), path_, errno_text(errno));
    }
    if (S_ISLNK(st.st_mode)) {
        if (!id_at(path_))
            refuse(Errc::invalid_argument, path_, "is a dangling symlink");
        // with follow_symlink it was resolved before: this one appeared since
        refuse(Errc::invalid_argument, path_,
               rules.follow_symlink ? "became a symlink" : "is a symlink (option follow_symlink allows it)");
    }
    if (!S_ISREG(st.st_mode))
        refuse(Errc::invalid_argument, path_, kind_of(st.st_mode));
}

void Destination::check_not_source(const SourceFile &source) const {
    if (id_at(path_) == source.id)
        refuse(Errc::invalid_argument, path_, "is the source itself");
    for (const char *suffix : {"-journal", "-wal", "-shm"}) {
        if (path_ == source.path + suffix)
            refuse(Errc::invalid_argument, path_, "belongs to the source " + source.path);
    }
    // these names are removed or replaced on the way
    auto touched = sidecars();
    touched.insert(touched.end(), {partial_path(), lock_path(), corrupt_path()});
    for (const std::string &name : touched) {
        if (id_at(name) == source.id)
            refuse(Errc::invalid_argument, path_, "would overwrite the source " + name);
    }
}

std::vector<std::string> Destination::sidecars() const {
    return {path_ + "-journal", path_ + "-wal", path_ + "-shm"};
}

void Destination::require_free(std::int64_t bytes) const {
    if (!lack_of_space(bytes).empty())
        refuse(Errc::no_space, path_, "the copy does not fit");
}

std::string Destination::lack_of_space(std::int64_t bytes) const {
    struct statvfs st {};
    if (::statvfs(folder_.c_str(), &st) != 0)
        throw_errno("measure free space of", folder_);
    if (st.f_blocks == 0) // some network file systems do not tell
        return {};
    const auto blocks = ::geteuid() == 0 ? st.f_bfree : st.f_bavail;
    const auto free_bytes = static_cast<std::int64_t>(blocks * st.f_frsize);
    if (free_bytes >= bytes)
        return {};
    return "file system " + mount_of(folder_).mount_point + " has " + std::to_string(free_bytes) +
           " bytes free, " + std::to_string(bytes) + " are needed: " + std::to_string(bytes - free_bytes) +
           " bytes missing";
}

} // namespace emsn::core
