#include "core/dir_usage.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <thread>

#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/link_set.hpp"
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
    for (const int threads : {1, 4}) {
        EXPECT_EQ(ours(tree_, {.threads = threads}), of_du({"-b"}, tree_));
        EXPECT_EQ(ours(tree_, {.allocated = true, .threads = threads}), of_du({"--block-size=1"}, tree_));
        EXPECT_EQ(ours(tree_, {.one_file_system = true, .threads = threads}), of_du({"-bx"}, tree_));
    }
}

TEST_F(DirSizeTest, EqualsDuForAUserWhoCannotReadEverything) {
    test::plant_odd_tree(tree_);
    const auto expected = of_du_as_nobody(tree_);
    const test::AsNobody nobody;
    for (const int threads : {1, 4}) {
        const auto size = dir_size(tree_, {.threads = threads}, kNoPoll);
        ASSERT_TRUE(size);
        EXPECT_EQ(size->bytes, expected);
        EXPECT_EQ(size->unreadable, 3)
            << "the folder without rights, what is in the one without search right, "
               "and root's";
    }
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
    EXPECT_EQ(ours(tree_, {.threads = 1}), of_du({"-b"}, tree_));
    EXPECT_EQ(ours(tree_, {.threads = 4}), of_du({"-b"}, tree_));
}

TEST_F(DirSizeTest, DepthCostsNeitherStackNorDescriptors) {
    test::plant_deep_tree(tree_, 6'000, 1);
    const auto expected = of_du({"-b"}, tree_);
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    const rlimit few{40, old.rlim_max}; // less than the levels that one thread likes to keep open
    ::setrlimit(RLIMIT_NOFILE, &few);
    const auto one = dir_size(tree_, {.threads = 1}, kNoPoll);
    const auto many = dir_size(tree_, {.threads = 16}, kNoPoll);
    ::setrlimit(RLIMIT_NOFILE, &old);
    EXPECT_EQ(one->bytes, expected);
    EXPECT_EQ(one->unreadable, 0);
    EXPECT_EQ(many->bytes, expected);
    EXPECT_EQ(many->unreadable, 0);
}

TEST_F(DirSizeTest, AHostThatHasNearlyAllDescriptorsOpenChangesNothing) {
    test::plant_deep_tree(tree_, 60, 1);
    const auto expected = of_du({"-b"}, tree_);
    constexpr std::size_t kLeft = 6;
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    const rlimit few{200, old.rlim_max}; // a quarter of it is more than what is left
    ::setrlimit(RLIMIT_NOFILE, &few);
    std::vector<Fd> taken;
    for (Fd fd(::open("/", O_RDONLY | O_CLOEXEC)); fd; fd = Fd(::open("/", O_RDONLY | O_CLOEXEC)))
        taken.push_back(std::move(fd));
    taken.resize(taken.size() - kLeft);
    const auto size = dir_size(tree_, {.threads = 1}, kNoPoll);
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
    const auto expected = of_du({"-b"}, tree_);
    EXPECT_EQ(ours(tree_, {.threads = 1}), expected);
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(ours(tree_, {.threads = 8}), expected) << "each with its own part of the way";
}

TEST_F(DirSizeTest, ThreadsAlwaysComeToTheSameSum) {
    test::plant_daily_backups(tree_, 7);
    const auto expected = of_du({"-b"}, tree_);
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(ours(tree_, {.threads = 2 + i % 7}), expected);
}

// One folder is cut into parts for threads that have nothing to do.
TEST_F(DirSizeTest, ThreadsShareOneHugeFolder) {
    test::plant_wide_tree(tree_, 20'000);
    const auto expected = of_du({"-b"}, tree_);
    for (int i = 0; i < 10; ++i) {
        const auto size = dir_size(tree_, {.threads = 8}, kNoPoll);
        ASSERT_EQ(size->bytes, expected);
        ASSERT_EQ(size->entries, 20'001) << "every name once";
    }
}

TEST_F(DirSizeTest, WalksThatShareASetCountALinkOnce) {
    test::plant_daily_backups(tree_, 3);
    const auto links = std::make_shared<LinkSet>();
    std::int64_t sum = 0;
    for (const char *day : {"/day 1", "/day 2", "/day 3"})
        sum += dir_size(tree_ + day, {}, kNoPoll, links)->bytes;
    EXPECT_EQ(sum, std::stoll(test::run({"bash", "-c", "du -cbs \"$1\"/day* | tail -n1", "-", tree_}).out));
}

TEST_F(DirSizeTest, ExclusiveIsWhatDeletingFrees) {
    test::plant_daily_backups(tree_, 2);
    const auto folders = [&](const std::string &path) {
        return ours(path) - ours(path, {.files_only = true});
    };
    constexpr std::int64_t kShared =
        std::int64_t{test::kDailyFolders} * test::kDailyFiles * test::kDailyBytes;
    EXPECT_EQ(ours(tree_ + "/day 2", {.exclusive = true}), folders(tree_ + "/day 2") + 2);
    EXPECT_EQ(ours(tree_, {.exclusive = true, .threads = 4}), folders(tree_) + kShared + 1 + 2);
    test::run({"rm", "-r", tree_ + "/day 1"});
    EXPECT_EQ(ours(tree_ + "/day 2", {.exclusive = true}), ours(tree_ + "/day 2")) << "the last one";
}

TEST_F(DirSizeTest, MillionNamesNeedLittleMemory) {
#ifdef EMSN_SANITIZE
    // what is freed stays in the sanitizer's quarantine: memory says nothing here
    constexpr int kNames = 100'000;
    constexpr long kMostKib = LONG_MAX;
#else
    constexpr int kNames = 1'000'000;
    constexpr long kMostKib = 16 * 1024;
#endif
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
        const auto size = dir_size(tree_, {.threads = 1 + i % 4}, kNoPoll);
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

} // namespace
} // namespace emsn::core
