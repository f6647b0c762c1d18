// Is the file the moment that was copied, and a whole database?
#pragma once

#include <string>

#include "sqlite_ext/copy.hpp"
#include "sqlite_ext/verify.hpp"

namespace emsn::sqlite {

// What is wrong with the copy at path, as a sentence that says whose fault it is; "" when nothing is. The
// copy, not the source, is read again: every page against the hash of what was read from the source, then by
// SQLite, then page count and schema. Level none: only the last two. No locks are taken: the copy is ours
// alone, or the caller holds it. A journal beside it is not looked at.
[[nodiscard]] std::string problem_of_copy(const std::string &path, const Copied &copied, Level level,
                                          Watch &watch);

} // namespace emsn::sqlite
