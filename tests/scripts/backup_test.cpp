// emsn-backup daily: what is in the copy, what is linked, and what a receipt says of it.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tests/scripts/backup_support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class DailyTest : public BackupTest {
  protected:
    // What rsync would still do to make b like a; "" when they are equal, contents and all attributes.
    static std::string differences(const std::string &a, const std::string &b,
                                   const std::vector<std::string> &but = {}) {
        std::vector<std::string> argv{"rsync", "-nacHAX", "--delete", "--itemize-changes"};
        for (const auto &name : but)
            argv.push_back("--exclude=" + name);
        argv.insert(argv.end(), {a + "/", b + "/"});
        const auto outcome = run(argv);
        return outcome.out + outcome.err;
    }
    static ino_t inode(const std::string &path) {
        struct stat st {};
        EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
        return st.st_ino;
    }
    static unsigned mode(const std::string &path) {
        struct stat st {};
        EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
        return st.st_mode & 07777U;
    }
    // The script runs until program is asked for what its arguments match; there it stays, in a session of
    // its own.
    std::unique_ptr<Process> stopped_at(const std::string &program, const std::string &pattern) {
        fs::remove(dir_ / "arrived");
        instead_of(program, "[[ $* != " + pattern +
                                " ]] || { echo $$ >$here/arrived.new; mv $here/arrived.new $here/arrived; "
                                "exec sleep 1000; }\n"
                                "exec $real \"$@\"");
        auto words = argv({"daily", "--tree", tree_});
        words.insert(words.begin(), "setsid");
        auto process = std::make_unique<Process>(words, dir_ / "log", env());
        EXPECT_TRUE(eventually([&] { return fs::exists(dir_ / "arrived"); })) << read_file(dir_ / "log");
        as_usual(program);
        return process;
    }
    bool sleeper_runs() { return ::kill(std::stoi(read_file(dir_ / "arrived")), 0) == 0; }
};

TEST_F(DailyTest, ATreeIsCopiedAsItIsAndItsReceiptSaysSo) {
    plant();
    const auto outcome = daily({"--station", "zolder"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    const auto copy = backup_in("zolder/daily");
    EXPECT_EQ(mode(to_ + "/zolder/daily"), 0700U) << "whose files these are must not reach them";
    EXPECT_EQ(differences(tree_, copy), "");
    struct stat st {};
    ASSERT_EQ(::stat((copy + "/home/hole").c_str(), &st), 0);
    EXPECT_LT(st.st_blocks, 100) << "a hole stays one";
    EXPECT_EQ(outcome.out, read_file(copy + ".emsn.json"));
    const auto receipt = receipt_of(copy);
    EXPECT_EQ(receipt["emsn"], 1);
    EXPECT_EQ(receipt["kind"], "daily");
    EXPECT_EQ(receipt["station"], "zolder");
    EXPECT_EQ(receipt["complete"], true);
    EXPECT_EQ(receipt["verified"], true);
    EXPECT_EQ(receipt["verify"], "ok");
    EXPECT_EQ(receipt["files"], 8);
    EXPECT_EQ(std::to_string(receipt["bytes"].get<long>()) + "\t" + copy + "\n",
              run({"du", "-sb", copy}).out);
    EXPECT_LE(receipt["started"].get<std::string>(), receipt["finished"].get<std::string>());
    EXPECT_EQ(receipt.size(), 10U) << receipt;
    EXPECT_EQ(mode(copy + ".emsn.json"), 0644U);
    EXPECT_EQ(files_in(dir_ / "tmp"), "");
    EXPECT_EQ(files_in(to_ + "/zolder/daily"), ".emsn.lock " + copy.substr(copy.size() - 10) + " " +
                                                   copy.substr(copy.size() - 10) + ".emsn.json");
}

// Found by what is in them, copied beside their writers, whole and alone.
TEST_F(DailyTest, DatabasesAreWholeBesideLivingWriters) {
    const auto birds = tree_ + "/home/it's \"birds\"\n.bin";
    make_birds_db(birds, 2000);
    ::chmod(birds.c_str(), 0640);
    fs::create_directory(tree_ + "/wal");
    make_birds_db(tree_ + "/wal/wal.db", 1000, "wal");
    const char *const kMark = "import os, sys; os.setxattr(sys.argv[1], 'user.mine', b'1'); "
                              "os.getuid() or os.chown(sys.argv[1], 1234, 5678)";
    ASSERT_EQ(run({"python3", "-c", kMark, tree_ + "/wal/wal.db"}).status, 0);
    SqliteDb user(tree_ + "/wal/wal.db");
    user("PRAGMA wal_autocheckpoint = 0; INSERT INTO detections SELECT * FROM detections WHERE rowid = 1; "
         "UPDATE detections SET File_Name = 'Blackbird-1001.mp3' WHERE rowid = 1001");
    ASSERT_GT(fs::file_size(tree_ + "/wal/wal.db-wal"), 0U);
    // rsync sets times that differ by a second
    fs::last_write_time(tree_ + "/wal", fs::last_write_time(tree_ + "/wal") - std::chrono::hours(1));
    Process recorder({"/usr/bin/python3", EMSN_SOURCE_DIR "/tests/support/recorder.py", birds, "--fast",
                      "--start", "2001"},
                     dir_ / "log");
    SqliteDb reader(birds, SQLITE_OPEN_READONLY, false);
    reader("PRAGMA busy_timeout = 60000");
    ASSERT_TRUE(eventually([&] { return std::stoi(reader("SELECT count(*) FROM detections")) > 2001; }));
    const auto outcome = daily({"--verify", "full"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(recorder.running());
    recorder.signal(SIGTERM);
    recorder.wait();
    EXPECT_NE(read_file(dir_ / "log").find("\"lost\": 0"), std::string::npos) << read_file(dir_ / "log");
    const auto copy = backup_in("daily");
    EXPECT_GT(rows_of_good_copy(copy + "/home/it's \"birds\"\n.bin"), 2001);
    EXPECT_EQ(mode(copy + "/home/it's \"birds\"\n.bin"), 0640U);
    EXPECT_EQ(rows_of_good_copy(copy + "/wal/wal.db"), 1001);
    struct stat st {};
    ASSERT_EQ(::stat((copy + "/wal/wal.db").c_str(), &st), 0);
    EXPECT_EQ(st.st_uid, ::geteuid() == 0 ? 1234U : ::geteuid());
    EXPECT_EQ(fs::last_write_time(copy + "/wal/wal.db"), fs::last_write_time(tree_ + "/wal/wal.db"));
    EXPECT_EQ(files_in(copy + "/home"), "it's \"birds\"\n.bin");
    EXPECT_EQ(files_in(copy + "/wal"), "wal.db");
    EXPECT_EQ(fs::last_write_time(copy + "/wal"), fs::last_write_time(tree_ + "/wal"));
    EXPECT_EQ(
        run({"python3", "-c", "import os, sys; print(os.listxattr(sys.argv[1]))", copy + "/wal/wal.db"}).out,
        "['user.mine']\n")
        << "no mark of a mirror";
}

TEST_F(DailyTest, TheNextDayLinksWhatDidNotChange) {
    plant();
    make_birds_db(tree_ + "/idle.db", 100);
    make_birds_db(tree_ + "/busy.db", 100);
    write_file(tree_ + "/changes", "one");
    ASSERT_EQ(daily().status, 0);
    const auto first = date_back("2020-01-01");
    // in the same second, and to the same size
    const auto before = fs::last_write_time(tree_ + "/changes");
    write_file(tree_ + "/changes", "two");
    const auto second_end =
        std::chrono::floor<std::chrono::seconds>(before) + std::chrono::nanoseconds(999'999'999);
    fs::last_write_time(tree_ + "/changes",
                        before == second_end ? before - std::chrono::nanoseconds(1) : second_end);
    SqliteDb(tree_ + "/busy.db", SQLITE_OPEN_READWRITE, false)("DELETE FROM detections WHERE rowid = 100");
    ASSERT_EQ(daily().status, 0);
    const auto second = latest();
    for (const char *name : {"/home/wav", "/home/closed/y", "/idle.db"})
        EXPECT_EQ(inode(first + name), inode(second + name)) << name;
    EXPECT_EQ(differences(tree_, second), "");
    EXPECT_EQ(read_file(first + "/changes"), "one");
    EXPECT_EQ(rows_of_good_copy(first + "/busy.db"), 100);
    EXPECT_EQ(rows_of_good_copy(second + "/busy.db"), 99);
}

// Killed; the next run is on another day, and does not touch what is linked to earlier backups.
TEST_F(DailyTest, AKilledRunIsGoneOnWith) {
    plant();
    make_birds_db(tree_ + "/birds.db", 100);
    ASSERT_EQ(daily().status, 0);
    const auto first = date_back("2020-01-01");
    write_file(tree_ + "/new", std::string(100'000, 'n'));
    {
        const auto process = stopped_at("sqlite3", "*emsn_snapshot*");
        EXPECT_EQ(backups(to_ + "/daily"), "2020-01-01") << "nothing unfinished counts";
        auto again = daily();
        EXPECT_EQ(again.status, 75);
        expect_words(again, "another run is at work in " + to_ + "/daily");
        run({"pkill", "-KILL", "-s", std::to_string(process->pid())});
        process->wait();
    }
    const auto partials = run({"bash", "-c", "echo \"$1\"/*-[0-9][0-9].partial", "-", to_ + "/daily"}).out;
    const auto partial = to_ + "/daily/2020-01-02.partial";
    fs::rename(partials.substr(0, partials.size() - 1), partial);
    const auto copied = inode(partial + "/new");
    ::chmod((tree_ + "/home/closed/y").c_str(), 0600);
    const auto outcome = daily();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    expect_words(outcome, "going on with the interrupted ");
    const auto second = latest();
    EXPECT_EQ(inode(second + "/new"), copied) << "not copied again";
    EXPECT_EQ(inode(second + "/home/wav"), inode(first + "/home/wav"));
    EXPECT_EQ(differences(tree_, second), "");
    EXPECT_EQ(mode(first + "/home/closed/y"), 04711U) << "the earlier backup stays as it is";
    EXPECT_EQ(files_in(to_ + "/daily").find("partial"), std::string::npos);
}

TEST_F(DailyTest, ASignalStopsAllOfItAndTheTreeStaysForTheNextRun) {
    make_birds_db(tree_ + "/birds.db", 100);
    for (const char *program : {"rsync", "sqlite3"}) {
        const auto process =
            stopped_at(program, program == std::string("rsync") ? "*/tree/*" : "*emsn_snapshot*");
        ASSERT_TRUE(sleeper_runs());
        const int number = program == std::string("rsync") ? SIGTERM : SIGHUP;
        process->signal(number);
        EXPECT_EQ(process->wait(), 128 + number);
        EXPECT_TRUE(eventually([&] { return !sleeper_runs(); })) << program;
        EXPECT_EQ(backups(to_ + "/daily"), "");
        EXPECT_EQ(files_in(dir_ / "tmp"), "");
    }
    EXPECT_EQ(daily().status, 0);
    EXPECT_EQ(rows_of_good_copy(backup_in("daily") + "/birds.db"), 100);
}

// A clock that went back, or a backup by other means: whatever has the name keeps it.
TEST_F(DailyTest, ANameThatIsThereIsNeverOverwritten) {
    write_file(tree_ + "/x", "x");
    ASSERT_EQ(daily().status, 0);
    const auto copy = backup_in("daily");
    write_file(tree_ + "/x", "changed");
    auto outcome = daily();
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "emsn-backup: " + copy + " is there already\n");
    EXPECT_EQ(outcome.out, read_file(copy + ".emsn.json"));
    write_file(copy + ".emsn.json", R"({"complete": true, "verified": false, "verify": "a.db: bad"})");
    outcome = daily();
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    expect_words(outcome, copy + " is there already, but not good: a.db: bad; it is left alone");
    fs::remove(copy + ".emsn.json");
    outcome = daily();
    EXPECT_EQ(outcome.status, 1);
    expect_words(outcome, copy + " is there already, without a receipt: it is left alone");
    EXPECT_EQ(read_file(copy + "/x"), "x");
}

TEST_F(DailyTest, ADatabaseThatIsNotGoodIsKeptAndNotVerified) {
    make_birds_db(tree_ + "/good.db", 100);
    make_birds_db(tree_ + "/bad.db", 3000);
    auto bytes = read_file(tree_ + "/bad.db");
    std::fill(bytes.begin() + 8192, bytes.begin() + 40'000, 'x');
    write_file(tree_ + "/bad.db", bytes);
    SqliteDb(tree_ + "/none.db")("CREATE TABLE t(a); DROP TABLE t");
    for (const bool linked : {false, true}) {
        const auto outcome = daily();
        EXPECT_EQ(outcome.status, 1);
        const auto copy = latest();
        const auto receipt = receipt_of(copy);
        EXPECT_EQ(receipt["complete"], true);
        EXPECT_EQ(receipt["verified"], false) << "linked: " << linked;
        EXPECT_TRUE(receipt["verify"].get<std::string>().ends_with(" (and 1 more)")) << receipt;
        expect_words(outcome, "is kept, but not verified: ");
        EXPECT_EQ(read_file(copy + "/bad.db"), bytes);
        EXPECT_EQ(rows_of_good_copy(copy + "/good.db"), 100);
        if (!linked)
            date_back("2020-01-01");
    }
}

TEST_F(DailyTest, WhatCannotBeReadMakesItIncompleteAndWhatVanishesDoesNot) {
    write_file(tree_ + "/x", "x");
    instead_of("rsync", "$real \"$@\"; [[ ! -e $here/fails ]] || { cat $here/fails >&2; exit 23; }; "
                        "echo 'file has vanished: \"y\"' >&2; exit 24");
    auto outcome = daily();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    expect_words(outcome, "file has vanished: \"y\"\n");
    EXPECT_EQ(receipt_of(backup_in("daily"))["verified"], true);
    date_back("2020-01-01");
    const std::string gone =
        "rsync: [sender] get_xattr_names: llistxattr(\"/x\",1024) failed: No such file or directory (2)\n"
        "rsync error: some files/attrs were not transferred (see previous errors) (code 23) at "
        "main.c(1394)\n";
    write_file(dir_ / "fails", gone);
    outcome = daily();
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const auto today = latest();
    EXPECT_EQ(receipt_of(today)["verified"], true);
    fs::remove_all(today);
    fs::remove(today + ".emsn.json");
    write_file(dir_ / "fails", "rsync: [sender] read errors: x\n" + gone);
    outcome = daily();
    EXPECT_EQ(outcome.status, 1);
    const auto copy = latest();
    EXPECT_EQ(receipt_of(copy)["complete"], false);
    EXPECT_EQ(receipt_of(copy)["verified"], false);
    EXPECT_EQ(receipt_of(copy)["verify"], "rsync: [sender] read errors: x");
    EXPECT_EQ(read_file(copy + "/x"), "x");
}

// Its disk was unmounted, say, in the last moment: the empty tree would be the newest verified backup.
TEST_F(DailyTest, ATreeThatGoesAwayIsNoBackup) {
    write_file(tree_ + "/x", "x");
    instead_of("rsync", "mv $here/tree $here/gone; exec $real \"$@\"");
    auto outcome = daily();
    EXPECT_EQ(outcome.status, 1);
    expect_words(outcome, tree_ + ": is no longer there; ");
    EXPECT_EQ(backups(to_ + "/daily"), "");
    fs::rename(dir_ / "gone", tree_);
    instead_of("rsync", "mv $here/tree $here/gone; $real \"$@\"; status=$?; mkdir $here/tree; exit $status");
    outcome = daily();
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(receipt_of(backup_in("daily"))["complete"], false);
}

} // namespace
} // namespace emsn::test
