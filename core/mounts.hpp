// Mounted file systems: what is mounted where (/proc/self/mountinfo, proc(5)) and how full it is
// (statvfs(3)).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/handle.hpp"

namespace emsn::core {

struct Mount {
    std::int64_t id = 0;     // mount ID of mountinfo and statx(2)
    std::string device_id;   // "major:minor": the same for two mounts of one file system
    std::string mount_point; // absolute, unescaped
    std::string fs_type;
    std::string device;            // what was mounted: /dev/sda1, server:/share, tmpfs
    std::string root;              // what part of the file system is mounted; "/": all of it
    bool read_only = false;        // this mount of it, or all of it
    bool read_only_device = false; // all of it: as after an error, or a write-protected card
};

struct Usage {
    std::int64_t total_bytes = 0;
    std::int64_t used_bytes = 0;
    std::int64_t available_bytes = 0; // for users other than root
    double used_percent = 0;          // used / (used + available), as df(1); 0 to 100, one decimal
    std::int64_t inodes_total = 0;    // 0 where the file system does not count them
    std::int64_t inodes_used = 0;
};

struct Filesystem {
    Mount mount;
    std::optional<Usage> usage;       // nullopt: see error
    std::optional<std::string> error; // why usage is not known
};

// Parses the text of a mountinfo file; lines it cannot read are an Error{internal} naming the line.
[[nodiscard]] std::vector<Mount> parse_mountinfo(std::string_view text);

// The mounts of this process now. Throws Error{io} when /proc is not there.
[[nodiscard]] std::vector<Mount> system_mounts();

// One row per file system that has space of its own, as df(1) chooses them: not the kernel's pseudo file
// systems, not what is hidden under a later mount, one mount point (the shortest) for each device. In the
// order of their mount points. statvfs(2) on a dead share never returns: those that may be one are asked on
// threads, all at once, which are given up after limit; the row then says "hung". An autofs itself is named,
// but not asked: that would mount what lies behind it. Code that is unloaded must not call this.
[[nodiscard]] std::vector<Filesystem> filesystems(const std::vector<Mount> &mounts,
                                                  std::chrono::milliseconds limit = std::chrono::seconds(2));

// The mount that holds the file or directory at path, by the kernel's own mount ID.
// Throws Error when path cannot be reached or the kernel (before 5.8) does not tell.
[[nodiscard]] Mount mount_of(const std::string &path);

// The mount that decides whose disk is written to at path: mount_of(), but "/" where a part of the root file
// system is mounted onto itself. A service's sandbox does that with each folder that may be written to
// (ReadWritePaths= of systemd.exec(5)), and a disk that is away must be noticed all the same.
[[nodiscard]] Mount disk_of(const std::string &path);
// The same for one of mounts.
[[nodiscard]] const Mount &disk_of(const Mount &mount, const std::vector<Mount> &mounts);

// The kernel's own mount ID of an open file or directory; nullopt where it (before 5.8) does not tell.
[[nodiscard]] std::optional<std::uint64_t> mount_id_of(const Fd &fd) noexcept;

// A disk or memory of this machine whose locks and syncs are the kernel's own, by fs_type of mountinfo. Not:
// the network, FUSE, and whatever is not known.
[[nodiscard]] bool is_local_disk(std::string_view fs_type) noexcept;

// A file system whose server may be away, so that any call may block for ever, by fs_type of mountinfo.
[[nodiscard]] bool may_block(std::string_view fs_type) noexcept;

// May know ioctl_ficlone(2): two files that share blocks until one is written to.
[[nodiscard]] bool shares_blocks(std::string_view fs_type) noexcept;

} // namespace emsn::core
