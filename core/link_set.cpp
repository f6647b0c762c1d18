#include "core/link_set.hpp"

#include "core/usage_tree.hpp"

namespace emsn::core {

bool LinkSet::first(FileId id) {
    Shard &shard = shard_of(id);
    const std::lock_guard lock(shard.mutex);
    return shard.seen.at(id).is_new;
}

LinkSet::Names LinkSet::another(FileId id, UsageRow *row) {
    Shard &shard = shard_of(id);
    const std::lock_guard lock(shard.mutex);
    const auto [names, is_new] = shard.names.at(id);
    ++names.seen;
    names.row = is_new ? row : common_row(names.row, row);
    return names;
}

} // namespace emsn::core
