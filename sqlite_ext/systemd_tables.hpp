// Tables over systemd, emsn_units and emsn_timers, and emsn_reset_failed.
#pragma once

#include <memory>

#include "core/systemd.hpp"
#include "sqlite_ext/vtab.hpp"

namespace emsn::sqlite {

// One row for each unit that systemd has loaded; of these patterns only (glob(7)), where one is given. What
// takes a call for each unit is asked when it is asked for.
struct UnitsTable {
    static constexpr const char *kName = "emsn_units";
    static constexpr std::string_view kColumns =
        "name TEXT, load_state TEXT, active_state TEXT, sub_state TEXT, result TEXT, description TEXT, "
        "since TEXT";
    static constexpr std::array kArguments{"pattern"};
    static constexpr std::size_t kRequired = 0;

    struct Row {
        core::Unit unit;
        std::shared_ptr<core::Systemd> systemd; // of all rows of a scan
        std::optional<core::UnitDetails> details;
    };
    static std::vector<Row> open(sqlite3 *db, const Arguments &arguments);
    static void column(Row &row, int index, Columns out);
};

// One row for each timer that systemd has loaded.
struct TimersTable {
    static constexpr const char *kName = "emsn_timers";
    static constexpr std::string_view kColumns =
        "name TEXT, unit TEXT, last_trigger TEXT, next_trigger TEXT, result TEXT, overdue INTEGER";
    static constexpr std::array<const char *, 0> kArguments{};
    static constexpr std::size_t kRequired = 0;
    using Row = core::Timer;
    static std::vector<Row> open(sqlite3 *db, const Arguments &arguments);
    static void column(const Row &row, int index, Columns out);
};

// emsn_reset_failed(unit)
void emsn_reset_failed(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept;

} // namespace emsn::sqlite
