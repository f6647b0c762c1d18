#include "core/walk_options.hpp"

#include "core/options.hpp"

namespace emsn::core {

WalkOptions WalkOptions::parse(std::string_view json, bool may_share) {
    constexpr std::int64_t kMostThreads = 256;
    Options options(json);
    WalkOptions out;
    out.allocated = options.flag("allocated", out.allocated);
    out.one_file_system = options.flag("one_file_system", out.one_file_system);
    out.files_only = options.flag("files_only", out.files_only);
    out.exclusive = options.flag("exclusive", out.exclusive);
    if (may_share)
        out.shared = options.flag("shared", out.shared);
    out.deadline_ms = options.integer("deadline_ms", out.deadline_ms, 0, INT64_MAX / 1'000'000);
    if (const auto threads = options.integer("threads", 0, 1, kMostThreads))
        out.threads = static_cast<int>(threads);
    options.finish();
    return out;
}

} // namespace emsn::core
