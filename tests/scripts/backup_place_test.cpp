// emsn-backup daily: where a backup may go, what is left out, and file systems that are full or keep little.
#include "tests/scripts/backup_support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

using BackupPlaceTest = BackupTest;

TEST_F(BackupPlaceTest, ExcludesAndTheFolderOfBackupsItselfAreLeftOut) {
    const auto inside = tree_ + "/back[u]p*s\\";
    fs::create_directories(inside);
    fs::create_directories(tree_ + "/cache");
    write_file(tree_ + "/cache/c", "c");
    write_file(tree_ + "/keep", "k");
    write_file(dir_ / "excludes", "# not these\n/cache/\n*.tmp\n");
    write_file(tree_ + "/home/x.tmp", "t");
    const auto outcome = run({kBackup, "daily", "--tree", tree_, "--to", inside, "--no-require-mount",
                              "--excludes", dir_ / "excludes"},
                             env());
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const auto day = backups(inside + "/daily");
    EXPECT_EQ(files_in(inside + "/daily/" + day), "home keep");
    EXPECT_EQ(files_in(inside + "/daily/" + day + "/home"), "");
    EXPECT_EQ(run({kBackup, "daily", "--tree", to_, "--to", to_, "--no-require-mount"}, env()).status, 1);
}

TEST_F(BackupPlaceTest, WithoutTheMountItIsTryAgainLater) {
    if (run({"findmnt", "-nro", "TARGET", "-T", to_}).out != "/\n")
        GTEST_SKIP() << to_ << " is on a mount of its own here";
    write_file(conf_, "EMSN_BACKUP_DIR=" + to_ + "\nEMSN_STATION=tuin\nEMSN_BACKUP_TREE='" + tree_ + "'\n");
    auto outcome = run({kBackup, "daily"}, env());
    EXPECT_EQ(outcome.status, 75);
    EXPECT_EQ(outcome.err, "emsn-backup: " + to_ + ": nothing is mounted there\n");
    EXPECT_EQ(run({kBackup, "daily", "--to", dir_ / "away"}, env()).status, 75);
    EXPECT_EQ(run({kBackup, "daily", "--to", dir_ / "away", "--no-require-mount"}, env()).status, 1);
    EXPECT_EQ(files_in(to_), "");
    EXPECT_EQ(run({kBackup, "daily", "--no-require-mount"}, env()).status, 0);
    EXPECT_EQ(files_in(to_), "tuin") << "the rest comes from the configuration";
}

TEST_F(BackupPlaceTest, WrongUseIsTwoWithAHint) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{}, "needs a kind: daily, weekly, hourly or centre"},
        {{"yearly"}, "unknown kind yearly"},
        {{"daily", "weekly"}, "one kind of backup a run, not daily and weekly"},
        {{"daily", "--fast"}, "unknown option --fast"},
        {{"daily", "--verify", "deep"}, "--verify takes quick or full, not 'deep'"},
        {{"daily", "--station", "../x"}, "a station cannot be called '../x'"},
        {{"daily", "--station", "images"}, "a station cannot be called 'images'"},
        {{"hourly"}, "needs --source DB or EMSN_SOURCE_DB"},
        {{"daily", "--station", "x.removing"},
         "a station cannot be called 'x.removing': its folder would be taken for a backup"},
        {{"daily", "--station", "zolder-2024-05-01"},
         "a station cannot be called 'zolder-2024-05-01': its folder would be taken for a backup"},
    };
    for (const auto &[args, words] : cases) {
        const auto outcome = backup(args);
        EXPECT_EQ(outcome.status, 2);
        EXPECT_EQ(outcome.err, "emsn-backup: " + words + "\nTry: emsn-backup --help\n");
    }
    EXPECT_EQ(run({kBackup, "daily"}, env()).err.find("emsn-backup: needs --to DIR or EMSN_BACKUP_DIR\n"),
              0U);
    EXPECT_EQ(backup({"daily", "--tree", dir_ / "none"}).status, 1);
    EXPECT_EQ(backup({"--help"}).status, 0);
    EXPECT_EQ(files_in(to_), "");
}

// On a file system of its own: mount makes it at "$stick"; "$backup" is the script with "$tree" as the tree.
class DiskTest : public BackupTest {
  protected:
    Outcome on_disk(const std::string &mount, const std::string &script) {
        const auto outcome =
            run({"unshare", "--mount", "bash", "-c",
                 "stick=$1 tree=$2; backup() { \"$3\" daily --to \"$1\" --tree \"$2\" \"${@:4}\"; }\n"
                 "run() { backup \"$stick\" \"$tree\" " +
                     kBackup + " \"$@\"; }\n{ " + mount + "\n} >&2 || exit 99\n" + script,
                 "-", to_, tree_},
                env());
        return outcome;
    }
    static bool cannot_mount(const Outcome &outcome) {
        return outcome.status == 99 || outcome.err.find("unshare") != std::string::npos;
    }
};

TEST_F(DiskTest, AFullDiskKeepsWhatIsThereForTheNextRun) {
    write_file(tree_ + "/a", std::string(600'000, 'a'));
    write_file(tree_ + "/b", std::string(900'000, 'b'));
    make_birds_db(tree_ + "/birds.db", 100);
    const auto outcome =
        on_disk("mount -t tmpfs -o size=1m tmpfs \"$stick\"",
                "run; echo $?; ls \"$stick/daily\"; mount -o remount,size=20m \"$stick\"; run >&2; "
                "echo $?; cat \"$stick\"/daily/*/a | wc -c; ls \"$stick/daily\" | wc -l");
    if (cannot_mount(outcome))
        GTEST_SKIP() << "no mounts for this user: " << outcome.err;
    EXPECT_EQ(outcome.out.find("1\n"), 0U) << outcome.out;
    EXPECT_TRUE(outcome.out.ends_with(".partial\n0\n600000\n2\n")) << outcome.out << outcome.err;
    expect_words(outcome, "stays for the next run to go on with: no space left on the file system of " + to_ +
                              "/daily");
}

TEST_F(DiskTest, AFileSystemThatKeepsLittleSaysSoFirst) {
    if (!fs::exists("/dev/fuse"))
        GTEST_SKIP() << "no /dev/fuse";
    plant();
    fs::remove_all(tree_ + "/home/a\nb");
    make_birds_db(tree_ + "/birds.db", 100);
    const auto outcome = on_disk(
        "truncate -s 80M \"$stick.img\"; mkfs.exfat \"$stick.img\" >&2 && loop=$(losetup -f --show "
        "\"$stick.img\") && "
        "{ mount.exfat-fuse \"$loop\" \"$stick\" || { losetup -d \"$loop\"; exit 99; }; }",
        "run; echo $?; ls -A \"$stick/daily\"; run --allow-loss; echo $?; cmp \"$tree/home/wav\" "
        "\"$stick\"/daily/*-[0-9][0-9]/home/wav; "
        "cp \"$stick\"/daily/*-[0-9][0-9]/birds.db \"$stick.db\"; umount \"$stick\"; losetup -d \"$loop\"");
    if (cannot_mount(outcome))
        GTEST_SKIP() << "no exFAT through FUSE here: " << outcome.err;
    EXPECT_EQ(outcome.out.find("1\n.emsn.lock\n{"), 0U) << outcome.out;
    EXPECT_TRUE(outcome.out.ends_with("}\n0\n")) << outcome.out << outcome.err;
    EXPECT_NE(outcome.out.find(R"("verified":true)"), std::string::npos);
    EXPECT_NE(outcome.out.find(R"("lost":["hard links","symlinks","permissions",)"), std::string::npos);
    expect_words(outcome, "does not keep: hard links, symlinks, permissions, ");
    expect_words(outcome, "without hard links every daily backup is a full copy");
    expect_words(outcome, "such a copy cannot be restored as a system");
    EXPECT_EQ(rows_of_good_copy(to_ + ".db"), 100);
}

} // namespace
} // namespace emsn::test
