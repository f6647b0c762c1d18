// What the README tells people to type.
#include <gtest/gtest.h>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

TEST(Cli, OneLineMakesAMirror) {
    const TempDir dir;
    make_birds_db(dir / "birds.db", 1000);
    const auto outcome = sqlite3_cli(
        {dir / "birds.db", load_command(), "SELECT emsn_snapshot(" + quoted(dir / "mirror.db") + ")"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const auto report = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(report["destination"], dir / "mirror.db");
    EXPECT_EQ(rows_of_good_copy(dir / "mirror.db"), 1000);
}

TEST(Cli, SelectLoadExtensionWorksToo) {
    const auto outcome =
        sqlite3_cli({":memory:", "SELECT load_extension(" + quoted(EMSN_SO) + ")", "SELECT emsn_version()"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(Cli, AFailureIsOneLineAndItsCode) {
    const TempDir dir;
    make_birds_db(dir / "birds.db", 10);
    const auto outcome =
        sqlite3_cli({dir / "birds.db", load_command(), "SELECT emsn_snapshot('/no/such/folder/m.db')"});
    EXPECT_EQ(outcome.status, SQLITE_CANTOPEN);
    EXPECT_EQ(outcome.err, "Error: stepping, emsn_snapshot: destination '/no/such/folder/m.db': folder "
                           "/no/such/folder does not exist (14)\n");
    EXPECT_EQ(outcome.out, "");
}

TEST(Cli, AMistypedNameIsNotAnEmptyMirror) {
    const TempDir dir;
    const auto outcome = sqlite3_cli(
        {dir / "brids.db", load_command(), "SELECT emsn_snapshot(" + quoted(dir / "mirror.db") + ")"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("has no pages: is its name right?"), std::string::npos) << outcome.err;
    EXPECT_EQ(files_in(dir.path()).find("mirror"), std::string::npos);
}

} // namespace
} // namespace emsn::test
