#include "tests/support/pg_cluster.hpp"

#include <sstream>

namespace emsn::test {
namespace {

class Disk : public PgTest {};

// du as the server's own user sees the tree.
std::string du(const std::string &path, const std::string &options = "-sb") {
    const auto out = run(as_server({"du", options, path})).out;
    return out.substr(0, out.find('\t'));
}

TEST_F(Disk, DirSizeEqualsDuOnATreeWithAnUnreadableFolder) {
    const TempDir tree;
    run({"bash", "-c",
         "cd \"$0\" && mkdir -p open/deep closed && head -c 70000 /dev/zero >open/deep/file && "
         "ln open/deep/file open/link && ln -s /usr symlink && truncate -s 1G sparse && "
         "head -c 5000 /dev/zero >closed/secret && chmod 000 closed",
         tree.path()});
    const auto size = [&](const std::string &options) {
        return db.value("SELECT emsn.dir_size_safe('" + tree.path() + "', '" + options + "')");
    };
    EXPECT_EQ(db.value("SELECT emsn.dir_size_safe('" + tree.path() + "')"), du(tree.path()));
    EXPECT_EQ(size(R"({"allocated": true})"), du(tree.path(), "-sB1"));
    EXPECT_NE(size(R"({"files_only": true})"), du(tree.path()));
}

TEST_F(Disk, DirSizeIsNullForNullAndForWhatIsNotThere) {
    EXPECT_EQ(db.value("SELECT emsn.dir_size_safe(NULL)"), "NULL");
    EXPECT_EQ(db.value("SELECT emsn.dir_size_safe('/usr', NULL)"), "NULL");
    EXPECT_EQ(db.value("SELECT emsn.dir_size_safe('/no/such/folder')"), "NULL");
}

TEST_F(Disk, DirSizeRefusesRelativePathsAndWrongOptions) {
    for (const std::string path : {"", "base", "./base", "../etc"}) {
        const auto failed = db.fails("SELECT emsn.dir_size_safe('" + path + "')");
        EXPECT_EQ(failed.sqlstate, "22023");
        EXPECT_EQ(failed.message, "dir_size_safe: the path \"" + path + "\" is not absolute");
    }
    const auto unknown = db.fails(R"(SELECT emsn.dir_size_safe('/usr', '{"treads": 4}'))");
    EXPECT_EQ(unknown.sqlstate, "22023");
    EXPECT_EQ(unknown.message.find("dir_size_safe: unknown option \"treads\""), 0u) << unknown.message;
    EXPECT_EQ(db.fails("SELECT emsn.dir_size_safe('/usr', '[]')").message,
              "dir_size_safe: options must be a JSON object");
    EXPECT_EQ(db.fails("SELECT emsn.dir_size_safe('/usr', '{')").sqlstate, "22P02");
}

TEST_F(Disk, DirSizePastItsDeadlineIsAnError) {
    const auto failed = db.fails(R"(SELECT emsn.dir_size_safe('/', '{"deadline_ms": 1}'))");
    EXPECT_EQ(failed.sqlstate, "57014");
    EXPECT_NE(failed.message.find("deadline of 1 ms passed"), std::string::npos) << failed.message;
}

TEST_F(Disk, DirSizeIsForReadersOfServerFilesOnly) {
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.fails("SELECT emsn.dir_size_safe('/usr/share/doc')").sqlstate, "42501");
    auto reader = session(role("pg_read_server_files"));
    EXPECT_EQ(reader.value("SELECT emsn.dir_size_safe('/etc/hostname')"), du("/etc/hostname"));
}

TEST_F(Disk, FilesystemsAgreeWithDf) {
    const auto row =
        db.rows("SELECT total_bytes, fs_type, device, inodes_total, used_percent BETWEEN 0 AND 100,"
                " used_bytes + available_bytes <= total_bytes, read_only, error IS NULL"
                " FROM emsn.filesystems() WHERE mount_point = '/'");
    ASSERT_EQ(row.size(), 1u);
    std::istringstream df(run({"bash", "-c", "df -B1 --output=size,fstype,source,itotal / | tail -1"}).out);
    for (std::size_t i = 0; i < 4; ++i) {
        std::string word;
        df >> word;
        if (i == 2) // df follows /dev/root and the like to the device itself
            continue;
        EXPECT_EQ(row[0][i].value_or("NULL"), word);
    }
    EXPECT_EQ(row[0][4].value_or(""), "t");
    EXPECT_EQ(row[0][5].value_or(""), "t");
    EXPECT_EQ(row[0][7].value_or(""), "t");
    EXPECT_EQ(
        db.value("SELECT count(*) FROM emsn.filesystems() WHERE fs_type IN ('proc', 'sysfs', 'cgroup2')"),
        "0");
}

TEST_F(Disk, FilesystemsAreForMonitors) {
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.value("SELECT count(*) FROM emsn.filesystems() WHERE mount_point = '/'"), "1");
    auto nobody = session(role());
    EXPECT_EQ(nobody.fails("SELECT emsn.filesystems()").sqlstate, "42501");
}

} // namespace
} // namespace emsn::test
