// What the functions on the server's disks do when a network share never answers.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

[[maybe_unused]] const bool kPreloaded = (cluster_preloads().emplace_back("hung_disk.so"), true);

class HungDisk : public PgTest {
  protected:
    HungDisk() { run({"mkdir", "-p", tree_ / "beside", share_}); }
    // Whether a session of this database has a process at work.
    [[nodiscard]] bool is_helped() const {
        return run({"pgrep", "-f", "postgres " + database() + " .*emsn helper"}).status == 0;
    }

    const TempDir tree_;
    const std::string share_ = tree_ / "nas.hung";
};

TEST_F(HungDisk, PastTheDeadlineRowsAreNotCompleteAndASizeIsAnError) {
    const std::string deadline = R"(, 1, '{"deadline_ms": 300}')";
    EXPECT_EQ(db.text("SELECT replace(path, '" + tree_.path() + "', ''), bytes > 0, complete, error IS NULL" +
                      " FROM emsn.dir_usage('" + tree_.path() + "'" + deadline + ")"),
              "|t|f|f\n/beside|t|t|t\n/nas.hung|t|f|f");
    EXPECT_EQ(
        db.text("SELECT name, bytes, error, complete FROM emsn.dir_usage('" + share_ + "'" + deadline + ")"),
        "nas.hung|NULL|hung: a system call in " + share_ + " does not return|f");
    const auto failed =
        db.fails("SELECT emsn.dir_size_safe('" + tree_.path() + "', '{\"deadline_ms\": 300}')");
    EXPECT_EQ(failed.sqlstate, "57014");
    EXPECT_NE(failed.message.find("deadline of 300 ms passed after "), std::string::npos) << failed.message;
}

TEST_F(HungDisk, SessionIsCancelledTimedOutAndTerminatedMeanwhile) {
    auto victim = session();
    const auto backend = std::to_string(victim.pid());
    const std::string usage = "SELECT emsn.dir_usage('" + tree_.path() + "')";
    for (const auto &query : {usage, "SELECT emsn.dir_size_safe('" + tree_.path() + "')",
                              "SELECT emsn.dir_usage('" + share_ + "')"}) {
        victim.exec("SET statement_timeout = '200ms'");
        EXPECT_EQ(victim.fails(query).message, "canceling statement due to statement timeout");
        victim.exec("RESET statement_timeout");
        victim.send(query);
        ASSERT_TRUE(eventually([&] { return is_helped(); }));
        db.exec("SELECT pg_cancel_backend(" + backend + ")");
        EXPECT_EQ(victim.wait().message, "canceling statement due to user request");
        EXPECT_TRUE(eventually([&] { return !is_helped(); }));
    }
    victim.send(usage);
    ASSERT_TRUE(eventually([&] { return is_helped(); }));
    db.exec("SELECT pg_terminate_backend(" + backend + ")");
    EXPECT_EQ(victim.wait().sqlstate, "57P01");
    EXPECT_TRUE(eventually([&] { return !is_helped(); }));
}

TEST_F(HungDisk, FilesystemThatDoesNotAnswerIsARowAndUnknownInHealth) {
    const std::string mounts = PgCluster::shared().socket_dir() + "/stage/mountinfo";
    write_file(mounts,
               "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:21 / " + share_ + " rw - nfs4 nas:/emsn rw\n");
    const std::string hung = "hung: statvfs " + share_ + " did not answer within 2000 ms";
    EXPECT_EQ(db.text("SELECT fs_type, device, total_bytes IS NULL, inodes_used IS NULL, read_only, error"
                      " FROM emsn.filesystems()"),
              "ext4|/dev/sda1|f|f|f|NULL\nnfs4|nas:/emsn|t|t|f|" + hung);
    EXPECT_EQ(db.text("SELECT subject, status, value, message FROM emsn.health"
                      " WHERE check_name = 'disk_usage' AND subject <> '/'"),
              share_ + "|unknown|NULL|" + share_ + ": " + hung);
    run({"rm", mounts}); // other tests have the real ones
}

} // namespace
} // namespace emsn::test
