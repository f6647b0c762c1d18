#include "core/usage_tree.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/error.hpp"

namespace emsn::core {

namespace {

void add_up(std::int64_t &sum, std::int64_t more) {
    if (__builtin_add_overflow(sum, more, &sum))
        throw Error(Errc::too_big, "the sum is larger than 2^63-1 bytes");
}

// "/a/b/" -> "b"; "/" stays.
std::string_view last_part(std::string_view path) {
    while (path.size() > 1 && path.back() == '/')
        path.remove_suffix(1);
    const auto slash = path.find_last_of('/');
    return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

std::string join(const std::string &folder, const std::string &name) {
    return folder + (folder.ends_with('/') ? "" : "/") + name;
}

DirUsage as_usage(const std::string &path, const UsageRow &row, const Tally &sum, bool complete) {
    return {.path = path,
            .name = row.name(),
            .depth = row.depth(),
            .reached = sum.files + sum.directories > 0,
            .bytes = sum.bytes,
            .allocated_bytes = sum.allocated_bytes,
            .files = sum.files,
            .directories = sum.directories,
            .unreadable = sum.unreadable,
            .newest_mtime = sum.newest_mtime,
            .error = sum.error,
            .complete = complete};
}

} // namespace

void Tally::add_bytes(std::int64_t apparent, std::int64_t allocated) {
    add_up(bytes, apparent);
    add_up(allocated_bytes, allocated);
}

void Tally::add(const Tally &other) {
    add_bytes(other.bytes, other.allocated_bytes);
    files += other.files;
    directories += other.directories;
    unreadable += other.unreadable;
    pending += other.pending;
    newest_mtime = std::max(newest_mtime, other.newest_mtime);
    if (!error)
        error = other.error;
}

UsageRow::UsageRow(UsageRow *parent, std::string_view name)
    : parent_(parent), name_(name), depth_(parent == nullptr ? 0 : parent->depth() + 1) {}

void UsageRow::add(const Tally &tally) {
    const std::lock_guard lock(mutex_);
    tally_.add(tally);
}

Tally UsageRow::tally() const {
    const std::lock_guard lock(mutex_);
    return tally_;
}

UsageRow *common_row(UsageRow *a, UsageRow *b) noexcept {
    while (a != b && a != nullptr && b != nullptr) {
        UsageRow *&lower = a->depth() >= b->depth() ? a : b;
        lower = lower->parent();
    }
    return a == b ? a : nullptr;
}

UsageTree::UsageTree(const std::string &path, int max_depth) : max_depth_(max_depth) {
    rows_.emplace_back(nullptr, last_part(path));
}

UsageRow *UsageTree::add_row(UsageRow *parent, std::string_view name, const Tally &first) {
    const std::lock_guard lock(mutex_);
    UsageRow &row = rows_.emplace_back(parent, name);
    row.add(first);
    return &row;
}

std::vector<DirUsage> UsageTree::sum_up(const std::string &path, bool finished) const {
    const std::lock_guard lock(mutex_);
    struct Node {
        const UsageRow *row;
        Tally sum;
        bool complete;
        std::vector<std::size_t> below;
    };
    std::vector<Node> nodes;
    std::unordered_map<const UsageRow *, std::size_t> index;
    for (const UsageRow &row : rows_) { // a row comes after its parent in the list
        index.emplace(&row, nodes.size());
        if (row.parent() != nullptr)
            nodes[index.at(row.parent())].below.push_back(nodes.size());
        Tally sum = row.tally();
        const bool complete = finished || sum.pending == 0;
        nodes.push_back({&row, std::move(sum), complete, {}});
    }
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
        std::sort(node->below.begin(), node->below.end(),
                  [&](std::size_t a, std::size_t b) { return nodes[a].row->name() < nodes[b].row->name(); });
        for (const std::size_t child : node->below) {
            node->sum.add(nodes[child].sum);
            node->complete = node->complete && nodes[child].complete;
        }
    }
    std::vector<DirUsage> out;
    std::vector<std::pair<std::size_t, std::string>> stack{{0, path}}; // a node and its path
    while (!stack.empty()) {
        const auto [at, own_path] = std::move(stack.back());
        stack.pop_back();
        const Node &node = nodes[at];
        for (auto child = node.below.rbegin(); child != node.below.rend(); ++child)
            stack.emplace_back(*child, join(own_path, nodes[*child].row->name()));
        out.push_back(as_usage(own_path, *node.row, node.sum, node.complete));
    }
    return out;
}

} // namespace emsn::core
