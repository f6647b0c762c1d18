// Walks that have to wait inside a system call, for ever or while the tree changes around them.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "core/dir_usage.hpp"
#include "core/error.hpp"
#include "core/mounts.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tree.hpp"

namespace emsn::core {
namespace {

const Poll kNoPoll = [] {};

std::ptrdiff_t threads_of_this_process() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

// tests/support/hung_folder.cpp stands in for a network share whose server is gone.
class HungFolder : public ::testing::Test {
  protected:
    test::TempDir dir_;
    const std::string tree_ = dir_ / "tree";

    void SetUp() override {
        threads_before_ = threads_of_this_process();
        test::plant_odd_tree(tree_);
        ::setenv("HUNG_FOLDER", (tree_ + "/a").c_str(), 1);
        ::setenv("HUNG_GATE", (dir_ / "gate").c_str(), 1);
    }
    void TearDown() override {
        test::write_file(dir_ / "gate", "");
        EXPECT_TRUE(test::eventually([&] { return threads_of_this_process() == threads_before_; }))
            << "a thread that was given up ends when its call returns";
        ::unsetenv("HUNG_FOLDER");
        ::unsetenv("HUNG_GATE");
    }
    std::ptrdiff_t threads_before_ = 0;
};

TEST_F(HungFolder, TheDeadlineAnswersWithWhatIsKnown) {
    const auto rows = dir_usage(tree_, 1, {.threads = 2, .deadline_ms = 1000}, kNoPoll);
    ASSERT_EQ(rows.size(), 5U);
    for (const DirUsage &row : rows) {
        const bool hung = row.name == "tree" || row.name == "a";
        EXPECT_EQ(row.complete, !hung) << row.path;
        if (hung) {
            EXPECT_EQ(row.error, "hung: a system call in " + row.path + " does not return");
        }
    }
    EXPECT_GT(rows[0].bytes, 0);
    try {
        static_cast<void>(dir_size(tree_, {.deadline_ms = 200}, kNoPoll));
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::timed_out);
        EXPECT_TRUE(std::string(e.what()).starts_with(tree_ + ": deadline of 200 ms passed after "))
            << e.what();
        EXPECT_TRUE(std::string(e.what()).ends_with(" entries (hung: a system call does not return)"))
            << e.what();
    }
    test::write_file(dir_ / "gate", "");
    EXPECT_EQ(dir_size(tree_, {}, kNoPoll)->bytes, std::stoll(test::run({"du", "-sb", tree_}).out))
        << "a call afterwards works";
}

TEST_F(HungFolder, TheUserCanLeave) {
    int asked = 0;
    const Poll enough = [&] {
        if (++asked == 3)
            throw Error(Errc::interrupted, "enough");
    };
    EXPECT_THROW(static_cast<void>(dir_usage(tree_, 1, {}, enough)), Error);
    EXPECT_EQ(asked, 3);
}

TEST_F(HungFolder, ARootThatDoesNotAnswerIsARow) {
    const auto rows = dir_usage(tree_ + "/a", 1, {.deadline_ms = 50}, kNoPoll);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_FALSE(rows[0].reached);
    EXPECT_FALSE(rows[0].complete);
    EXPECT_EQ(rows[0].error, "hung: a system call in " + tree_ + "/a does not return");
}

TEST_F(HungFolder, AFileSystemThatDoesNotAnswerIsARow) {
    const auto mounts = parse_mountinfo("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                        "2 1 0:21 / " +
                                        tree_ +
                                        "/a rw - nfs4 nas:/emsn rw\n"
                                        "3 2 8:2 / " +
                                        tree_ +
                                        "/a/stick rw - ext4 /dev/sdb1 rw\n"
                                        "4 1 0:22 / " +
                                        tree_ +
                                        " rw - cifs //nas/all rw\n"
                                        "5 1 0:23 / /auto rw - autofs systemd-1 rw\n");
    std::string seen;
    for (const Filesystem &row : filesystems(mounts, std::chrono::milliseconds(50)))
        seen += row.mount.mount_point + (row.usage ? " measured" : " " + row.error.value_or("")) + "\n";
    EXPECT_EQ(seen, "/ measured\n"
                    "/auto not measured: asking an autofs mounts what is behind it\n" +
                        tree_ + " measured\n" + tree_ + "/a hung: statvfs " + tree_ +
                        "/a did not answer within 50 ms\n" + tree_ + "/a/stick hung: statvfs " + tree_ +
                        "/a/stick did not answer within 50 ms\n");
}

// A long chain of folders d with others beside each, and a walk that waits at the bottom while it is moved.
class MovedChain : public ::testing::Test {
  protected:
    test::TempDir dir_;
    const std::string tree_ = dir_ / "tree";
    static constexpr int kSteps = 60; // more than the levels that stay open here

    void SetUp() override {
        ::getrlimit(RLIMIT_NOFILE, &old_);
        const rlimit few{80, old_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
        for (int step = 0; step <= kSteps; ++step) {
            ::mkdir(at(step).c_str(), 0755);
            // names that differ from step to step: d shall not be the last one everywhere, in no file
            // system's order
            for (int beside = 0; beside < 10; ++beside) {
                if (beside == 5)
                    ::mkdir(at(step + 1).c_str(), 0755);
                ::mkdir((at(step) + "/" + std::to_string(100 * step + beside)).c_str(), 0755);
            }
        }
        whole_ = dir_size(tree_, {}, kNoPoll)->entries;
        ::setenv("HUNG_FOLDER", at(kSteps).c_str(), 1);
        ::setenv("HUNG_GATE", (dir_ / "gate").c_str(), 1);
    }
    void TearDown() override {
        ::unsetenv("HUNG_FOLDER");
        ::unsetenv("HUNG_GATE");
        ::setrlimit(RLIMIT_NOFILE, &old_);
    }
    [[nodiscard]] std::string at(int step) const {
        std::string path = tree_;
        for (int i = 0; i < step; ++i)
            path += "/d";
        return path;
    }
    // Walks; when it has come to the bottom, moves what is at that step out of the tree.
    DirSize walk_while_moving(const std::vector<int> &steps) {
        std::optional<DirSize> size;
        std::thread walker([&] { size = dir_size(tree_, {.threads = 1}, kNoPoll); });
        EXPECT_TRUE(test::eventually([&] { return std::filesystem::exists(dir_ / "gate.waiting"); }));
        for (const int step : steps)
            EXPECT_EQ(::rename(at(step).c_str(), (dir_ / ("moved " + std::to_string(step))).c_str()), 0);
        test::write_file(dir_ / "gate", "");
        walker.join();
        return *size;
    }
    std::int64_t whole_ = 0;
    rlimit old_{};
};

TEST_F(MovedChain, TheWayBackIsFoundByName) {
    const auto size = walk_while_moving({10});
    EXPECT_EQ(size.entries, whole_);
    EXPECT_EQ(size.unreadable, 0);
}

TEST_F(MovedChain, WhatIsOutOfReachIsSaid) {
    const auto size = walk_while_moving({10, 5});
    EXPECT_GT(size.unreadable, 0);
    EXPECT_LT(size.unreadable, 10) << "above the second move all is found again";
}

} // namespace
} // namespace emsn::core
