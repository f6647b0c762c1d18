#include "core/partial_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>

#include "core/error.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

class DestinationTest : public ::testing::Test {
  protected:
    // "" when path is accepted, else what is wrong with it
    std::string refusal(const std::string &path, const DestinationRules &rules = {}) {
        try {
            const Destination destination(path, rules, source_);
            return "";
        } catch (const Error &e) {
            return e.what();
        }
    }
    std::string quoted(const std::string &path) { return "destination '" + path + "': "; }

    test::TempDir dir_;
    std::optional<SourceFile> source_;
};

TEST_F(DestinationTest, EveryKindOfWrongPathHasItsOwnMessage) {
    const std::string fifo = dir_ / "fifo";
    const std::string dangling = dir_ / "dangling";
    const std::string file = dir_ / "file";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    ASSERT_EQ(::symlink("nowhere", dangling.c_str()), 0);
    test::write_file(file, "x");
    EXPECT_EQ(refusal(""), quoted("") + "is empty");
    EXPECT_EQ(refusal(":memory:"), quoted(":memory:") + "is a database in memory, not a file");
    EXPECT_EQ(refusal("file:x.db?mode=memory"),
              quoted("file:x.db?mode=memory") + "is a URI; give a plain path");
    EXPECT_EQ(refusal(std::string("a\0b", 3)), quoted("a") + "contains a NUL byte");
    EXPECT_EQ(refusal(dir_.path()), quoted(dir_.path()) + "is a directory");
    EXPECT_EQ(refusal(dir_ / "new/"), quoted(dir_ / "new/") + "is a directory");
    EXPECT_EQ(refusal(dir_ / ".."), quoted(dir_ / "..") + "is a directory");
    EXPECT_EQ(refusal(fifo), quoted(fifo) + "is a FIFO");
    EXPECT_EQ(refusal("/dev/null"), quoted("/dev/null") + "is a device");
    EXPECT_EQ(refusal(dangling), quoted(dangling) + "is a dangling symlink");
    EXPECT_EQ(refusal(dir_ / "no/x.db"),
              quoted(dir_ / "no/x.db") + "folder " + (dir_ / "no") + " does not exist");
    EXPECT_EQ(refusal(file + "/x.db"), quoted(file + "/x.db") + file + " is not a folder");
    const std::string long_name = dir_ / std::string(NAME_MAX - 5, 'n');
    EXPECT_EQ(refusal(long_name), quoted(long_name) + "has too long a file name: at most 242 bytes");
    EXPECT_EQ(refusal(file), "");
    EXPECT_EQ(refusal(dir_ / "new.db"), "");
}

TEST_F(DestinationTest, ASocketIsRefused) {
    const std::string path = dir_ / "socket";
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    EXPECT_EQ(refusal(path), quoted(path) + "is a socket");
}

TEST_F(DestinationTest, ALongFolderIsRefusedBeforeSqliteMeetsIt) {
    std::string path = dir_.path();
    while (path.size() < 480) {
        path += "/" + std::string(60, 'd');
        ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
    }
    path += "/x.db";
    EXPECT_EQ(refusal(path), quoted(path) + "is too long: at most 491 bytes");
}

TEST_F(DestinationTest, ASymlinkIsFollowedOnlyWhenAllowed) {
    const std::string link = dir_ / "link";
    test::write_file(dir_ / "target", "x");
    ASSERT_EQ(::symlink("target", link.c_str()), 0);
    EXPECT_EQ(refusal(link), quoted(link) + "is a symlink (option follow_symlink allows it)");
    const Destination followed(link, {.follow_symlink = true, .require_mount = false}, std::nullopt);
    EXPECT_EQ(followed.path(), dir_ / "target");
}

TEST_F(DestinationTest, TheSourceIsRefusedUnderEveryName) {
    const std::string path = dir_ / "birds.db";
    const std::string hard = dir_ / "hard";
    test::write_file(path, "x");
    ASSERT_EQ(::link(path.c_str(), hard.c_str()), 0);
    ASSERT_EQ(::mkdir((dir_ / "sub").c_str(), 0700), 0);
    source_ = SourceFile{path, *id_at(path), 0644};
    EXPECT_EQ(refusal(path), quoted(path) + "is the source itself");
    EXPECT_EQ(refusal(dir_ / "sub/../birds.db"), quoted(path) + "is the source itself");
    EXPECT_EQ(refusal(hard), quoted(hard) + "is the source itself");
    EXPECT_EQ(refusal(path + "-wal"), quoted(path + "-wal") + "belongs to the source " + path);
    EXPECT_EQ(refusal(path + "-journal"), quoted(path + "-journal") + "belongs to the source " + path);
}

TEST_F(DestinationTest, ASourceThatHasTheNameOfAFileRemovedOnTheWayIsSafe) {
    for (const char *suffix : {"-journal", "-wal", "-shm", ".emsn.partial", ".emsn.lock", ".corrupt"}) {
        const std::string path = dir_ / ("m.db" + std::string(suffix));
        test::write_file(path, "x");
        source_ = SourceFile{path, *id_at(path), 0644};
        EXPECT_EQ(refusal(dir_ / "m.db"), quoted(dir_ / "m.db") + "would overwrite the source " + path);
        ::unlink(path.c_str());
    }
}

TEST_F(DestinationTest, RequireMountRefusesTheRootFileSystem) {
    const DestinationRules rules{.follow_symlink = false, .require_mount = true};
    if (test::run({"findmnt", "-nro", "TARGET", "-T", "/var"}).out != "/\n")
        GTEST_SKIP() << "/var is a mount point here";
    const std::string reason =
        "nothing is mounted there: its nearest mount point is / (option require_mount)";
    EXPECT_EQ(refusal("/var/x.db", rules), quoted("/var/x.db") + reason);
    EXPECT_EQ(refusal("/var/not/there/x.db", rules), quoted("/var/not/there/x.db") + reason)
        << "a stick that is away has no folders: that is not a wrong path";
    EXPECT_EQ(refusal("/dev/shm/x.db", rules), "");
}

TEST_F(DestinationTest, RequireMountLooksWhereAFollowedSymlinkLeads) {
    if (test::run({"findmnt", "-nro", "TARGET", "-T", dir_.path()}).out != "/\n")
        GTEST_SKIP() << "needs a folder on the file system of /";
    const DestinationRules rules{.follow_symlink = true, .require_mount = true};
    test::write_file(dir_ / "target.db", "x");
    const std::string on_shm = "/dev/shm/emsn-test-link." + std::to_string(::getpid());
    ASSERT_EQ(::symlink((dir_ / "target.db").c_str(), on_shm.c_str()), 0);
    EXPECT_NE(refusal(on_shm, rules), "") << "the link lies on a mount, the file does not";
    ::unlink(on_shm.c_str());
}

// Without root rights nobody gives a file away, but its group may be one of ours.
TEST_F(DestinationTest, TheGroupStaysWhenTheOwnerCannot) {
    constexpr gid_t kOurs = 100;
    if (::geteuid() != 0)
        GTEST_SKIP() << "needs two users";
    const std::string path = dir_ / "x.db";
    test::write_file(path, "old");
    ASSERT_EQ(::chown(path.c_str(), 0, kOurs), 0);
    ::chmod(dir_.path().c_str(), 0777);
    const pid_t child = ::fork();
    if (child == 0) {
        if (::setgroups(1, &kOurs) != 0 || ::setgid(test::kNobody) != 0 || ::setuid(test::kNobody) != 0)
            ::_exit(1);
        const Destination destination(path, {}, std::nullopt);
        std::vector<std::string> warnings;
        PartialFile(destination).publish(0640, warnings);
        ::_exit(warnings.size() == 1 && warnings[0].starts_with("owner of ") ? 0 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    struct stat st {};
    ASSERT_EQ(::stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_gid, kOurs);
}

TEST_F(DestinationTest, MissingSpaceNamesTheFileSystemAndTheBytes) {
    const Destination destination(dir_ / "x.db", {}, std::nullopt);
    EXPECT_NO_THROW(destination.require_free(1));
    EXPECT_EQ(destination.lack_of_space(1), "");
    try {
        destination.require_free(INT64_MAX);
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::no_space);
    }
    const std::string text = destination.lack_of_space(INT64_MAX);
    EXPECT_TRUE(text.starts_with("file system /")) << text;
    EXPECT_NE(text.find("9223372036854775807 are needed: "), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with(" bytes missing")) << text;
}

mode_t mode_at(const std::string &path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0);
    return st.st_mode & 07777;
}

TEST_F(DestinationTest, PublishKeepsTheModeThatWasThere) {
    const Destination destination(dir_ / "x.db", {}, std::nullopt);
    std::vector<std::string> warnings;
    PartialFile(destination).publish(0640, warnings);
    EXPECT_EQ(mode_at(dir_ / "x.db"), 0640U) << "a new file gets the given mode";
    ::chmod((dir_ / "x.db").c_str(), 0604);
    PartialFile(destination).publish(0640, warnings);
    EXPECT_EQ(mode_at(dir_ / "x.db"), 0604U);
    EXPECT_TRUE(warnings.empty());
}

TEST_F(DestinationTest, APartialFileThatIsNotPublishedIsRemoved) {
    const Destination destination(dir_ / "x.db", {}, std::nullopt);
    test::write_file(destination.path(), "old");
    test::write_file(destination.partial_path(), "leftover of a killed run");
    {
        PartialFile partial(destination);
        EXPECT_FALSE(id_at(destination.partial_path())) << "not made before it is needed";
        partial.write(2, std::string("new"));
        EXPECT_EQ(test::read_file(partial.path()), std::string("\0\0new", 5));
        EXPECT_EQ(mode_at(partial.path()), 0600U) << "nobody else reads it while it grows";
    }
    EXPECT_FALSE(id_at(destination.partial_path()));
    EXPECT_EQ(test::read_file(destination.path()), "old");
}

} // namespace
} // namespace emsn::core
