#include "core/dir_usage.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "core/walk_jobs.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tree.hpp"

namespace emsn::core {
namespace {

const Poll kNoPoll = [] {};

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
