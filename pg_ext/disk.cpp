// emsn.dir_size_safe, emsn.dir_usage and emsn.filesystems: what SQL cannot see of the server's disks. Every
// look at them is a helper process's.
#include <algorithm>
#include <optional>

#include "core/dir_usage.hpp"
#include "core/mounts.hpp"
#include "pg_ext/guard.hpp"
#include "pg_ext/helper.hpp"
#include "pg_ext/memory.hpp"
#include "pg_ext/rows.hpp"

extern "C" {
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(emsn_health_dir_size_safe);
PG_FUNCTION_INFO_V1(emsn_health_dir_usage);
PG_FUNCTION_INFO_V1(emsn_health_filesystems);
}

namespace {

using namespace emsn;

void put_row(pg::RowSender &out, const core::Filesystem &row) {
    out.text(row.mount.mount_point);
    out.text(row.mount.device);
    out.text(row.mount.fs_type);
    if (row.usage) {
        out.integer(row.usage->total_bytes);
        out.integer(row.usage->used_bytes);
        out.integer(row.usage->available_bytes);
        out.real(row.usage->used_percent);
        out.integer(row.usage->inodes_total);
        out.integer(row.usage->inodes_used);
    } else { // unknown is NULL, never 0
        constexpr int kUsageColumns = 6;
        for (int i = 0; i < kUsageColumns; ++i)
            out.null();
    }
    out.boolean(row.mount.read_only);
    out.text(row.error);
    out.put();
}

void put_row(pg::RowSender &out, const core::DirUsage &row) {
    out.text(row.path);
    out.text(row.name);
    out.integer(row.depth);
    if (row.reached) {
        out.integer(row.bytes);
        out.integer(row.allocated_bytes);
        out.integer(row.files);
        out.integer(row.directories);
        out.integer(row.unreadable);
        out.time(row.newest_mtime);
    } else {
        constexpr int kMeasuredColumns = 6;
        for (int i = 0; i < kMeasuredColumns; ++i)
            out.null();
    }
    out.text(row.error);
    out.boolean(row.complete);
    out.put();
}

// Several calls of one statement are several processes here, with nothing to share.
core::WalkOptions parse_options(const char *json) {
    const auto options = core::WalkOptions::parse(json, true);
    if (options.shared) {
        throw core::Error(core::Errc::unsupported,
                          "option \"shared\" is not known to PostgreSQL: ask dir_usage for the folder above, "
                          "which counts a hard-linked file once");
    }
    return options;
}

const char *json_text(Jsonb *json) {
    return JsonbToCString(nullptr, &json->root, VARSIZE(json));
}

void require_absolute(const char *function, const char *path) {
    if (!is_absolute_path(path)) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s: the path \"%s\" is not absolute", function, path),
                        errdetail("A relative path would be looked up in the server's data directory.")));
    }
}

void put_rows(FunctionCallInfo fcinfo, const char *function, pg::Helper *helper) {
    pg::Row out(fcinfo);
    while (pg::next_row(function, helper))
        out.put(helper->row());
}

} // namespace

Datum emsn_health_dir_size_safe(PG_FUNCTION_ARGS) {
    constexpr const char *kName = "dir_size_safe";
    const char *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
    const char *json = json_text(PG_GETARG_JSONB_P(1));
    require_absolute(kName, path);
    auto *helper = pg::make_in<pg::Helper>(CurrentMemoryContext);
    pg::call_core(kName, [&] {
        auto options = parse_options(json);
        options.threads = std::max(options.threads, 1);
        helper->start([&](pg::RowSender &out) {
            const auto size = core::dir_size(path, options, [] {});
            size ? out.integer(size->bytes) : out.null();
            out.put();
        });
    });
    std::optional<std::int64_t> bytes;
    while (pg::next_row(kName, helper)) {
        auto cells = helper->row();
        if (cells.kind() == pg::CellKind::integer)
            bytes = cells.integer();
    }
    if (!bytes)
        PG_RETURN_NULL();
    PG_RETURN_INT64(*bytes);
}

Datum emsn_health_dir_usage(PG_FUNCTION_ARGS) {
    constexpr const char *kName = "dir_usage";
    const char *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
    const int max_depth = PG_GETARG_INT32(1);
    const char *json = json_text(PG_GETARG_JSONB_P(2));
    require_absolute(kName, path);
    if (max_depth < 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s: max_depth is %d: must not be negative", kName, max_depth)));
    }
    InitMaterializedSRF(fcinfo, 0);
    auto *helper = pg::make_in<pg::Helper>(CurrentMemoryContext);
    pg::call_core(kName, [&] {
        const auto options = parse_options(json);
        helper->start([&](pg::RowSender &out) {
            for (const auto &row : core::dir_usage(path, max_depth, options, [] {}))
                put_row(out, row);
        });
    });
    put_rows(fcinfo, kName, helper);
    return static_cast<Datum>(0);
}

Datum emsn_health_filesystems(PG_FUNCTION_ARGS) {
    constexpr const char *kName = "filesystems";
    InitMaterializedSRF(fcinfo, 0);
    auto *helper = pg::make_in<pg::Helper>(CurrentMemoryContext);
    pg::call_core(kName, [&] {
        helper->start([](pg::RowSender &out) {
            for (const auto &row : core::filesystems(core::system_mounts()))
                put_row(out, row);
        });
    });
    put_rows(fcinfo, kName, helper);
    return static_cast<Datum>(0);
}
