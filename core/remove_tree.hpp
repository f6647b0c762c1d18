// Removal of a file or tree that leaves nothing half under its own name, whatever happens.
#pragma once

#include <cstdint>
#include <string>

#include "core/poll.hpp"

namespace emsn::core {

// Deletes what stands at path, strictly below the folder inside (core/beneath.hpp); a symlink at its end is
// deleted itself. It is renamed to NAME.removing first and the folder synced; what an earlier run left under
// that name is deleted before, also when path itself is gone. A path that ends so is deleted under its name.
// A NAME too long for the suffix is cut.
// Returns the bytes freed: apparent sizes, directories included, a file when its last link goes; 2^63-1 when
// they are more.
// Throws Error{invalid_argument}, nothing touched: see Beneath; something is mounted at path or below it.
// Error{not_found}: neither path nor a leftover is there. Error "remove PATH: N entries could not be deleted,
// first NAME: REASON; B bytes freed ..." with the code of that reason, after deleting all others. Whatever
// poll throws: what is left stays NAME.removing.
std::int64_t remove_tree(const std::string &path, const std::string &inside, const Poll &poll);

} // namespace emsn::core
