// The simulation of a power cut itself: what it says of programs whose outcome is known.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/sqlite/support.hpp"
#include "tests/support/power_cut.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kSeeds = 60; // enough for each outcome of these few operations
constexpr const char *kGone = "(gone)";

class PowerCutModelTest : public ::testing::Test {
  protected:
    PowerCutModelTest() { fs::create_directory(folder_); }

    // command: for sh, in the folder.
    PowerCut watch(const std::string &command) {
        PowerCut cut(folder_);
        const auto outcome =
            run({"sh", "-c", "cd " + folder_ + " && " + command}, disk_log_env(folder_, log_));
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        cut.read_log(log_);
        return cut;
    }

    static std::set<std::string> outcomes_at(const PowerCut &cut, const std::string &name, std::size_t from) {
        std::set<std::string> found;
        for (std::size_t at = from; at <= cut.operations(); ++at) {
            for (unsigned seed = 0; seed < kSeeds; ++seed) {
                const auto files = cut.after(at, seed);
                found.insert(files.contains(name) ? files.at(name) : kGone);
            }
        }
        return found;
    }
    // What the file may hold after a cut at any moment, and after one when the command was done.
    static std::set<std::string> ever(const PowerCut &cut, const std::string &name) {
        return outcomes_at(cut, name, 0);
    }
    static std::set<std::string> at_the_end(const PowerCut &cut, const std::string &name) {
        return outcomes_at(cut, name, cut.operations());
    }

    using Set = std::set<std::string>;
    TempDir dir_;
    const std::string folder_ = dir_ / "folder";
    const std::string log_ = dir_ / "log";
};

TEST_F(PowerCutModelTest, AFileThatIsRenamedBeforeItIsSyncedMayBeEmpty) {
    write_file(folder_ + "/f", "old");
    const auto cut = watch("printf new >f.tmp && mv f.tmp f");
    EXPECT_EQ(ever(cut, "f"), (Set{"old", "new", ""}));
    EXPECT_EQ(at_the_end(cut, "f"), (Set{"old", "new", ""}));
}

TEST_F(PowerCutModelTest, AFileThatIsSyncedAndRenamedIsOldOrNew) {
    write_file(folder_ + "/f", "old");
    const auto cut = watch("printf new >f.tmp && sync f.tmp && mv f.tmp f");
    EXPECT_EQ(ever(cut, "f"), (Set{"old", "new"}));
    EXPECT_EQ(at_the_end(cut, "f"), (Set{"old", "new"}));
}

TEST_F(PowerCutModelTest, ASyncedFolderKeepsItsNames) {
    write_file(folder_ + "/f", "old");
    const auto cut = watch("printf new >f.tmp && sync f.tmp && mv f.tmp f && sync .");
    EXPECT_EQ(ever(cut, "f"), (Set{"old", "new"}));
    EXPECT_EQ(at_the_end(cut, "f"), (Set{"new"}));
    EXPECT_EQ(at_the_end(cut, "f.tmp"), (Set{kGone}));
}

TEST_F(PowerCutModelTest, ASyncedFileMayStillLoseItsName) {
    EXPECT_EQ(at_the_end(watch("printf new >f && sync f"), "f"), (Set{"new", kGone}));
}

TEST_F(PowerCutModelTest, RemovalCountsWhenTheFolderIsSynced) {
    write_file(folder_ + "/f", "old");
    write_file(folder_ + "/g", "old");
    const auto cut = watch("rm f && sync . && rm g");
    EXPECT_EQ(at_the_end(cut, "f"), (Set{kGone}));
    EXPECT_EQ(at_the_end(cut, "g"), (Set{"old", kGone}));
}

TEST_F(PowerCutModelTest, SectorsOfOneWriteAreLostOneByOne) {
    const std::string a(512, 'a');
    const std::string b(512, 'b');
    write_file(folder_ + "/f", a + a);
    write_file(dir_ / "new", b + b);
    const auto cut = watch("cat ../new 1<>f"); // in place, by one write
    EXPECT_EQ(at_the_end(cut, "f"), (Set{a + a, a + b, b + a, b + b}));
}

TEST_F(PowerCutModelTest, AFileThatGrewReadsAsZerosWhereItsDataIsLost) {
    const auto found = at_the_end(watch("printf new >f && sync . && truncate -s 5 f"), "f");
    EXPECT_EQ(found, (Set{"", "new", std::string(3, '\0'), std::string("new\0\0", 5), std::string(5, '\0')}));
}

TEST_F(PowerCutModelTest, ALaterNameIsNotTheFirstFilesContent) {
    // the second file may get the inode number of the first
    const auto cut = watch("printf 1 >f && sync f && sync . && rm f && printf 2 >f && sync f");
    EXPECT_EQ(ever(cut, "f"), (Set{"1", "2", kGone, ""}));
    EXPECT_EQ(at_the_end(cut, "f"), (Set{"1", "2", kGone}));
}

TEST_F(PowerCutModelTest, WhatIsNotRecordedIsFoundOut) {
    PowerCut cut(folder_);
    ASSERT_EQ(run({"sh", "-c", "printf 1 >" + folder_ + "/f"}, disk_log_env(folder_, log_)).status, 0);
    write_file(folder_ + "/f", "2"); // by this process, which nobody watches
    EXPECT_THROW(cut.read_log(log_), std::runtime_error);
}

TEST_F(PowerCutModelTest, CopiesInsideTheKernelAreRefused) {
    write_file(dir_ / "new", "new");
    EXPECT_EQ(at_the_end(watch("cp --reflink=auto ../new f && sync f && sync ."), "f"), (Set{"new"}));
    const auto env = disk_log_env(folder_, log_);
    EXPECT_NE(run({"cp", "--reflink=always", dir_ / "new", folder_ + "/g"}, env).status, 0);
}

TEST_F(PowerCutModelTest, AClonesContentIsRecorded) {
    write_file(dir_ / "new", "new");
    PowerCut cut(folder_);
    auto env = disk_log_env(folder_, log_);
    env.emplace_back("DISK_LOG_CLONES=1");
    const auto outcome = run({"cp", "--reflink=always", dir_ / "new", folder_ + "/f"}, env);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    cut.read_log(log_);
    EXPECT_EQ(at_the_end(cut, "f"), (Set{"new", "", kGone}));
}

} // namespace
} // namespace emsn::test
