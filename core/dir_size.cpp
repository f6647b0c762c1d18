// The walk is depth first, relative to directory descriptors, with its own stack: no path is built, so no
// path is too long, and no depth overflows the thread's stack. A directory is read to its end and its files
// counted at once; only the names of its subdirectories are kept. At most kOpenLevels descriptors are open:
// levels above them are closed and opened again through ".." on the way back, checked by device and inode.
#include "core/dir_size.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/error.hpp"
#include "core/file_id.hpp"
#include "core/handle.hpp"
#include "core/inode_set.hpp"
#include "core/options.hpp"

namespace emsn::core {

namespace {

constexpr std::size_t kOpenLevels = 64;
constexpr std::size_t kReadBytes = 65536; // getdents64(2) buffer, one for the whole walk
constexpr unsigned kPollEvery = 16;       // entries; a tenth of a second on a cold disk
constexpr std::int64_t kBlockBytes = 512; // unit of st_blocks, see stat(2)
constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

struct Level {
    Fd fd;                // closed while the walk is far below
    std::string names;    // subdirectories still to visit, each ended by NUL
    std::size_t next = 0; // offset of the next one
    std::size_t current = 0;

    [[nodiscard]] bool done() const { return next >= names.size(); }
    [[nodiscard]] const char *current_name() const { return names.data() + current; }
    const char *take() {
        current = next;
        next = names.find('\0', next) + 1;
        return current_name();
    }
};

class Walk {
  public:
    Walk(const std::string &path, const DirSizeOptions &options, const Poll &poll)
        : path_(path), options_(options), poll_(poll), start_(Clock::now()) {}

    std::optional<DirSize> run();

  private:
    bool count(const struct stat &st);
    void add(const struct stat &st);
    void enter(Fd fd, FileId id);
    void read_entries(Level &level);
    void visit(Level &level, const char *name);
    void leave();
    Fd reopen_parent(int child_fd);
    Fd open_by_names(std::size_t index);
    [[nodiscard]] bool is_ancestor(FileId id) const {
        return std::find(ids_.begin(), ids_.end(), id) != ids_.end();
    }
    void tick();
    void failed(int error_number);

    const std::string &path_;
    const DirSizeOptions &options_;
    const Poll &poll_;
    Clock::time_point start_;
    DirSize sum_;
    unsigned ticks_ = 0;
    InodeSet linked_;
    dev_t root_device_ = 0;
    std::vector<Level> levels_;
    std::vector<FileId> ids_;    // of levels_, kept together: searched for every directory
    std::size_t first_open_ = 1; // levels_[0] and levels_[first_open_..] have a descriptor
    std::unique_ptr<char[]> buffer_ = std::make_unique_for_overwrite<char[]>(kReadBytes);
};

void Walk::tick() {
    if (++ticks_ % kPollEvery != 0)
        return;
    poll_();
    if (options_.deadline_ms > 0 &&
        Clock::now() - start_ >= std::chrono::milliseconds(options_.deadline_ms)) {
        throw Error(Errc::timed_out, path_ + ": deadline of " + std::to_string(options_.deadline_ms) +
                                         " ms passed after " + std::to_string(sum_.bytes) + " bytes in " +
                                         std::to_string(sum_.entries) + " entries");
    }
}

// An entry that vanished during the walk is no failure.
void Walk::failed(int error_number) {
    if (error_number != ENOENT)
        ++sum_.unreadable;
}

void Walk::add(const struct stat &st) {
    ++sum_.entries;
    std::int64_t size =
        options_.allocated ? std::int64_t{st.st_blocks} * kBlockBytes : std::int64_t{st.st_size};
    if (options_.files_only && S_ISDIR(st.st_mode))
        size = 0;
    if (__builtin_add_overflow(sum_.bytes, std::max<std::int64_t>(size, 0), &sum_.bytes))
        throw Error(Errc::too_big, path_ + ": the sum is larger than 2^63-1 bytes");
}

// Adds the entry unless du would leave it out; false when it is left out, and then nothing below it counts.
bool Walk::count(const struct stat &st) {
    if (options_.one_file_system && st.st_dev != root_device_)
        return false;
    if (S_ISDIR(st.st_mode)) {
        if (is_ancestor(id_of(st))) // a bind mount of an ancestor: du counts nothing of it
            return false;
    } else if (st.st_nlink > 1 && !linked_.insert(id_of(st))) {
        return false;
    }
    add(st);
    return true;
}

void Walk::read_entries(Level &level) {
    for (;;) {
        const ssize_t got = ::getdents64(level.fd.get(), buffer_.get(), kReadBytes);
        if (got == 0)
            return;
        if (got < 0)
            return failed(errno);
        for (ssize_t at = 0; at < got;) {
            const auto *entry = reinterpret_cast<const dirent64 *>(buffer_.get() + at);
            at += entry->d_reclen;
            const std::string_view name = entry->d_name;
            if (name == "." || name == "..")
                continue;
            tick();
            struct stat st {};
            if (::fstatat(level.fd.get(), entry->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
                failed(errno);
                continue;
            }
            if (count(st) && S_ISDIR(st.st_mode))
                level.names.append(name).push_back('\0');
        }
    }
}

void Walk::enter(Fd fd, FileId id) {
    levels_.push_back({std::move(fd), {}, 0, 0});
    ids_.push_back(id);
    if (levels_.size() - first_open_ > kOpenLevels)
        levels_[first_open_++].fd.reset();
    read_entries(levels_.back());
    levels_.back().names.shrink_to_fit();
}

void Walk::visit(Level &level, const char *name) {
    tick();
    Fd fd(::openat(level.fd.get(), name, kOpenFlags));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0)
        return failed(errno);
    if (!is_ancestor(id_of(st))) // it may have been swapped since it was counted
        enter(std::move(fd), id_of(st));
}

Fd Walk::open_by_names(std::size_t index) {
    Fd fd(::fcntl(levels_[0].fd.get(), F_DUPFD_CLOEXEC, 0));
    for (std::size_t i = 0; fd && i < index; ++i)
        fd = Fd(::openat(fd.get(), levels_[i].current_name(), kOpenFlags));
    return fd;
}

// The parent of the directory behind child_fd, which must still be the one that the walk came through; else,
// as when the child was moved elsewhere meanwhile, the way down from the root.
Fd Walk::reopen_parent(int child_fd) {
    const std::size_t parent = levels_.size() - 2;
    const auto is_parent = [&](const Fd &fd) {
        struct stat st {};
        return fd && ::fstat(fd.get(), &st) == 0 && id_of(st) == ids_[parent];
    };
    Fd fd(::openat(child_fd, "..", kOpenFlags));
    if (!is_parent(fd))
        fd = open_by_names(parent);
    return is_parent(fd) ? std::move(fd) : Fd();
}

void Walk::leave() {
    const std::size_t parent = levels_.size() - 2; // meaningless for the root, which has none to open
    if (levels_.size() > 1 && parent != 0 && parent < first_open_) {
        first_open_ = parent;
        Level &level = levels_[parent];
        level.fd = reopen_parent(levels_.back().fd.get());
        if (!level.fd) { // gone or moved out of reach: what is left in it cannot be counted
            ++sum_.unreadable;
            level.next = level.names.size();
        }
    }
    levels_.pop_back();
    ids_.pop_back();
}

std::optional<DirSize> Walk::run() {
    struct stat st {};
    if (::lstat(path_.c_str(), &st) != 0)
        return std::nullopt;
    root_device_ = st.st_dev;
    count(st);
    if (!S_ISDIR(st.st_mode))
        return sum_;
    Fd root(::open(path_.c_str(), kOpenFlags));
    if (!root || ::fstat(root.get(), &st) != 0) {
        failed(errno);
        return sum_;
    }
    enter(std::move(root), id_of(st));
    while (!levels_.empty()) {
        Level &level = levels_.back();
        if (level.done())
            leave();
        else
            visit(level, level.take());
    }
    return sum_;
}

} // namespace

DirSizeOptions DirSizeOptions::parse(std::string_view json) {
    constexpr std::int64_t kMostThreads = 256;
    Options options(json);
    DirSizeOptions out;
    out.allocated = options.flag("allocated", out.allocated);
    out.one_file_system = options.flag("one_file_system", out.one_file_system);
    out.files_only = options.flag("files_only", out.files_only);
    out.deadline_ms = options.integer("deadline_ms", out.deadline_ms, 0, INT64_MAX / 1'000'000);
    // an upper bound; the walk uses one thread
    static_cast<void>(options.integer("threads", 1, 1, kMostThreads));
    options.finish();
    return out;
}

std::optional<DirSize> dir_size(const std::string &path, const DirSizeOptions &options, const Poll &poll) {
    return Walk(path, options, poll).run();
}

} // namespace emsn::core
