#include "sqlite_ext/publish/pg_error.hpp"

#include <string_view>
#include <utility>

namespace emsn::publish {

using core::Errc;

namespace {

constexpr std::pair<std::string_view, Errc> kStates[] = {
    {"57P01", Errc::unavailable}, // admin_shutdown
    {"57P02", Errc::unavailable}, // crash_shutdown
    {"57P03", Errc::unavailable}, // cannot_connect_now: starting up, or stopping
    {"53300", Errc::unavailable}, // too_many_connections
    {"40001", Errc::busy},        // serialization_failure: somebody else changed the same rows
    {"40P01", Errc::busy},        // deadlock_detected
    {"55P03", Errc::busy},        // lock_not_available
    {"57014", Errc::timed_out},   // query_canceled: by our statement timeout
    {"53100", Errc::no_space},    // disk_full
    {"53200", Errc::no_space},    // out_of_memory
    {"42501", Errc::permission},  // insufficient_privilege
    {"25006", Errc::unsupported}, // read_only_sql_transaction: a standby
    {"55000", Errc::unsupported}, // object_not_in_prerequisite_state: no table is named
    {"42809", Errc::unsupported}, // wrong_object_type: a view
    {"3D000", Errc::not_found},   // invalid_catalog_name: no such database
    {"3F000", Errc::not_found},   // invalid_schema_name: no extension
    {"42883", Errc::unsupported}, // undefined_function: an older extension
};

constexpr std::pair<std::string_view, Errc> kClasses[] = {
    {"08", Errc::unavailable}, // connection exceptions
    {"28", Errc::permission},  // invalid authorization
};

} // namespace

Errc errc_of(const std::string &sqlstate) noexcept {
    if (sqlstate.empty())
        return Errc::unavailable;
    for (const auto &[state, code] : kStates) {
        if (sqlstate == state)
            return code;
    }
    for (const auto &[prefix, code] : kClasses) {
        if (sqlstate.starts_with(prefix))
            return code;
    }
    return Errc::invalid_argument;
}

PgError::PgError(std::string sqlstate, const std::string &message)
    : core::Error(errc_of(sqlstate), message), sqlstate_(std::move(sqlstate)) {}

} // namespace emsn::publish
