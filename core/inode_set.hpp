// The set of hard-linked files already counted: 16 bytes a slot, open addressing, at most 3/4 full.
// A node-based set costs three times that, and seven hard-linked backups have 100,000 members.
#pragma once

#include <cstddef>
#include <vector>

#include "core/file_id.hpp"

namespace emsn::core {

class InodeSet {
  public:
    // True when id was not there before.
    bool insert(FileId id);

  private:
    struct Slot {
        FileId id;
        [[nodiscard]] bool empty() const { return id == FileId{}; }
    };
    [[nodiscard]] Slot &slot_of(FileId id);
    void grow();

    std::vector<Slot> slots_;
    std::size_t size_ = 0;
    bool has_zero_ = false; // FileId{} marks an empty slot, so the id itself is kept apart
};

} // namespace emsn::core
