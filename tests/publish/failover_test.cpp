// The centre's primary dies and its standby takes over: stations that know both publish on, nothing is lost
// and nothing doubled.
#include <gtest/gtest.h>

#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

class Failover : public PublishTest {
  protected:
    // A server of its own, for it will be killed, and a standby of it.
    Failover() {
        write_file(conf_, "");
        Session admin(primary_.conninfo("postgres"));
        admin.exec("CREATE DATABASE birds");
        Session centre(primary_.conninfo("birds"));
        centre.exec("CREATE EXTENSION emsn_health");
        centre.exec("SELECT emsn.create_detections('public.bird_detections', 'month')");
        const auto made =
            shell("mkdir \"$DIR\"; ((EUID != 0)) || chown postgres: \"$DIR\";"
                  "private_pg_as pg_basebackup -h \"$PRIMARY\" -U postgres -D \"$DIR/data\" -R -c fast;"
                  "sed -i \"s|$PRIMARY|$DIR|g\" \"$DIR/data/postgresql.conf\";"
                  "printf \"cluster_name = 'second'\\n\" >>\"$DIR/data/postgresql.conf\"");
        EXPECT_EQ(made.status, 0) << made.err;
        start_standby();
    }
    ~Failover() override { shell("private_pg_stop \"$DIR\""); }

    Outcome shell(const std::string &words) {
        return run(
            {"bash", "-c",
             "set -e; . \"$0/scripts/lib/private_pg.sh\"; DIR=$1 PRIMARY=$2; EMSN_STAGE=$PRIMARY/stage; " +
                 words,
             EMSN_SOURCE_DIR, standby_dir_, primary_.socket_dir()},
            PgCluster::environment(standby_dir_));
    }
    void start_standby() {
        const auto started = shell("private_pg_start \"$DIR\"");
        ASSERT_EQ(started.status, 0) << started.err;
    }
    [[nodiscard]] Session standby() const {
        return Session("host=" + standby_dir_ + " dbname=birds user=postgres");
    }
    // What a station is told once and for all.
    [[nodiscard]] std::string both() const {
        return "host=" + primary_.socket_dir() + "," + standby_dir_ +
               " dbname=birds user=postgres target_session_attrs=read-write connect_timeout=2";
    }
    Outcome script(const std::vector<std::string> &more = {}) {
        std::vector<std::string> argv{EMSN_SOURCE_DIR "/scripts/emsn-publish",
                                      "--station",
                                      "zolder",
                                      "--db",
                                      birds_,
                                      "--pg",
                                      both(),
                                      "--timeout",
                                      "5"};
        argv.insert(argv.end(), more.begin(), more.end());
        return run(argv, {"EMSN_PG_SO=" EMSN_PG_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + dir_.path()});
    }

    PgCluster primary_{{"timezone = 'UTC'"}};
    const std::string standby_dir_ = dir_ / "pg";
    const std::string conf_ = dir_ / "emsn.conf";
};

TEST_F(Failover, NothingIsLostOrDoubled) {
    const auto first = script();
    ASSERT_EQ(first.status, 0) << first.err;
    Session before(primary_.conninfo("birds"));
    ASSERT_TRUE(eventually([&] {
        return before.text("SELECT subject, status FROM emsn.health WHERE check_name = 'replication_lag' AND "
                           "value = 0") == "second|ok";
    }));
    {
        auto reader = standby();
        EXPECT_EQ(difference(birds_, reader), "") << "the standby has it all";
        EXPECT_EQ(reader.text("SELECT station, detections FROM emsn.detections_today"), "zolder|0");
        EXPECT_EQ(reader.value("SELECT count(*) FROM emsn.health WHERE status = 'unknown'"), "0");
    }
    // the standby is cut off, and misses what is published meanwhile, corrections and removals too
    ASSERT_EQ(shell("private_pg_stop \"$DIR\"").status, 0);
    for (int n = 0; n < 30; ++n)
        hear(n);
    at_station("UPDATE detections SET Sci_Name = 'Strix aluco' WHERE rowid = 5; DELETE FROM detections WHERE "
               "rowid = 9");
    ASSERT_EQ(script().status, 0);
    ASSERT_EQ(difference(birds_, before), "");
    primary_.stop(); // at once, as a crash
    EXPECT_EQ(script({"--timeout", "1"}).status, 75) << "nobody is there: try again later";
    start_standby();
    EXPECT_EQ(script({"--timeout", "1"}).status, 75) << "a standby takes no changes";
    standby().exec("SELECT pg_promote()");
    hear(30);
    const auto published = script();
    ASSERT_EQ(published.status, 0) << published.err;
    EXPECT_EQ(nlohmann::json::parse(published.out)["inserted"], 31);
    auto now = standby();
    EXPECT_EQ(difference(birds_, now), "");
    EXPECT_EQ(now.value("SELECT count(*) FROM bird_detections WHERE NOT deleted"),
              SqliteDb(birds_, SQLITE_OPEN_READONLY, false)("SELECT count(*) FROM detections"));
    // the position is that of the new primary
    EXPECT_EQ(nlohmann::json::parse(script().out)["mode"], "nothing");
}

} // namespace
} // namespace emsn::test
