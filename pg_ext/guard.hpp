// The door between PostgreSQL's C and our C++: no exception passes it outwards, no longjmp inwards.
#pragma once

#include <exception>
#include <new>
#include <type_traits>

#include "core/error.hpp"
#include "pg_ext/postgres_api.hpp"

namespace emsn::pg {

// The SQLSTATE that stands for code.
[[nodiscard]] int sqlstate_of(core::Errc code) noexcept;

// What is left of an exception: plain data, so that ereport may jump over it.
struct Failure {
    static constexpr std::size_t kMostBytes = 2000; // longer messages are cut

    int sqlstate = 0;
    char text[kMostBytes];

    void set(int state, const char *function, const char *message) noexcept;
};

// Ends in ereport(ERROR). A cancelled query, a statement timeout or a terminated backend is reported as such.
[[noreturn]] void report(Failure *failure);

// The only door from C++ to ereport: runs fn and turns whatever it throws into an ERROR "FUNCTION: MESSAGE".
// fn calls core, and nothing of the backend; it leaves its results in what it captured by reference: plain
// values, or objects placed by make_in. What may take long is a Helper's.
template <typename Fn> void call_core(const char *function, Fn fn) {
    static_assert(std::is_trivially_destructible_v<Fn>, "capture by reference only");
    Failure failure;
    try {
        fn();
        return;
    } catch (const core::Error &e) {
        failure.set(sqlstate_of(e.code()), function, e.what());
    } catch (const std::bad_alloc &) {
        failure.set(ERRCODE_OUT_OF_MEMORY, function, "out of memory");
    } catch (const std::exception &e) {
        failure.set(ERRCODE_INTERNAL_ERROR, function, e.what());
    } catch (...) {
        failure.set(ERRCODE_INTERNAL_ERROR, function, "unknown C++ exception");
    }
    report(&failure);
}

// text in memory of the current context, with each byte that is not valid in the database's encoding as \xNN.
[[nodiscard]] char *valid_text(const char *text, std::size_t bytes);

} // namespace emsn::pg
