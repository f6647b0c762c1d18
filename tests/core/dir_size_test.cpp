#include "core/dir_usage.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "core/error.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tree.hpp"

namespace emsn::core {
namespace {

const Poll kNoPoll = [] {};

std::int64_t ours(const std::string &path, const WalkOptions &options = {}) {
    const auto size = dir_size(path, options, kNoPoll);
    return size ? size->bytes : -1;
}

std::int64_t of_du(const std::vector<std::string> &words, const std::string &path) {
    std::vector<std::string> argv{"du", "-s"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.push_back(path);
    return std::stoll(test::run(argv).out);
}

std::int64_t of_du_as_nobody(const std::string &path) {
    return std::stoll(test::run(test::as_nobody({"du", "-sb", path})).out);
}

class DirSizeTest : public ::testing::Test {
  protected:
    test::TempDir dir_;
    const std::string tree_ = dir_ / "tree";
};

TEST_F(DirSizeTest, EqualsDuOnAnOddTree) {
    test::plant_odd_tree(tree_);
    EXPECT_EQ(ours(tree_), of_du({"-b"}, tree_));
    EXPECT_EQ(ours(tree_, {.allocated = true}), of_du({"--block-size=1"}, tree_));
    EXPECT_EQ(ours(tree_, {.one_file_system = true}), of_du({"-bx"}, tree_));
}

TEST_F(DirSizeTest, EqualsDuForAUserWhoCannotReadEverything) {
    test::plant_odd_tree(tree_);
    const auto expected = of_du_as_nobody(tree_);
    const test::AsNobody nobody;
    const auto size = dir_size(tree_, {}, kNoPoll);
    ASSERT_TRUE(size);
    EXPECT_EQ(size->bytes, expected);
    EXPECT_GE(size->unreadable, 3) << "the folder without rights, the one without search right, and root's";
}

TEST_F(DirSizeTest, FilesOnlyLeavesDirectoriesOut) {
    test::plant_odd_tree(tree_);
    const auto files = test::run({"find", tree_, "!", "-type", "d", "-printf", "%i %s\n"}).out;
    std::istringstream in(files);
    std::set<ino_t> seen;
    std::int64_t sum = 0;
    std::int64_t bytes = 0;
    for (ino_t inode = 0; in >> inode >> bytes;)
        sum += seen.insert(inode).second ? bytes : 0;
    EXPECT_EQ(ours(tree_, {.files_only = true}), sum);
}

TEST_F(DirSizeTest, EqualsDuBelowPathMax) {
    test::plant_deep_tree(tree_, 40, 250); // 10,000 bytes of path
    EXPECT_EQ(ours(tree_), of_du({"-b"}, tree_));
}

TEST_F(DirSizeTest, DepthCostsNeitherStackNorDescriptors) {
    test::plant_deep_tree(tree_, 6'000, 1);
    const auto expected = of_du({"-b"}, tree_);
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    const rlimit few{100, old.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    const auto size = dir_size(tree_, {}, kNoPoll);
    ::setrlimit(RLIMIT_NOFILE, &old);
    EXPECT_EQ(size->bytes, expected);
    EXPECT_EQ(size->unreadable, 0);
}

// A deep chain with a folder beside each step: after the way back up, the folders beside still count.
TEST_F(DirSizeTest, TheWayBackUpFindsWhatIsLeftToVisit) {
    test::plant_deep_tree(tree_, 200, 1);
    std::string path = tree_;
    for (int level = 0; level < 200; ++level) {
        for (const char *name : {"/a", "/e", "/z"}) {
            ASSERT_EQ(::mkdir((path + name).c_str(), 0755), 0);
            test::write_file(path + name + "/f", std::string(static_cast<std::size_t>(level), 'x'));
        }
        path += "/d";
    }
    EXPECT_EQ(ours(tree_), of_du({"-b"}, tree_));
}

TEST_F(DirSizeTest, MillionNamesNeedLittleMemory) {
    constexpr int kNames = 1'000'000;
    constexpr long kMostKib = 16 * 1024;
    // tmpfs where there is one: a disk takes minutes to make and remove so many names
    ::setenv("TMPDIR", ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
    const test::TempDir fast;
    ::unsetenv("TMPDIR");
    test::plant_wide_tree(fast / "wide", kNames);
    const auto expected = of_du({"-b"}, fast / "wide");
    const pid_t child = ::fork();
    if (child == 0) {
        rusage before{};
        rusage after{};
        ::getrusage(RUSAGE_SELF, &before);
        const bool equal = ours(fast / "wide") == expected;
        ::getrusage(RUSAGE_SELF, &after);
        ::_exit(!equal ? 1 : after.ru_maxrss - before.ru_maxrss > kMostKib ? 2 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "1: not equal to du, 2: more than 16 MiB";
}

TEST_F(DirSizeTest, RootsThatAreNoDirectories) {
    test::write_file(dir_ / "file", "12345");
    ASSERT_EQ(::symlink("tree", (dir_ / "link").c_str()), 0);
    test::plant_odd_tree(tree_);
    EXPECT_EQ(ours(dir_ / "file"), 5);
    EXPECT_EQ(ours(dir_ / "link"), of_du({"-b"}, dir_ / "link")) << "the link itself";
    EXPECT_EQ(ours(dir_ / "link/"), of_du({"-b"}, dir_ / "link/")) << "its target";
    EXPECT_EQ(ours(dir_ / "not there"), -1);
    EXPECT_EQ(ours(""), -1);
    EXPECT_EQ(ours(std::string(5000, 'x')), -1);
    EXPECT_EQ(ours(dir_ / "file/below"), -1);
}

TEST_F(DirSizeTest, ARootOutOfReachIsNoAnswerAndAClosedOneCountsItself) {
    test::plant_odd_tree(tree_);
    const auto closed = of_du_as_nobody(tree_ + "/no read");
    const test::AsNobody nobody;
    EXPECT_EQ(ours(tree_ + "/no read"), closed);
    if (::getuid() == 0) {
        EXPECT_EQ(ours(tree_ + "/root only/below"), -1);
    }
}

TEST_F(DirSizeTest, SurvivesEntriesThatComeAndGo) {
    test::plant_deep_tree(tree_, 100, 5);
    std::atomic<bool> stop{false};
    std::thread churn([&] {
        const std::string a = tree_ + "/ddddd";
        const std::string b = tree_ + "/moved";
        while (!stop) {
            ::rename(a.c_str(), b.c_str());
            ::mkdir((tree_ + "/short-lived").c_str(), 0755);
            ::rmdir((tree_ + "/short-lived").c_str());
            ::rename(b.c_str(), a.c_str());
        }
    });
    const auto whole = std::int64_t{1'000'000};
    for (int i = 0; i < 300; ++i) {
        const auto size = dir_size(tree_, {}, kNoPoll);
        ASSERT_TRUE(size);
        ASSERT_GT(size->bytes, 0);
        ASSERT_LT(size->bytes, whole);
    }
    stop = true;
    churn.join();
}

TEST_F(DirSizeTest, ASumPastTheLargestNumberIsAnError) {
    ::setenv("TMPDIR", "/dev/shm", 1); // tmpfs takes files of 2^63-1 bytes
    const test::TempDir huge;
    ::unsetenv("TMPDIR");
    for (const char *name : {"a", "b"}) {
        test::write_file(huge / name, "");
        ASSERT_EQ(::truncate((huge / name).c_str(), INT64_MAX), 0);
    }
    try {
        static_cast<void>(ours(huge.path()));
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::too_big);
        EXPECT_EQ(std::string(e.what()), huge.path() + ": the sum is larger than 2^63-1 bytes");
    }
}

TEST_F(DirSizeTest, PollStopsTheWalk) {
    test::plant_deep_tree(tree_, 2'000, 1);
    const Poll stop = [] { throw Error(Errc::interrupted, "enough"); };
    EXPECT_THROW(static_cast<void>(dir_size(tree_, {}, stop)), Error);
}

TEST_F(DirSizeTest, ADeadlineSaysHowFarItCame) {
    test::plant_deep_tree(tree_, 2'000, 1);
    const auto start = Clock::now();
    const Poll slow = [&] { // the first question comes after the deadline, however fast the machine is
        while (Clock::now() - start < std::chrono::milliseconds(5)) {
        }
    };
    try {
        static_cast<void>(dir_size(tree_, {.deadline_ms = 1}, slow));
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::timed_out);
        EXPECT_NE(std::string(e.what()).find("deadline of 1 ms passed after "), std::string::npos)
            << e.what();
    }
}

} // namespace
} // namespace emsn::core
