// What appears when emsn is loaded: exactly what is written in registry.expected.
#include <gtest/gtest.h>

#include "tests/sqlite/module.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

const std::string kExpected = EMSN_SOURCE_DIR "/tests/sqlite/registry.expected";

TEST(Registry, LoadingAddsExactlyTheWrittenList) {
    EXPECT_EQ(added_by(EMSN_SO), lines_of(read_file(kExpected)));
}

TEST(Registry, EveryFunctionIsInTheDocs) {
    EXPECT_EQ(missing_in_docs(lines_of(read_file(kExpected))), std::set<std::string>{});
}

TEST(Registry, AnOlderLibraryIsRefusedWithAMessage) {
    EXPECT_EQ(refusal_of_3_39(EMSN_SO, "sqlite3_emsn_init"),
              "emsn needs SQLite 3.40 or later, this is 3.39.4");
    EXPECT_NE(SqliteDb(":memory:")("SELECT emsn_version()"), "") << "this one is new enough";
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
    EXPECT_EQ(exports_of(EMSN_SO), "T sqlite3_emsn_init\n");
}

} // namespace
} // namespace emsn::test
