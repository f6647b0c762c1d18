// The process that does the work which may never end, and the session that waits for it.
#include "tests/support/pg_cluster.hpp"

#include <chrono>
#include <csignal>
#include <iterator>
#include <sstream>

namespace emsn::test {
namespace {

// What `ps` says of these processes, zombies included, a word each.
std::vector<std::string> ps(const std::string &column, const std::string &which, int pid) {
    std::istringstream out(run({"ps", "-o", column + "=", which, std::to_string(pid)}).out);
    return {std::istream_iterator<std::string>(out), {}};
}

// 0: none, or several.
int only_child(int pid) {
    const auto children = ps("pid", "--ppid", pid);
    return children.size() == 1 ? std::stoi(children[0]) : 0;
}

bool is_gone(int pid) {
    const auto state = ps("stat", "-p", pid);
    return state.empty() || state[0][0] == 'Z'; // init's now, which may take its time
}

class Helper : public PgTest {
  protected:
    Helper() {
        db.exec(
            "CREATE FUNCTION help(kind text, OUT t text, OUT i bigint, OUT r double precision, OUT b boolean,"
            " OUT at timestamptz, OUT n text) RETURNS SETOF record LANGUAGE c STRICT AS '" +
            PgCluster::shared().socket_dir() + "/stage/emsn_health_testing.so', 'emsn_testing_help'");
    }
    // The process that works for a session, once it does.
    static int worker_of(const Session &session) {
        int worker = 0;
        EXPECT_TRUE(eventually([&] {
            const int waiting = only_child(session.pid());
            worker = waiting == 0 ? 0 : only_child(waiting);
            return worker != 0;
        }));
        return worker;
    }
    Failed ended_by(Session &victim, const std::string &how);
};

TEST_F(Helper, RowsArriveAsTheyWereSent) {
    EXPECT_EQ(db.text("SELECT left(t, 20), length(t), i, r, b, at, n FROM help('cells')"),
              "|0|-9223372036854775808|-0.5|f|-infinity|NULL\n"
              "a\\xff\\x00b\n|11|9223372036854775807|1e+300|t|infinity|NULL\n"
              "xxxxxxxxxxxxxxxxxxxx|1000000|0|0|f|2025-12-30 02:00:00+00|NULL");
    EXPECT_EQ(db.text("SELECT count(*), sum(i), max(at) FROM help('rows')"),
              "100000|4999950000|1970-01-02 03:46:39+00");
    EXPECT_EQ(db.value("SELECT count(*) FROM help('no rows')"), "0");
    EXPECT_TRUE(ps("pid", "--ppid", db.pid()).empty());
}

TEST_F(Helper, WhatItThrowsIsTheStatementsError) {
    const auto code = db.fails("SELECT help('1')");
    EXPECT_EQ(code.sqlstate + code.message, "58P01testing: code 1");
    EXPECT_EQ(db.fails("SELECT help('bad_alloc')").sqlstate, "53200");
    EXPECT_EQ(db.fails("SELECT help('standard')").message, "testing: a standard exception");
    EXPECT_EQ(db.fails("SELECT help('unknown')").message, "testing: unknown C++ exception");
    EXPECT_EQ(db.fails("SELECT help('bytes')").message, "testing: open /a\\xff\xc3\xa9: no");
    EXPECT_LT(db.fails("SELECT help('long')").message.size(), 2001u);
    EXPECT_TRUE(ps("pid", "--ppid", db.pid()).empty());
}

TEST_F(Helper, OneThatEndsWithoutAResultIsAnErrorThatNamesTheSignal) {
    const auto killed = db.fails("SELECT help('killed')");
    EXPECT_EQ(killed.sqlstate, "58030");
    EXPECT_EQ(killed.message, "testing: helper process ended by signal 9");
    EXPECT_EQ(db.fails("SELECT help('told to end')").message, "testing: helper process was told to end");
    auto waiting = session();
    waiting.send("SELECT help('hung')");
    ASSERT_NE(worker_of(waiting), 0);
    const int child = only_child(waiting.pid());
    ASSERT_NE(child, 0);
    ::kill(child, SIGKILL); // as it would be for want of memory
    EXPECT_EQ(waiting.wait().message, "testing: helper process ended by signal 9");
}

// Contract: 250 ms. A loaded machine or a sanitizer needs more; what must fail is a session that waits on.
constexpr std::chrono::seconds kPatience{2};

Failed Helper::ended_by(Session &victim, const std::string &how) {
    const auto start = std::chrono::steady_clock::now();
    db.exec("SELECT " + how + "(" + std::to_string(victim.pid()) + ")");
    auto failed = victim.wait();
    EXPECT_LT(std::chrono::steady_clock::now() - start, kPatience);
    return failed;
}

TEST_F(Helper, HungSystemCallDoesNotHoldUpTheSession) {
    auto victim = session();
    for (int round = 0; round < 2; ++round) {
        victim.send("SELECT help('hung')");
        const int worker = worker_of(victim);
        EXPECT_EQ(ended_by(victim, "pg_cancel_backend").message, "canceling statement due to user request");
        EXPECT_TRUE(eventually([&] { return is_gone(worker); }));
        EXPECT_TRUE(ps("pid", "--ppid", victim.pid()).empty());
    }
    victim.exec("SET statement_timeout = '100ms'");
    EXPECT_EQ(victim.fails("SELECT help('hung')").message, "canceling statement due to statement timeout");
    EXPECT_TRUE(ps("pid", "--ppid", victim.pid()).empty());
    victim.exec("RESET statement_timeout");
    victim.send("SELECT help('hung')");
    const int worker = worker_of(victim);
    EXPECT_EQ(ended_by(victim, "pg_terminate_backend").sqlstate, "57P01");
    EXPECT_TRUE(eventually([&] { return is_gone(worker); }));
}

// Not even its end can be waited for: no signal reaches it until the call returns.
TEST_F(Helper, ProcessThatCannotEndIsNoLongerTheSessions) {
    auto victim = session();
    victim.send("SELECT help('stuck')");
    const int worker = worker_of(victim);
    ASSERT_NE(worker, 0);
    ASSERT_TRUE(eventually([&] { return ps("blocked", "-p", worker) != ps("blocked", "-p", victim.pid()); }));
    EXPECT_EQ(ended_by(victim, "pg_cancel_backend").message, "canceling statement due to user request");
    EXPECT_TRUE(ps("pid", "--ppid", victim.pid()).empty());
    EXPECT_FALSE(is_gone(worker));
    EXPECT_EQ(victim.value("SELECT count(*) FROM help('cells')"), "3");
    ::kill(worker, SIGKILL);
    EXPECT_TRUE(eventually([&] { return is_gone(worker); }));
    EXPECT_EQ(victim.value("SELECT 1"), "1");
}

// What others would wait for: the client's socket, the log's pipe, the shared memory that says that a server
// runs, a working directory on a file system that is to be unmounted.
TEST_F(Helper, ProcessHoldsNothingOfTheServer) {
    auto waiting = session();
    waiting.send("SELECT help('hung')");
    const int worker = worker_of(waiting);
    for (const std::string &pid : {std::to_string(worker), std::to_string(only_child(waiting.pid()))}) {
        const std::string of = "/proc/" + pid;
        EXPECT_EQ(
            run({"bash", "-c", "cd $0/fd && for f in *; do echo $f $(readlink $f | cut -d: -f1); done", of})
                .out,
            "0 /dev/null\n1 /dev/null\n2 /dev/null\n3 pipe\n");
        EXPECT_EQ(run({"readlink", of + "/cwd"}).out, "/\n");
        const auto maps = read_file(of + "/maps");
        EXPECT_EQ(maps.find("/SYSV"), std::string::npos) << maps;
        EXPECT_EQ(maps.find("/dev/zero"), std::string::npos) << maps;
        EXPECT_NE(run({"ps", "-o", "args=", "-p", pid}).out.find("emsn helper"), std::string::npos);
        EXPECT_NE(ps("pgid", "-p", std::stoi(pid)), ps("pgid", "-p", waiting.pid()));
    }
    ended_by(waiting, "pg_cancel_backend");
}

TEST_F(Helper, NoProcessToBeHadIsAnError) {
    auto limited = session();
    const auto limit = run(as_server({"prlimit", "--nproc=1:1", "--pid", std::to_string(limited.pid())}));
    ASSERT_EQ(limit.status, 0) << limit.err;
    const auto failed = limited.fails("SELECT help('rows')");
    EXPECT_EQ(failed.sqlstate, "58030");
    EXPECT_EQ(failed.message, "testing: fork a helper process: Resource temporarily unavailable");
    EXPECT_EQ(limited.value("SELECT 1"), "1");
}

// DROP DATABASE waits until every session has acknowledged it.
TEST_F(Helper, SessionThatWaitsDoesNotHoldUpOthers) {
    auto waiting = session();
    waiting.send("SELECT help('hung')");
    worker_of(waiting);
    db.exec("CREATE DATABASE short_lived");
    db.exec("SET statement_timeout = '20s'");
    EXPECT_EQ(db.fails("DROP DATABASE short_lived").message, "");
    EXPECT_EQ(ended_by(waiting, "pg_cancel_backend").sqlstate, "57014");
}

} // namespace
} // namespace emsn::test
