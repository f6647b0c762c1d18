#include "pg_ext/local_mounts.hpp"

#include <gtest/gtest.h>

namespace emsn::test {
namespace {

// Two local file systems and, over and beside them, mounts whose server may be away.
constexpr const char *kMounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                "2 1 0:20 / /proc rw - proc proc rw\n"
                                "3 1 0:21 / /mnt/nas rw - nfs4 nas:/emsn rw\n"
                                "4 1 0:22 / /mnt/fuse rw - fuse.sshfs me@far: rw\n"
                                "5 3 8:2 / /mnt/nas/stick rw - ext4 /dev/sdb1 rw\n"
                                "6 1 8:3 / /srv rw - ext4 /dev/sdc1 rw\n"
                                "7 1 0:23 / /srv ro - cifs //nas/srv ro\n"
                                "8 1 0:24 / /auto rw - autofs systemd-1 rw\n";

TEST(LocalMounts, NamesWhatMayBlockAndMeasuresTheRest) {
    std::string seen;
    for (const auto &row : pg::local_filesystems(core::parse_mountinfo(kMounts))) {
        seen += row.mount.mount_point + (row.usage ? " measured" : " " + row.error.value_or("")) + "\n";
        EXPECT_NE(row.usage.has_value(), row.error.has_value());
    }
    EXPECT_EQ(seen, "/ measured\n"
                    "/auto not measured: autofs may block\n"
                    "/mnt/fuse not measured: fuse.sshfs may block\n"
                    "/mnt/nas not measured: nfs4 may block\n"
                    "/mnt/nas/stick not measured: lies below /mnt/nas\n"
                    "/srv not measured: cifs may block\n");
}

} // namespace
} // namespace emsn::test
