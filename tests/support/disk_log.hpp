// What disk_log.cpp writes and power_cut.cpp reads: records one after the other, each followed by its path,
// its other path and its data.
#pragma once

#include <cstdint>

namespace emsn::test {

enum class DiskOp : std::uint32_t {
    create,      // path is a new, empty file
    write,       // data at offset
    resize,      // to offset bytes: shorter, or longer by zeros
    sync,        // fsync or fdatasync of a file
    sync_folder, // the same of a folder
    rename,      // path became other
    link,        // path is other too
    unlink,
};

struct DiskRecord {
    DiskOp op;
    std::uint32_t path_bytes; // paths are below the folder; "" is the folder itself
    std::uint32_t other_bytes;
    std::uint32_t reserved;
    std::uint64_t inode; // the content goes on under it when the name changes
    std::int64_t offset;
    std::uint64_t data_bytes;
};

} // namespace emsn::test
