#include "core/dir_usage.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "core/error.hpp"
#include "core/mounts.hpp"
#include "core/walk_jobs.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tree.hpp"

namespace emsn::core {
namespace {

const Poll kNoPoll = [] {};

std::ptrdiff_t threads_of_this_process() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

class DirUsageTest : public ::testing::Test {
  protected:
    test::TempDir dir_;
    const std::string tree_ = dir_ / "tree";
};

// du's lines end with NUL, so that names may hold newlines.
std::map<std::string, std::int64_t> of_du(const std::vector<std::string> &words, const std::string &path) {
    std::vector<std::string> argv{"du", "-0"};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.push_back(path);
    std::istringstream out(test::run(argv).out);
    std::map<std::string, std::int64_t> sizes;
    for (std::string line; std::getline(out, line, '\0');)
        sizes[line.substr(line.find('\t') + 1)] = std::stoll(line);
    return sizes;
}

std::int64_t of_find(const std::string &path, const std::vector<std::string> &words) {
    std::vector<std::string> argv{"find", path};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {"-printf", "x"});
    return static_cast<std::int64_t>(test::run(argv).out.size());
}

TEST_F(DirUsageTest, EachRowEqualsDuAndFind) {
    test::plant_daily_backups(tree_, 3);
    test::plant_odd_tree(tree_ + "/odd");
    test::plant_deep_tree(tree_ + "/deep", 20, 200);
    for (const int depth : {0, 1, 2, 4}) {
        const auto rows = dir_usage(tree_, depth, {}, kNoPoll);
        const std::string max_depth = "--max-depth=" + std::to_string(depth);
        const auto apparent = of_du({"-b", max_depth}, tree_);
        const auto allocated = of_du({"--block-size=1", max_depth}, tree_);
        EXPECT_EQ(rows.size(), apparent.size());
        for (const DirUsage &row : rows) {
            // a file in a folder and below it: du counts it where it comes first in the folder's order
            const bool linked_both_ways = row.path == tree_ + "/odd/a";
            EXPECT_EQ(row.bytes, linked_both_ways ? row.bytes : apparent.at(row.path)) << row.path;
            EXPECT_EQ(row.allocated_bytes, linked_both_ways ? row.allocated_bytes : allocated.at(row.path));
            EXPECT_EQ(row.files, of_find(row.path, {"!", "-type", "d"})) << row.path;
            EXPECT_EQ(row.directories, of_find(row.path, {"-type", "d"})) << row.path;
            EXPECT_TRUE(row.complete);
        }
    }
}

TEST_F(DirUsageTest, ParentsComeFirstAndSiblingsByName) {
    for (const char *folder : {"", "/b", "/a", "/a/y", "/a/x", "/c"})
        ASSERT_EQ(::mkdir((tree_ + folder).c_str(), 0755), 0);
    std::string seen;
    for (const DirUsage &row : dir_usage(tree_ + "/", 5, {}, kNoPoll))
        seen += std::to_string(row.depth) + row.path.substr(dir_.path().size()) + "=" + row.name + " ";
    EXPECT_EQ(seen, "0/tree/=tree 1/tree/a=a 2/tree/a/x=x 2/tree/a/y=y 1/tree/b=b 1/tree/c=c ");
}

TEST_F(DirUsageTest, SaysWhereAndWhyItCouldNotRead) {
    test::plant_odd_tree(tree_);
    const test::AsNobody nobody;
    std::map<std::string, DirUsage> rows;
    for (const DirUsage &row : dir_usage(tree_, 1, {}, kNoPoll))
        rows[row.name] = row;
    EXPECT_EQ(rows["tree"].unreadable, 3);
    EXPECT_EQ(rows["tree"].error, "open no read: Permission denied");
    EXPECT_EQ(rows["no read"].unreadable, 1);
    EXPECT_EQ(rows["no read"].error, "open no read: Permission denied");
    EXPECT_EQ(rows["no search"].error, "stat inside: Permission denied");
    EXPECT_EQ(rows["a"].unreadable, 0);
    EXPECT_FALSE(rows["a"].error);
    EXPECT_TRUE(rows["no read"].complete) << "all that can be known of it";
}

TEST_F(DirUsageTest, NewestIsTheYoungestOfAllBelow) {
    for (const char *folder : {"", "/old", "/new"})
        ASSERT_EQ(::mkdir((tree_ + folder).c_str(), 0755), 0);
    test::write_file(tree_ + "/new/file", "x");
    for (const auto &[name, when] : std::map<std::string, std::string>{
             {"/new/file", "@2000000002"}, {"/new", "@-5"}, {"/old", "@2000000001"}, {"", "@7"}})
        test::run({"touch", "-d", when, tree_ + name});
    const auto rows = dir_usage(tree_, 1, {}, kNoPoll);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].newest_mtime, 2000000002);
    EXPECT_EQ(rows[1].newest_mtime, 2000000002);
    EXPECT_EQ(rows[2].newest_mtime, 2000000001);
}

// What deleting each backup frees, and what deleting all of them does, in one walk.
TEST_F(DirUsageTest, ExclusiveCountsAFileInTheRowThatHoldsAllItsNames) {
    test::plant_daily_backups(tree_, 7);
    for (const int threads : {1, 4}) {
        const auto rows =
            dir_usage(tree_, 1, {.files_only = true, .exclusive = true, .threads = threads}, kNoPoll);
        ASSERT_EQ(rows.size(), 8U);
        EXPECT_EQ(rows[0].bytes, test::kDailyFolders * test::kDailyFiles * test::kDailyBytes + 28);
        for (std::size_t day = 1; day <= 7; ++day)
            EXPECT_EQ(rows[day].bytes, static_cast<std::int64_t>(day)) << rows[day].path;
    }
}

TEST_F(DirUsageTest, ARootOutOfReachIsARowWithItsReason) {
    const auto rows = dir_usage(tree_, 1, {}, kNoPoll);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_FALSE(rows[0].reached);
    EXPECT_TRUE(rows[0].complete);
    EXPECT_EQ(rows[0].error, "lstat " + tree_ + ": No such file or directory");
}

// tests/support/hung_folder.cpp stands in for a network share whose server is gone.
class HungFolder : public DirUsageTest {
  protected:
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
    EXPECT_EQ(dir_size(tree_, {}, kNoPoll)->bytes, of_du({"-sb"}, tree_).at(tree_))
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

TEST(NameList, HalvesLoseNothing) {
    for (int count = 0; count < 40; ++count) {
        for (int taken = 0; taken <= count; ++taken) {
            NameList list;
            for (int i = 0; i < count; ++i)
                list.add(std::string(static_cast<std::size_t>(i * 7 % 11 + 1), static_cast<char>('A' + i)));
            std::string seen;
            const auto take_all = [&](NameList &from) {
                while (!from.empty())
                    seen += *from.take().name;
            };
            for (int i = 0; i < taken; ++i)
                seen += *list.take().name;
            NameList later = list.split();
            EXPECT_EQ(later.empty(), taken == count);
            take_all(list);
            take_all(later);
            std::string expected;
            for (int i = 0; i < count; ++i)
                expected += static_cast<char>('A' + i);
            EXPECT_EQ(seen, expected);
        }
    }
}

} // namespace
} // namespace emsn::core
