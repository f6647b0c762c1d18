#include "sqlite_ext/systemd_tables.hpp"

#include "core/utc.hpp"

namespace emsn::sqlite {

namespace {

void time(const std::optional<std::int64_t> &unix_seconds, const Columns &out) {
    if (unix_seconds)
        out.text(core::utc_text(*unix_seconds));
}

} // namespace

std::vector<UnitsTable::Row> UnitsTable::open(sqlite3 * /*db*/, const Arguments &arguments) {
    const std::string pattern = arguments.text(0, "*");
    const auto systemd = std::make_shared<core::Systemd>();
    std::vector<Row> rows;
    for (auto &unit : systemd->units({}, {pattern}))
        rows.push_back({std::move(unit), systemd, std::nullopt});
    return rows;
}

void UnitsTable::column(Row &row, int index, Columns out) {
    enum { name, load_state, active_state, sub_state, result, description, since };
    const auto details = [&]() -> const core::UnitDetails & {
        if (!row.details)
            row.details = row.systemd->details_of(row.unit);
        return *row.details;
    };
    switch (index) {
    case name:
        return out.text(row.unit.name);
    case load_state:
        return out.text(row.unit.load_state);
    case active_state:
        return out.text(row.unit.active_state);
    case sub_state:
        return out.text(row.unit.sub_state);
    case result:
        return out.text(details().result);
    case description:
        return out.text(row.unit.description);
    case since:
        return time(details().since_unix, out);
    }
}

std::vector<core::Timer> TimersTable::open(sqlite3 * /*db*/, const Arguments & /*arguments*/) {
    return core::Systemd().timers();
}

void TimersTable::column(const Row &row, int index, Columns out) {
    enum { name, unit, last_trigger, next_trigger, result, overdue };
    switch (index) {
    case name:
        return out.text(row.name);
    case unit:
        return out.text(row.unit);
    case last_trigger:
        return time(row.last_trigger_unix, out);
    case next_trigger:
        return time(row.next_trigger_unix, out);
    case result:
        return out.text(row.result);
    case overdue:
        return out.flag(row.overdue);
    }
}

void emsn_reset_failed(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    guard("emsn_reset_failed", ctx, argc, argv,
          [&] { sqlite3_result_int(ctx, core::Systemd().reset_failed(path_of(argv[0])) ? 1 : 0); });
}

} // namespace emsn::sqlite
