#include "core/link_set.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/usage_tree.hpp"

namespace emsn::core {
namespace {

TEST(LinkSet, AgreesWithTheStandardMap) {
    std::mt19937_64 random(7);
    LinkSet ours;
    LinkSet counting;
    std::map<std::pair<dev_t, ino_t>, std::uint64_t> reference;
    for (int i = 0; i < 200'000; ++i) {
        const FileId id{random() % 3, random() % 50'000};
        const auto seen = ++reference[{id.device, id.inode}];
        ASSERT_EQ(ours.first(id), seen == 1);
        ASSERT_EQ(counting.another(id, nullptr).seen, seen);
    }
}

TEST(LinkSet, KnowsTheIdThatMarksEmptySlots) {
    LinkSet set;
    EXPECT_TRUE(set.first({0, 0}));
    EXPECT_FALSE(set.first({0, 0}));
    EXPECT_EQ(set.another({0, 0}, nullptr).seen, 1U);
    EXPECT_EQ(set.another({0, 0}, nullptr).seen, 2U);
}

TEST(LinkSet, TellsTheLowestRowThatHoldsAllNames) {
    UsageTree tree("/root", 9);
    UsageRow *const a = tree.add_row(tree.root(), "a", {});
    UsageRow *const a_b = tree.add_row(a, "b", {});
    UsageRow *const a_c = tree.add_row(a, "c", {});
    UsageRow *const d = tree.add_row(tree.root(), "d", {});
    LinkSet set;
    EXPECT_EQ(set.another({1, 1}, a_b).row, a_b);
    EXPECT_EQ(set.another({1, 1}, a_b).row, a_b);
    EXPECT_EQ(set.another({1, 1}, a_c).row, a);
    EXPECT_EQ(set.another({1, 1}, a_b).row, a);
    EXPECT_EQ(set.another({1, 1}, d).row, tree.root());
    EXPECT_EQ(set.another({2, 1}, d).row, d);
}

} // namespace
} // namespace emsn::core
