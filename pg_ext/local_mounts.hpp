// Which file systems a backend may measure.
#pragma once

#include <vector>

#include "core/mounts.hpp"

namespace emsn::pg {

// core::filesystems, but a mount whose server may be away is a row with usage unknown and the reason in
// error: statvfs(2) on a dead share blocks in the kernel, where no cancel reaches the backend.
[[nodiscard]] std::vector<core::Filesystem> local_filesystems(const std::vector<core::Mount> &mounts);

} // namespace emsn::pg
