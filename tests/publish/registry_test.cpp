// What appears when emsn_pg is loaded: exactly what is written in registry.expected.
#include <gtest/gtest.h>

#include "tests/sqlite/module.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

const std::string kExpected = EMSN_SOURCE_DIR "/tests/publish/registry.expected";

TEST(PublishRegistry, LoadingAddsExactlyTheWrittenList) {
    EXPECT_EQ(added_by(EMSN_PG_SO), lines_of(read_file(kExpected)));
}

TEST(PublishRegistry, BothModulesLiveInOneConnection) {
    SqliteDb db(":memory:");
    db.load(EMSN_PG_SO);
    EXPECT_NE(db("SELECT emsn_version()"), "");
}

TEST(PublishRegistry, EveryFunctionIsInTheDocs) {
    EXPECT_EQ(missing_in_docs(lines_of(read_file(kExpected))), std::set<std::string>{});
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
    EXPECT_EQ(exports_of(EMSN_PG_SO), "T sqlite3_emsnpg_init\n");
}

TEST(PublishRegistry, EmsnItselfNeedsNoLibpq) {
    EXPECT_EQ(run({"readelf", "-d", EMSN_SO}).out.find("libpq"), std::string::npos);
    EXPECT_NE(run({"readelf", "-d", EMSN_PG_SO}).out.find("libpq"), std::string::npos);
}

TEST(PublishRegistry, AnOlderLibraryIsRefusedWithAMessage) {
    EXPECT_EQ(refusal_of_3_39(EMSN_PG_SO, "sqlite3_emsnpg_init"),
              "emsn_pg needs SQLite 3.40 or later, this is 3.39.4");
    SqliteDb(":memory:").load(EMSN_PG_SO); // this one is new enough
}

} // namespace
} // namespace emsn::test
