// emsn-backup weekly and hourly: one compressed file, which comes back as it went in.
#include <sys/stat.h>

#include <csignal>

#include <fstream>

#include "tests/scripts/backup_support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class BackupFilesTest : public BackupTest {
  protected:
    BackupFilesTest() {
        const auto made = run({"head", "-c", "3000001", "/dev/urandom"}).out;
        write_file(device_, made);
    }
    // The restore commands of docs/operations.md.
    static void restore(const std::string &command, const std::string &from, const std::string &to) {
        const auto outcome = run({"bash", "-ec", "set -o pipefail; " + command, "-", from, to});
        EXPECT_EQ(outcome.status, 0) << outcome.err;
    }

    const std::string device_ = dir_ / "device";
};

TEST_F(BackupFilesTest, AnImageComesBackAsTheDeviceWas) {
    const auto outcome = backup({"weekly", "--device", device_, "--station", "zolder"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    const auto image = backup_in("zolder/images");
    EXPECT_TRUE(std::regex_search(image, std::regex("/zolder-\\d{4}-\\d\\d-\\d\\d\\.img\\.zst$"))) << image;
    EXPECT_EQ(receipt_of(image)["kind"], "weekly");
    EXPECT_EQ(receipt_of(image)["verified"], true);
    EXPECT_EQ(receipt_of(image)["bytes"], fs::file_size(image));
    restore("zstd -dcq \"$1\" | dd of=\"$2\" bs=4M conv=fsync status=none", image, dir_ / "card");
    EXPECT_EQ(read_file(dir_ / "card"), read_file(device_));
    struct stat st {};
    ASSERT_EQ(::stat(image.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777U, 0600U) << "it holds what only root may read";
}

TEST_F(BackupFilesTest, AnArchiveComesBackAsTheTreeWas) {
    ASSERT_EQ(run({"bash", "-c",
                   "cd \"$1\"; ln -s x home/link; echo y >home/$'a\\nb'; ln home/$'a\\nb' home/same; chmod "
                   "2711 home; mkdir "
                   "cache home/cache; touch cache/c home/cache/c x.tmp home/x.tmp",
                   "-", tree_})
                  .status,
              0);
    write_file(dir_ / "excludes", "# not these\n\n/cache/**\n- *.tmp\n");
    const auto outcome =
        backup({"weekly", "--tree", tree_, "--excludes", dir_ / "excludes", "--station", "tuin"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    const auto archive = backup_in("tuin/images");
    EXPECT_TRUE(archive.ends_with(".tar.zst"));
    fs::create_directory(dir_ / "back");
    restore("zstd -dcq \"$1\" | tar -xp --xattrs --acls --numeric-owner -C \"$2\"", archive, dir_ / "back");
    const auto left_out = run({"rsync", "-nacHAX", "--delete", "--itemize-changes",
                               "--exclude-from=" + (dir_ / "excludes"), tree_ + "/", dir_ / "back/"});
    EXPECT_EQ(left_out.out + left_out.err, "");
    EXPECT_EQ(files_in(dir_ / "back") + "|" + files_in(dir_ / "back/home"),
              "cache home|a\nb cache link same");
    EXPECT_EQ(files_in(dir_ / "back/cache") + "|" + files_in(dir_ / "back/home/cache"), "|c");
    write_file(tree_ + "/home/box", "a file");
    fs::create_directories(tree_ + "/box/below");
    write_file(dir_ / "excludes", "box/\n");
    const auto folders_only =
        backup({"weekly", "--tree", tree_, "--excludes", dir_ / "excludes", "--station", "folders"});
    EXPECT_EQ(folders_only.status, 0) << folders_only.err;
    const auto names =
        run({"bash", "-c", "zstd -dcq \"$1\" | tar -t | grep box | sort", "-", backup_in("folders/images")});
    EXPECT_EQ(names.out, "./box/\n./home/box\n");
    write_file(dir_ / "excludes", "+ /home\n");
    const auto refused = backup({"weekly", "--tree", tree_, "--excludes", dir_ / "excludes"});
    EXPECT_EQ(refused.status, 1);
    expect_words(refused, "'+ /home' can be used for daily only, not for an archive");
}

TEST_F(BackupFilesTest, WhatTarCouldNotReadMakesItIncomplete) {
    instead_of("tar", "$real \"$@\"; [[ -e $here/fails ]] && { echo 'tar: x: Cannot open: Permission denied' "
                      ">&2; exit 2; }; "
                      "exit 1");
    auto outcome = backup({"weekly", "--tree", tree_, "--station", "a"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    expect_words(outcome, "files that changed while they were read");
    write_file(dir_ / "fails", "");
    outcome = backup({"weekly", "--tree", tree_, "--station", "b"});
    EXPECT_EQ(outcome.status, 1);
    const auto receipt = receipt_of(backup_in("b/images"));
    EXPECT_EQ(receipt["complete"], false);
    EXPECT_EQ(receipt["verify"], "tar: x: Cannot open: Permission denied");
}

TEST_F(BackupFilesTest, TheHourlySnapshotIsWholeBesideTheRecorder) {
    const auto source = dir_ / "it's birds.db";
    make_birds_db(source, 2000);
    Process recorder({"/usr/bin/python3", EMSN_SOURCE_DIR "/tests/support/recorder.py", source, "--fast",
                      "--start", "2001"},
                     dir_ / "log");
    SqliteDb reader(source, SQLITE_OPEN_READONLY, false);
    reader("PRAGMA busy_timeout = 60000");
    ASSERT_TRUE(eventually([&] { return std::stoi(reader("SELECT count(*) FROM detections")) > 2001; }));
    const auto outcome = backup({"hourly", "--source", source, "--verify", "full"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    recorder.signal(SIGTERM);
    recorder.wait();
    EXPECT_NE(read_file(dir_ / "log").find("\"lost\": 0"), std::string::npos) << read_file(dir_ / "log");
    const auto file = backup_in("database");
    EXPECT_TRUE(std::regex_search(file, std::regex("/birds-\\d{4}-\\d\\d-\\d\\d-\\d\\d\\.db\\.zst$")))
        << file;
    EXPECT_EQ(outcome.out, read_file(file + ".emsn.json"));
    restore("zstd -dq \"$1\" -o \"$2\"", file, dir_ / "back.db");
    EXPECT_GT(rows_of_good_copy(dir_ / "back.db"), 2001);
    EXPECT_EQ(files_in(to_ + "/database").find("partial"), std::string::npos);
}

TEST_F(BackupFilesTest, ASourceThatIsNotGoodLeavesNothing) {
    write_file(dir_ / "empty.db", "");
    EXPECT_EQ(backup({"hourly", "--source", dir_ / "none.db"}).status, 1);
    const auto outcome = backup({"hourly", "--source", dir_ / "empty.db"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(files_in(to_ + "/database"), ".emsn.lock");
}

TEST_F(BackupFilesTest, ADamagedSourceIsSetAside) {
    const auto source = dir_ / "birds.db";
    make_birds_db(source, 2000);
    std::fstream(source, std::ios::in | std::ios::out | std::ios::binary).seekp(12 * 4096)
        << std::string(4096, 'x');
    const auto outcome = backup({"hourly", "--source", source});
    EXPECT_EQ(outcome.status, 1);
    expect_words(outcome, "that copy is now " + to_ + "/database/birds.db.corrupt\n");
    EXPECT_EQ(files_in(to_ + "/database"), ".emsn.lock birds.db.corrupt");
}

TEST_F(BackupFilesTest, AnExtensionByARelativePathIsFound) {
    make_birds_db(dir_ / "birds.db", 100);
    auto words = env();
    words.push_back("EMSN_SO=" + fs::relative(EMSN_SO).string());
    EXPECT_EQ(run(argv({"hourly", "--source", dir_ / "birds.db"}), words).status, 0);
}

// The disk gives back other bytes than were written, the device fewer than it has, or cannot be read.
TEST_F(BackupFilesTest, WhatDoesNotReadBackIsNoBackup) {
    make_birds_db(dir_ / "birds.db", 100);
    instead_of("zstd", "[[ $1 != -dcq ]] || { $real \"$@\" | head -c -1; exit; }\nexec $real \"$@\"");
    for (const auto &args :
         std::vector<std::vector<std::string>>{{"weekly", "--device", device_},
                                               {"weekly", "--tree", tree_},
                                               {"hourly", "--source", dir_ / "birds.db"}}) {
        const auto outcome = backup(args);
        EXPECT_EQ(outcome.status, 1);
        expect_words(outcome, "does not read back as it was written");
    }
    as_usual("zstd");
    instead_of("cat",
               "[[ $2 != */device ]] || { head -c 1000 \"$2\"; exit ${SHORT:-1}; }\nexec $real \"$@\"");
    auto outcome = backup({"weekly", "--device", device_});
    EXPECT_EQ(outcome.status, 1);
    auto words = env();
    words.push_back("SHORT=0");
    outcome = run(argv({"weekly", "--device", device_}), words);
    EXPECT_EQ(outcome.status, 1) << "fewer bytes than the device has";
    EXPECT_EQ(files_in(to_ + "/images") + files_in(to_ + "/database"), ".emsn.lock.emsn.lock");
    EXPECT_EQ(files_in(dir_ / "tmp"), "");
}

TEST_F(BackupFilesTest, AnInterruptedStreamBeginsAnew) {
    instead_of("cat", "[[ $2 != */device ]] || { touch $here/arrived; exec sleep 1000; }\nexec $real \"$@\"");
    {
        auto words = argv({"weekly", "--device", device_});
        words.insert(words.begin(), "setsid");
        Process process(words, dir_ / "log", env());
        ASSERT_TRUE(eventually([&] { return fs::exists(dir_ / "arrived"); })) << read_file(dir_ / "log");
        run({"pkill", "-KILL", "-s", std::to_string(process.pid())});
        process.wait();
    }
    EXPECT_EQ(backups(to_ + "/images"), "");
    EXPECT_NE(files_in(to_ + "/images").find(".img.zst.partial"), std::string::npos);
    as_usual("cat");
    fs::remove(dir_ / "arrived");
    EXPECT_EQ(backup({"weekly", "--device", device_}).status, 0);
    EXPECT_EQ(files_in(to_ + "/images").find("partial"), std::string::npos);
    // and a signal leaves nothing at all
    fs::remove_all(to_ + "/images");
    instead_of("cat", "[[ $2 != */device ]] || { touch $here/arrived; exec sleep 1000; }\nexec $real \"$@\"");
    Process process(argv({"weekly", "--device", device_}), dir_ / "log", env());
    ASSERT_TRUE(eventually([&] { return fs::exists(dir_ / "arrived"); })) << read_file(dir_ / "log");
    process.signal(SIGINT);
    EXPECT_EQ(process.wait(), 128 + SIGINT);
    EXPECT_EQ(files_in(to_ + "/images"), ".emsn.lock");
}

} // namespace
} // namespace emsn::test
