// The backups of one station, by kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/backups.hpp"

namespace emsn::core {

struct BackupKind {
    std::string kind;
    std::int64_t entries = 0;
    std::optional<std::int64_t> bytes; // of all of them; nullopt: a folder without a receipt that says
    std::optional<Backup> newest;      // nullopt: of none is known when it was taken
};

// Sorted by kind. Those in a folder of another station are left out; what lies in no station's folder counts.
[[nodiscard]] std::vector<BackupKind> backup_kinds(const std::vector<Backup> &backups,
                                                   const std::string &station);

} // namespace emsn::core
