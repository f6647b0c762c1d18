#include "core/dir_walk.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace emsn::core {

namespace {

constexpr std::size_t kReadBytes = 65536;
constexpr unsigned kShareEvery = 16;           // entries between two looks for an idle worker
constexpr std::size_t kNamesGiven = 512;       // of a huge directory at once
constexpr std::ptrdiff_t kWorthSharing = 2048; // bytes of names
constexpr std::int64_t kBlockBytes = 512;      // unit of st_blocks, see stat(2)

bool is_dot(std::string_view name) {
    return name == "." || name == "..";
}

} // namespace

WalkTask::WalkTask(const std::string &path_, int max_depth, const WalkOptions &options_,
                   std::shared_ptr<LinkSet> links_)
    : path(path_), options(options_), links(links_ ? std::move(links_) : std::make_shared<LinkSet>()),
      links_by_row(max_depth > 0), open_levels(levels_allowed()), tree(path_, max_depth) {}

DirWalk::DirWalk(WalkTask &task) : task_(task), buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes)) {}

void DirWalk::run(Job job) {
    levels_.clear();
    first_open_ = 1;
    ids_ = std::move(job.ancestors);
    if (!job.base) {
        look_at_root();
    } else {
        levels_.push_back({std::move(job.base), job.row, {}});
        if (job.counted)
            levels_.back().names = std::move(job.names);
        else
            look_at_names(std::move(job.names));
    }
    while (!levels_.empty() && !task_.jobs.stopped()) {
        if (levels_.back().names.empty()) {
            leave();
            continue;
        }
        const auto next = levels_.back().names.take();
        if (task_.jobs.hungry()) // after taking one: else the last name would go round and round
            share_directories();
        visit(next);
    }
    flush();
}

void DirWalk::look_at_root() {
    struct stat st {};
    const int reached = ::lstat(task_.path.c_str(), &st) == 0 ? 0 : errno;
    task_.root_errno = reached;
    if (reached != 0)
        return;
    task_.root_device = st.st_dev;
    count_in(task_.tree.root());
    if (!S_ISDIR(st.st_mode))
        return count_file(st);
    add_size(st, tally_);
    ++tally_.directories;
    ++tally_.pending;
    flush();
    Fd root(::open(task_.path.c_str(), kOpenFlags));
    if (root && ::fstat(root.get(), &st) == 0)
        return enter(std::move(root), id_of(st), row_);
    failed("open", row_->name(), errno);
    --tally_.pending;
}

void DirWalk::add_size(const struct stat &st, Tally &to) const {
    to.newest_mtime = std::max<std::int64_t>(to.newest_mtime, st.st_mtim.tv_sec);
    if (task_.options.files_only && S_ISDIR(st.st_mode))
        return;
    const std::int64_t allocated = std::int64_t{st.st_blocks} * kBlockBytes;
    const std::int64_t apparent = std::max<std::int64_t>(st.st_size, 0);
    to.add_bytes(task_.options.allocated ? allocated : apparent, allocated);
}

// A hard-linked file counts under each name, its bytes once: where it is seen first or, when only what
// deleting frees is asked for, where all its names are.
void DirWalk::count_file(const struct stat &st) {
    ++tally_.files;
    if (st.st_nlink <= 1)
        return add_size(st, tally_);
    if (!task_.options.exclusive) {
        if (task_.links->first(id_of(st)))
            add_size(st, tally_);
        return;
    }
    const auto names = task_.links->another(id_of(st), task_.links_by_row ? row_ : nullptr);
    tally_.newest_mtime = std::max<std::int64_t>(tally_.newest_mtime, st.st_mtim.tv_sec);
    if (names.seen != st.st_nlink)
        return;
    if (names.row == nullptr || names.row == row_)
        return add_size(st, tally_);
    Tally one;
    add_size(st, one);
    names.row->add(one);
}

void DirWalk::look_at(const char *name) {
    Level &level = levels_.back();
    struct stat st {};
    if (::fstatat(level.fd.get(), name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
        return failed("stat", name, errno);
    if (task_.options.one_file_system && st.st_dev != task_.root_device)
        return;
    if (!S_ISDIR(st.st_mode))
        return count_file(st);
    if (is_ancestor(id_of(st))) // a bind mount of an ancestor: du counts nothing of it
        return;
    const bool has_row = task_.tree.opens_below(level.row);
    Tally own;
    Tally &to = has_row ? own : tally_;
    add_size(st, to);
    ++to.directories;
    ++to.pending;
    level.names.add(name, has_row ? task_.tree.add_row(level.row, name, own) : nullptr);
}

void DirWalk::look_at_names(NameList names) {
    count_in(levels_.back().row);
    while (!names.empty()) {
        if (task_.jobs.stopped())
            return;
        look_at(names.take().name);
    }
    --tally_.pending;
}

void DirWalk::read_entries() {
    for (;;) {
        flush(); // the next call may never return
        const ssize_t got = ::getdents64(levels_.back().fd.get(), buffer_.get(), kReadBytes);
        if (got < 0) {
            const bool is_root = levels_.size() == 1;
            failed("read", is_root ? row_->name() : levels_[levels_.size() - 2].names.current(), errno);
        }
        if (got <= 0)
            break;
        const char *at = buffer_.get();
        for (const char *const end = at + got; at < end;) {
            if (task_.jobs.stopped())
                return;
            const auto *entry = reinterpret_cast<const dirent64 *>(at);
            at += entry->d_reclen;
            if (is_dot(entry->d_name))
                continue;
            look_at(entry->d_name);
            if (asked_to_share() && !share_directories())
                share_entries(at, end);
        }
    }
    --tally_.pending;
}

void DirWalk::enter(Fd fd, FileId id, UsageRow *row) {
    levels_.push_back({std::move(fd), row, {}});
    ids_.push_back(id);
    keep_few_open();
    read_entries();
    levels_.back().names.shrink();
}

void DirWalk::visit(NameList::Taken next) {
    count_in(next.row != nullptr ? next.row : levels_.back().row);
    flush(); // the next call may never return
    Fd fd = open_here(next.name);
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0)
        failed("open", next.name, errno);
    else if (!is_ancestor(id_of(st))) // it may have been swapped since it was counted
        return enter(std::move(fd), id_of(st), row_);
    --tally_.pending;
}

void DirWalk::leave() {
    const std::size_t parent = levels_.size() - 2; // meaningless for the base, which has none to open
    if (levels_.size() > 1 && parent != 0 && parent < first_open_) {
        const auto is_done = [](const Level &level) { return level.names.empty(); };
        if (std::all_of(levels_.begin(), levels_.end(), is_done))
            return levels_.clear(); // nothing up there to come back for
        first_open_ = parent;
        Level &level = levels_[parent];
        level.fd = reopen_parent(levels_.back().fd.get());
        if (!level.fd) { // gone, or moved out of reach: what is left in it cannot be counted
            count_in(level.row);
            failed("return to", levels_[parent - 1].names.current(), ESTALE);
            level.names.clear();
        }
    }
    levels_.pop_back();
    ids_.pop_back();
}

bool DirWalk::is_ancestor(FileId id) const {
    return std::find(ids_.begin(), ids_.end(), id) != ids_.end();
}

void DirWalk::count_in(UsageRow *row) {
    if (row == row_)
        return;
    flush();
    row_ = row;
}

void DirWalk::flush() {
    if (row_ != nullptr)
        row_->add(std::exchange(tally_, {}));
}

// An entry that vanished during the walk is no failure.
void DirWalk::failed(const char *operation, std::string_view name, int error_number) {
    if (error_number == ENOENT)
        return;
    ++tally_.unreadable;
    if (!tally_.error)
        tally_.error = std::string(operation).append(" ").append(name) + ": " + errno_text(error_number);
}

bool DirWalk::asked_to_share() {
    return ++ticks_ % kShareEvery == 0 && task_.jobs.hungry();
}

Job DirWalk::job_in(std::size_t level) const {
    const auto count = static_cast<std::ptrdiff_t>(ids_.size() - levels_.size() + level + 1);
    Job job;
    job.base = Fd(::fcntl(levels_[level].fd.get(), F_DUPFD_CLOEXEC, 0));
    job.ancestors.assign(ids_.begin(), ids_.begin() + count);
    job.row = levels_[level].row;
    return job;
}

bool DirWalk::share_directories() {
    const auto has_work = [](const Level &level) { return level.fd && !level.names.empty(); };
    const auto found = std::find_if(levels_.begin(), levels_.end(), has_work);
    if (found == levels_.end())
        return false;
    Job job = job_in(static_cast<std::size_t>(found - levels_.begin()));
    if (!job.base)
        return false;
    job.counted = true;
    job.names = found->names.split();
    flush(); // what is given was found before it is done
    task_.jobs.give(std::move(job));
    return true;
}

void DirWalk::share_entries(const char *&at, const char *end) {
    if (end - at < kWorthSharing)
        return;
    Job job = job_in(levels_.size() - 1);
    if (!job.base)
        return;
    for (std::size_t given = 0; at < end && given < kNamesGiven; ++given) {
        const auto *entry = reinterpret_cast<const dirent64 *>(at);
        at += entry->d_reclen;
        if (!is_dot(entry->d_name))
            job.names.add(entry->d_name);
    }
    ++tally_.pending;
    flush();
    task_.jobs.give(std::move(job));
}

} // namespace emsn::core
