#include "core/mounts.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>

#include "core/error.hpp"

namespace emsn::core {

using namespace std::string_view_literals;

namespace {

// Space, tab, newline and backslash stand as \ooo in mountinfo.
std::string unescape(std::string_view field) {
    const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string out;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (field[i] == '\\' && i + 3 < field.size() && is_octal(field[i + 1]) && is_octal(field[i + 2]) &&
            is_octal(field[i + 3])) {
            out.push_back(
                static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + field[i + 3] - '0'));
            i += 3;
        } else {
            out.push_back(field[i]);
        }
    }
    return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

bool has_option(std::string_view options, std::string_view name) {
    const auto words = split(options, ',');
    return std::find(words.begin(), words.end(), name) != words.end();
}

// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
// (1)(2)(3)   (4)   (5)      (6)      (7)   (8) (9)   (10)         (11)
Mount parse_line(std::string_view line) {
    const auto fields = split(line, ' ');
    const auto dash =
        std::find(fields.begin() + std::min<std::ptrdiff_t>(6, std::ssize(fields)), fields.end(), "-");
    Mount mount;
    if (fields.size() < 9 || std::distance(dash, fields.end()) < 3 ||
        std::from_chars(fields[0].data(), fields[0].data() + fields[0].size(), mount.id).ec != std::errc{}) {
        throw Error(Errc::internal, "parse mountinfo: line not understood: " + std::string(line));
    }
    mount.device_id = fields[2];
    mount.root = unescape(fields[3]);
    mount.mount_point = unescape(fields[4]);
    mount.fs_type = unescape(dash[1]);
    mount.device = unescape(dash[2]);
    // the mount can be read-only, or the file system below it, as after an error
    const auto super_options = std::distance(dash, fields.end()) > 3 ? dash[3] : std::string_view();
    mount.read_only_device = has_option(super_options, "ro");
    mount.read_only = mount.read_only_device || has_option(fields[5], "ro");
    return mount;
}

// What is seen at / now; nullptr where the mount at / is not ours to see, as in some chroots.
const Mount *root_of(const std::vector<Mount> &mounts) {
    const auto found = std::find_if(mounts.rbegin(), mounts.rend(),
                                    [](const Mount &mount) { return mount.mount_point == "/"; });
    return found != mounts.rend() ? &*found : nullptr;
}

} // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    for (const auto line : split(text, '\n')) {
        if (!line.empty())
            mounts.push_back(parse_line(line));
    }
    return mounts;
}

std::vector<Mount> system_mounts() {
    constexpr const char *kPath = "/proc/self/mountinfo";
    std::ifstream in(kPath);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (text.empty())
        throw Error(Errc::io, std::string("read ") + kPath + ": nothing there");
    return parse_mountinfo(text);
}

Mount mount_of(const std::string &path) {
    struct statx st {};
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &st) != 0)
        throw_errno("find the mount of", path);
    if ((st.stx_mask & STATX_MNT_ID) == 0)
        throw Error(Errc::unsupported, "find the mount of " + path + ": needs Linux 5.8 or later");
    for (const Mount &mount : system_mounts()) {
        if (mount.id == static_cast<std::int64_t>(st.stx_mnt_id))
            return mount;
    }
    throw Error(Errc::unsupported, "find the mount of " + path + ": it lies outside this process's root");
}

const Mount &disk_of(const Mount &mount, const std::vector<Mount> &mounts) {
    const Mount *root = root_of(mounts);
    if (root == nullptr || mount.device_id != root->device_id)
        return mount;
    const std::string itself = (root->root == "/" ? "" : root->root) + mount.mount_point;
    return mount.root == itself ? *root : mount;
}

Mount disk_of(const std::string &path) {
    return disk_of(mount_of(path), system_mounts());
}

std::optional<std::uint64_t> mount_id_of(const Fd &fd) noexcept {
    struct statx st {};
    if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &st) != 0 || (st.stx_mask & STATX_MNT_ID) == 0)
        return std::nullopt;
    return st.stx_mnt_id;
}

bool is_local_disk(std::string_view fs_type) noexcept {
    constexpr std::array kLocal = {"bcachefs"sv, "btrfs"sv, "exfat"sv, "ext2"sv,  "ext3"sv,
                                   "ext4"sv,     "f2fs"sv,  "jfs"sv,   "ntfs3"sv, "overlay"sv,
                                   "tmpfs"sv,    "vfat"sv,  "xfs"sv,   "zfs"sv};
    return std::find(kLocal.begin(), kLocal.end(), fs_type) != kLocal.end();
}

// fuseblk is a block device (ntfs-3g)
bool may_block(std::string_view fs_type) noexcept {
    constexpr std::array kKinds = {"9p"sv,        "afs"sv,   "autofs"sv, "ceph"sv, "cifs"sv, "fuse"sv,
                                   "glusterfs"sv, "ncpfs"sv, "nfs"sv,    "nfs4"sv, "smb3"sv, "smbfs"sv};
    return fs_type.starts_with("fuse.") || std::find(kKinds.begin(), kKinds.end(), fs_type) != kKinds.end();
}

bool shares_blocks(std::string_view fs_type) noexcept {
    constexpr std::array kSharing = {"bcachefs"sv, "btrfs"sv, "overlay"sv, "xfs"sv, "zfs"sv};
    return std::find(kSharing.begin(), kSharing.end(), fs_type) != kSharing.end();
}

} // namespace emsn::core
