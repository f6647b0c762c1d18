// What is known about files, by device and inode: open addressing, at most 3/4 full, 16 bytes a slot and the
// value. A node-based map costs three times that, and seven hard-linked backups have 100,000 members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/file_id.hpp"

namespace emsn::core {

// The finalizer of splitmix64 (public domain): inode numbers come in runs, this spreads them.
[[nodiscard]] inline std::uint64_t hash_of(FileId id) noexcept {
    std::uint64_t x = id.inode + 0x9e3779b97f4a7c15U * (id.device + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

template <typename Value> class InodeMap {
  public:
    struct Found {
        Value &value; // until the next call
        bool is_new;
    };

    // The value of id, which is made when id was not there before.
    Found at(FileId id) {
        if (id == FileId{})
            return {zero_, !std::exchange(has_zero_, true)};
        if ((size_ + 1) * 4 > slots_.size() * 3)
            grow();
        Slot &slot = slot_of(id);
        const bool is_new = slot.empty();
        slot.id = id;
        size_ += is_new ? 1 : 0;
        return {slot.value, is_new};
    }

  private:
    struct Slot {
        FileId id;
        [[no_unique_address]] Value value{};
        [[nodiscard]] bool empty() const { return id == FileId{}; }
    };
    static constexpr std::size_t kFirstSlots = 64; // a power of two, as every later size

    [[nodiscard]] Slot &slot_of(FileId id) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = hash_of(id) & mask;
        while (!slots_[at].empty() && !(slots_[at].id == id))
            at = (at + 1) & mask;
        return slots_[at];
    }

    void grow() {
        std::vector<Slot> old(slots_.empty() ? kFirstSlots : slots_.size() * 2);
        std::swap(old, slots_);
        for (const Slot &slot : old) {
            if (!slot.empty())
                slot_of(slot.id) = slot;
        }
    }

    std::vector<Slot> slots_;
    std::size_t size_ = 0;
    bool has_zero_ = false; // FileId{} marks an empty slot, so the id itself is kept apart
    Value zero_{};
};

} // namespace emsn::core
