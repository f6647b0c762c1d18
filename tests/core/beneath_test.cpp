#include "core/beneath.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>

#include "core/error.hpp"
#include "core/file_id.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

class BeneathTest : public ::testing::Test {
  protected:
    BeneathTest() {
        std::filesystem::create_directories(inside_ + "/zolder/daily");
        std::filesystem::create_directories(dir_ / "precious/daily");
        test::write_file(inside_ + "/file", "");
        std::filesystem::create_symlink("../precious", inside_ + "/link");
        std::filesystem::create_symlink("backups", dir_ / "stick");
    }

    // "" when it is accepted and holds what it says.
    static std::string error_of(const std::string &path, const std::string &inside) {
        try {
            const Beneath place(path, inside);
            struct stat st {};
            if (::fstat(place.folder().get(), &st) != 0 || id_of(st) != id_at(place.folder_path()))
                return "another folder than " + place.folder_path();
            return "";
        } catch (const Error &e) {
            return e.what();
        }
    }

    void expect_all() const {
        const std::string not_there = "path '" + inside_ + "/none/x': No such file or directory";
        const std::string no_folder = "path '" + inside_ + "/file/x': Not a directory";
        const std::string linked = "': a symlink stands on the way, and none is followed";
        for (const auto &[path, inside, error] : std::vector<std::array<std::string, 3>>{
                 {inside_ + "/zolder", inside_, ""},
                 {inside_ + "/zolder/daily/2025-12-30", inside_, ""},
                 {inside_ + "//zolder/./daily//x///", inside_ + "/", ""},
                 {inside_ + "/link", inside_, ""},
                 {(dir_ / "stick/zolder/daily"), (dir_ / "stick"), ""},
                 {inside_ + "/zolder/daily", (dir_ / "stick"), ""},
                 {inside_ + "/zolder/../zolder/x", inside_ + "/zolder/..", ""},
                 {inside_ + "/none/x", inside_, not_there},
                 {inside_ + "/file/x", inside_, no_folder},
                 {inside_ + "/link/daily", inside_, "path '" + inside_ + "/link/daily" + linked},
                 {inside_ + "/link/daily/x", inside_, "path '" + inside_ + "/link/daily/x" + linked}})
            EXPECT_EQ(error_of(path, inside), error);
    }

    test::TempDir dir_;
    const std::string inside_ = dir_ / "backups";
};

TEST_F(BeneathTest, HoldsTheFolderOfAPlaceAndFollowsNoSymlink) {
    expect_all();
    const Beneath place(inside_ + "/zolder/daily/x/", dir_ / "stick");
    EXPECT_EQ(place.path(), inside_ + "/zolder/daily/x");
    EXPECT_EQ(place.folder_path(), inside_ + "/zolder/daily");
    EXPECT_EQ(place.name(), "x");
}

TEST_F(BeneathTest, RefusesWhatDoesNotLieBelow) {
    const auto path_error = [&](const std::string &path) { return error_of(path, inside_); };
    const std::string not_below = "': is not below the folder " + inside_;
    for (const std::string &path : {dir_ / "precious/daily", inside_ + "s/x", dir_.path(), std::string("/"),
                                    std::string("zolder"), inside_ + "/../backups"})
        EXPECT_EQ(path_error(path), path == inside_ + "/../backups"
                                        ? "path '" + path + "': has a \"..\" in it"
                                        : "path '" + path + not_below);
    EXPECT_EQ(path_error(inside_ + "/zolder/../../precious"),
              "path '" + inside_ + "/zolder/../../precious': has a \"..\" in it");
    for (const std::string &path : {inside_, inside_ + "/", inside_ + "/."})
        EXPECT_EQ(path_error(path), "path '" + path + "': is the folder itself, not something below it");
    EXPECT_EQ(path_error(""), "path '': is empty");
    EXPECT_EQ(path_error(inside_ + "/" + std::string(300, 'x') + "/y").substr(0, 6), "path '");
}

TEST_F(BeneathTest, RefusesAFolderThatIsNone) {
    EXPECT_EQ(error_of("/tmp/x", "/"), "folder '/': is the root folder, which protects nothing");
    EXPECT_EQ(error_of("/tmp/x", "/tmp/.."), "folder '/tmp/..': is the root folder, which protects nothing");
    EXPECT_EQ(error_of("x", ""), "folder '': No such file or directory");
    EXPECT_EQ(error_of(dir_ / "none/x", dir_ / "none"),
              "folder '" + (dir_ / "none") + "': No such file or directory");
    EXPECT_EQ(error_of(inside_ + "/file/x", inside_ + "/file"),
              "folder '" + inside_ + "/file': Not a directory");
}

TEST_F(BeneathTest, RelativePathsBeginAtTheWorkingDirectory) {
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(dir_.path());
    EXPECT_EQ(error_of("backups/zolder", "backups"), "");
    EXPECT_EQ(error_of("backups/zolder", inside_), "");
    EXPECT_EQ(error_of(inside_ + "/zolder", "./stick"), "");
    EXPECT_EQ(error_of("precious/daily", "backups"),
              "path 'precious/daily': is not below the folder backups");
    std::filesystem::current_path(before);
}

// From now on openat2(2) fails so in this process.
bool deny_openat2(int error_number) {
    std::array program{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error_number)),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 &&
           ::syscall(SYS_openat2, -1, nullptr, nullptr, 0) < 0 && errno == error_number;
}

TEST_F(BeneathTest, MeansTheSameWithoutOpenat2) {
    constexpr int kNoFilters = 77;
    for (const int error_number : {ENOSYS, EPERM}) {
        const pid_t child = ::fork();
        if (child == 0) {
            if (!deny_openat2(error_number))
                ::_exit(kNoFilters);
            expect_all();
            ::_exit(::testing::Test::HasFailure() ? 1 : 0);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WEXITSTATUS(status) == kNoFilters)
            GTEST_SKIP() << "no system call filters here";
        EXPECT_EQ(status, 0) << errno_text(error_number);
    }
}

} // namespace
} // namespace emsn::core
