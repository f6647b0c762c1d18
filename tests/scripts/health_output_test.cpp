// scripts/emsn-health: where its answer goes, and the answer that goes on.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>

#include "tests/scripts/health_script.hpp"

namespace emsn::test {
namespace {

class HealthOutput : public HealthScript {
  protected:
    [[nodiscard]] std::vector<std::string> environment(const std::string &conninfo) {
        return {"EMSN_PG=" + conninfo, "EMSN_CONF=" + conf(""), "TMPDIR=" + scratch_.path() + "/tmp"};
    }
    [[nodiscard]] std::string here() const { return PgCluster::shared().conninfo(database()); }
    [[nodiscard]] std::string listing(const std::string &folder) const {
        return run({"ls", "-A", scratch_ / folder}).out;
    }
    // What it prints on a terminal.
    std::string on_terminal(const std::string &extra) {
        auto env = environment(here());
        env.insert(env.end(), {"TERM=xterm", extra});
        const auto out = run({"script", "-qec", kScript, "/dev/null"}, env);
        EXPECT_EQ(out.status, 0) << out.err;
        return out.out;
    }
    void SetUp() override {
        all_well();
        for (const std::string name : {"tmp", "out"})
            ::mkdir((scratch_ / name).c_str(), 0755);
    }
};

TEST_F(HealthOutput, ColourIsForTerminalsWhoseUserDidNotRefuseIt) {
    silent("50");
    const std::string red = "\n\x1b[31m critical\x1b[0m | silent_station ";
    EXPECT_NE(on_terminal("A=b").find(red), std::string::npos);
    EXPECT_NE(on_terminal("NO_COLOR=").find(red), std::string::npos);
    EXPECT_EQ(on_terminal("NO_COLOR=1").find('\x1b'), std::string::npos);
    EXPECT_EQ(on_terminal("TERM=dumb").find('\x1b'), std::string::npos);
    EXPECT_EQ(health({}).out.find('\x1b'), std::string::npos);
}

// Whoever names a station cannot drive the terminal of whoever looks.
TEST_F(HealthOutput, EscapesInNamesStayWords) {
    db.exec("INSERT INTO d (station, detection_timestamp, species) VALUES (E'\x1b[2Jz', now(), 'x')");
    EXPECT_EQ(on_terminal("A=b").find("\x1b[2J"), std::string::npos);
    EXPECT_NE(on_terminal("A=b").find("\\x1B[2Jz"), std::string::npos);
}

TEST_F(HealthOutput, FileIsReplacedAsAWhole) {
    const std::string file = scratch_ / "out/emsn.prom";
    write_file(file, "old");
    struct stat before {};
    ASSERT_EQ(::stat(file.c_str(), &before), 0);
    const auto out = run({"bash", "-c", "umask 027; exec \"$0\" --prometheus --output \"$1\"", kScript, file},
                         environment(here()));
    EXPECT_EQ(out.status, 0) << out.err;
    EXPECT_EQ(out.out + out.err, "");
    EXPECT_EQ(read_file(file).find("# HELP emsn_up "), 0u);
    struct stat after {};
    ASSERT_EQ(::stat(file.c_str(), &after), 0);
    EXPECT_EQ(after.st_mode & 07777U, 0640U);
    EXPECT_EQ(listing("out"), "emsn.prom\n");
    EXPECT_EQ(listing("tmp"), "");
    // a reader that has the old file open goes on reading the old one
    EXPECT_NE(before.st_ino, after.st_ino);

    // the news that there is no answer takes the place of the last answer
    EXPECT_EQ(health({"--prometheus", "--output", file}, kAway).status, 75);
    EXPECT_NE(read_file(file).find("\nemsn_up 0\n"), std::string::npos);
    EXPECT_EQ(read_file(file).find("emsn_health_status"), std::string::npos);
    EXPECT_EQ(health({"--json", "--check", "--output", file}).status, 0);
    EXPECT_EQ(read_file(file).find("[{\"check_name\":"), 0u);
}

TEST_F(HealthOutput, FileThatCannotBeWrittenIsSaidAndNothingIsLeft) {
    const std::string target = scratch_ / "out/target";
    const std::string link = scratch_ / "out/link";
    write_file(target, "mine");
    ASSERT_EQ(::symlink("target", link.c_str()), 0);
    const auto refused = [&](const std::string &file, const std::string &reason) {
        const auto out = health({"--output", file});
        EXPECT_EQ(out.status, 1);
        EXPECT_EQ(out.out, "");
        EXPECT_EQ(out.err, "emsn-health: write " + file + ": " + reason + "\n");
    };
    refused(scratch_ / "none/emsn.prom", "No such file or directory");
    refused(scratch_ / "out", "not a regular file");
    refused("/dev/null", "not a regular file");
    refused(link, "not a regular file");
    EXPECT_EQ(health({"--check", "--output", link}).status, 3);
    EXPECT_EQ(read_file(target), "mine");
    EXPECT_EQ(listing("out"), "link\ntarget\n");
}

TEST_F(HealthOutput, WatchGoesOnUntilItIsInterrupted) {
    const std::string log = scratch_ / "log";
    for (const int signal : {SIGINT, SIGTERM}) {
        write_file(log, "");
        // whoever runs the tests in the background has SIGINT ignored for them
        Process watch({"env", "--default-signal=INT", kScript, "--watch", "0.05"}, log, environment(here()));
        EXPECT_TRUE(eventually([&] {
            const auto text = read_file(log);
            const auto first = text.find("silent_station");
            return first != std::string::npos && text.find(" status ", first) != std::string::npos;
        })) << read_file(log);
        watch.signal(signal);
        EXPECT_EQ(watch.wait(), 128 + signal) << read_file(log);
    }
    EXPECT_EQ(read_file(log).find('\x1b'), std::string::npos);
    EXPECT_EQ(listing("tmp"), "");
}

TEST_F(HealthOutput, WatchRedrawsATerminalAndOutlivesTheServer) {
    const std::string log = scratch_ / "log";
    write_file(log, "");
    auto env = environment(kAway);
    env.emplace_back("TERM=xterm");
    Process watch({"script", "-qefc", kScript + " --watch 0.05", "/dev/null"}, log, env);
    EXPECT_TRUE(eventually([&] {
        const auto text = read_file(log);
        const auto first = text.find("\x1b[H\x1b[2J");
        return first != std::string::npos && text.find("\x1b[H\x1b[2J", first + 1) != std::string::npos;
    })) << read_file(log);
    EXPECT_NE(read_file(log).find(", every 0.05 s; Ctrl-C ends"), std::string::npos);
    EXPECT_NE(read_file(log).find("\nEMSN CRITICAL - connection to server"), std::string::npos);
    watch.signal(SIGTERM);
    watch.wait();
    EXPECT_TRUE(eventually([&] { return listing("tmp").empty(); })) << listing("tmp");
}

// A server that takes connections and says nothing: the program it waits for ends with it.
TEST_F(HealthOutput, SignalsEndItWhileTheServerIsSilent) {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = scratch_ / ".s.PGSQL.5432";
    ASSERT_LT(path.size(), sizeof address.sun_path);
    path.copy(static_cast<char *>(address.sun_path), path.size());
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    auto env = environment("host=" + scratch_.path());
    env.emplace_back("PGCONNECT_TIMEOUT=0");
    Process waiting({"env", "--default-signal=INT", kScript}, scratch_ / "log", env);
    const int connection = ::accept(listener, nullptr, nullptr);
    ASSERT_GE(connection, 0);
    waiting.signal(SIGINT);
    EXPECT_EQ(waiting.wait(), 128 + SIGINT);
    std::string heard(1, '\0');
    while (::read(connection, heard.data(), 1) > 0) // to its end: nobody holds the connection any more
        ;
    EXPECT_EQ(listing("tmp"), "");
    ::close(connection);
    ::close(listener);
}

TEST_F(HealthOutput, WrongUseOfItsOptions) {
    for (const std::vector<std::string> &options : {std::vector<std::string>{"--output"},
                                                    {"--output", ""},
                                                    {"--watch", "0"},
                                                    {"--watch", "5x"},
                                                    {"--watch", "-1"},
                                                    {"--watch", "--json"},
                                                    {"--output", "x", "--watch"}}) {
        const auto out = health(options);
        EXPECT_EQ(out.status, 2) << options[0];
        EXPECT_EQ(out.out, "");
        EXPECT_EQ(out.err.find("emsn-health: "), 0u);
    }
    EXPECT_EQ(health({"--watch", "--nagios"}).status, 3);
}

} // namespace
} // namespace emsn::test
