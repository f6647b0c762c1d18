// What SQLite left beside an old destination (-journal, -wal, -shm).
#pragma once

#include "core/destination.hpp"

namespace emsn::sqlite {

// A new file renamed over a database that still has an old -wal or -journal beside it is corrupt, and an old
// copy without its hot journal is too. So the old copy is made whole first, by SQLite itself, which leaves it
// in rollback-journal mode without a journal; then what is left beside it is removed. At every moment the
// destination is complete. Throws Error{busy} when somebody has it open.
void settle_destination(const core::Destination &destination);

} // namespace emsn::sqlite
