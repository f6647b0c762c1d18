// Functions for tests only: what must not go wrong between C++ and the backend, forced to happen.
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/dir_size.hpp"
#include "pg_ext/guard.hpp"
#include "pg_ext/memory.hpp"
#include "pg_ext/rows.hpp"

extern "C" {
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(emsn_testing_throw);
PG_FUNCTION_INFO_V1(emsn_testing_walk_for_ever);
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

void raise_in_backend() {
    ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("from the backend"), errdetail("the detail"),
                    errhint("the hint")));
}

void fail(std::string_view kind) {
    const Tracked tracked;
    if (kind == "bad_alloc")
        throw std::bad_alloc();
    if (kind == "standard")
        throw std::runtime_error("a standard exception");
    if (kind == "unknown")
        throw 42;
    if (kind == "backend")
        pg::call_backend(raise_in_backend);
    if (kind == "bytes")
        throw core::Error(core::Errc::io, "open /a\xff\xc3\xa9: no");
    if (kind == "long")
        throw core::Error(core::Errc::io, std::string(100'000, 'x'));
    for (int code = 0; code <= static_cast<int>(core::Errc::internal); ++code) {
        if (kind == std::to_string(code))
            throw core::Error(static_cast<core::Errc>(code), "code " + std::to_string(code));
    }
}

} // namespace

Datum emsn_testing_throw(PG_FUNCTION_ARGS) {
    const char *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));
    pg::call_core("testing", [&] { fail(kind); });
    PG_RETURN_VOID();
}

Datum emsn_testing_walk_for_ever(PG_FUNCTION_ARGS) {
    const char *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
    pg::call_core("testing", [&] {
        const Tracked tracked;
        const auto poll = pg::interrupt_poll();
        for (;;)
            static_cast<void>(core::dir_size(path, {}, poll));
    });
    PG_RETURN_VOID();
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
            raise_in_backend();
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
