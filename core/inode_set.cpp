#include "core/inode_set.hpp"

#include <cstdint>
#include <utility>

namespace emsn::core {

namespace {

constexpr std::size_t kFirstSlots = 64; // a power of two, as every later size

std::size_t hash_of(FileId id) {
    // the finalizer of splitmix64 (public domain): inode numbers come in runs, this spreads them
    std::uint64_t x = id.inode + 0x9e3779b97f4a7c15U * (id.device + 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

} // namespace

InodeSet::Slot &InodeSet::slot_of(FileId id) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash_of(id) & mask;
    while (!slots_[at].empty() && !(slots_[at].id == id))
        at = (at + 1) & mask;
    return slots_[at];
}

void InodeSet::grow() {
    std::vector<Slot> old(slots_.empty() ? kFirstSlots : slots_.size() * 2);
    std::swap(old, slots_);
    for (const Slot &slot : old) {
        if (!slot.empty())
            slot_of(slot.id) = slot;
    }
}

bool InodeSet::insert(FileId id) {
    if (id == FileId{})
        return !std::exchange(has_zero_, true);
    if ((size_ + 1) * 4 > slots_.size() * 3)
        grow();
    Slot &slot = slot_of(id);
    if (!slot.empty())
        return false;
    slot.id = id;
    ++size_;
    return true;
}

} // namespace emsn::core
