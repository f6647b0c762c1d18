// Tables over the disks: emsn_dir_usage and emsn_filesystems.
#pragma once

#include "core/dir_usage.hpp"
#include "core/mounts.hpp"
#include "sqlite_ext/vtab.hpp"

namespace emsn::sqlite {

// One row for each directory down to max_depth (default 1), with all below it.
struct DirUsageTable {
    static constexpr const char *kName = "emsn_dir_usage";
    static constexpr std::string_view kColumns =
        "path TEXT, name TEXT, depth INTEGER, bytes INTEGER, allocated_bytes INTEGER, files INTEGER, "
        "directories INTEGER, unreadable INTEGER, newest_mtime TEXT, error TEXT, complete INTEGER";
    static constexpr std::array kArguments{"root", "max_depth", "options"};
    static constexpr std::size_t kRequired = 1;
    using Row = core::DirUsage;
    static std::vector<Row> open(sqlite3 *db, const Arguments &arguments);
    static void column(const Row &row, int index, Columns out);
};

// One row for each mounted file system that has space of its own.
struct FilesystemsTable {
    static constexpr const char *kName = "emsn_filesystems";
    static constexpr std::string_view kColumns =
        "mount_point TEXT, device TEXT, fs_type TEXT, total_bytes INTEGER, used_bytes INTEGER, "
        "available_bytes INTEGER, used_percent REAL, inodes_total INTEGER, inodes_used INTEGER, "
        "read_only INTEGER, error TEXT";
    static constexpr std::array<const char *, 0> kArguments{};
    static constexpr std::size_t kRequired = 0;
    using Row = core::Filesystem;
    static std::vector<Row> open(sqlite3 *db, const Arguments &arguments);
    static void column(const Row &row, int index, Columns out);
};

} // namespace emsn::sqlite
