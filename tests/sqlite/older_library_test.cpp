// The module in the hands of a SQLite that is too old for it.
#define SQLITE_CORE // the table of functions, without the macros that call through it
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sqlite3ext.h>

#include <memory>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

TEST(OlderLibrary, IsRefusedWithAMessage) {
    using Init = int (*)(sqlite3 *, char **, const sqlite3_api_routines *);
    const std::unique_ptr<void, int (*)(void *)> module(::dlopen(EMSN_SO, RTLD_NOW), ::dlclose);
    ASSERT_TRUE(module) << ::dlerror();
    const auto init = reinterpret_cast<Init>(::dlsym(module.get(), "sqlite3_emsn_init"));
    ASSERT_NE(init, nullptr);
    static sqlite3_api_routines old{}; // the module keeps the table that it is given
    old.libversion_number = [] { return 3039004; };
    old.libversion = [] { return "3.39.4"; };
    old.mprintf = sqlite3_mprintf;
    char *error = nullptr;
    EXPECT_EQ(init(nullptr, &error, &old), SQLITE_ERROR);
    ASSERT_NE(error, nullptr);
    EXPECT_STREQ(error, "emsn needs SQLite 3.40 or later, this is 3.39.4");
    sqlite3_free(error);
    EXPECT_NE(SqliteDb(":memory:")("SELECT emsn_version()"), "") << "this one is new enough";
}

} // namespace
} // namespace emsn::test
