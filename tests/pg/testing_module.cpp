// Functions for tests only: what must not go wrong between C++ and the backend, forced to happen.
#include <csignal>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "pg_ext/guard.hpp"
#include "pg_ext/helper.hpp"
#include "pg_ext/memory.hpp"
#include "pg_ext/rows.hpp"

extern "C" {
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(emsn_testing_throw);
PG_FUNCTION_INFO_V1(emsn_testing_help);
PG_FUNCTION_INFO_V1(emsn_testing_rows);
PG_FUNCTION_INFO_V1(emsn_testing_live_objects);
}

namespace {

using namespace emsn;

int live_objects = 0;

struct Tracked {
    Tracked() noexcept { ++live_objects; }
    ~Tracked() { --live_objects; }
    Tracked(const Tracked &) = delete;
    Tracked &operator=(const Tracked &) = delete;
    std::string content = "long enough to stand on the heap, so that a leak is one";
};

void fail(std::string_view kind) {
    const Tracked tracked;
    if (kind == "bad_alloc")
        throw std::bad_alloc();
    if (kind == "standard")
        throw std::runtime_error("a standard exception");
    if (kind == "unknown")
        throw 42;
    if (kind == "bytes")
        throw core::Error(core::Errc::io, "open /a\xff\xc3\xa9: no");
    if (kind == "long")
        throw core::Error(core::Errc::io, std::string(100'000, 'x'));
    for (int code = 0; code <= static_cast<int>(core::Errc::internal); ++code) {
        if (kind == std::to_string(code))
            throw core::Error(static_cast<core::Errc>(code), "code " + std::to_string(code));
    }
}

// As a thread in a system call that does not return.
[[noreturn]] void never_return() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    for (;;)
        ::pause();
}

void put_cells(pg::RowSender &out, std::string_view text, std::int64_t number, double real,
               std::int64_t time) {
    out.text(text);
    out.integer(number);
    out.real(real);
    out.boolean(number > 0);
    out.time(time);
    out.null();
    out.put();
}

void work(std::string_view kind, pg::RowSender &out) {
    using Limits = std::numeric_limits<std::int64_t>;
    fail(kind);
    if (kind == "killed")
        ::raise(SIGKILL);
    if (kind == "told to end")
        ::raise(SIGTERM);
    if (kind == "stuck")
        never_return();
    if (kind == "hung") { // but for the thread that waits for it
        std::thread(never_return).detach();
        for (;;)
            ::pause();
    }
    if (kind == "cells") {
        put_cells(out, "", Limits::min(), -0.5, Limits::min());
        put_cells(out, std::string_view("a\xff\0b\n", 5), Limits::max(), 1e300, Limits::max());
        put_cells(out, std::string(1'000'000, 'x'), 0, 0, 1'767'060'000);
    }
    if (kind == "rows") {
        for (int i = 0; i < 100'000; ++i)
            put_cells(out, "row", i, 0, i);
    }
}

} // namespace

Datum emsn_testing_throw(PG_FUNCTION_ARGS) {
    const char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
    pg::call_core("testing", [&] { fail(kind); });
    PG_RETURN_VOID();
}

Datum emsn_testing_help(PG_FUNCTION_ARGS) {
    const char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
    InitMaterializedSRF(fcinfo, 0);
    auto *helper = pg::make_in<pg::Helper>(CurrentMemoryContext);
    pg::call_core("testing", [&] { helper->start([&](pg::RowSender &out) { work(kind, out); }); });
    pg::Row row(fcinfo);
    while (pg::next_row("testing", helper))
        row.put(helper->row());
    return static_cast<Datum>(0);
}

// wide of the declared columns, fail_at: the row at which the backend raises an ERROR
Datum emsn_testing_rows(PG_FUNCTION_ARGS) {
    const int wide = PG_GETARG_INT32(0);
    const int fail_at = PG_GETARG_INT32(1);
    constexpr int kRows = 1000;
    InitMaterializedSRF(fcinfo, 0);
    auto *tracked = pg::make_in<Tracked>(CurrentMemoryContext);
    pg::Row row(fcinfo);
    for (int i = 0; i < kRows; ++i) {
        if (i == fail_at)
            ereport(ERROR, errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("from the backend"));
        for (int column = 0; column < wide; ++column)
            row.text(tracked->content);
        row.put();
    }
    return static_cast<Datum>(0);
}

Datum emsn_testing_live_objects(PG_FUNCTION_ARGS) {
    static_cast<void>(fcinfo);
    PG_RETURN_INT32(live_objects);
}
