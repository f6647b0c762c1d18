#include "core/within.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

const Poll kNoPoll = [] {};
constexpr auto kLong = std::chrono::seconds(60);

TEST(Within, ReturnsWhatTheWorkReturns) {
    EXPECT_EQ(within<int>(kLong, "add", kNoPoll, [](const Poll &) { return 2 + 2; }), 4);
}

TEST(Within, ThrowsWhatTheWorkThrows) {
    try {
        within<int>(kLong, "look", kNoPoll,
                    [](const Poll &) -> int { throw Error(Errc::not_found, "not there"); });
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::not_found);
        EXPECT_STREQ(e.what(), "not there");
    }
}

TEST(Within, GivesUpAfterTheLimitAndTellsTheWork) {
    const auto ended = std::make_shared<std::atomic<bool>>(false);
    try {
        within<int>(std::chrono::milliseconds(100), "list /mnt/nas", kNoPoll,
                    [ended](const Poll &poll) -> int {
                        try {
                            for (;;) {
                                poll();
                                test::pause_briefly();
                            }
                        } catch (const Error &) {
                            *ended = true;
                            throw;
                        }
                    });
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::timed_out);
        EXPECT_STREQ(e.what(), "list /mnt/nas: hung, no answer within 100 ms");
    }
    EXPECT_TRUE(test::eventually([&] { return ended->load(); }));
}

TEST(Within, WhoWaitsMayLeave) {
    const auto ended = std::make_shared<std::atomic<bool>>(false);
    EXPECT_THROW(within<int>(
                     kLong, "wait", [] { throw Error(Errc::interrupted, "interrupted"); },
                     [ended](const Poll &poll) -> int {
                         try {
                             for (;;) {
                                 poll();
                                 test::pause_briefly();
                             }
                         } catch (const Error &) {
                             *ended = true;
                             throw;
                         }
                     }),
                 Error);
    EXPECT_TRUE(test::eventually([&] { return ended->load(); }));
}

} // namespace
} // namespace emsn::core
