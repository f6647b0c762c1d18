#include "core/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <vector>

#include "core/destination.hpp"
#include "core/error.hpp"

namespace emsn::core {

namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr int kPassFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC; // to go through: needs no right to list

using Parts = std::vector<std::string>;

// Without the empty ones and "."; ".." stays.
Parts parts_of(const std::string &path) {
    Parts parts;
    std::istringstream in(path);
    for (std::string part; std::getline(in, part, '/');) {
        if (!part.empty() && part != ".")
            parts.push_back(part);
    }
    return parts;
}

std::string absolute(const std::string &path) {
    if (path.starts_with('/'))
        return path;
    const auto here = real_path(".");
    if (!here)
        throw_errno("find", "the working directory");
    return *here + "/" + path;
}

std::optional<Parts> rest_below(const Parts &path, const Parts &folder) {
    if (path.size() < folder.size() || !std::equal(folder.begin(), folder.end(), path.begin()))
        return std::nullopt;
    return Parts(path.begin() + std::ssize(folder), path.end());
}

// As the kernel's own way below, but for a folder that is moved out of top meanwhile, which is followed.
Fd open_by_steps(const Fd &top, const std::string &relative) {
    Fd here(::openat(top.get(), ".", kPassFlags));
    for (const std::string &part : parts_of(relative)) {
        Fd next(::openat(here.get(), part.c_str(), kPassFlags));
        struct stat st {};
        if (!next || ::fstat(next.get(), &st) != 0)
            return {};
        if (S_ISLNK(st.st_mode)) {
            errno = ELOOP;
            return {};
        }
        here = std::move(next);
    }
    return Fd(::openat(here.get(), ".", kFolderFlags));
}

// The folder at relative, which has no "..". An empty Fd and errno when it cannot be: ELOOP for a symlink.
// openat2(2) has no wrapper in glibc; before Linux 5.6 it is missing, and containers of that time deny it.
Fd open_beneath(const Fd &top, const std::string &relative) {
    open_how how{};
    how.flags = static_cast<decltype(how.flags)>(kFolderFlags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    Fd fd(static_cast<int>(::syscall(SYS_openat2, top.get(), relative.c_str(), &how, sizeof how)));
    if (!fd && (errno == ENOSYS || errno == EPERM))
        return open_by_steps(top, relative);
    return fd;
}

[[noreturn]] void refuse(Errc code, const char *what, const std::string &path, const std::string &reason) {
    throw Error(code, std::string(what) + " '" + path + "': " + reason);
}

[[noreturn]] void refuse_errno(const char *what, const std::string &path) {
    const int error_number = errno;
    refuse(errc_of(error_number), what, path, errno_text(error_number));
}

} // namespace

Beneath::Beneath(const std::string &path, const std::string &inside) {
    const auto real = real_path(inside);
    if (!real)
        refuse_errno("folder", inside);
    if (*real == "/")
        refuse(Errc::invalid_argument, "folder", inside, "is the root folder, which protects nothing");
    const Fd top(::open(real->c_str(), kPassFlags | O_DIRECTORY));
    if (!top)
        refuse_errno("folder", inside);
    if (path.empty())
        refuse(Errc::invalid_argument, "path", path, "is empty");

    const Parts parts = parts_of(absolute(path));
    auto rest = rest_below(parts, parts_of(absolute(inside)));
    if (!rest)
        rest = rest_below(parts, parts_of(*real));
    if (!rest)
        refuse(Errc::invalid_argument, "path", path, "is not below the folder " + inside);
    if (rest->empty())
        refuse(Errc::invalid_argument, "path", path, "is the folder itself, not something below it");
    if (std::find(rest->begin(), rest->end(), "..") != rest->end())
        refuse(Errc::invalid_argument, "path", path, "has a \"..\" in it");

    name_ = rest->back();
    rest->pop_back();
    std::string relative = ".";
    for (const std::string &part : *rest)
        relative += "/" + part;
    folder_path_ = *real + relative.substr(1);
    folder_ = open_beneath(top, relative);
    if (!folder_ && errno == ELOOP)
        refuse(Errc::invalid_argument, "path", path, "a symlink stands on the way, and none is followed");
    if (!folder_)
        refuse_errno("path", path);
}

} // namespace emsn::core
