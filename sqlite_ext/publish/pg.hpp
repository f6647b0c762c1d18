// A connection to PostgreSQL through libpq that never waits deaf: every wait asks the Watch, so an interrupt
// or the deadline ends it within 100 ms. Values travel as parameters or by COPY, never inside the SQL.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sqlite_ext/publish/conninfo.hpp"
#include "sqlite_ext/publish/pg_error.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::publish {

struct FinishConnection {
    void operator()(PGconn *connection) const noexcept { PQfinish(connection); }
};
using PgConn = std::unique_ptr<PGconn, FinishConnection>;

// The rows of a query, as text.
class Result {
  public:
    explicit Result(PGresult *result) noexcept : result_(result) {}

    [[nodiscard]] int rows() const noexcept { return PQntuples(result_.get()); }
    [[nodiscard]] bool is_null(int row, int column) const noexcept {
        return PQgetisnull(result_.get(), row, column) != 0;
    }
    [[nodiscard]] std::string text(int row, int column) const { // NULL gives ""
        return PQgetvalue(result_.get(), row, column);
    }
    [[nodiscard]] std::int64_t integer(int row, int column) const { // NULL gives 0
        return std::strtoll(PQgetvalue(result_.get(), row, column), nullptr, 10);
    }
    [[nodiscard]] PGresult *get() const noexcept { return result_.get(); }

  private:
    struct Clear {
        void operator()(PGresult *result) const noexcept { PQclear(result); }
    };
    std::unique_ptr<PGresult, Clear> result_;
};

class Connection {
  public:
    // Throws PgError.
    Connection(const Conninfo &conninfo, sqlite::Watch &watch);

    // Done in small pieces, of a few ms, while an answer is waited for: each call does one, until one returns
    // false. An empty function: nothing any more.
    void while_waiting(std::function<bool()> work) { work_ = std::move(work); }

    // One statement with its parameters $1, $2, ..., all sent as text. Throws PgError.
    Result query(const char *sql, const std::vector<std::string> &parameters = {});

    // COPY ... FROM STDIN: begun, fed in pieces of any size, ended.
    void begin_copy(const char *sql);
    void copy(std::span<const char> bytes);
    void end_copy();
    // Nothing of what was begun shall be: a COPY is broken off, the transaction rolled back, if there are
    // any.
    void abandon();

  private:
    void wait(bool also_to_write);
    void flush();
    Result finish();
    [[noreturn]] void throw_lost();
    [[noreturn]] void throw_failed(const PGresult *result);

    const Conninfo &conninfo_;
    sqlite::Watch &watch_;
    PgConn connection_;
    bool copying_ = false;
    std::function<bool()> work_;
};

} // namespace emsn::publish
