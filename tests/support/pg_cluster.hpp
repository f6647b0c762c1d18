// A private PostgreSQL server with the built extension (scripts/lib/private_pg.sh), one for each test binary,
// and sessions on it through libpq. Each test gets a database of its own.
#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::test {

// Lines added to the server's postgresql.conf; a binary that needs some sets this before its first test.
std::vector<std::string> &cluster_settings();

// Names of libraries in the stage that its server preloads, in the same way.
std::vector<std::string> &cluster_preloads();

class PgCluster {
  public:
    // Started on first use, stopped after the last test. Then its log is searched: a crash fails the binary,
    // and any failure prints it.
    static PgCluster &shared();

    explicit PgCluster(const std::vector<std::string> &settings);
    ~PgCluster();
    PgCluster(const PgCluster &) = delete;
    PgCluster &operator=(const PgCluster &) = delete;

    [[nodiscard]] const std::string &socket_dir() const { return folder_; }
    [[nodiscard]] std::string conninfo(const std::string &database,
                                       const std::string &user = "postgres") const;
    [[nodiscard]] std::string log() const;
    // What a server in this folder needs in its environment, for run(): a sanitizer's runtime, or nothing.
    static std::vector<std::string> environment(const std::string &folder);
    void start();
    void stop();

  private:
    TempDir scratch_;
    std::string folder_;
    std::vector<std::string> settings_;
};

// argv for a program to run as the server's user.
[[nodiscard]] std::vector<std::string> as_server(std::vector<std::string> argv);

using Cell = std::optional<std::string>;
using Table = std::vector<std::vector<Cell>>;

struct Failed {
    std::string sqlstate;
    std::string message; // the primary message
    std::string detail;
    std::string hint;
};

class Session {
  public:
    explicit Session(const std::string &conninfo);

    // Runs one or more statements; the rows of the last one. Throws std::runtime_error on an ERROR.
    Table rows(const std::string &sql);
    void exec(const std::string &sql) { rows(sql); }
    // The only cell of the only row; "NULL" for NULL.
    std::string value(const std::string &sql);
    // Each row as its cells joined by '|', NULL as "NULL"; the rows joined by line feeds.
    std::string text(const std::string &sql);
    // The ERROR of a statement that must fail; empty sqlstate when it did not.
    Failed fails(const std::string &sql);
    // Sends without waiting; the answer through wait().
    void send(const std::string &sql);
    Failed wait();

    [[nodiscard]] int pid() const { return PQbackendPID(connection_.get()); }
    [[nodiscard]] PGconn *raw() const { return connection_.get(); }

  private:
    struct Finish {
        void operator()(PGconn *connection) const { PQfinish(connection); }
    };
    std::unique_ptr<PGconn, Finish> connection_;
};

// Fixture: a database with the extension, and a superuser's session `db` in it.
class PgTest : public ::testing::Test {
  protected:
    PgTest();

    [[nodiscard]] Session session(const std::string &user = "postgres") const {
        return Session(PgCluster::shared().conninfo(database_, user));
    }
    // A role that exists in this test only; memberships: "pg_monitor, pg_signal_backend".
    std::string role(const std::string &memberships = "");
    [[nodiscard]] const std::string &database() const { return database_; }

    std::string database_;
    Session db;
};

// Whether the session with this pid is in the given state ("idle in transaction") or, with "Lock", waits for
// one.
bool session_is(Session &observer, int pid, const std::string &state);

} // namespace emsn::test
