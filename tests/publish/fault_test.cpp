// The client is killed, the server dies, the line is cut: whatever happens, the next run ends with the same
// rows on both sides, nothing doubled, nothing deleted by mistake.
#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "tests/publish/proxy.hpp"
#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

constexpr int kFirstRows = 3000;
constexpr int kSeed = 20261127;

// A server of its own: here it dies.
class PublishFaultTest : public ::testing::Test {
  protected:
    PublishFaultTest() : cluster_({"timezone = 'UTC'", "log_min_messages = fatal"}) {
        make_birds_db(birds_, kFirstRows);
        Session db(server());
        db.exec("CREATE EXTENSION emsn_health");
        db.exec("SELECT emsn.create_detections('public.bird_detections')");
    }

    [[nodiscard]] std::string server() const { return cluster_.conninfo("postgres"); }
    [[nodiscard]] std::string through_proxy() const {
        return "host=" + proxy_.host() + " dbname=postgres user=postgres";
    }

    // Something of everything that happens at a station.
    void live() {
        const int kind = number(0, 3);
        if (kind < 2) {
            for (int i = number(1, 5); i > 0; --i)
                write_into(birds_, hear_sql(++heard_));
        } else if (kind == 2) {
            const auto row = std::to_string(number(1, kFirstRows));
            write_into(birds_, "UPDATE detections SET Com_Name = 'Merel " + std::to_string(++heard_) +
                                   "', File_Name = 'Merel-' || File_Name WHERE rowid = " + row);
        } else {
            write_into(birds_,
                       "DELETE FROM detections WHERE rowid = " + std::to_string(number(1, kFirstRows)));
        }
    }

    int number(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }

    [[nodiscard]] std::vector<std::string> client(const std::string &conninfo) const {
        const std::string so = EMSN_PG_SO;
        return {"sqlite3", "-readonly", birds_, ".load " + so.substr(0, so.size() - 3),
                publish_sql(conninfo, "zolder", "{}")};
    }

    void expect_equal(const std::string &when) {
        ASSERT_TRUE(eventually([&] { // the server may not have missed a dead client yet
            try {
                publish_file(birds_, server(), "zolder");
                return true;
            } catch (const SqlError &e) {
                EXPECT_EQ(e.code, SQLITE_BUSY) << e.what();
                return e.code != SQLITE_BUSY;
            }
        })) << when;
        Session db(server());
        ASSERT_EQ(difference(birds_, db), "") << when << ", seed " << kSeed;
        const int gone =
            kFirstRows + heard_inserted() - std::stoi(SqliteDb(birds_)("SELECT count(*) FROM detections"));
        EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections WHERE deleted"), std::to_string(gone))
            << when;
    }

    int heard_inserted() {
        return std::stoi(
            Session(server()).value("SELECT count(*) FROM bird_detections WHERE species = 'Parus major'"));
    }

    PgCluster cluster_;
    TempDir dir_;
    const std::string birds_ = dir_ / "birds.db";
    Proxy proxy_{cluster_.socket_dir() + "/.s.PGSQL.5432"};
    std::mt19937 random_{kSeed};
    int heard_ = 0;
};

TEST_F(PublishFaultTest, AKilledClientLeavesNothingHalf) {
    const int rounds = long_run() ? 500 : 50;
    for (int round = 0; round < rounds; ++round) {
        live();
        Process process(client(server()), dir_ / "out", sanitizer_env());
        std::this_thread::sleep_for(std::chrono::microseconds(number(0, 120'000))); // the moment is the test
        process.signal(SIGKILL);
        process.wait();
        if (round % 5 == 4)
            expect_equal("client killed, round " + std::to_string(round));
    }
}

TEST_F(PublishFaultTest, ACutLineIsMendedByTheSameCall) {
    publish_file(birds_, server(), "zolder");
    const int rounds = long_run() ? 400 : 40;
    for (int round = 0; round < rounds; ++round) {
        const int before = heard_;
        for (int i = 0; i < 3; ++i)
            write_into(birds_, hear_sql(++heard_));
        proxy_.fate(Proxy::Fate::cut, number(1, 6000)); // the whole run is some 5,000 bytes
        const auto report = publish_file(birds_, through_proxy(), "zolder");
        EXPECT_EQ(report["inserted"], heard_ - before) << "round " << round << ": " << report;
        Session db(server());
        ASSERT_EQ(difference(birds_, db), "") << "round " << round << ", seed " << kSeed;
    }
    // around COMMIT: every byte near the end of a run
    proxy_.fate(Proxy::Fate::pass, 0);
    write_into(birds_, hear_sql(++heard_));
    const long begin = proxy_.bytes();
    publish_file(birds_, through_proxy(), "zolder");
    const long total = proxy_.bytes() - begin;
    for (long before_end = 1; before_end < 120; before_end += long_run() ? 1 : 9) {
        write_into(birds_, hear_sql(++heard_));
        proxy_.fate(Proxy::Fate::cut, total - before_end);
        EXPECT_EQ(publish_file(birds_, through_proxy(), "zolder")["inserted"], 1)
            << before_end << " bytes before the end";
    }
    expect_equal("cuts");
}

TEST_F(PublishFaultTest, AStalledLineEndsWithTheDeadline) {
    publish_file(birds_, server(), "zolder");
    const int rounds = long_run() ? 100 : 10;
    for (int round = 0; round < rounds; ++round) {
        live();
        proxy_.fate(Proxy::Fate::stall, number(1, 4000));
        try {
            publish_file(birds_, through_proxy(), "zolder", R"({"timeout_ms": 300})");
        } catch (const SqlError &e) {
            EXPECT_EQ(e.code, SQLITE_BUSY);
            EXPECT_NE(std::string(e.what()).find("will catch up with the next run"), std::string::npos)
                << e.what();
        }
        proxy_.release();
        expect_equal("stalled, round " + std::to_string(round));
    }
}

TEST_F(PublishFaultTest, AServerThatDiesMidwayIsWaitedForByTheSameCall) {
    const int rounds = long_run() ? 100 : 8;
    for (int round = 0; round < rounds; ++round) {
        live();
        Process process(client(server()), dir_ / "out", sanitizer_env());
        std::this_thread::sleep_for(std::chrono::microseconds(number(0, 120'000)));
        cluster_.stop(); // at once, as a crash
        cluster_.start();
        EXPECT_EQ(process.wait(), 0) << read_file(dir_ / "out");
        expect_equal("server died, round " + std::to_string(round));
    }
}

TEST_F(PublishFaultTest, WithoutAServerItIsTryAgainLater) {
    cluster_.stop();
    try {
        publish_file(birds_, server(), "zolder", R"({"timeout_ms": 700})");
        FAIL() << "published to nobody";
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_NE(std::string(e.what()).find("will catch up with the next run"), std::string::npos)
            << e.what();
    }
}

// Its port is open, and nothing ever comes.
TEST_F(PublishFaultTest, AServerThatNeverAnswersEndsWithTheDeadline) {
    const Proxy nobody(dir_ / "no-such-socket", Proxy::kDeaf);
    try {
        publish_file(birds_, "host=" + nobody.host(), "zolder", R"({"timeout_ms": 400})");
        FAIL() << "published to nobody";
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_NE(std::string(e.what()).find("deadline of 400 ms passed while connecting to the centre"),
                  std::string::npos)
            << e.what();
    }
}

TEST_F(PublishFaultTest, AnInterruptEndsAWaitForTheServer) {
    publish_file(birds_, server(), "zolder");
    write_into(birds_, hear_sql(++heard_));
    proxy_.fate(Proxy::Fate::stall, 1500);
    Process process(client(through_proxy()), dir_ / "out", sanitizer_env());
    ASSERT_TRUE(eventually([&] { return proxy_.stalled(); }));
    const auto begin = std::chrono::steady_clock::now();
    process.signal(SIGINT);
    EXPECT_NE(process.wait(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1))
        << "100 ms, on a busy machine more";
    EXPECT_NE(read_file(dir_ / "out").find("interrupted"), std::string::npos) << read_file(dir_ / "out");
    proxy_.release();
    expect_equal("interrupted");
}

TEST_F(PublishFaultTest, OfTwoPublishersAtOnceOneWorksAndOneSaysBusy) {
    Session other(server());
    other.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    try {
        publish_file(birds_, through_proxy(), "zolder");
        FAIL() << "two at once";
    } catch (const SqlError &e) {
        EXPECT_EQ(e.code, SQLITE_BUSY);
        EXPECT_NE(std::string(e.what()).find("another publisher of station \"zolder\" is at work"),
                  std::string::npos)
            << e.what();
    }
    EXPECT_EQ(proxy_.connections(), 1) << "it is no use to wait: the other one does the work";
    EXPECT_EQ(publish_file(birds_, server(), "berging")["inserted"], kFirstRows)
        << "another station is nobody's business";
    other.exec("ROLLBACK");
    for (int round = 0; round < 6; ++round) {
        live();
        Process one(client(server()), dir_ / "one", sanitizer_env());
        Process two(client(server()), dir_ / "two", sanitizer_env());
        for (auto *process : {&one, &two}) {
            const int status = process->wait();
            EXPECT_TRUE(status == 0 || status == SQLITE_BUSY)
                << status << read_file(dir_ / "one") << read_file(dir_ / "two");
        }
        Session db(server());
        EXPECT_EQ(difference(birds_, db), "") << "round " << round;
    }
}

TEST_F(PublishFaultTest, WhoWasOvertakenBeforeItBeganBeginsAnew) {
    publish_file(birds_, server(), "zolder");
    publish_file(birds_, through_proxy(),
                 "zolder"); // asks where the centre stands, and leaves: that much is held
    const long asked = proxy_.bytes();
    write_into(birds_, hear_sql(++heard_));
    proxy_.fate(Proxy::Fate::hold,
                asked - 5 + 400); // without the goodbye, and with the question for the days
    Process overtaken(client(through_proxy()), dir_ / "out", sanitizer_env());
    ASSERT_TRUE(eventually([&] { return proxy_.stalled(); }));
    EXPECT_EQ(publish_file(birds_, server(), "zolder")["inserted"], 1);
    proxy_.release();
    EXPECT_EQ(overtaken.wait(), 0) << read_file(dir_ / "out");
    Session db(server());
    EXPECT_EQ(difference(birds_, db), "");
    EXPECT_EQ(db.value("SELECT sum(rows) FROM emsn.sync_days"), std::to_string(kFirstRows + 1))
        << "the new row was added to its day twice";
}

} // namespace
} // namespace emsn::test
