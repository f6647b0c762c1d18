// emsn-backup centre against a real server: the dump, and the private server that it is proved in.
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class BackupCentreTest : public PgTest {
  protected:
    BackupCentreTest() {
        for (const char *name : {"to", "bin"})
            fs::create_directory(scratch_ / name);
        fs::create_directory(tmp_);
        fs::permissions(scratch_.path(), fs::perms{0755}); // the private server's user passes through
        write_file(scratch_ / "emsn.conf", "");
    }

    Outcome centre(const std::string &conninfo, const std::vector<std::string> &more = {}) {
        std::vector<std::string> env{
            "EMSN_PG=" + conninfo, "EMSN_CONF=" + (scratch_ / "emsn.conf"),
            "EMSN_SO=" EMSN_SO,    "EMSN_STAGE=" EMSN_BINARY_DIR "/stage",
            "TMPDIR=" + tmp_,      "PATH=" + (scratch_ / "bin") + ":/usr/bin:/bin:/usr/sbin:/sbin"};
        // the private server of the script loads the same built extension
        for (const auto &word : PgCluster::environment(PgCluster::shared().socket_dir()))
            env.push_back(word);
        for (const auto &word : more)
            env.push_back(word);
        return run({EMSN_SOURCE_DIR "/scripts/emsn-backup", "centre", "--to", to_, "--no-require-mount"},
                   env);
    }
    Outcome centre() { return centre(PgCluster::shared().conninfo(database())); }
    std::string dump() {
        for (const auto &entry : fs::directory_iterator(to_ + "/centre")) {
            if (entry.path().extension() == ".dump")
                return entry.path();
        }
        ADD_FAILURE() << "no dump";
        return "";
    }
    void make_detections() {
        db.exec("SELECT emsn.create_detections('public.bird_detections', partition_by => 'month');"
                "INSERT INTO bird_detections (station, detection_timestamp, species) SELECT 'zolder', "
                "timestamptz '2026-01-01' + n * interval '1 hour', 'x' FROM generate_series(1, 1000) AS n");
    }

    TempDir scratch_;
    const std::string to_ = scratch_ / "to";
    const std::string tmp_ = scratch_ / "tmp"; // short: a socket lies in it
};

// Beside a publisher at work; with a role, odd names, and an extension's settings.
TEST_F(BackupCentreTest, ADumpIsProvedByRestoringItAndComesBack) {
    make_detections();
    const auto owner = role();
    db.exec("CREATE TABLE \"odd | na'me\"(a) AS VALUES (1), (2); ALTER TABLE \"odd | na'me\" OWNER TO " +
            owner + "; INSERT INTO emsn.thresholds VALUES ('disk_usage', NULL, '101', '102')");
    auto publisher = session();
    publisher.send(
        "DO $$BEGIN LOOP INSERT INTO bird_detections (station, detection_timestamp, species) VALUES "
        "('zolder', '2026-01-01', 'y'); COMMIT; END LOOP; END$$");
    ASSERT_TRUE(eventually([&] { return db.value("SELECT count(*) > 1010 FROM bird_detections") == "t"; }));
    const auto outcome = centre();
    db.exec("SELECT pg_cancel_backend(" + std::to_string(publisher.pid()) + ")");
    publisher.wait();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    const auto file = dump();
    EXPECT_TRUE(
        std::regex_search(file, std::regex("/" + database() + "-\\d{4}-\\d\\d-\\d\\d-\\d{6}\\.dump$")))
        << file;
    EXPECT_EQ(read_file(file + ".emsn.json"), outcome.out);
    const auto receipt = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(receipt["kind"], "centre");
    EXPECT_EQ(receipt["verify"], "ok");
    EXPECT_EQ(receipt["bytes"], fs::file_size(file));
    EXPECT_EQ(fs::status(file).permissions(), fs::perms{0600});
    EXPECT_TRUE(fs::is_empty(tmp_)) << "the private server is gone";
    // docs/operations.md
    const auto restored = database() + "_back";
    db.exec("CREATE DATABASE " + restored + " TEMPLATE template0");
    EXPECT_EQ(run({"pg_restore", "--exit-on-error", "-d", PgCluster::shared().conninfo(restored), file}).err,
              "");
    Session back(PgCluster::shared().conninfo(restored));
    EXPECT_GT(std::stoi(back.value("SELECT count(*) FROM bird_detections")), 1010);
    EXPECT_EQ(back.text("SELECT tableowner FROM pg_tables WHERE tablename = 'odd | na''me'"), owner);
    EXPECT_EQ(back.text("SELECT warning_at FROM emsn.thresholds"), "101");
}

TEST_F(BackupCentreTest, RowsThatDoNotComeBackAreFound) {
    make_detections();
    write_file(scratch_ / "bin/pg_restore",
               "#!/bin/bash\n/usr/bin/pg_restore \"$@\" && psql \"$1\" \"$2\" \"$3\" \"$4\" -XqAt -d proof "
               "-c 'DELETE FROM bird_detections WHERE id = 1' -c 'DROP TABLE bird_detections_default'\n");
    fs::permissions(scratch_ / "bin/pg_restore", fs::perms{0755});
    const auto outcome = centre();
    EXPECT_EQ(outcome.status, 1);
    const auto receipt = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(receipt["complete"], true);
    EXPECT_EQ(receipt["verified"], false);
    // the partition that is gone, and the note of the deletion
    EXPECT_EQ(receipt["verify"],
              "public.bird_detections_2026_01: 743 rows dumped, 742 restored (and 2 more)");
    EXPECT_TRUE(fs::is_empty(tmp_));
}

TEST_F(BackupCentreTest, ADumpThatCannotBeRestoredIsKeptAndNotVerified) {
    const auto outcome = centre(PgCluster::shared().conninfo(database()), {"EMSN_STAGE="});
    if (outcome.status == 0)
        GTEST_SKIP() << "the extension is installed here";
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.out.find("it could not be restored: pg_restore: error: "), std::string::npos)
        << outcome.out;
    EXPECT_TRUE(fs::exists(dump()));
    EXPECT_TRUE(fs::is_empty(tmp_));
}

TEST_F(BackupCentreTest, AServerThatIsAwayIsTryAgainLaterAndNoPasswordIsSaid) {
    const auto away = centre("host=/nonexistent user=postgres");
    EXPECT_EQ(away.status, 75) << away.err;
    const auto refused = centre(PgCluster::shared().conninfo("no_such_database"));
    EXPECT_EQ(refused.status, 1) << refused.err;
    const auto words = centre("nonsense=1");
    EXPECT_EQ(words.status, 2) << words.err;
    for (const std::string conninfo :
         {"host=/nonexistent password=s3cret", "postgres://u:s3cret@/d?host=/nonexistent"}) {
        const auto outcome = centre(conninfo);
        EXPECT_EQ(outcome.status, 2);
        EXPECT_NE(outcome.err.find("EMSN_PG holds a password"), std::string::npos);
        EXPECT_EQ((outcome.out + outcome.err).find("s3cret"), std::string::npos);
    }
    const auto secret = centre(PgCluster::shared().conninfo("no_such_database"), {"PGPASSWORD=s3cret"});
    EXPECT_EQ((secret.out + secret.err).find("s3cret"), std::string::npos);
    EXPECT_EQ(run({"ls", to_ + "/centre"}).out, "");
    EXPECT_TRUE(fs::is_empty(tmp_));
}

TEST_F(BackupCentreTest, TermEndsItAndThePrivateServer) {
    make_detections();
    write_file(scratch_ / "bin/pg_restore",
               "#!/bin/bash\ntouch " + (scratch_ / "arrived") + "\nexec sleep 1000\n");
    fs::permissions(scratch_ / "bin/pg_restore", fs::perms{0755});
    std::vector<std::string> env{"EMSN_PG=" + PgCluster::shared().conninfo(database()),
                                 "EMSN_CONF=" + (scratch_ / "emsn.conf"), "EMSN_SO=" EMSN_SO,
                                 "TMPDIR=" + tmp_,
                                 "PATH=" + (scratch_ / "bin") + ":/usr/bin:/bin:/usr/sbin:/sbin"};
    Process process({EMSN_SOURCE_DIR "/scripts/emsn-backup", "centre", "--to", to_, "--no-require-mount"},
                    scratch_ / "log", env);
    ASSERT_TRUE(eventually([&] { return fs::exists(scratch_ / "arrived"); })) << read_file(scratch_ / "log");
    const auto pid = run({"bash", "-c", "head -n 1 \"$1\"/*/pg/data/postmaster.pid", "-", tmp_}).out;
    const auto mode = run({"bash", "-c", "stat -c %a \"$1\"/*/pg", "-", tmp_}).out;
    EXPECT_EQ(mode, "700\n");
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 128 + SIGTERM);
    const auto state = run({"ps", "-o", "stat=", "-p", pid.substr(0, pid.size() - 1)}).out;
    EXPECT_TRUE(state.empty() || state.front() == 'Z') << state;
    EXPECT_TRUE(fs::is_empty(tmp_));
    EXPECT_EQ(run({"ls", to_ + "/centre"}).out, "") << "no dump that was not proved";
}

} // namespace
} // namespace emsn::test
