// Dependencies point one way: core knows no database, the two extensions do not know each other.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>

namespace {

// Includes in the C++ files below folder whose name matches forbidden.
std::vector<std::string> includes_matching(const std::string &folder, const std::string &forbidden) {
    const std::regex pattern("^\\s*#\\s*include\\s*[<\"](" + forbidden + ")");
    std::vector<std::string> found;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(EMSN_SOURCE_DIR "/" + folder)) {
        if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp")
            continue;
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) {
            if (std::regex_search(line, pattern))
                found.push_back(entry.path().string() + ": " + line);
        }
    }
    return found;
}

using Lines = std::vector<std::string>;

TEST(IncludeRule, CoreKnowsNeitherSqliteNorPostgres) {
    EXPECT_EQ(includes_matching("core", "sqlite3|libpq|postgres|fmgr|sqlite_ext/|pg_ext/"), Lines{});
}

TEST(IncludeRule, TheExtensionsDoNotKnowEachOther) {
    EXPECT_EQ(includes_matching("sqlite_ext", "postgres|fmgr|pg_ext/"), Lines{});
    EXPECT_EQ(includes_matching("pg_ext", "sqlite3|sqlite_ext/"), Lines{});
}

TEST(IncludeRule, TheSearchItselfFindsIncludes) {
    EXPECT_NE(includes_matching("sqlite_ext", "sqlite3"), Lines{});
}

} // namespace
