// What others do to a tree, and to the way there, while it is removed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/remove_tree.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tree.hpp"

namespace emsn::core {
namespace {

namespace fs = std::filesystem;

class RemoveRaceTest : test::InMemory, public ::testing::Test {
  protected:
    RemoveRaceTest() {
        plant(precious_ + "/victim");
        fs::create_directories(daily_);
    }
    ~RemoveRaceTest() override { EXPECT_TRUE(whole(precious_ + "/victim")); }

    static void plant(const std::string &path) {
        fs::create_directories(path + "/sub/below");
        for (const std::string &name : names())
            test::write_file(path + "/" + name, name);
    }
    static bool whole(const std::string &path) {
        const auto list = names();
        return std::all_of(list.begin(), list.end(),
                           [&](const std::string &name) { return fs::exists(path + "/" + name); });
    }
    static std::vector<std::string> names() {
        std::vector<std::string> list{"sub/file", "sub/below/file"};
        for (int i = 0; i < 20; ++i)
            list.push_back(std::to_string(i));
        return list;
    }

    // Exchanges two names as fast as it can, as long as it lives.
    class Swapping {
      public:
        Swapping(std::string a, std::string b)
            : thread_([this, a = std::move(a), b = std::move(b)] {
                  while (!stop_)
                      done_ += ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
              }) {}
        ~Swapping() {
            stop_ = true;
            thread_.join();
            EXPECT_GT(done_, 0);
        }
        Swapping(const Swapping &) = delete;
        Swapping &operator=(const Swapping &) = delete;

      private:
        std::atomic<bool> stop_{false};
        int done_ = 0;
        std::thread thread_;
    };

    int removals(const std::string &path, int rounds, const std::function<void()> &prepare) const {
        int removed = 0;
        for (int i = 0; i < rounds; ++i) {
            prepare();
            try {
                removed += remove_tree(path, inside_, [] {}) > 0;
            } catch (const Error &) { // the way there was a symlink at that moment
            }
        }
        return removed;
    }

    test::TempDir dir_;
    const std::string precious_ = dir_ / "precious";
    const std::string inside_ = dir_ / "backups";
    const std::string daily_ = inside_ + "/daily";
};

TEST_F(RemoveRaceTest, AParentSwappedForASymlinkLeadsNowhereElse) {
    fs::create_directory_symlink(precious_, inside_ + "/link");
    const Fd folder(::open(daily_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const Swapping swapping(daily_, inside_ + "/link");
    const auto prepare = [&] {
        plant(dir_ / "fresh");
        ::renameat(AT_FDCWD, (dir_ / "fresh").c_str(), folder.get(), "victim");
    };
    EXPECT_GT(removals(daily_ + "/victim", 100, prepare), 0);
}

// Between the listing that shows a folder and the moment it is opened.
TEST_F(RemoveRaceTest, AFolderInsideSwappedForASymlinkIsNotFollowed) {
    const std::string victim = daily_ + "/victim";
    const std::string sub = victim + ".removing/sub";
    fs::create_directories(victim + "/sub/below");
    constexpr int kFiles = 13; // every 16th step asks: the tree is entered, 14 entries listed, sub entered
    for (int i = 0; i < kFiles; ++i)
        test::write_file(victim + "/" + std::to_string(i), "");
    bool swapped = false;
    const Poll swap = [&] {
        if (swapped || !fs::exists(sub))
            return;
        fs::rename(sub, inside_ + "/moved");
        fs::create_directory_symlink(precious_ + "/victim", sub);
        swapped = std::distance(fs::directory_iterator(victim + ".removing"), {}) == 1;
    };
    EXPECT_GT(remove_tree(victim, inside_, swap), 0);
    EXPECT_TRUE(swapped) << "the files are gone, the folder is not yet entered";
    EXPECT_FALSE(fs::exists(victim) || fs::exists(victim + ".removing"));
    EXPECT_TRUE(fs::exists(inside_ + "/moved/below"));
}

// The way up from a folder is "..", which leads elsewhere when somebody has moved the folder.
TEST_F(RemoveRaceTest, AFolderMovedElsewhereIsNotLeftUpwards) {
    const std::string victim = daily_ + "/victim";
    test::plant_deep_tree(victim, 200, 1);
    fs::create_directories(precious_ + "/d");
    int asked = 0;
    const Poll move_it = [&] {
        if (++asked == 30)
            fs::rename(victim + ".removing/d/d", precious_ + "/moved");
    };
    try {
        remove_tree(victim, inside_, move_it);
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::source_changed);
        EXPECT_STREQ(e.what(), "folder d was moved meanwhile");
    }
    EXPECT_TRUE(fs::exists(precious_ + "/d") && fs::exists(precious_ + "/moved"));
}

// Mounted after the first look: the walk sees it, on the same device too.
TEST_F(RemoveRaceTest, WhatIsMountedMeanwhileIsNotEntered) {
    constexpr int kNoMounts = 77;
    const std::string victim = daily_ + "/victim";
    plant(victim);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            ::_exit(kNoMounts);
        int asked = 0;
        const Poll mount_it = [&] {
            const std::string point = victim + ".removing/sub";
            if (++asked == 2 &&
                ::mount((precious_ + "/victim").c_str(), point.c_str(), nullptr, MS_BIND, nullptr) != 0)
                ::_exit(kNoMounts);
        };
        try {
            remove_tree(victim, inside_, mount_it);
        } catch (const Error &e) {
            const std::string expected = ": 1 entry could not be deleted, first sub: another file system is "
                                         "mounted there; ";
            ::_exit(std::string(e.what()).find(expected) == std::string::npos ? 1 : 0);
        }
        ::_exit(2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WEXITSTATUS(status) == kNoMounts)
        GTEST_SKIP() << "no mounts for this user";
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(fs::exists(victim + ".removing/sub/file")) << "under the mount";
    EXPECT_FALSE(fs::exists(victim + ".removing/0"));
}

// Two at once: each entry is counted by the one that deleted it, and none is a failure.
TEST_F(RemoveRaceTest, TwoAtOnceFreeItOnce) {
    const std::string victim = daily_ + "/victim";
    for (int round = 0; round < 20; ++round) {
        plant(victim);
        std::atomic<std::int64_t> sum{0};
        const auto one = [&] {
            try {
                sum += remove_tree(victim, inside_, [] {});
            } catch (const Error &e) { // the other one was first
                EXPECT_EQ(e.code(), Errc::not_found) << e.what();
            }
        };
        std::thread other(one);
        one();
        other.join();
        EXPECT_FALSE(fs::exists(victim) || fs::exists(victim + ".removing"));
        EXPECT_GT(sum, 0);
    }
}

} // namespace
} // namespace emsn::core
