#include "sqlite_ext/publish/connect.hpp"

#include <poll.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <regex>

#include "core/detached.hpp"
#include "core/poll.hpp"

namespace emsn::publish {

using core::Clock;

namespace {

constexpr auto kBetweenChecks = std::chrono::milliseconds(50);

struct Attempt {
    explicit Attempt(const Conninfo &from) : conninfo(from) {}

    const Conninfo conninfo; // of its own: the caller may be gone
    std::mutex mutex;
    std::condition_variable ended_signal;
    bool ended = false;
    PgConn connection; // null: there is none, and problem says why
    std::string problem;
};

// Until libpq is done, or the time for one attempt is over. True: connected.
bool complete(PGconn *connection, Clock::time_point deadline) {
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    for (;;) {
        if (next == PGRES_POLLING_OK || next == PGRES_POLLING_FAILED)
            return next == PGRES_POLLING_OK;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0)
            return false;
        pollfd on{PQsocket(connection), 0, 0};
        on.events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (::poll(&on, 1, static_cast<int>(left.count())) > 0)
            next = PQconnectPoll(connection);
    }
}

void attempt_to_connect(Attempt &attempt) {
    const auto seconds = attempt.conninfo.connect_timeout();
    const auto deadline = Clock::now() + std::chrono::seconds(seconds);
    constexpr int kExpandDbname = 0; // the string has been taken apart
    PgConn connection(PQconnectStartParams(attempt.conninfo.keywords().data(),
                                           attempt.conninfo.values().data(), kExpandDbname));
    std::string problem;
    if (!connection)
        problem = "out of memory";
    else if (PQstatus(connection.get()) == CONNECTION_BAD)
        problem = PQerrorMessage(connection.get());
    else {
        // with the SQLSTATE: the words themselves may be in any language
        PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);
        if (!complete(connection.get(), deadline)) {
            problem = PQstatus(connection.get()) == CONNECTION_BAD
                          ? PQerrorMessage(connection.get())
                          : "no answer within " + std::to_string(seconds) + " s";
        }
    }
    if (!problem.empty())
        connection.reset();
    else
        PQsetErrorVerbosity(connection.get(), PQERRORS_DEFAULT);
    const std::lock_guard lock(attempt.mutex);
    attempt.connection = std::move(connection);
    attempt.problem = std::move(problem);
}

// "FATAL:  28P01: words" and "LOCATION: ..." lines, as verbosity VERBOSE writes them.
PgError error_of(std::string text) {
    static const std::regex location("\\n?LOCATION:[^\\n]*");
    static const std::regex state("[A-Z]+:\\s+([0-9A-Z]{5}): ");
    text = std::regex_replace(text, location, "");
    std::smatch found;
    std::string sqlstate;
    for (auto rest = text.cbegin(); std::regex_search(rest, text.cend(), found, state);
         rest = found.suffix().first)
        sqlstate = found[1]; // of the host that was tried last
    text = std::regex_replace(text, state, "");
    static const std::regex line_ends("[\\n\\t]+$");
    static const std::regex line_breaks("[\\n\\t]+");
    text = std::regex_replace(std::regex_replace(text, line_ends, ""), line_breaks, " ");
    // what libpq itself refuses, before it speaks to anybody
    static const std::regex wrong_words(
        "^(invalid|definition of service|syntax error in service|service file|"
        "could not match|unsupported|nested service|local user)|"
        "certificate|private key|not support(ed)? SSL|no password supplied|authentication");
    if (sqlstate.empty() && std::regex_search(text, wrong_words))
        sqlstate = "XX000";
    return {sqlstate, text};
}

} // namespace

PgConn connect(const Conninfo &conninfo, sqlite::Watch &watch) {
    watch.stage("connecting to the centre");
    const auto attempt = std::make_shared<Attempt>(conninfo);
    core::start_detached([attempt] {
        try {
            attempt_to_connect(*attempt);
        } catch (const std::exception &e) {
            const std::lock_guard lock(attempt->mutex);
            attempt->problem = "connect: failed";
        }
        const std::lock_guard lock(attempt->mutex);
        attempt->ended = true;
        attempt->ended_signal.notify_all();
    });
    std::unique_lock lock(attempt->mutex);
    while (!attempt->ended) {
        attempt->ended_signal.wait_for(lock, kBetweenChecks);
        watch.check();
    }
    if (!attempt->connection)
        throw error_of(conninfo.scrubbed(attempt->problem));
    return std::move(attempt->connection);
}

} // namespace emsn::publish
