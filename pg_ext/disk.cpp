// emsn.dir_size_safe and emsn.filesystems: what SQL cannot see of the server's disks.
#include <optional>
#include <string>
#include <vector>

#include "core/dir_usage.hpp"
#include "pg_ext/guard.hpp"
#include "pg_ext/local_mounts.hpp"
#include "pg_ext/memory.hpp"
#include "pg_ext/rows.hpp"

extern "C" {
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(emsn_health_dir_size_safe);
PG_FUNCTION_INFO_V1(emsn_health_filesystems);
}

namespace emsn::pg {

namespace {

void put_row(Row *out, const core::Filesystem &row) {
    out->text(row.mount.mount_point);
    out->text(row.mount.device);
    out->text(row.mount.fs_type);
    if (row.usage) {
        out->integer(row.usage->total_bytes);
        out->integer(row.usage->used_bytes);
        out->integer(row.usage->available_bytes);
        out->real(row.usage->used_percent);
        out->integer(row.usage->inodes_total);
        out->integer(row.usage->inodes_used);
    } else { // unknown is NULL, never 0
        constexpr int kUsageColumns = 6;
        for (int i = 0; i < kUsageColumns; ++i)
            out->null();
    }
    out->boolean(row.mount.read_only);
    out->text(row.error);
    out->put();
}

} // namespace

} // namespace emsn::pg

using namespace emsn;

Datum emsn_health_dir_size_safe(PG_FUNCTION_ARGS) {
    constexpr const char *kName = "dir_size_safe";
    const char *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
    Jsonb *options = PG_GETARG_JSONB_P(1);
    const char *json = JsonbToCString(nullptr, &options->root, VARSIZE(options));
    if (!is_absolute_path(path)) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s: the path \"%s\" is not absolute", kName, path),
                        errdetail("A relative path would be looked up in the server's data directory.")));
    }
    bool reached = false;
    std::int64_t bytes = 0;
    pg::call_core(kName, [&] {
        const auto size = core::dir_size(path, core::WalkOptions::parse(json), pg::interrupt_poll());
        reached = size.has_value();
        bytes = reached ? size->bytes : 0;
    });
    if (!reached)
        PG_RETURN_NULL();
    PG_RETURN_INT64(bytes);
}

Datum emsn_health_filesystems(PG_FUNCTION_ARGS) {
    InitMaterializedSRF(fcinfo, 0);
    auto *rows = pg::make_in<std::vector<core::Filesystem>>(CurrentMemoryContext);
    pg::call_core("filesystems", [&] { *rows = pg::local_filesystems(core::system_mounts()); });
    pg::Row out(fcinfo);
    for (const auto &row : *rows) {
        pg::put_row(&out, row);
        CHECK_FOR_INTERRUPTS();
    }
    return static_cast<Datum>(0);
}
