#include "core/remove_tree.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <filesystem>
#include <functional>

#include "core/error.hpp"
#include "core/tree_deletion.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tree.hpp"

namespace emsn::core {
namespace {

namespace fs = std::filesystem;

const Poll kNoPoll = [] {};

// Asks act at the n-th question.
Poll at_question(int n, std::function<void()> act) {
    return [n, act = std::move(act), asked = 0]() mutable {
        if (++asked == n)
            act();
    };
}

void interrupt() {
    throw Error(Errc::interrupted, "enough");
}

bool is_there(const std::string &path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

std::int64_t du(const std::string &path) {
    return std::stoll(test::run({"du", "-sb", path}).out);
}

class RemoveTreeTest : public ::testing::Test {
  protected:
    RemoveTreeTest() {
        fs::create_directory(inside_);
        fs::create_directory(dir_ / "precious");
        test::write_file(inside_ + "/neighbour", "stays");
    }
    ~RemoveTreeTest() override { EXPECT_TRUE(is_there(inside_ + "/neighbour")); }

    std::int64_t remove(const std::string &path, const Poll &poll = kNoPoll) const {
        return remove_tree(path, inside_, poll);
    }
    std::int64_t remove() const { return remove(tree_); }

    std::string error_of(const std::string &path, Errc code, const Poll &poll = kNoPoll) const {
        try {
            static_cast<void>(remove(path, poll));
            return "";
        } catch (const Error &e) {
            EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.what();
            return e.what();
        }
    }

    void plant_files(int count) const {
        fs::create_directories(tree_ + "/sub/below");
        for (int i = 0; i < count; ++i)
            test::write_file(tree_ + "/" + std::to_string(i), "1234567890");
        test::write_file(tree_ + "/sub/below/last", "last");
    }

    test::TempDir dir_;
    const std::string inside_ = dir_ / "backups";
    const std::string tree_ = inside_ + "/2025-12-30";
    const std::string removing_ = tree_ + ".removing";
};

TEST_F(RemoveTreeTest, FreesWhatDuCounts) {
    test::plant_odd_tree(tree_);
    test::run({"chmod", "-R", "u+rwX", tree_}); // so that du can look, whoever we are
    const auto expected = du(tree_);
    EXPECT_EQ(remove(), expected);
    EXPECT_FALSE(is_there(tree_) || is_there(removing_));
    EXPECT_EQ(error_of(tree_, Errc::not_found), "remove " + tree_ + ": No such file or directory");
}

TEST_F(RemoveTreeTest, AFileWithALinkElsewhereFreesNothing) {
    plant_files(3);
    test::write_file(tree_ + "/shared", std::string(5'000, 'x'));
    fs::create_hard_link(tree_ + "/shared", tree_ + "/sub/shared again");
    fs::create_hard_link(tree_ + "/shared", inside_ + "/next day");
    const auto expected = du(tree_) - 5'000;
    EXPECT_EQ(remove(), expected);
    EXPECT_EQ(test::read_file(inside_ + "/next day").size(), 5'000U);
    EXPECT_EQ(remove(inside_ + "/next day"), 5'000);
}

TEST_F(RemoveTreeTest, DeletesWhateverStandsThere) {
    test::write_file(tree_, "12345");
    EXPECT_EQ(remove(tree_ + "//"), 5);
    fs::create_directory_symlink("../precious", tree_);
    test::write_file(dir_ / "precious/file", "stays");
    EXPECT_EQ(remove(tree_ + "/"), 11) << "the link, not where it leads";
    fs::create_symlink("nowhere", tree_);
    EXPECT_EQ(remove(), 7);
    ASSERT_EQ(::mkfifo(tree_.c_str(), 0644), 0);
    EXPECT_EQ(remove(), 0);
    EXPECT_TRUE(is_there(dir_ / "precious/file"));
    EXPECT_FALSE(is_there(tree_) || is_there(removing_));
}

class DeepRemoveTreeTest : test::InMemory, public RemoveTreeTest {};

TEST_F(DeepRemoveTreeTest, DepthCostsNeitherDescriptorsNorPathLength) {
    test::plant_deep_tree(tree_, 6'000, 1);
    const auto expected = du(tree_);
    test::plant_deep_tree(inside_ + "/long", 40, 255);
    const auto expected_long = du(inside_ + "/long");
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    const rlimit few{100, old.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    EXPECT_EQ(remove(), expected);
    EXPECT_EQ(remove(inside_ + "/long"), expected_long);
    ::setrlimit(RLIMIT_NOFILE, &old);
}

// A deep chain with folders beside each step, so that there is work left on the way back up.
TEST_F(DeepRemoveTreeTest, TheWayBackUpFindsWhatIsLeft) {
    test::plant_deep_tree(tree_, 200, 1);
    std::string path = tree_;
    for (int level = 0; level < 200; ++level, path += "/d") {
        for (const char *name : {"/a", "/e", "/z"}) {
            fs::create_directory(path + name);
            test::write_file(path + name + "/f", "x");
        }
    }
    const auto expected = du(tree_);
    EXPECT_EQ(remove(), expected);
}

TEST_F(RemoveTreeTest, WhatComesMeanwhileGoesToo) {
    plant_files(100);
    int made = 0;
    EXPECT_GT(remove(tree_,
                     [&] {
                         if (is_there(removing_))
                             test::write_file(removing_ + "/new " + std::to_string(++made), "");
                     }),
              0);
    EXPECT_GT(made, 3);
    EXPECT_FALSE(is_there(tree_) || is_there(removing_));
}

TEST_F(RemoveTreeTest, AnInterruptLeavesNothingUnderTheNameAndTheNextCallFinishes) {
    plant_files(100);
    const auto expected = du(tree_);
    EXPECT_EQ(error_of(tree_, Errc::interrupted, at_question(1, interrupt)), "enough");
    EXPECT_EQ(du(tree_), expected) << "asked before anything is touched";
    EXPECT_EQ(error_of(tree_, Errc::interrupted, at_question(3, interrupt)), "enough");
    EXPECT_FALSE(is_there(tree_));
    const auto left = du(removing_);
    EXPECT_LT(left, expected);
    EXPECT_EQ(remove(), left) << "by the name that is gone";
    EXPECT_FALSE(is_there(removing_));
}

TEST_F(RemoveTreeTest, ALeftoverIsFinishedFirst) {
    plant_files(10);
    ASSERT_EQ(::rename(tree_.c_str(), removing_.c_str()), 0);
    plant_files(20);
    const auto expected = du(tree_) + du(removing_);
    EXPECT_EQ(remove(), expected);
    EXPECT_FALSE(is_there(tree_) || is_there(removing_));
    test::write_file(removing_, "12345");
    test::write_file(tree_, "stays");
    EXPECT_EQ(remove(removing_), 5);
    EXPECT_TRUE(is_there(tree_) && !is_there(removing_ + ".removing"));
}

TEST_F(RemoveTreeTest, ANameTooLongForTheSuffixIsCut) {
    std::string odd = "x"; // a character of two bytes stands where the cut would be
    while (odd.size() < NAME_MAX - 1)
        odd += "é";
    for (const auto &[name, cut] : std::vector<std::pair<std::string, std::size_t>>{
             {std::string(NAME_MAX, 'n'), NAME_MAX - 9}, {odd, NAME_MAX - 10}, {odd.substr(0, 245), 245}}) {
        const std::string path = inside_ + "/" + name;
        fs::create_directory(path);
        for (int i = 0; i < 50; ++i)
            test::write_file(path + "/" + std::to_string(i), "");
        EXPECT_EQ(error_of(path, Errc::interrupted, at_question(2, interrupt)), "enough");
        EXPECT_TRUE(is_there(inside_ + "/" + name.substr(0, cut) + ".removing"));
        EXPECT_GT(remove(path), 0);
        EXPECT_FALSE(is_there(inside_ + "/" + name.substr(0, cut) + ".removing"));
    }
    EXPECT_EQ(error_of(inside_ + "/" + std::string(NAME_MAX + 1, 'n'), Errc::invalid_argument),
              "remove " + inside_ + "/" + std::string(NAME_MAX + 1, 'n') + ": File name too long");
}

TEST_F(RemoveTreeTest, ItsOwnerNeedsNoRightsInside) {
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown(inside_.c_str(), test::kNobody, test::kNobody), 0);
    }
    const test::AsNobody nobody;
    for (const char *name : {"no rights", "no write", "no read", "no search"})
        fs::create_directories(tree_ + "/" + name + "/below");
    const auto expected = du(tree_);
    for (const auto &[name, mode] :
         {std::pair{"no rights", 0}, {"no write", 0500}, {"no read", 0300}, {"no search", 0600}})
        ASSERT_EQ(::chmod((tree_ + "/" + name).c_str(), static_cast<mode_t>(mode)), 0);
    ASSERT_EQ(::chmod(tree_.c_str(), 0), 0);
    EXPECT_EQ(remove(), expected);
}

TEST_F(RemoveTreeTest, WhatCannotBeDeletedIsNamedAndTheRestGoes) {
    if (::geteuid() != 0)
        GTEST_SKIP() << "files of another user need root";
    plant_files(20);
    ASSERT_EQ(::chown(inside_.c_str(), test::kNobody, test::kNobody), 0);
    for (const auto &entry : fs::recursive_directory_iterator(tree_))
        ASSERT_EQ(::lchown(entry.path().c_str(), test::kNobody, test::kNobody), 0);
    ASSERT_EQ(::chown(tree_.c_str(), test::kNobody, test::kNobody), 0);
    ASSERT_EQ(::chown((tree_ + "/sub/below").c_str(), 0, 0), 0);
    test::write_file(tree_ + "/sub/below/also", "1234");
    {
        const test::AsNobody nobody;
        const std::string message = error_of(tree_, Errc::permission);
        const std::string first = message.find("/also") < message.find("/last") ? "also" : "last";
        EXPECT_EQ(message, "remove " + tree_ + ": 2 entries could not be deleted, first sub/below/" + first +
                               ": Permission denied; 200 bytes freed, the rest is in 2025-12-30.removing");
    }
    EXPECT_FALSE(is_there(tree_));
    EXPECT_EQ(test::run({"find", removing_, "-type", "f", "-printf", "%s\n"}).out, "4\n4\n");
    EXPECT_GT(remove(), 8) << "as root, the next call finishes it";
}

TEST_F(RemoveTreeTest, AnImmutableFileIsAnErrorAndNothingIsLost) {
    plant_files(5);
    if (test::run({"chattr", "+i", tree_ + "/sub/below/last"}).status != 0)
        GTEST_SKIP() << "no immutable files here, or not for this user";
    const std::string message = error_of(tree_, Errc::permission);
    EXPECT_EQ(message, "remove " + tree_ +
                           ": 1 entry could not be deleted, first sub/below/last: Operation "
                           "not permitted; 50 bytes freed, the rest is in "
                           "2025-12-30.removing");
    ASSERT_EQ(test::run({"chattr", "-i", removing_ + "/sub/below/last"}).status, 0);
    const auto left = du(removing_);
    EXPECT_EQ(remove(), left);
}

TEST_F(RemoveTreeTest, ASumOfBytesIsNeverNegative) {
    EXPECT_EQ(saturating_sum(INT64_MAX - 1, 1), INT64_MAX);
    EXPECT_EQ(saturating_sum(INT64_MAX, 5'000), INT64_MAX);
}

} // namespace
} // namespace emsn::core
