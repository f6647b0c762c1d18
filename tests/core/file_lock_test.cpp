#include "core/file_lock.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>

#include "core/error.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

TEST(FileLock, SecondHolderIsToldWhoHasIt) {
    const test::TempDir dir;
    const FileLock first(dir / "lock");
    try {
        const FileLock second(dir / "lock");
        FAIL() << "locked twice";
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::busy);
        EXPECT_EQ(std::string(e.what()),
                  "lock " + (dir / "lock") + ": busy, held by process " + std::to_string(::getpid()));
    }
}

TEST(FileLock, LeavesNothingBehind) {
    const test::TempDir dir;
    { const FileLock lock(dir / "lock"); }
    EXPECT_NE(::access((dir / "lock").c_str(), F_OK), 0);
    EXPECT_NO_THROW(FileLock(dir / "lock"));
}

TEST(FileLock, AKilledHolderHoldsNothing) {
    const test::TempDir dir;
    const pid_t child = ::fork();
    if (child == 0) {
        const FileLock lock(dir / "lock");
        test::write_file(dir / "ready", "");
        for (;;)
            ::pause();
    }
    ASSERT_TRUE(test::eventually([&] { return ::access((dir / "ready").c_str(), F_OK) == 0; }));
    EXPECT_THROW(FileLock(dir / "lock"), Error);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(::access((dir / "lock").c_str(), F_OK), 0) << "the file itself stays";
    EXPECT_NO_THROW(FileLock(dir / "lock"));
}

TEST(FileLock, AFileOfSomebodyElseIsNotOverwritten) {
    const test::TempDir dir;
    test::write_file(dir / "victim", "precious");
    ASSERT_EQ(::link((dir / "victim").c_str(), (dir / "lock").c_str()), 0);
    EXPECT_THROW(FileLock(dir / "lock"), Error);
    EXPECT_EQ(test::read_file(dir / "victim"), "precious");
}

TEST(FileLock, AFolderThatIsNotThereIsNamed) {
    try {
        const FileLock lock("/no/such/folder/lock");
        FAIL();
    } catch (const Error &e) {
        EXPECT_STREQ(e.what(), "lock /no/such/folder/lock: No such file or directory");
    }
}

} // namespace
} // namespace emsn::core
