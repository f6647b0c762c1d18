// What emsn remembers of a mirror, in an extended attribute of the file itself (user.emsn.mirror, xattr(7)):
// of which source it is, and how the file looked when it was finished. Whoever writes to the mirror, or puts
// another file in its place, makes the two differ.
#pragma once

#include <string>

#include "core/destination.hpp"
#include "sqlite_ext/source.hpp"

namespace emsn::sqlite {

enum class Receipt {
    matches, // the mirror is as emsn left it, and of this source
    differs, // it is not, or was not made by emsn
    unknown  // the file system keeps no such attributes
};

// Never throws: a receipt that cannot be read differs.
[[nodiscard]] Receipt read_receipt(const core::Destination &destination, const Source &source);
// Where the file system refuses, the next mirror finds none, and is a full copy.
void write_receipt(const core::Destination &destination, const Source &source);

} // namespace emsn::sqlite
