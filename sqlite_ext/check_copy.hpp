// Is the partial file the moment that was copied, and a whole database?
#pragma once

#include <string>

#include "sqlite_ext/copy.hpp"
#include "sqlite_ext/verify.hpp"

namespace emsn::sqlite {

// What is wrong with the copy, as a sentence that says whose fault it is; "" when nothing is. The copy, not
// the source, is read again: every page against the hash of what was read from the source, then by SQLite,
// then page count and schema. Level none: only the last two.
[[nodiscard]] std::string problem_of_copy(const core::PartialFile &partial, const Copied &copied, Level level,
                                          Watch &watch);

} // namespace emsn::sqlite
