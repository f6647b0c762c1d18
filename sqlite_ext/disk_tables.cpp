#include "sqlite_ext/disk_tables.hpp"

#include <climits>

#include "core/utc.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

std::vector<core::DirUsage> DirUsageTable::open(sqlite3 *db, const Arguments &arguments) {
    const std::string path = arguments.path(0);
    const auto max_depth = static_cast<int>(arguments.integer(1, 1, 0, INT_MAX));
    const auto options = core::WalkOptions::parse(arguments.text(2, ""));
    Watch watch(db, 0);
    watch.stage("walking " + path);
    return core::dir_usage(path, max_depth, options, watch.poll());
}

void DirUsageTable::column(const Row &row, int index, Columns out) {
    enum {
        path,
        name,
        depth,
        bytes,
        allocated_bytes,
        files,
        directories,
        unreadable,
        newest_mtime,
        error,
        complete
    };
    const auto known = [&](std::int64_t number) { // of a root out of reach nothing is
        if (row.reached)
            out.integer(number);
    };
    switch (index) {
    case path:
        return out.text(row.path);
    case name:
        return out.text(row.name);
    case depth:
        return out.integer(row.depth);
    case bytes:
        return known(row.bytes);
    case allocated_bytes:
        return known(row.allocated_bytes);
    case files:
        return known(row.files);
    case directories:
        return known(row.directories);
    case unreadable:
        return known(row.unreadable);
    case newest_mtime:
        return row.reached ? out.text(core::utc_text(row.newest_mtime)) : void();
    case error:
        return out.text(row.error);
    case complete:
        return out.flag(row.complete);
    }
}

std::vector<core::Filesystem> FilesystemsTable::open(sqlite3 * /*db*/, const Arguments & /*arguments*/) {
    return core::filesystems(core::system_mounts());
}

void FilesystemsTable::column(const Row &row, int index, Columns out) {
    enum {
        mount_point,
        device,
        fs_type,
        total,
        used,
        available,
        percent,
        inodes_total,
        inodes_used,
        read_only,
        error
    };
    const auto known = [&](std::int64_t core::Usage::*number) {
        if (row.usage)
            out.integer((*row.usage).*number);
    };
    switch (index) {
    case mount_point:
        return out.text(row.mount.mount_point);
    case device:
        return out.text(row.mount.device);
    case fs_type:
        return out.text(row.mount.fs_type);
    case total:
        return known(&core::Usage::total_bytes);
    case used:
        return known(&core::Usage::used_bytes);
    case available:
        return known(&core::Usage::available_bytes);
    case percent:
        return row.usage ? out.real(row.usage->used_percent) : void();
    case inodes_total:
        return known(&core::Usage::inodes_total);
    case inodes_used:
        return known(&core::Usage::inodes_used);
    case read_only:
        return out.flag(row.mount.read_only);
    case error:
        return out.text(row.error);
    }
}

} // namespace emsn::sqlite
