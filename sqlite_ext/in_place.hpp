// A mirror is changed in place: only the pages that differ are written, under a rollback journal in SQLite's
// own format and SQLite's EXCLUSIVE lock. docs/snapshot.md says why it is the old or the new copy at every
// moment.
#pragma once

#include "core/destination.hpp"
#include "sqlite_ext/copy.hpp"
#include "sqlite_ext/old_mirror.hpp"
#include "sqlite_ext/patch.hpp"
#include "sqlite_ext/verify.hpp"

namespace emsn::sqlite {

// Makes the mirror the moment copied, which is the old one with the pages of the patch in their places, and
// checks it. False, and the mirror as it was: somebody stays in it, or has written to it, or the check found
// a problem; a new file is the answer to all three. Throws Error; the mirror is as it was then, or SQLite
// makes it so when it is next opened.
[[nodiscard]] bool write_in_place(const core::Destination &destination, const OldMirror &old,
                                  const Patch &patch, const Copied &copied, Level level, Written &written,
                                  Watch &watch);

} // namespace emsn::sqlite
