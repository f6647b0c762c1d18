// The hard-linked files of a walk, or of several: which were seen, and how often. For many threads.
#pragma once

#include <array>
#include <mutex>

#include "core/inode_map.hpp"

namespace emsn::core {

class UsageRow;

class LinkSet {
  public:
    struct Names {
        std::uint64_t seen = 0;
        UsageRow *row = nullptr; // the lowest that holds them all
    };

    // One more name of the file: true when it is the first one. Cheaper than another().
    bool first(FileId id);
    // One more name of the file, found below row: all that were seen until now.
    Names another(FileId id, UsageRow *row);

  private:
    struct Nothing {};
    struct Shard {
        std::mutex mutex;
        InodeMap<Nothing> seen;
        InodeMap<Names> names;
    };
    static constexpr std::size_t kShards = 16; // threads hardly ever meet in one
    [[nodiscard]] Shard &shard_of(FileId id) { return shards_[(hash_of(id) >> 60) % kShards]; }

    std::array<Shard, kShards> shards_;
};

} // namespace emsn::core
