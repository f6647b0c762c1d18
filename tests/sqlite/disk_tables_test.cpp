#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "tests/sqlite/support.hpp"
#include "tests/support/tree.hpp"

namespace emsn::test {
namespace {

TEST(DirUsageTable, ShowsEachFolderAndAllBelow) {
    const TempDir dir;
    plant_deep_tree(dir / "tree", 3, 1);
    run({"bash", "-c", "find \"$1\" -exec touch -d '2025-12-30 02:00:00Z' {} +", "-", dir / "tree"});
    SqliteDb db(":memory:");
    const std::string table = "emsn_dir_usage(" + quoted(dir / "tree");
    EXPECT_EQ(db("SELECT name, depth, files, directories, unreadable, newest_mtime, error IS NULL, complete, "
                 "allocated_bytes % 512 FROM " +
                 table + ")"),
              "tree|0|3|4|0|2025-12-30T02:00:00Z|1|1|0\nd|1|2|3|0|2025-12-30T02:00:00Z|1|1|0");
    EXPECT_EQ(db("SELECT count(*), min(bytes = dir_size_safe(path)) FROM " + table + ", 9)"), "4|1");
    EXPECT_EQ(db("SELECT bytes = allocated_bytes FROM " + table + ", 0, '{\"allocated\": true}')"), "1");
    EXPECT_EQ(db("SELECT count(*) FROM " + table + ", NULL)"), "0");
}

TEST(DirUsageTable, SaysWhatIsWrong) {
    SqliteDb db(":memory:");
    EXPECT_EQ(db("SELECT depth, bytes IS NULL, files IS NULL, newest_mtime IS NULL, error, complete FROM "
                 "emsn_dir_usage('/no/such/folder')"),
              "0|1|1|1|lstat /no/such/folder: No such file or directory|1");
    EXPECT_EQ(db.error_of("SELECT * FROM emsn_dir_usage('/', 1, '{\"shared\": true}')"),
              "emsn_dir_usage: unknown option \"shared\" (known: allocated, one_file_system, files_only, "
              "exclusive, "
              "deadline_ms, threads)");
    EXPECT_NE(db.error_of("SELECT * FROM emsn_dir_usage('/', -1)"), "");
    EXPECT_NE(db.error_of("SELECT * FROM emsn_dir_usage"), "");
    db("CREATE VIEW v AS SELECT * FROM emsn_filesystems");
    EXPECT_EQ(db.error_of("SELECT * FROM v"), "unsafe use of virtual table \"emsn_filesystems\"");
}

TEST(FilesystemsTable, AgreesWithDf) {
    SqliteDb db(":memory:");
    const auto df =
        run({"bash", "-c", "df -B1 --output=size,itotal,target / | tail -n1 | tr -s ' ' '|'"}).out;
    EXPECT_EQ(
        db("SELECT total_bytes, inodes_total, mount_point FROM emsn_filesystems WHERE mount_point = '/'") +
            "\n",
        df);
    EXPECT_EQ(db("SELECT count(*) FROM emsn_filesystems WHERE fs_type IN ('proc', 'sysfs') OR used_percent > "
                 "100 OR "
                 "read_only NOT IN (0, 1) OR (total_bytes IS NULL) <> (error IS NOT NULL)"),
              "0");
}

// A program with emsn loaded, and below the tree a share whose server is gone.
class DeadShare : public ::testing::Test {
  protected:
    DeadShare() {
        plant_odd_tree(tree_);
        env_.push_back("HUNG_FOLDER=" + tree_ + "/a");
        env_.push_back("HUNG_GATE=" + gate_);
    }
    const TempDir dir_;
    const std::string tree_ = dir_ / "tree";
    const std::string gate_ = dir_ / "gate";
    std::vector<std::string> env_ = preload_env(HUNG_FOLDER_SO);
};

TEST_F(DeadShare, AnswersAtTheDeadlineAndWorksAfterwards) {
    const std::string deadline = ", '{\"deadline_ms\": 100}')";
    write_file(dir_ / "script", load_command() + "\nSELECT name, complete, error FROM emsn_dir_usage('" +
                                    tree_ + "', 1, '{\"deadline_ms\": 100}') WHERE name = 'tree';\n" +
                                    "SELECT dir_size_safe('" + tree_ + "'" + deadline + ";\n" +
                                    ".shell touch " + gate_ + "\nSELECT dir_size_safe('" + tree_ + "');\n");
    const auto outcome = run({"sh", "-c", "sqlite3 :memory: < \"$1\"", "sh", dir_ / "script"}, env_);
    const auto du = run({"sh", "-c", "du -sb \"$1\" | cut -f1", "sh", tree_}).out;
    EXPECT_EQ(outcome.out, "tree|0|hung: a system call in " + tree_ + " does not return\n" + du);
    EXPECT_NE(outcome.err.find("dir_size_safe: " + tree_ + ": deadline of 100 ms passed after "),
              std::string::npos)
        << outcome.err;
}

TEST_F(DeadShare, AnInterruptEndsTheCall) {
    Process shell({"sqlite3", ":memory:", load_command(), "SELECT dir_size_safe('" + tree_ + "')"},
                  dir_ / "out", env_);
    ASSERT_TRUE(eventually([&] { return ::access((gate_ + ".waiting").c_str(), F_OK) == 0; }));
    shell.signal(SIGINT);
    EXPECT_TRUE(eventually([&] { return !shell.running(); }));
    EXPECT_NE(read_file(dir_ / "out").find("interrupted while walking " + tree_), std::string::npos)
        << read_file(dir_ / "out");
}

} // namespace
} // namespace emsn::test
