#include "sqlite_ext/backups.hpp"

#include <chrono>

#include "core/dir_usage.hpp"
#include "core/utc.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

namespace {

constexpr double kSecondsADay = 86400;

core::Listed listed_of(const std::string &what) {
    if (what == "backups")
        return core::Listed::backups;
    if (what == "removing")
        return core::Listed::leftovers;
    throw core::Error(core::Errc::invalid_argument, "what must be one of: backups, removing");
}

std::string name_of(core::DateSource source) {
    switch (source) {
    case core::DateSource::name:
        return "name";
    case core::DateSource::receipt:
        return "receipt";
    case core::DateSource::mtime:
        return "mtime";
    }
    return {};
}

std::optional<std::int64_t> tree_bytes(const std::string &path, sqlite3 *db) {
    Watch watch(db, 0);
    watch.stage("walking " + path);
    const auto size = core::dir_size(path, {}, watch.poll());
    return size ? std::optional(size->bytes) : std::nullopt;
}

} // namespace

std::vector<BackupsTable::Row> BackupsTable::open(sqlite3 *db, const Arguments &arguments) {
    const std::string dir = arguments.path(0);
    Watch watch(db, 0);
    watch.stage("reading " + dir);
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    std::vector<Row> rows;
    for (auto &backup : core::backups_in(dir, listed_of(arguments.text(1, "backups")), watch.poll())) {
        std::optional<double> age_days;
        if (backup.taken)
            age_days = (now - static_cast<double>(backup.taken->unix_seconds)) / kSecondsADay;
        rows.push_back({std::move(backup), age_days});
    }
    return rows;
}

void BackupsTable::column(Row &row, int index, Columns out) {
    core::Backup &backup = row.backup;
    switch (index) {
    case 0:
        return out.text(backup.path);
    case 1:
        return out.text(backup.name);
    case 2:
        return out.text(backup.kind);
    case 3:
        return out.text(backup.station);
    case 4:
        return backup.taken ? out.text(core::utc_text(backup.taken->unix_seconds)) : void();
    case 5:
        return row.age_days ? out.real(*row.age_days) : void();
    case 6:
        if (!backup.bytes && backup.taken) // a folder, not yet counted
            backup.bytes = tree_bytes(backup.path, out.db());
        return out.integer(backup.bytes);
    case 7:
        return backup.taken ? out.text(name_of(backup.taken->source)) : void();
    case 8:
        return out.flag(backup.complete);
    case 9:
        return out.flag(backup.verified);
    case 10:
        return out.text(backup.series);
    case 11:
        return out.text(backup.error);
    default:
        return;
    }
}

} // namespace emsn::sqlite
