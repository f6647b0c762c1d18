// One worker's part of a walk.
//
// Depth first, relative to directory descriptors, with its own stack: no path is built, so no path is too
// long, and no depth overflows the thread's stack. A directory is read to its end and its files counted at
// once; only the names of its subdirectories are kept. Few levels are open: those above them are closed and
// opened again through ".." on the way back, checked by device and inode. When another worker is idle, a part
// of what is left goes to it: half of the subdirectories of the highest open level, or some names of a huge
// directory.
#pragma once

#include <fcntl.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/link_set.hpp"
#include "core/usage_tree.hpp"
#include "core/walk_jobs.hpp"
#include "core/walk_options.hpp"

namespace emsn::core {

// What the workers of one walk share. Each holds a share of it: a worker that never returns keeps it alive.
struct WalkTask {
    WalkTask(const std::string &path_, int max_depth, const WalkOptions &options_,
             std::shared_ptr<LinkSet> links_);

    static constexpr int kNotAsked = -1;
    static int levels_allowed();

    const std::string path;
    const WalkOptions options;
    const std::shared_ptr<LinkSet> links;
    const bool links_by_row; // false: the set outlives this walk's rows
    const int open_levels;   // of all workers together
    UsageTree tree;
    JobQueue jobs;
    std::atomic<int> root_errno{kNotAsked}; // of lstat(2) of the root; 0: reached
    std::atomic<int> workers{0};
    dev_t root_device = 0; // written by the first job, before there is a second
};

class DirWalk {
  public:
    explicit DirWalk(WalkTask &task);

    // Returns early when the walk is stopped. Throws Error{too_big}.
    void run(Job job);

  private:
    static constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

    struct Level {
        Fd fd;         // closed while the walk is far below
        UsageRow *row; // that this directory counts in
        NameList names;
    };

    void look_at_root();
    void enter(Fd fd, FileId id, UsageRow *row);
    void read_entries();
    void look_at_names(NameList names);
    void look_at(const char *name);
    void count_file(const struct stat &st);
    void add_size(const struct stat &st, Tally &to) const;
    void visit(NameList::Taken next);
    void leave();
    [[nodiscard]] bool is_ancestor(FileId id) const;

    void count_in(UsageRow *row);
    void flush();
    void failed(const char *operation, std::string_view name, int error_number);

    [[nodiscard]] bool asked_to_share();
    bool share_directories();
    void share_entries(const char *&at, const char *end);
    [[nodiscard]] Job job_in(std::size_t level) const;

    [[nodiscard]] Fd open_here(const char *name);
    bool close_oldest();
    void keep_few_open();
    [[nodiscard]] Fd reopen_parent(int child_fd) const;
    [[nodiscard]] Fd open_by_names(std::size_t index) const;

    WalkTask &task_;
    std::vector<Level> levels_;  // [0] is the base of the job
    std::vector<FileId> ids_;    // ancestors of the base, then levels_: searched for every directory
    std::size_t first_open_ = 1; // levels_[0] and levels_[first_open_..] have a descriptor
    UsageRow *row_ = nullptr;    // that tally_ belongs to
    Tally tally_;
    unsigned ticks_ = 0;
    std::unique_ptr<char[]> buffer_; // of getdents64(2), one for the whole walk
};

} // namespace emsn::core
