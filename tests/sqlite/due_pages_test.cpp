// Against a set of numbers, at random.
#include "sqlite_ext/due_pages.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace emsn::test {
namespace {

TEST(DuePagesTest, HoldsWhatASetHolds) {
    constexpr std::int64_t kMostPages = 300; // some words of bits, the last one not full
    std::mt19937 random(20251228);
    const auto any = [&](unsigned below) { return static_cast<std::int64_t>(random() % below); };
    sqlite::DuePages due;
    std::set<std::int64_t> model;
    std::int64_t pages = 0;
    for (int step = 0; step < 20'000; ++step) {
        const std::int64_t page = any(kMostPages);
        switch (any(8)) {
        case 0:
            due.resize(page);
            for (; pages < page; ++pages)
                model.insert(pages);
            model.erase(model.lower_bound(page), model.end());
            pages = page;
            break;
        case 1:
            due.add_from(page);
            for (std::int64_t at = page; at < pages; ++at)
                model.insert(at);
            break;
        case 2:
            due.add(page);
            due.add(-1);
            if (page < pages)
                model.insert(page);
            break;
        default: {
            const std::int64_t most = any(100);
            const auto run = due.next(page, most);
            const auto at = model.lower_bound(page);
            if (at == model.end() || most == 0) {
                ASSERT_EQ(run.pages, 0);
                break;
            }
            ASSERT_EQ(run.first, *at);
            std::int64_t length = 0;
            while (length < most && model.count(*at + length) > 0)
                ++length;
            ASSERT_EQ(run.pages, length);
            due.remove(run);
            model.erase(model.lower_bound(run.first), model.lower_bound(run.first + run.pages));
        }
        }
        ASSERT_EQ(due.count(), std::ssize(model));
    }
}

} // namespace
} // namespace emsn::test
