// The backups in a folder, in the layouts that station owners have:
//
//   KIND/ENTRY           daily/2025-12-30/
//   STATION/KIND/ENTRY   zolder/database/birds-2025-12-30-14.sql.gz
//   ENTRY                what lies beside them: its kind is "other"
//
// KIND is one of images, daily, database, weekly, hourly, centre. A STATION is a folder without a date in its
// name that holds one of those. An entry is a file or a folder, as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/poll.hpp"

namespace emsn::core {

enum class DateSource { name, receipt, mtime };

struct Taken {
    std::int64_t unix_seconds = 0;
    DateSource source = DateSource::mtime;
};

struct Backup {
    std::string path; // the folder as it was given, and the names below it
    std::string name;
    std::string kind;
    std::optional<std::string> station;
    std::string series;                     // what stands before the date in the name, see backup_name.hpp
    std::optional<Taken> taken;             // nullopt: not looked at, see error
    std::optional<std::int64_t> bytes;      // of a file; of a folder it takes a walk to know
    std::optional<std::int64_t> told_bytes; // by the receipt
    std::optional<bool> complete;           // as the receipt says; nullopt without one
    std::optional<bool> verified;
    std::optional<std::string> error; // this row's own failure
};

enum class Listed {
    backups,
    leftovers // NAME.removing only, with no more than path, name, kind and station
};

// Rows sorted by path. Symlinks are not followed at any level; they, what is neither file nor folder, and
// what cannot be looked at, are rows with error. A receipt that cannot be understood leaves complete and
// verified unknown and is told in error too. Throws Error when dir itself cannot be read, and what poll
// throws, which is called for every entry.
[[nodiscard]] std::vector<Backup> backups_in(const std::string &dir, Listed listed, const Poll &poll);

} // namespace emsn::core
