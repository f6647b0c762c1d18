#include "core/dir_usage.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/walk_crew.hpp"

namespace emsn::core {

namespace {

struct Result {
    std::vector<DirUsage> rows;
    int root_errno;
    WalkEnd end;
};

Result walk_tree(const std::string &path, int max_depth, const WalkOptions &options, const Poll &poll,
                 std::shared_ptr<LinkSet> links) {
    const auto task = std::make_shared<WalkTask>(path, max_depth, options, std::move(links));
    try {
        const WalkEnd end = walk(task, poll);
        return {task->tree.sum_up(path, end == WalkEnd::whole), task->root_errno, end};
    } catch (const Error &e) {
        if (e.code() == Errc::too_big)
            throw Error(e.code(), path + ": " + e.what());
        throw;
    }
}

std::string deadline_text(const WalkOptions &options) {
    return "deadline of " + std::to_string(options.deadline_ms) + " ms passed";
}

} // namespace

std::optional<DirSize> dir_size(const std::string &path, const WalkOptions &options, const Poll &poll,
                                std::shared_ptr<LinkSet> links) {
    const auto [rows, root_errno, end] = walk_tree(path, 0, options, poll, std::move(links));
    const DirUsage &root = rows.front();
    const DirSize size{root.bytes, root.files + root.directories, root.unreadable};
    if (end != WalkEnd::whole) {
        throw Error(Errc::timed_out,
                    path + ": " + deadline_text(options) + " after " + std::to_string(size.bytes) +
                        " bytes in " + std::to_string(size.entries) + " entries" +
                        (end == WalkEnd::hung ? " (hung: a system call does not return)" : ""));
    }
    if (root_errno != 0)
        return std::nullopt;
    return size;
}

std::vector<DirUsage> dir_usage(const std::string &path, int max_depth, const WalkOptions &options,
                                const Poll &poll) {
    WalkOptions chosen = options;
    chosen.threads = std::max(options.threads, 1);
    auto [rows, root_errno, end] = walk_tree(path, max_depth, chosen, poll, nullptr);
    DirUsage &root = rows.front();
    if (!root.reached) {
        root.complete = end == WalkEnd::whole;
        root.error =
            "lstat " + path + ": " +
            (end == WalkEnd::whole ? errno_text(root_errno) : deadline_text(options) + " before it answered");
    }
    for (DirUsage &row : rows) {
        if (end == WalkEnd::hung && !row.complete)
            row.error = "hung: a system call in " + row.path + " does not return";
    }
    return rows;
}

} // namespace emsn::core
