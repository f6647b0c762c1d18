// What appears when emsn is loaded: exactly what is written in registry.expected.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

std::set<std::string> lines_of(const std::string &text) {
    std::istringstream in(text);
    std::set<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && !line.starts_with('#'))
            lines.insert(line);
    }
    return lines;
}

TEST(Registry, LoadingAddsExactlyTheWrittenList) {
    constexpr const char *kQuery =
        "SELECT 'function ' || name || '/' || narg || CASE WHEN flags & 0x80000 THEN ' directonly' "
        "WHEN flags & 0x200000 THEN ' innocuous' ELSE '' END FROM pragma_function_list "
        "UNION ALL SELECT 'module ' || name FROM pragma_module_list WHERE name NOT LIKE 'pragma%'";
    SqliteDb bare(":memory:", SQLITE_OPEN_READWRITE, false);
    SqliteDb loaded(":memory:");
    auto added = lines_of(loaded(kQuery));
    for (const auto &line : lines_of(bare(kQuery)))
        added.erase(line);
    EXPECT_EQ(added, lines_of(read_file(EMSN_SOURCE_DIR "/tests/sqlite/registry.expected")));
}

TEST(Registry, EveryFunctionIsInTheDocs) {
    const auto docs = read_file(EMSN_SOURCE_DIR "/docs/functions.md");
    for (const auto &line : lines_of(read_file(EMSN_SOURCE_DIR "/tests/sqlite/registry.expected"))) {
        const auto name = line.substr(line.find(' ') + 1, line.find('/') - line.find(' ') - 1);
        EXPECT_NE(docs.find("\n## " + name), std::string::npos) << name;
    }
}

TEST(Registry, FilesAreOutOfReachOfASchema) {
    SqliteDb db(":memory:");
    db("CREATE TABLE t(a); CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT emsn_snapshot('/tmp/no.db'); "
       "END");
    EXPECT_EQ(db.error_of("INSERT INTO t VALUES (1)"), "unsafe use of emsn_snapshot()");
    db("CREATE VIEW v AS SELECT dir_size_safe('/') AS s");
    EXPECT_EQ(db.error_of("SELECT s FROM v"), "unsafe use of dir_size_safe()");
}

TEST(Registry, NullInNullOut) {
    SqliteDb db(":memory:");
    EXPECT_EQ(db("SELECT emsn_snapshot(NULL) IS NULL, emsn_snapshot('/tmp/x.db', NULL) IS NULL, "
                 "emsn_verify(NULL) IS NULL, emsn_verify('/', NULL) IS NULL, dir_size_safe(NULL) IS NULL, "
                 "dir_size_safe('/', NULL) IS NULL"),
              "1|1|1|1|1|1");
}

TEST(Registry, VersionIsTheProjects) {
    SqliteDb db(":memory:");
    const auto cmake = read_file(EMSN_SOURCE_DIR "/CMakeLists.txt");
    EXPECT_NE(cmake.find("project(emsn VERSION " + db("SELECT emsn_version()") + " "), std::string::npos);
}

TEST(Registry, OnlyTheEntryPointIsExported) {
    const auto symbols = run({"nm", "-D", "--defined-only", EMSN_SO}).out;
    EXPECT_NE(symbols.find(" T sqlite3_emsn_init\n"), std::string::npos);
    EXPECT_EQ(std::count(symbols.begin(), symbols.end(), '\n'), 1) << symbols;
}

} // namespace
} // namespace emsn::test
