// What appears when emsn_pg is loaded: exactly what is written in registry.expected.
#define SQLITE_CORE // the table of functions, without the macros that call through it
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sqlite3ext.h>

#include <set>
#include <sstream>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

const std::string kExpected = EMSN_SOURCE_DIR "/tests/publish/registry.expected";
constexpr const char *kFunctions =
    "SELECT 'function ' || name || '/' || narg || CASE WHEN flags & 0x80000 THEN ' directonly' "
    "WHEN flags & 0x200000 THEN ' innocuous' ELSE '' END FROM pragma_function_list "
    "UNION ALL SELECT 'module ' || name FROM pragma_module_list WHERE name NOT LIKE 'pragma%'";

std::set<std::string> lines_of(const std::string &text) {
    std::istringstream in(text);
    std::set<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && !line.starts_with('#'))
            lines.insert(line);
    }
    return lines;
}

TEST(PublishRegistry, LoadingAddsExactlyTheWrittenList) {
    SqliteDb db(":memory:", SQLITE_OPEN_READWRITE, false);
    const auto bare = lines_of(db(kFunctions));
    db.load(EMSN_PG_SO);
    auto added = lines_of(db(kFunctions));
    for (const auto &line : bare)
        added.erase(line);
    EXPECT_EQ(added, lines_of(read_file(kExpected)));
}

TEST(PublishRegistry, BothModulesLiveInOneConnection) {
    SqliteDb db(":memory:");
    db.load(EMSN_PG_SO);
    EXPECT_NE(db("SELECT emsn_version()"), "");
}

TEST(PublishRegistry, EveryFunctionIsInTheDocs) {
    const auto docs = read_file(EMSN_SOURCE_DIR "/docs/functions.md");
    for (const auto &line : lines_of(read_file(kExpected))) {
        const auto name = line.substr(line.find(' ') + 1, line.find('/') - line.find(' ') - 1);
        EXPECT_NE(docs.find("\n## " + name), std::string::npos) << name;
    }
}

TEST(PublishRegistry, TheCentreIsOutOfReachOfASchemaAndNullGivesNull) {
    SqliteDb db(":memory:");
    db.load(EMSN_PG_SO);
    EXPECT_EQ(db("SELECT emsn_publish(NULL, 'a') IS NULL, emsn_publish('', NULL) IS NULL, "
                 "emsn_publish('', 'a', NULL) IS NULL"),
              "1|1|1");
    db("CREATE VIEW v AS SELECT emsn_publish('', 'a') AS s");
    EXPECT_EQ(db.error_of("SELECT s FROM v"), "unsafe use of emsn_publish()");
}

TEST(PublishRegistry, OnlyTheEntryPointIsExported) {
    const auto symbols = run({"nm", "-D", "--defined-only", EMSN_PG_SO}).out;
    EXPECT_NE(symbols.find(" T sqlite3_emsnpg_init\n"), std::string::npos);
    EXPECT_EQ(std::count(symbols.begin(), symbols.end(), '\n'), 1) << symbols;
}

TEST(PublishRegistry, EmsnItselfNeedsNoLibpq) {
    EXPECT_EQ(run({"readelf", "-d", EMSN_SO}).out.find("libpq"), std::string::npos);
    EXPECT_NE(run({"readelf", "-d", EMSN_PG_SO}).out.find("libpq"), std::string::npos);
}

TEST(PublishRegistry, AnOlderLibraryIsRefusedWithAMessage) {
    using Init = int (*)(sqlite3 *, char **, const sqlite3_api_routines *);
    const std::unique_ptr<void, int (*)(void *)> module(::dlopen(EMSN_PG_SO, RTLD_NOW), ::dlclose);
    ASSERT_TRUE(module) << ::dlerror();
    const auto init = reinterpret_cast<Init>(::dlsym(module.get(), "sqlite3_emsnpg_init"));
    ASSERT_NE(init, nullptr);
    static sqlite3_api_routines old{}; // the module keeps the table that it is given
    old.libversion_number = [] { return 3039004; };
    old.libversion = [] { return "3.39.4"; };
    old.mprintf = sqlite3_mprintf;
    char *error = nullptr;
    EXPECT_EQ(init(nullptr, &error, &old), SQLITE_ERROR);
    ASSERT_NE(error, nullptr);
    EXPECT_STREQ(error, "emsn_pg needs SQLite 3.40 or later, this is 3.39.4");
    sqlite3_free(error);
    SqliteDb(":memory:").load(EMSN_PG_SO); // this one is new enough
}

} // namespace
} // namespace emsn::test
