// A directory is listed and its files are deleted at once; only the names of its subdirectories are kept,
// which are entered afterwards. At most kOpenLevels descriptors are open: levels above them are closed and
// opened again through ".." on the way back, checked by device and inode.
#include "core/tree_deletion.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <climits>
#include <memory>
#include <vector>

#include "core/error.hpp"
#include "core/file_id.hpp"
#include "core/mounts.hpp"

namespace emsn::core {

namespace {

constexpr std::size_t kOpenLevels = 64;
constexpr std::size_t kReadBytes = 65536; // getdents64(2) buffer, one for the whole tree
constexpr unsigned kPollEvery = 16;       // entries; some 10 ms on a slow disk
constexpr int kMostListings = 100;        // of one directory that others keep filling
constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t kModeBits = 07777;

struct Level {
    Fd fd; // closed while the work is far below
    FileId id;
    std::int64_t bytes; // its own size, before anything in it was deleted
    std::string name;
    std::string folders{};   // names of subdirectories still to delete, each ended by NUL
    std::size_t next = 0;    // offset of the next one
    bool kept = false;       // something in it could not be deleted
    bool list_again = false; // it changed since it was listed: readdir(3) may have left names out
    int listings = 0;

    [[nodiscard]] bool done() const { return next >= folders.size(); }
    std::string take() {
        std::string taken = folders.data() + next;
        next += taken.size() + 1;
        return taken;
    }
};

// Whether two descriptors are on one mount; by device where the kernel (before 5.8) tells no mount ID.
bool same_mount(const Fd &a, const Fd &b) {
    const auto mount_a = mount_id_of(a);
    const auto mount_b = mount_id_of(b);
    if (mount_a && mount_b)
        return mount_a == mount_b;
    struct stat st_a {};
    struct stat st_b {};
    return ::fstat(a.get(), &st_a) == 0 && ::fstat(b.get(), &st_b) == 0 && st_a.st_dev == st_b.st_dev;
}

class Deletion {
  public:
    Deletion(const Fd &folder, const std::string &name, const Poll &poll)
        : folder_(folder), name_(name), poll_(poll) {}

    Deleted run();

  private:
    [[nodiscard]] int here() const { return levels_.empty() ? folder_.get() : levels_.back().fd.get(); }
    void tick();
    void freed(std::int64_t bytes);
    void failed(const std::string &name, int error_number);
    void failed(const std::string &name, int error_number, const std::string &reason);
    void unlink_file(const char *name, const struct stat &st);
    void list(Level &level);
    void take_entry(Level &level, const char *name);
    Fd open_folder(const std::string &name) const;
    void enter(const std::string &name);
    void leave();
    int reopened_parent();

    const Fd &folder_;
    const std::string &name_;
    const Poll &poll_;
    Deleted result_;
    unsigned ticks_ = 0;
    std::vector<Level> levels_;
    std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kReadBytes);
};

void Deletion::tick() {
    if (++ticks_ % kPollEvery == 0)
        poll_();
}

void Deletion::freed(std::int64_t bytes) {
    result_.bytes = saturating_sum(result_.bytes, bytes);
    if (!levels_.empty())
        levels_.back().list_again = true;
}

void Deletion::failed(const std::string &name, int error_number) {
    if (error_number == ENOENT)
        return;
    // a directory where a file was, or the other way round: the next listing tells
    const bool swapped = error_number == ENOTDIR || error_number == EISDIR || error_number == ELOOP;
    if (swapped && !levels_.empty())
        levels_.back().list_again = true;
    else
        failed(name, error_number, errno_text(error_number));
}

void Deletion::failed(const std::string &name, int error_number, const std::string &reason) {
    if (!levels_.empty())
        levels_.back().kept = true;
    if (result_.failures++ > 0)
        return;
    std::string path;
    for (std::size_t i = 1; i < levels_.size(); ++i)
        path += levels_[i].name + "/";
    path += name;
    if (path.size() > PATH_MAX) // its end says more than its beginning
        path.replace(0, path.size() - PATH_MAX, "...");
    result_.first_error = error_number;
    result_.first_failure = path + ": " + reason;
}

void Deletion::unlink_file(const char *name, const struct stat &st) {
    if (::unlinkat(here(), name, 0) != 0)
        return failed(name, errno);
    freed(st.st_nlink == 1 ? std::int64_t{st.st_size} : 0);
}

void Deletion::take_entry(Level &level, const char *name) {
    tick();
    struct stat st {};
    if (::fstatat(level.fd.get(), name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
        return failed(name, errno);
    if (S_ISDIR(st.st_mode))
        level.folders.append(name).push_back('\0');
    else
        unlink_file(name, st);
}

void Deletion::list(Level &level) {
    level.folders.clear();
    level.next = 0;
    level.list_again = false;
    ++level.listings;
    if (::lseek(level.fd.get(), 0, SEEK_SET) != 0)
        return failed(".", errno);
    for (;;) {
        const ssize_t got = ::getdents64(level.fd.get(), buffer_.get(), kReadBytes);
        if (got < 0)
            failed(".", errno);
        if (got <= 0)
            return;
        for (ssize_t at = 0; at < got;) {
            const auto *entry = reinterpret_cast<const dirent64 *>(buffer_.get() + at);
            at += entry->d_reclen;
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..")
                take_entry(level, entry->d_name);
        }
    }
}

// fchmodat(2) would follow a symlink put in its place, so the mode is changed through a descriptor.
Fd Deletion::open_folder(const std::string &name) const {
    Fd fd(::openat(here(), name.c_str(), kOpenFlags));
    if (fd || errno != EACCES)
        return fd;
    const Fd closed(::openat(here(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat st {};
    if (closed && ::fstat(closed.get(), &st) == 0 && st.st_uid == ::geteuid() &&
        same_mount(closed, folder_)) {
        const std::string self = "/proc/self/fd/" + std::to_string(closed.get());
        if (::chmod(self.c_str(), (st.st_mode & kModeBits) | S_IRWXU) == 0)
            return Fd(::openat(closed.get(), ".", kOpenFlags));
    }
    errno = EACCES;
    return {};
}

void Deletion::enter(const std::string &name) {
    tick();
    Fd fd = open_folder(name);
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0)
        return failed(name, errno);
    if (!same_mount(fd, folder_))
        return failed(name, EBUSY, "another file system is mounted there");
    // when this fails, so does what needs it, which is reported
    if ((st.st_mode & S_IRWXU) != S_IRWXU && st.st_uid == ::geteuid())
        static_cast<void>(::fchmod(fd.get(), (st.st_mode & kModeBits) | S_IRWXU));
    levels_.push_back({std::move(fd), id_of(st), st.st_size, name});
    if (levels_.size() > kOpenLevels)
        levels_[levels_.size() - kOpenLevels - 1].fd.reset();
    list(levels_.back());
    levels_.back().folders.shrink_to_fit();
}

// The descriptor of the directory above the last level, which must still be the one that led there.
int Deletion::reopened_parent() {
    if (levels_.size() == 1)
        return folder_.get();
    Level &parent = levels_[levels_.size() - 2];
    if (!parent.fd) {
        Fd fd(::openat(here(), "..", kOpenFlags));
        struct stat st {};
        if (!fd || ::fstat(fd.get(), &st) != 0)
            throw_errno("open the folder above", levels_.back().name);
        if (id_of(st) != parent.id)
            throw Error(Errc::source_changed, "folder " + levels_.back().name + " was moved meanwhile");
        parent.fd = std::move(fd);
    }
    return parent.fd.get();
}

void Deletion::leave() {
    const int parent = reopened_parent();
    Level &last = levels_.back();
    int error_number = 0;
    if (!last.kept && ::unlinkat(parent, last.name.c_str(), AT_REMOVEDIR) != 0)
        error_number = errno;
    const bool filled = error_number == ENOTEMPTY || error_number == EEXIST;
    if (filled && last.list_again && last.listings < kMostListings)
        return list(last);
    const Level level = std::move(last);
    levels_.pop_back();
    if (error_number != 0)
        failed(level.name, error_number);
    else if (!level.kept)
        freed(level.bytes);
    else if (!levels_.empty())
        levels_.back().kept = true;
}

Deleted Deletion::run() {
    struct stat st {};
    if (::fstatat(folder_.get(), name_.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
        failed(name_, errno);
    else if (S_ISDIR(st.st_mode))
        enter(name_);
    else
        unlink_file(name_.c_str(), st);
    while (!levels_.empty()) {
        Level &level = levels_.back();
        if (level.done())
            leave();
        else
            enter(level.take());
    }
    return std::move(result_);
}

} // namespace

std::int64_t saturating_sum(std::int64_t a, std::int64_t b) noexcept {
    std::int64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

Deleted delete_tree(const Fd &folder, const std::string &name, const Poll &poll) {
    return Deletion(folder, name, poll).run();
}

} // namespace emsn::core
