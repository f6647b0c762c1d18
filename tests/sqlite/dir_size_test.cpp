#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/sqlite/support.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/tree.hpp"

namespace emsn::test {
namespace {

TEST(DirSizeSafe, EqualsDuWithoutRootRights) {
    const TempDir dir;
    plant_odd_tree(dir / "tree");
    const auto du = run(as_nobody({"du", "-sb", dir / "tree"}));
    EXPECT_NE(du.status, 0) << "du complains about what it cannot read";
    SqliteDb db(":memory:");
    const AsNobody nobody;
    EXPECT_EQ(db("SELECT dir_size_safe(" + quoted(dir / "tree") + ")") + "\t" + (dir / "tree") + "\n",
              du.out);
}

TEST(DirSizeSafe, TakesItsOptions) {
    const TempDir dir;
    plant_odd_tree(dir / "tree");
    SqliteDb db(":memory:");
    const auto ours = [&](const std::string &options) {
        return db("SELECT dir_size_safe(" + quoted(dir / "tree") + ", " + quoted(options) + ")");
    };
    const auto du = [&](const std::string &word) {
        const auto out = run({"du", "-s", word, dir / "tree"}).out;
        return out.substr(0, out.find('\t'));
    };
    EXPECT_EQ(ours("{}"), du("-b"));
    EXPECT_EQ(ours(R"({"allocated": true})"), du("--block-size=1"));
    EXPECT_EQ(ours(R"({"one_file_system": true, "threads": 2})"), du("-bx"));
    EXPECT_NE(ours(R"({"files_only": true})"), du("-b"));
    EXPECT_EQ(db.error_of("SELECT dir_size_safe('/', '{\"depth\": 1}')"),
              "dir_size_safe: unknown option \"depth\" (known: allocated, one_file_system, files_only, "
              "exclusive, shared, deadline_ms, threads)");
}

TEST(DirSizeSafe, ABlobNamesWhatIsNotUtf8) {
    const TempDir dir;
    write_file(dir / "\xff", "1234");
    SqliteDb db(":memory:");
    EXPECT_EQ(db("SELECT dir_size_safe(CAST(" + quoted(dir / "") + " AS BLOB) || x'ff')"), "4");
    EXPECT_EQ(db.error_of("SELECT dir_size_safe(x'2f0041')"), "dir_size_safe: the path contains a NUL byte");
}

TEST(DirSizeSafe, ADirectoryThatIsItsOwnAncestorCountsAsInDu) {
    const TempDir dir;
    plant_odd_tree(dir / "tree");
    const std::string script =
        "mount --bind \"$1\" \"$1/a/empty\" && mount -t tmpfs tmpfs \"$1/no search\" || exit 99\n"
        "for x in '' x; do du -sb$x \"$1\" | cut -f1\n"
        "sqlite3 :memory: \"$2\" \"SELECT dir_size_safe('$1', json_object('one_file_system', "
        "json(iif('$x' = 'x', 'true', 'false'))))\"; done";
    std::vector<std::string> argv{"unshare", "--mount"};
    if (::geteuid() != 0)
        argv.push_back("--map-root-user");
    argv.insert(argv.end(), {"bash", "-c", script, "bash", dir / "tree", load_command()});
    const auto outcome = run(argv, sanitizer_env());
    if (outcome.status == 99 || outcome.err.find("unshare") != std::string::npos)
        GTEST_SKIP() << "no mounts for this user: " << outcome.err;
    std::istringstream lines(outcome.out);
    std::string du;
    std::string ours;
    int pairs = 0;
    for (; lines >> du >> ours; ++pairs)
        EXPECT_EQ(ours, du);
    EXPECT_EQ(pairs, 2) << outcome.out << outcome.err;
}

TEST(DirSizeSafe, StopsWhenInterrupted) {
    SqliteDb db(":memory:");
    std::atomic<bool> stop{false};
    std::thread user([&] {
        while (!stop)
            sqlite3_interrupt(db.get());
    });
    // again and again, until an interrupt comes during the walk, not while SQLite begins the statement
    std::string message;
    while (message.empty() || message == "interrupted") {
        try {
            db("SELECT dir_size_safe('/usr')");
        } catch (const SqlError &e) {
            EXPECT_EQ(e.code, SQLITE_INTERRUPT);
            message = e.what();
        }
    }
    EXPECT_EQ(message, "dir_size_safe: interrupted while walking /usr");
    stop = true;
    user.join();
}

TEST(DirSizeSafe, BackupsShowTheirSizeWhatTheyShareAndWhatDeletingOneFrees) {
    const TempDir dir;
    plant_daily_backups(dir / "daily", 7);
    SqliteDb db(":memory:");
    const std::string days =
        "(SELECT path FROM emsn_dir_usage(" + quoted(dir / "daily") + ") WHERE depth = 1)";
    const auto sum = [&](const std::string &options) {
        return std::stoll(db("SELECT sum(dir_size_safe(path, '" + options + "')) FROM " + days));
    };
    constexpr std::int64_t kFiles = std::int64_t{kDailyFolders} * kDailyFiles * kDailyBytes;
    constexpr std::int64_t kOwn = 1 + 2 + 3 + 4 + 5 + 6 + 7;
    EXPECT_EQ(sum(R"({"files_only": true})"), 7 * kFiles + kOwn);
    EXPECT_EQ(sum(R"({"files_only": true, "shared": true})"), kFiles + kOwn);
    EXPECT_EQ(sum(R"({"files_only": true, "shared": true})"), kFiles + kOwn) << "each statement counts anew";
    EXPECT_EQ(sum(R"({"files_only": true, "exclusive": true})"), kOwn);
    EXPECT_EQ(sum(R"({"files_only": true, "exclusive": true, "shared": true})"), kFiles + kOwn);
    EXPECT_EQ(db("SELECT group_concat(bytes) FROM emsn_dir_usage(" + quoted(dir / "daily") +
                 ", 1, '{\"files_only\": true, \"exclusive\": true}')"),
              std::to_string(kFiles + kOwn) + ",1,2,3,4,5,6,7");
}

} // namespace
} // namespace emsn::test
