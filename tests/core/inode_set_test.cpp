#include "core/inode_set.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace emsn::core {
namespace {

TEST(InodeSet, AgreesWithTheStandardSet) {
    std::mt19937_64 random(7);
    InodeSet ours;
    std::set<std::pair<dev_t, ino_t>> reference;
    for (int i = 0; i < 200'000; ++i) {
        const FileId id{random() % 3, random() % 50'000};
        ASSERT_EQ(ours.insert(id), reference.insert({id.device, id.inode}).second);
    }
}

TEST(InodeSet, KnowsTheIdThatMarksEmptySlots) {
    InodeSet set;
    EXPECT_TRUE(set.insert({0, 0}));
    EXPECT_FALSE(set.insert({0, 0}));
}

} // namespace
} // namespace emsn::core
