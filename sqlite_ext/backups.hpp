// The table emsn_backups.
#pragma once

#include "core/backups.hpp"
#include "sqlite_ext/vtab.hpp"

namespace emsn::sqlite {

// emsn_backups(dir [, what]): one row per backup below dir, see core/backups.hpp. what: 'backups' (default),
// or 'removing': what killed removals have left. Of a folder, bytes are counted when they are asked for.
struct BackupsTable {
    static constexpr const char *kName = "emsn_backups";
    static constexpr std::string_view kColumns =
        "path TEXT, name TEXT, kind TEXT, station TEXT, taken_at TEXT, age_days REAL, bytes INTEGER, "
        "date_source TEXT, complete INTEGER, verified INTEGER, series TEXT, error TEXT";
    static constexpr std::array kArguments{"dir", "what"};
    static constexpr std::size_t kRequired = 1;

    struct Row {
        core::Backup backup;
        std::optional<double> age_days; // negative: dated in the future
    };
    static std::vector<Row> open(sqlite3 *db, const Arguments &arguments);
    static void column(Row &row, int index, Columns out);
};

} // namespace emsn::sqlite
