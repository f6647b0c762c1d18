#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

class VerifyTest : public ::testing::Test {
  protected:
    std::string verify(const std::string &path, const std::string &level = "quick") {
        return db_("SELECT emsn_verify(" + quoted(path) + ", " + quoted(level) + ")");
    }
    std::string error(const std::string &path, const std::string &level = "quick") {
        return db_.error_of("SELECT emsn_verify(" + quoted(path) + ", " + quoted(level) + ")");
    }

    TempDir dir_;
    SqliteDb db_{":memory:"};
    const std::string path_ = dir_ / "birds.db";
};

TEST_F(VerifyTest, AGoodDatabaseIsOkAndStaysAsItIs) {
    make_birds_db(path_, 1000);
    const auto before = read_file(path_);
    EXPECT_EQ(verify(path_), "ok");
    EXPECT_EQ(verify(path_, "full"), "ok");
    EXPECT_EQ(read_file(path_), before);
    EXPECT_EQ(files_in(dir_.path()), "birds.db");
}

TEST_F(VerifyTest, NamesTheFirstProblem) {
    EXPECT_EQ((write_file(path_, ""), verify(path_)), "no pages: the file is empty");
    EXPECT_EQ((write_file(path_, std::string(5000, 'x')), verify(path_)), "file is not a database");
    std::filesystem::remove(path_);
    SqliteDb{path_}("CREATE TABLE t(a); DROP TABLE t");
    EXPECT_EQ(verify(path_), "no tables");
}

TEST_F(VerifyTest, ATruncatedFileIsAProblem) {
    make_birds_db(path_, 5000);
    std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
    EXPECT_EQ(verify(path_), "database disk image is malformed");
}

TEST_F(VerifyTest, OnlyFullFindsAnIndexThatDisagreesWithItsTable) {
    SqliteDb maker(path_);
    maker("CREATE TABLE t(a, b); CREATE INDEX i ON t(a); INSERT INTO t VALUES (1, 2), (3, 4);"
          "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(b)' WHERE name = "
          "'i'");
    EXPECT_EQ(verify(path_, "quick"), "ok");
    EXPECT_EQ(verify(path_, "full"), "row 1 missing from index i");
}

TEST_F(VerifyTest, WhatCannotBeLookedAtIsAnError) {
    EXPECT_EQ(error(dir_ / "none.db"),
              "emsn_verify: open " + (dir_ / "none.db") + ": No such file or directory");
    EXPECT_EQ(error(dir_.path()), "emsn_verify: open " + dir_.path() + ": not a regular file");
    ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(error(dir_ / "fifo"), "emsn_verify: open " + (dir_ / "fifo") + ": not a regular file");
    EXPECT_EQ(error(""), "emsn_verify: the path is empty");
    make_birds_db(path_, 1);
    EXPECT_EQ(error(path_, "deep"), "emsn_verify: verification level must be 'quick' or 'full', not 'deep'");
    EXPECT_EQ(error(path_, "none"), "emsn_verify: level 'none' looks at nothing");
}

TEST_F(VerifyTest, ANameLikeAUriIsAPlainFile) {
    const auto here = std::filesystem::current_path();
    std::filesystem::current_path(dir_.path());
    make_birds_db("./file:birds.db?mode=memory", 10);
    EXPECT_EQ(verify("file:birds.db?mode=memory"), "ok");
    std::filesystem::current_path(here);
}

TEST_F(VerifyTest, AHotJournalIsAProblemWithItsRemedy) {
    make_torn_db(dir_ / "torn.db", 2000);
    EXPECT_EQ(verify(dir_ / "torn.db"),
              "a hot journal stands beside it: opening it once for writing recovers it");
}

} // namespace
} // namespace emsn::test
