#include "core/mounts.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

constexpr const char *kPi = R"(22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
31 22 8:1 / /mnt/usb\040stick rw,relatime shared:5 master:2 - ext4 /dev/sda1 ro,errors=remount-ro
32 22 0:44 / /mnt/nas ro,relatime - nfs4 nas:/backup\011tab rw,vers=4.2
)";

TEST(Mounts, ReadsMountinfoOfAPi) {
    const auto mounts = parse_mountinfo(kPi);
    ASSERT_EQ(mounts.size(), 4U);
    EXPECT_EQ(mounts[0].id, 22);
    EXPECT_EQ(mounts[0].mount_point, "/");
    EXPECT_EQ(mounts[0].device, "/dev/mmcblk0p2");
    EXPECT_FALSE(mounts[0].read_only);
    EXPECT_EQ(mounts[2].mount_point, "/mnt/usb stick");
    EXPECT_EQ(mounts[2].device_id, "8:1");
    EXPECT_TRUE(mounts[2].read_only) << "the file system went read-only after an error";
    EXPECT_EQ(mounts[3].fs_type, "nfs4");
    EXPECT_EQ(mounts[3].device, "nas:/backup\ttab");
    EXPECT_TRUE(mounts[3].read_only) << "mounted read-only";
    EXPECT_TRUE(mounts[2].read_only_device);
    EXPECT_FALSE(mounts[3].read_only_device);
}

// What a service sees with ProtectSystem=strict and ReadWritePaths=/mnt/usb /mnt/away: the stick is there,
// the other is not, and both folders are mount points.
constexpr const char *kSandbox = R"(40 1 179:2 / / ro,noatime - ext4 /dev/mmcblk0p2 rw
41 40 8:1 / /mnt/usb rw,relatime - ext4 /dev/sda1 rw
42 40 179:2 /mnt/away /mnt/away rw,noatime - ext4 /dev/mmcblk0p2 rw
43 40 8:2 / /mnt/worn ro,relatime - ext4 /dev/sdb1 ro,errors=remount-ro
44 40 179:2 /srv/music /mnt/music ro,noatime - ext4 /dev/mmcblk0p2 rw
)";

TEST(Mounts, AFolderThatASandboxMountsOntoItselfIsStillTheRootFileSystem) {
    auto mounts = parse_mountinfo(kSandbox);
    EXPECT_EQ(disk_of(mounts[1], mounts).mount_point, "/mnt/usb");
    EXPECT_EQ(disk_of(mounts[2], mounts).mount_point, "/") << "no disk is there";
    EXPECT_EQ(disk_of(mounts[4], mounts).mount_point, "/mnt/music") << "somebody wanted that one";
    EXPECT_EQ(disk_of(mounts[0], mounts).mount_point, "/");
    // / itself a part of a file system, as a subvolume of btrfs
    mounts[0].root = "/@";
    mounts[2].root = "/@/mnt/away";
    mounts[4].root = "/@backups";
    EXPECT_EQ(disk_of(mounts[2], mounts).mount_point, "/");
    EXPECT_EQ(disk_of(mounts[4], mounts).mount_point, "/mnt/music");
    mounts.erase(mounts.begin()); // a chroot
    EXPECT_EQ(disk_of(mounts[1], mounts).mount_point, "/mnt/away");
}

TEST(Mounts, OutOfASandboxOnlyADiskThatIsReadOnlyItselfIsReadOnly) {
    const auto read_only = [](const std::string &text) {
        std::string points;
        for (const auto &row : filesystems(parse_mountinfo(text))) {
            if (row.mount.read_only)
                points += row.mount.mount_point + " ";
        }
        return points;
    };
    const std::string worn = "43 40 8:2 / /no/worn ro,relatime - ext4 /dev/sdb1 ro,errors=remount-ro\n";
    const std::string bound = "44 40 8:3 / /no/bound ro,relatime - ext4 /dev/sdc1 rw\n";
    EXPECT_EQ(read_only("40 1 179:2 / / ro,noatime - ext4 /dev/mmcblk0p2 rw\n" + worn + bound), "/no/worn ");
    EXPECT_EQ(read_only("40 1 179:2 / / rw,noatime - ext4 /dev/mmcblk0p2 rw\n" + worn + bound),
              "/no/bound /no/worn ");
    EXPECT_EQ(read_only("40 1 179:2 / / ro,noatime - ext4 /dev/mmcblk0p2 ro\n" + worn), "/ /no/worn ");
}

TEST(Mounts, ABrokenLineIsAnError) {
    for (const char *text :
         {"22 1 179:2 / /", "x 1 8:1 / /a rw - ext4 /dev/sda rw", "22 1 8:1 / /a rw shared:1 ext4"}) {
        try {
            static_cast<void>(parse_mountinfo(text));
            ADD_FAILURE() << text;
        } catch (const Error &e) {
            EXPECT_NE(std::string(e.what()).find(text), std::string::npos);
        }
    }
}

TEST(Mounts, FilesystemsAgreeWithDf) {
    const auto rows = filesystems(system_mounts());
    const auto root =
        std::find_if(rows.begin(), rows.end(), [](const auto &row) { return row.mount.mount_point == "/"; });
    ASSERT_NE(root, rows.end());
    ASSERT_TRUE(root->usage) << root->error.value_or("");
    const auto df = test::run({"df", "-B1", "--output=size,itotal", "/"});
    std::istringstream in(df.out.substr(df.out.find('\n')));
    std::int64_t size = 0;
    std::int64_t inodes = 0;
    in >> size >> inodes;
    EXPECT_EQ(root->usage->total_bytes, size);
    EXPECT_EQ(root->usage->inodes_total, inodes);
    EXPECT_LE(root->usage->used_bytes, size);
    EXPECT_GE(root->usage->used_percent, 0);
    EXPECT_LE(root->usage->used_percent, 100);
}

TEST(Mounts, PseudoAndHiddenMountsAreNoRows) {
    auto mounts = system_mounts();
    Mount twice =
        *std::find_if(mounts.begin(), mounts.end(), [](const Mount &m) { return m.mount_point == "/"; });
    twice.mount_point = "/proc/self"; // the same device again, at a longer name
    mounts.push_back(twice);
    int of_root_device = 0;
    for (const auto &row : filesystems(mounts)) {
        EXPECT_NE(row.mount.fs_type, "proc");
        EXPECT_NE(row.mount.fs_type, "sysfs");
        of_root_device += row.mount.device_id == twice.device_id ? 1 : 0;
    }
    EXPECT_EQ(of_root_device, 1);
}

TEST(Mounts, AMountPointOutOfReachIsARowWithItsReason) {
    const auto rows = filesystems(parse_mountinfo("9 1 8:9 / /no/such/mount rw - ext4 /dev/sdz rw\n"));
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_FALSE(rows[0].usage);
    EXPECT_EQ(rows[0].error, "statvfs /no/such/mount: No such file or directory");
}

TEST(Mounts, MountOfFindsTheNearestMountPoint) {
    EXPECT_EQ(mount_of("/").mount_point, "/");
    EXPECT_EQ(mount_of("/proc/self").mount_point, "/proc");
    EXPECT_THROW(static_cast<void>(mount_of("/no/such/path")), Error);
}

} // namespace
} // namespace emsn::core
