#include <sys/statvfs.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "core/detached.hpp"
#include "core/error.hpp"
#include "core/mounts.hpp"
#include "core/poll.hpp"

namespace emsn::core {

namespace {

Filesystem measure(const Mount &mount) {
    Filesystem row{mount, std::nullopt, std::nullopt};
    struct statvfs st {};
    if (::statvfs(mount.mount_point.c_str(), &st) != 0) {
        row.error = "statvfs " + mount.mount_point + ": " + errno_text(errno);
        return row;
    }
    const auto bytes = [&](fsblkcnt_t blocks) { return static_cast<std::int64_t>(blocks * st.f_frsize); };
    Usage usage;
    usage.total_bytes = bytes(st.f_blocks);
    usage.used_bytes = bytes(st.f_blocks - st.f_bfree);
    usage.available_bytes = bytes(st.f_bavail);
    const auto reachable = static_cast<double>(usage.used_bytes) + static_cast<double>(usage.available_bytes);
    if (reachable > 0)
        usage.used_percent = std::round(1000.0 * static_cast<double>(usage.used_bytes) / reachable) / 10.0;
    usage.inodes_total = static_cast<std::int64_t>(st.f_files);
    usage.inodes_used = static_cast<std::int64_t>(st.f_files - st.f_ffree);
    row.usage = usage;
    return row;
}

// Without what a later mount hides; the shortest mount points first.
std::vector<Mount> visible_of(const std::vector<Mount> &mounts) {
    std::vector<Mount> visible;
    std::set<std::string> points;
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
        if (points.insert(mount->mount_point).second)
            visible.push_back(*mount);
    }
    std::sort(visible.begin(), visible.end(), [](const Mount &a, const Mount &b) {
        return a.mount_point.size() != b.mount_point.size() ? a.mount_point.size() < b.mount_point.size()
                                                            : a.mount_point < b.mount_point;
    });
    return visible;
}

bool is_below(const Mount &mount, const Mount &top) {
    return mount.mount_point.size() > top.mount_point.size() &&
           mount.mount_point.starts_with(top.mount_point) &&
           (top.mount_point == "/" || mount.mount_point[top.mount_point.size()] == '/');
}

// In a service's sandbox (ProtectSystem= of systemd.exec(5)) every mount is read-only, whatever the disk is:
// there, where / is so too by its mount alone, only what the file system itself says is told.
void see_through_sandbox(std::vector<Mount> &visible) {
    const bool sandboxed = !visible.empty() && visible.front().mount_point == "/" &&
                           visible.front().read_only && !visible.front().read_only_device;
    if (!sandboxed)
        return;
    for (Mount &mount : visible)
        mount.read_only = mount.read_only_device;
}

// Its own server may be away, or the one of a mount on the way to it.
bool may_hang(const Mount &mount, const std::vector<Mount> &visible) {
    return may_block(mount.fs_type) || std::any_of(visible.begin(), visible.end(), [&](const Mount &other) {
               return may_block(other.fs_type) && is_below(mount, other);
           });
}

// Rows that threads fill in, each with a share of it.
class Answers {
  public:
    explicit Answers(const std::vector<Mount> &mounts, std::chrono::milliseconds limit)
        : waiting_(mounts.size()) {
        for (const Mount &mount : mounts) {
            rows_.push_back({mount, std::nullopt,
                             "hung: statvfs " + mount.mount_point + " did not answer within " +
                                 std::to_string(limit.count()) + " ms"});
        }
    }
    void set(std::size_t index, Filesystem row) {
        const std::lock_guard lock(mutex_);
        rows_[index] = std::move(row);
        if (--waiting_ == 0)
            all_.notify_all();
    }
    [[nodiscard]] std::vector<Filesystem> wait(Clock::time_point until) {
        std::unique_lock lock(mutex_);
        all_.wait_until(lock, until, [&] { return waiting_ == 0; });
        return rows_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable all_;
    std::vector<Filesystem> rows_;
    std::size_t waiting_;
};

} // namespace

std::vector<Filesystem> filesystems(const std::vector<Mount> &mounts, std::chrono::milliseconds limit) {
    const auto until = Clock::now() + limit;
    auto visible = visible_of(mounts);
    see_through_sandbox(visible);
    std::vector<Filesystem> rows;
    std::vector<Mount> remote;
    std::vector<Mount> local;
    for (const Mount &mount : visible) {
        if (mount.fs_type == "autofs")
            rows.push_back({mount, std::nullopt, "not measured: asking an autofs mounts what is behind it"});
        else
            (may_hang(mount, visible) ? remote : local).push_back(mount);
    }
    const auto answers = std::make_shared<Answers>(remote, limit);
    for (std::size_t i = 0; i < remote.size(); ++i)
        start_detached([answers, i, mount = remote[i]] { answers->set(i, measure(mount)); });
    std::vector<Filesystem> measured;
    std::transform(local.begin(), local.end(), std::back_inserter(measured), measure);
    for (auto &row : answers->wait(until))
        measured.push_back(std::move(row));
    std::set<std::string> devices;
    for (auto &row : measured) {
        const bool is_pseudo = row.usage && row.usage->total_bytes == 0; // proc, sysfs, cgroup
        if (!is_pseudo && devices.insert(row.mount.device_id).second)
            rows.push_back(std::move(row));
    }
    std::sort(rows.begin(), rows.end(), [](const Filesystem &a, const Filesystem &b) {
        return a.mount.mount_point < b.mount.mount_point;
    });
    return rows;
}

} // namespace emsn::core
