#include "core/backup_kinds.hpp"

#include <limits>
#include <map>

namespace emsn::core {

namespace {

std::optional<std::int64_t> bytes_of(const Backup &backup) {
    return backup.bytes ? backup.bytes : backup.told_bytes;
}

void add(std::optional<std::int64_t> &sum, const std::optional<std::int64_t> &bytes) {
    if (!sum || !bytes || *bytes > std::numeric_limits<std::int64_t>::max() - *sum)
        sum = std::nullopt;
    else
        *sum += *bytes;
}

} // namespace

std::vector<BackupKind> backup_kinds(const std::vector<Backup> &backups, const std::string &station) {
    std::map<std::string, BackupKind> kinds;
    for (const Backup &backup : backups) {
        if (backup.station && *backup.station != station)
            continue;
        BackupKind &kind =
            kinds.try_emplace(backup.kind, BackupKind{backup.kind, 0, 0, std::nullopt}).first->second;
        ++kind.entries;
        add(kind.bytes, bytes_of(backup));
        if (backup.taken && (!kind.newest || backup.taken->unix_seconds > kind.newest->taken->unix_seconds))
            kind.newest = backup;
    }
    std::vector<BackupKind> sorted;
    sorted.reserve(kinds.size());
    for (auto &[name, kind] : kinds)
        sorted.push_back(std::move(kind));
    return sorted;
}

} // namespace emsn::core
