// Which state of the source was read: by what it shows whether the source is still, or again, in that state.
#pragma once

#include <cstdint>
#include <string>

namespace emsn::publish {

struct Moment {
    std::string file;            // device and inode
    std::int64_t counter = 0;    // of the file's header; says nothing in WAL mode
    std::string wal;             // in WAL mode: sizes and times of the file and its -wal; else empty
    std::int64_t last_rowid = 0; // 0: the table is empty
    std::string last_row;        // hash of the row that has it
    friend bool operator==(const Moment &, const Moment &) = default;

    // Nothing was written between the two. Where a -wal was written a blink before it was looked at, that
    // cannot be said.
    [[nodiscard]] bool proves_same(const Moment &other) const noexcept {
        return *this == other && wal.find("unclear") == std::string::npos;
    }
};

} // namespace emsn::publish
