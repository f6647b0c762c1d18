#include "sqlite_ext/publish/pg.hpp"

#include <poll.h>

#include <utility>

#include "sqlite_ext/publish/connect.hpp"

namespace emsn::publish {

namespace {

constexpr int kBetweenChecksMs = 50;
constexpr std::size_t kFlushBytes = 64 << 10; // little comes in one piece, and wakes the server once

std::string field(const PGresult *result, int code) {
    const char *text = PQresultErrorField(result, code);
    return text != nullptr ? text : "";
}

void say_nothing(void * /*unused*/, const char * /*message*/) {}

} // namespace

Connection::Connection(const Conninfo &conninfo, sqlite::Watch &watch)
    : conninfo_(conninfo), watch_(watch), connection_(connect(conninfo, watch)) {
    // notices would go to the stderr of whoever loaded us
    PQsetNoticeProcessor(connection_.get(), say_nothing, nullptr);
    if (PQsetnonblocking(connection_.get(), 1) != 0)
        throw_lost();
}

void Connection::throw_lost() {
    std::string text = conninfo_.scrubbed(PQerrorMessage(connection_.get()));
    for (char &c : text)
        c = c == '\n' || c == '\t' ? ' ' : c;
    while (!text.empty() && text.back() == ' ')
        text.pop_back();
    throw PgError("", "the connection to the centre was lost: " + text);
}

void Connection::throw_failed(const PGresult *result) {
    const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
    if (sqlstate.empty()) // libpq's own words: the connection broke
        throw_lost();
    std::string text = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (const auto detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty())
        text.append(": ").append(detail);
    if (const auto hint = field(result, PG_DIAG_MESSAGE_HINT); !hint.empty())
        text.append(" (").append(hint).append(")");
    throw PgError(sqlstate, conninfo_.scrubbed(text));
}

// For something to read, or for room to write; at most until the next look at the watch.
void Connection::wait(bool also_to_write) {
    watch_.check();
    pollfd on{PQsocket(connection_.get()), POLLIN, 0};
    if (also_to_write)
        on.events = POLLIN | POLLOUT;
    const bool worked = work_ && work_();
    if (::poll(&on, 1, worked ? 0 : kBetweenChecksMs) > 0 && (on.revents & ~POLLOUT) != 0 &&
        PQconsumeInput(connection_.get()) != 1)
        throw_lost();
}

void Connection::flush() {
    for (;;) {
        const int left = PQflush(connection_.get());
        if (left == 0)
            return;
        if (left < 0)
            throw_lost();
        wait(true);
    }
}

Result Connection::next_result() {
    while (PQisBusy(connection_.get()) != 0)
        wait(false);
    return Result(PQgetResult(connection_.get()));
}

// All results of what was sent: the last one, or the first error.
Result Connection::finish() {
    flush();
    Result last(nullptr);
    Result failed(nullptr);
    for (;;) {
        Result next = next_result();
        if (next.get() == nullptr)
            break;
        const auto status = PQresultStatus(next.get());
        if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
            if (failed.get() == nullptr)
                failed = std::move(next);
        } else {
            last = std::move(next);
            if (status == PGRES_COPY_IN)
                break; // it wants the data first
        }
    }
    if (failed.get() != nullptr)
        throw_failed(failed.get());
    if (last.get() == nullptr)
        throw_lost();
    return last;
}

void Connection::send(const char *sql, const std::vector<std::string> &parameters) {
    std::vector<const char *> values;
    values.reserve(parameters.size());
    for (const auto &parameter : parameters)
        values.push_back(parameter.c_str());
    if (PQsendQueryParams(connection_.get(), sql, static_cast<int>(values.size()), nullptr, values.data(),
                          nullptr, nullptr, 0) != 1)
        throw_lost();
}

Result Connection::query(const char *sql, const std::vector<std::string> &parameters) {
    send(sql, parameters);
    return finish();
}

std::vector<Result> Connection::pipeline(const std::vector<Query> &queries) {
    if (PQenterPipelineMode(connection_.get()) != 1)
        throw_lost();
    for (const auto &query : queries)
        send(query.sql, query.parameters);
    if (PQpipelineSync(connection_.get()) != 1)
        throw_lost();
    flush();
    std::vector<Result> results;
    Result failed(nullptr);
    for (;;) {
        Result next = next_result();
        if (next.get() == nullptr) { // the end of one statement's
            if (PQstatus(connection_.get()) == CONNECTION_BAD)
                throw_lost();
            continue;
        }
        const auto status = PQresultStatus(next.get());
        if (status == PGRES_PIPELINE_SYNC)
            break;
        if (status == PGRES_FATAL_ERROR && failed.get() == nullptr)
            failed = std::move(next);
        else
            results.push_back(std::move(next));
    }
    if (PQexitPipelineMode(connection_.get()) != 1)
        throw_lost();
    if (failed.get() != nullptr)
        throw_failed(failed.get());
    return results;
}

void Connection::begin_copy(const char *sql) {
    query(sql);
    unsent_bytes_ = 0;
    copying_ = true;
}

void Connection::abandon() {
    if (std::exchange(copying_, false)) {
        if (PQputCopyEnd(connection_.get(), "broken off by the publisher") != 1)
            throw_lost();
        try {
            finish();
        } catch (const PgError &e) { // that it was broken off
            if (e.sqlstate().empty())
                throw;
        }
    }
    query("ROLLBACK"); // outside a transaction it is a warning
}

void Connection::copy(std::span<const char> bytes) {
    if (bytes.empty())
        return;
    if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(bytes.size())) != 1)
        throw_lost();
    unsent_bytes_ += bytes.size();
    if (unsent_bytes_ >= kFlushBytes) { // else libpq would keep all of it in memory
        flush();
        unsent_bytes_ = 0;
    }
}

void Connection::end_copy() {
    copying_ = false;
    if (PQputCopyEnd(connection_.get(), nullptr) != 1)
        throw_lost();
    finish();
}

} // namespace emsn::publish
