// scripts/emsn-cleanup as a person and a timer run it: the plan, what --apply deletes, and what nothing may
// delete.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "core/handle.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

const std::string kCleanup = EMSN_SOURCE_DIR "/scripts/emsn-cleanup";

class CleanupTest : public ::testing::Test {
  protected:
    CleanupTest() {
        for (const char *day : {"2025-12-26", "2025-12-27", "2025-12-28", "2025-12-29", "2025-12-30"}) {
            plant(std::string("daily/") + day + "/etc/passwd");
            plant(std::string("daily/") + day + ".emsn.json", R"({"complete":true,"verified":true})");
        }
        for (const char *hour : {"13", "14"})
            plant(std::string("zolder/database/birds-2025-12-30-") + hour + ".sql.gz");
    }

    void plant(const std::string &path, const std::string &content = "12345") {
        fs::create_directories(fs::path(backups_ / path).parent_path());
        write_file(backups_ / path, content);
    }
    Outcome cleanup(const std::vector<std::string> &args, std::vector<std::string> env = {}) {
        std::vector<std::string> argv{kCleanup};
        argv.insert(argv.end(), args.begin(), args.end());
        env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "TZ=UTC"});
        for (const auto &word : sanitizer_env())
            env.push_back(word);
        return run(argv, env);
    }
    Outcome apply(std::vector<std::string> args) {
        args.insert(args.end(), {"--apply", backups_.path()});
        return cleanup(args);
    }
    [[nodiscard]] std::string everything() const { return run({"find", backups_.path()}).out; }

    TempDir backups_;
    TempDir dir_;
    const std::string conf_ = (write_file(dir_ / "emsn.conf", ""), dir_ / "emsn.conf");
};

TEST_F(CleanupTest, ThePlanNamesEveryBackupAndTouchesNothing) {
    const auto before = everything();
    const auto outcome = cleanup({"--keep-daily", "2", backups_.path()});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    for (const std::string line :
         {"-        daily     2025-12-29                  2025-12-29T00:00:00Z", "keep: daily 2 of 2",
          "zolder   database  birds-2025-12-30-13.sql.gz  2025-12-30T13:00:00Z",
          "drop: older than what the rules keep", "drop: another of its day is kept", "3 kept (",
          ", 4 to drop (", "nothing is deleted without --apply\n"})
        EXPECT_NE(outcome.out.find(line), std::string::npos) << line << "\nin\n" << outcome.out;
    EXPECT_EQ(everything(), before);
}

TEST_F(CleanupTest, ApplyDeletesWhatThePlanSaysWithItsReceiptsAndNothingElse) {
    plant("daily/notes.txt");
    plant("daily/2025-12-01.partial/f");
    plant("daily/2025-12-02.corrupt");
    plant("2025-11-01/loose");
    plant("other/2025-11-01");
    fs::create_directory_symlink("daily", backups_ / "weekly");
    const auto outcome = apply({"--keep-daily", "2"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("4 deleted ("), std::string::npos) << outcome.out;
    EXPECT_EQ(files_in(backups_ / "daily"), "2025-12-01.partial 2025-12-02.corrupt 2025-12-29 "
                                            "2025-12-29.emsn.json 2025-12-30 2025-12-30.emsn.json notes.txt");
    EXPECT_EQ(files_in(backups_ / "zolder/database"), "birds-2025-12-30-14.sql.gz");
    EXPECT_EQ(files_in(backups_.path()), ".emsn.lock 2025-11-01 daily other weekly zolder");
    EXPECT_NE(apply({"--keep-daily", "2"}).out.find("nothing to drop\n"), std::string::npos);
}

TEST_F(CleanupTest, WithoutARuleNothingIsDropped) {
    EXPECT_EQ(apply({}).status, 0); // makes the lock file
    const auto before = everything();
    const auto outcome = apply({});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("keep: no rule"), std::string::npos);
    EXPECT_EQ(everything(), before);
    EXPECT_TRUE(fs::exists(backups_ / "daily/2025-12-26/etc/passwd"));
}

TEST_F(CleanupTest, OneBackupLeftStaysAndTheFutureToo) {
    fs::remove_all(backups_ / "daily");
    plant("daily/2001-01-01");
    plant("images/2999-01-01.img");
    plant("images/2998-01-01.img");
    EXPECT_EQ(apply({"--keep-last", "1", "--keep-within", "1"}).status, 0);
    EXPECT_EQ(files_in(backups_ / "daily"), "2001-01-01");
    EXPECT_EQ(files_in(backups_ / "images"), "2998-01-01.img 2999-01-01.img");
}

TEST_F(CleanupTest, WhatAKilledRunLeftIsFinished) {
    fs::rename(backups_ / "daily/2025-12-26", backups_ / "daily/2025-12-26.removing");
    plant("daily/2025-12-30.removing/half"); // and its NAME is there again
    plant("daily/2025-12-28/deep.removing");
    EXPECT_EQ(cleanup({backups_.path()}).status, 0);
    EXPECT_TRUE(fs::exists(backups_ / "daily/2025-12-26.removing")) << "a plan";
    EXPECT_EQ(apply({"--keep-daily", "3"}).status, 0);
    EXPECT_EQ(files_in(backups_ / "daily"), "2025-12-28 2025-12-28.emsn.json 2025-12-29 2025-12-29.emsn.json "
                                            "2025-12-30 2025-12-30.emsn.json");
    EXPECT_TRUE(fs::exists(backups_ / "daily/2025-12-28/deep.removing")) << "inside a backup";
}

TEST_F(CleanupTest, WhatCannotBeDeletedIsNamedAndTheRestIsDone) {
    const std::string script = "mount -t tmpfs tmpfs \"$1/daily/2025-12-27/etc\" || exit 99\n"
                               "exec \"$2\" --keep-last 1 --apply --no-require-mount \"$1\"";
    std::vector<std::string> argv{"unshare", "--mount"};
    if (::geteuid() != 0)
        argv.push_back("--map-root-user");
    argv.insert(argv.end(), {"bash", "-c", script, "bash", backups_.path(), kCleanup});
    auto env = sanitizer_env();
    env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "TZ=UTC"});
    const auto outcome = run(argv, env);
    if (outcome.status == 99 || outcome.err.find("unshare") != std::string::npos)
        GTEST_SKIP() << "no mounts for this user: " << outcome.err;
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("daily/2025-12-27/etc is mounted below it"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.out.find(", 1 could not be deleted\n"), std::string::npos) << outcome.out;
    EXPECT_EQ(files_in(backups_ / "daily"),
              "2025-12-27 2025-12-27.emsn.json 2025-12-30 2025-12-30.emsn.json");
}

TEST_F(CleanupTest, AnotherCleanupOrAnAbsentMountIsTryAgainLater) {
    plant(".emsn.lock", "");
    const core::Fd lock(::open((backups_ / ".emsn.lock").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
    const auto before = everything();
    auto outcome = apply({"--keep-last", "1"});
    EXPECT_EQ(outcome.status, 75);
    EXPECT_EQ(outcome.err, "emsn-cleanup: another cleanup is at work in " + backups_.path() + "\n");
    EXPECT_EQ(everything(), before);
    EXPECT_EQ(cleanup({backups_.path()}).status, 0) << "a plan needs no lock";
    if (run({"findmnt", "-nro", "TARGET", "-T", "/var"}).out != "/\n")
        GTEST_SKIP() << "/var is a mount point here";
    const std::string away = "/var/away/backups";
    const std::vector<Outcome> refused{
        cleanup({"--keep-last", "1", "--require-mount", away}),
        cleanup({"--keep-last", "1", "--apply"}, {"EMSN_BACKUP_DIR=" + away}),
        cleanup({"--keep-last", "1", "--apply", away}, {"EMSN_REQUIRE_MOUNT=1"}),
    };
    for (const auto &each : refused) {
        EXPECT_EQ(each.status, 75);
        EXPECT_EQ(each.err, "emsn-cleanup: " + away + ": nothing is mounted there\n");
    }
}

TEST_F(CleanupTest, OddNamesAreJustNames) {
    const std::string folder = backups_ / "it's; \"here\"\n'x";
    fs::create_directories(folder + "/daily/2025-12-01 '; DROP TABLE plan;--");
    fs::create_directories(folder + "/daily/2025-12-01-\n\x1b[31m\xff");
    fs::create_directories(folder + "/daily/2025-12-02");
    const auto outcome = cleanup({"--keep-last", "1", "--apply", folder});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos) << "no escapes of a terminal";
    EXPECT_NE(outcome.out.find("\"2025-12-01-\\n\\u001b[31m"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("2 deleted ("), std::string::npos) << outcome.out;
    EXPECT_EQ(files_in(folder + "/daily"), "2025-12-02");
    EXPECT_EQ(fs::exists(backups_ / "daily/2025-12-26"), true) << "outside";
}

TEST_F(CleanupTest, ASymlinkToTheFolderIsTheFolder) {
    fs::create_directory_symlink(backups_.path(), dir_ / "link");
    EXPECT_EQ(nlohmann::json::parse(cleanup({"--json", dir_ / "link"}).out)["dir"],
              fs::canonical(backups_.path()).string());
    EXPECT_EQ(cleanup({"--keep-last", "1", "--apply", dir_ / "link/"}).status, 0);
    EXPECT_EQ(files_in(backups_ / "daily"), "2025-12-30 2025-12-30.emsn.json");
}

TEST_F(CleanupTest, TheRulesAreOneLineOfConfiguration) {
    write_file(conf_,
               "EMSN_BACKUP_DIR=" + backups_.path() + "\nEMSN_KEEP=--keep-within 2\nEMSN_REQUIRE_MOUNT=0\n");
    EXPECT_NE(cleanup({}).out.find("drop: older than 2 days"), std::string::npos);
    EXPECT_EQ(cleanup({"--keep-last", "9"}).out.find("drop: "), std::string::npos) << "the command line wins";
    EXPECT_EQ(cleanup({"--apply"}).status, 0);
    EXPECT_EQ(files_in(backups_ / "daily"),
              "2025-12-29 2025-12-29.emsn.json 2025-12-30 2025-12-30.emsn.json");
    EXPECT_EQ(cleanup({}, {"EMSN_KEEP=--apply"}).err,
              "emsn-cleanup: EMSN_KEEP takes --keep options only, not '--apply'\nTry: emsn-cleanup --help\n");
}

TEST_F(CleanupTest, JsonIsUtf8WhateverTheNames) {
    write_file(backups_ / "daily/\xff-2025-01-01", "");
    const auto plan = nlohmann::json::parse(cleanup({"--keep-last", "1", "--json", backups_.path()}).out);
    EXPECT_EQ(plan["entries"].size(), 8U);
}

TEST_F(CleanupTest, JsonHasEveryEntryAndTheSums) {
    const auto plan = nlohmann::json::parse(cleanup({"--keep-last", "1", "--json", backups_.path()}).out);
    EXPECT_EQ(plan["dir"], backups_.path());
    EXPECT_EQ(plan["applied"], false);
    EXPECT_EQ(plan["kept"], 2);
    EXPECT_EQ(plan["dropped"], 5);
    EXPECT_EQ(plan["entries"].size(), 7U);
    EXPECT_EQ(plan["entries"][0]["verdict"], "keep");
    const auto done = nlohmann::json::parse(apply({"--keep-last", "1", "--json"}).out);
    EXPECT_EQ(done["deleted"], 5);
    EXPECT_EQ(done["failed"], 0);
    EXPECT_GT(done["freed_bytes"], plan["dropped_bytes"]) << "receipts too";
}

TEST_F(CleanupTest, ASignalEndsItAndTheNextRunFinishes) {
    constexpr int kFiles = 15'000; // enough to be in the middle of
    for (int i = 0; i < kFiles; ++i)
        write_file(backups_ / "daily/2025-12-26/etc/" + std::to_string(i), "");
    auto env = sanitizer_env();
    env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_});
    Process process({kCleanup, "--keep-last", "1", "--apply", "--no-require-mount", backups_.path()},
                    dir_ / "log", env);
    ASSERT_TRUE(
        eventually([&] { return files_in(backups_ / "daily").find(".removing") != std::string::npos; }));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 128 + SIGTERM);
    EXPECT_TRUE(fs::exists(backups_ / "daily/2025-12-27/etc/passwd")) << "it went on after the signal";
    EXPECT_EQ(apply({"--keep-last", "1"}).status, 0);
    EXPECT_EQ(files_in(backups_ / "daily"), "2025-12-30 2025-12-30.emsn.json");
}

TEST_F(CleanupTest, WrongUseIsTwoWithAHint) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{}, "needs one DIR"},
        {{"a", "b"}, "needs one DIR"},
        {{"--delete", "a"}, "unknown option --delete"},
        {{"--keep-minutely", "1", "a"}, "unknown option --keep-minutely"},
        {{"a", "--keep-last"}, "--keep-last needs a value"},
        {{"--keep-last", "0", "a"}, "--keep-last needs a whole number above 0, not '0'"},
        {{"--keep-within", "7d", "a"}, "--keep-within needs a whole number above 0, not '7d'"},
    };
    for (const auto &[args, words] : cases) {
        const auto outcome = cleanup(args);
        EXPECT_EQ(outcome.status, 2);
        EXPECT_EQ(outcome.err, "emsn-cleanup: " + words + "\nTry: emsn-cleanup --help\n");
    }
    EXPECT_EQ(cleanup({"--help"}).status, 0);
    const auto outcome = cleanup({dir_ / "none"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.err, "emsn-cleanup: " + (dir_ / "none") + ": no such folder\n");
}

} // namespace
} // namespace emsn::test
