#include "pg_ext/local_mounts.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace emsn::pg {

namespace {

using core::Mount;

// fuseblk is a block device (ntfs-3g); autofs itself has no space, but looking at it mounts what lies behind.
bool may_block(const Mount &mount) {
    constexpr std::array<std::string_view, 12> kKinds = {
        "9p", "afs", "autofs", "ceph", "cifs", "fuse", "glusterfs", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"};
    return mount.fs_type.starts_with("fuse.") ||
           std::find(kKinds.begin(), kKinds.end(), mount.fs_type) != kKinds.end();
}

bool is_below(const Mount &mount, const Mount &top) {
    return mount.mount_point.size() > top.mount_point.size() &&
           mount.mount_point.starts_with(top.mount_point) &&
           (top.mount_point == "/" || mount.mount_point[top.mount_point.size()] == '/');
}

} // namespace

std::vector<core::Filesystem> local_filesystems(const std::vector<Mount> &mounts) {
    std::vector<Mount> local;
    std::vector<core::Filesystem> rows;
    for (auto mount = mounts.begin(); mount != mounts.end(); ++mount) {
        const bool hidden = std::any_of(mount + 1, mounts.end(), [&](const Mount &later) {
            return later.mount_point == mount->mount_point;
        });
        if (hidden)
            continue;
        const auto above = std::find_if(mounts.begin(), mounts.end(), [&](const Mount &other) {
            return may_block(other) && other.fs_type != "autofs" && is_below(*mount, other);
        });
        if (may_block(*mount))
            rows.push_back({*mount, std::nullopt, "not measured: " + mount->fs_type + " may block"});
        else if (above != mounts.end())
            rows.push_back({*mount, std::nullopt, "not measured: lies below " + above->mount_point});
        else
            local.push_back(*mount);
    }
    auto measured = core::filesystems(local);
    rows.insert(rows.end(), std::make_move_iterator(measured.begin()),
                std::make_move_iterator(measured.end()));
    std::sort(rows.begin(), rows.end(),
              [](const auto &a, const auto &b) { return a.mount.mount_point < b.mount.mount_point; });
    return rows;
}

} // namespace emsn::pg
