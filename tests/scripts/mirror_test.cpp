// scripts/emsn-mirror as a timer runs it: exit codes, words, and what it leaves.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

const std::string kMirror = EMSN_SOURCE_DIR "/scripts/emsn-mirror";

class MirrorTest : public ::testing::Test {
  protected:
    MirrorTest() { make_birds_db(source_, 1000); }

    Outcome mirror(const std::vector<std::string> &args, std::vector<std::string> env = {}) {
        std::vector<std::string> argv{kMirror};
        argv.insert(argv.end(), args.begin(), args.end());
        env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + state_});
        for (const auto &word : sanitizer_env())
            env.push_back(word);
        return run(argv, env);
    }

    // what is remembered of the last run
    [[nodiscard]] nlohmann::json state() const {
        return nlohmann::json::parse(read_file(state_ + "/mirror.json"));
    }

    TempDir dir_;
    const TempDir state_dir_;
    const std::string state_ = state_dir_ / "state";
    const std::string source_ = dir_ / "birds.db";
    const std::string mirror_ = dir_ / "mirror.db";
    const std::string conf_ = (write_file(dir_ / "emsn.conf", ""), dir_ / "emsn.conf");
};

TEST_F(MirrorTest, CopiesAndReports) {
    const auto outcome = mirror({"--no-require-mount", "--verify", "full", source_, mirror_});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(nlohmann::json::parse(outcome.out)["verify"], "full");
    EXPECT_EQ(rows_of_good_copy(mirror_), 1000);
}

TEST_F(MirrorTest, PathsWithQuotesAndSpacesAreJustPaths) {
    fs::create_directory(dir_ / "it's; \"here\"");
    const std::string destination = dir_ / "it's; \"here\"/m'); DROP.db";
    EXPECT_EQ(mirror({"--no-require-mount", source_, destination}).status, 0);
    EXPECT_EQ(rows_of_good_copy(destination), 1000);
}

TEST_F(MirrorTest, OnlyChangesAreWrittenUnlessAskedOtherwise) {
    const auto mode = [&](std::vector<std::string> args) {
        SqliteDb(source_, SQLITE_OPEN_READWRITE,
                 false)("INSERT INTO detections SELECT * FROM detections WHERE rowid = 1");
        args.insert(args.end(), {"--no-require-mount", source_, mirror_});
        const auto outcome = mirror(args);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        return nlohmann::json::parse(outcome.out)["mode"].get<std::string>();
    };
    EXPECT_EQ(mode({}), "full");
    EXPECT_EQ(mode({}), "delta");
    EXPECT_EQ(mode({"--full"}), "full");
    EXPECT_EQ(mode({"--atomic"}), "full") << "no file system that shares blocks";
}

TEST_F(MirrorTest, OnATerminalABarSaysHowFarHowFastAndHowLong) {
    auto env = sanitizer_env();
    env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + state_});
    const auto pages = SqliteDb(source_)("PRAGMA page_count");
    const auto outcome =
        run({"script", "-qec", kMirror + " --no-require-mount " + source_ + " " + mirror_, "/dev/null"}, env);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(
        outcome.out.find("\r[##############################] 100 %  " + pages + " of " + pages + " pages  "),
        std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find(" MB/s  0 s left  copying"), std::string::npos) << outcome.out;
    EXPECT_EQ(mirror({"--no-require-mount", source_, mirror_}).err, "") << "no terminal, no bar";
}

TEST_F(MirrorTest, WithoutAMountItIsTryAgainLater) {
    if (run({"findmnt", "-nro", "TARGET", "-T", "/var"}).out != "/\n")
        GTEST_SKIP() << "/var is a mount point here";
    const auto outcome = mirror({source_, "/var/away/mirror.db"});
    EXPECT_EQ(outcome.status, 75);
    EXPECT_NE(outcome.err.find("nothing is mounted there"), std::string::npos) << outcome.err;
}

TEST_F(MirrorTest, ALockedSourceIsTryAgainLater) {
    SqliteDb writer(source_);
    writer("BEGIN EXCLUSIVE");
    const auto outcome = mirror({"--no-require-mount", "--timeout", "1", source_, mirror_});
    EXPECT_EQ(outcome.status, 75);
    EXPECT_NE(outcome.err.find("waiting for a lock on the source"), std::string::npos) << outcome.err;
}

TEST_F(MirrorTest, ConfigurationComesFromTheFileAndTheEnvironmentWins) {
    write_file(conf_, "# a station\nEMSN_SOURCE_DB=" + source_ + "\nEMSN_MIRROR_DB='" + mirror_ +
                          "'\nEMSN_REQUIRE_MOUNT=0\n");
    EXPECT_EQ(mirror({}).status, 0);
    EXPECT_EQ(rows_of_good_copy(mirror_), 1000);
    EXPECT_EQ(mirror({}, {"EMSN_MIRROR_DB=" + (dir_ / "other.db")}).status, 0);
    EXPECT_TRUE(fs::exists(dir_ / "other.db"));
}

TEST_F(MirrorTest, WrongUseIsTwoWithAHint) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{}, "needs SOURCE and DEST"},
        {{source_}, "needs SOURCE and DEST"},
        {{"--fast", source_, mirror_}, "unknown option --fast"},
        {{"--verify", "deep", source_, mirror_}, "--verify takes quick, full or none, not 'deep'"},
        {{"--timeout", "0", source_, mirror_}, "--timeout needs a whole number above 0, not '0'"},
        {{source_, mirror_, "--max-hold"}, "--max-hold needs a value"},
    };
    for (const auto &[args, words] : cases) {
        const auto outcome = mirror(args);
        EXPECT_EQ(outcome.status, 2);
        EXPECT_EQ(outcome.err, "emsn-mirror: " + words + "\nTry: emsn-mirror --help\n");
    }
    EXPECT_EQ(mirror({"--help"}).status, 0);
}

TEST_F(MirrorTest, FailuresAreOneAndSayWhy) {
    auto outcome = mirror({"--no-require-mount", dir_ / "none.db", mirror_});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.err, "emsn-mirror: source " + (dir_ / "none.db") + ": no such file\n");
    outcome = mirror({"--no-require-mount", source_, dir_ / "no/mirror.db"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("folder " + (dir_ / "no") + " does not exist"), std::string::npos)
        << outcome.err;
}

TEST_F(MirrorTest, TermEndsItCleanly) {
    SqliteDb writer(source_);
    writer("BEGIN EXCLUSIVE");
    auto env = sanitizer_env();
    env.insert(env.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + state_});
    Process process({kMirror, "--no-require-mount", source_, mirror_}, dir_ / "log", env);
    // it has arrived where it waits for the source when it has the database open
    ASSERT_TRUE(eventually([&] {
        return run({"bash", "-c",
                    "for f in /proc/*/fd/*; do [[ $(readlink \"$f\") == \"$1\" && $f != /proc/$2/* ]] && "
                    "exit 0; done; exit 1",
                    "bash", source_, std::to_string(::getpid())})
                   .status == 0;
    }));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 128 + SIGTERM);
    EXPECT_EQ(files_in(dir_.path()), "birds.db emsn.conf log");
    EXPECT_EQ(state()["last_error"], "ended by signal 15");
}

TEST_F(MirrorTest, WhatCameOfTheRunIsRemembered) {
    const auto before = SqliteDb(":memory:")("SELECT strftime('%Y-%m-%dT%H:%M:%SZ')");
    const auto report = nlohmann::json::parse(mirror({"--no-require-mount", source_, mirror_}).out);
    const auto good = state();
    EXPECT_EQ(good["destination"], mirror_);
    EXPECT_GE(good["last_success"].get<std::string>(), before);
    EXPECT_EQ(good["last_attempt"], good["last_success"]);
    for (const char *key : {"bytes", "held_ms", "verify", "pages_written"})
        EXPECT_EQ(good[key], report[key]) << key;
    EXPECT_TRUE(good["last_error"].is_null());
    EXPECT_EQ(run({"stat", "-c", "%a", state_ + "/mirror.json"}).out, "644\n");
    EXPECT_EQ(files_in(state_), "mirror.json") << "written beside it, then renamed";
}

TEST_F(MirrorTest, AFailureKeepsWhenItLastSucceeded) {
    EXPECT_EQ(mirror({"--no-require-mount", source_, mirror_}).status, 0);
    const auto good = state();
    EXPECT_EQ(mirror({"--no-require-mount", dir_ / "none.db", mirror_}).status, 1);
    auto failed = state();
    EXPECT_EQ(failed["last_error"], "source " + (dir_ / "none.db") + ": no such file");
    EXPECT_EQ(failed["last_success"], good["last_success"]);
    EXPECT_EQ(failed["bytes"], good["bytes"]);
    {
        SqliteDb writer(source_);
        writer("BEGIN EXCLUSIVE");
        EXPECT_EQ(mirror({"--no-require-mount", "--timeout", "1", source_, mirror_}).status, 75);
    }
    failed = state();
    EXPECT_EQ(failed["last_error"].get<std::string>().find("emsn_snapshot: "), 0U) << failed;
    EXPECT_NE(failed["last_error"].get<std::string>().find("waiting for a lock on the source"),
              std::string::npos);
    EXPECT_EQ(failed["last_success"], good["last_success"]);
    EXPECT_EQ(mirror({"--no-require-mount", source_, dir_ / "no/other.db"}).status, 1);
    EXPECT_TRUE(state()["last_success"].is_null()) << "another destination has never succeeded";
    EXPECT_EQ(state()["destination"], dir_ / "no/other.db");
    EXPECT_EQ(mirror({"--no-require-mount", source_, mirror_}).status, 0);
    EXPECT_TRUE(state()["last_error"].is_null());
}

TEST_F(MirrorTest, ACopyBesideTheConfiguredMirrorIsNotRemembered) {
    const std::vector<std::string> configured{"EMSN_MIRROR_DB=" + mirror_};
    EXPECT_EQ(mirror({"--no-require-mount", source_, dir_ / "copy.db"}, configured).status, 0);
    EXPECT_FALSE(fs::exists(state_));
    EXPECT_EQ(mirror({"--no-require-mount", source_, mirror_}, configured).status, 0);
    EXPECT_EQ(state()["destination"], mirror_);
}

// It is compared with EMSN_MIRROR_DB as a text.
TEST_F(MirrorTest, TheDestinationIsRememberedAsItWasNamed) {
    fs::create_directory(dir_ / "usb");
    fs::create_directory_symlink(dir_ / "usb", dir_ / "link");
    EXPECT_EQ(mirror({"--no-require-mount", source_, dir_ / "link/../link/m.db"}).status, 0);
    EXPECT_EQ(state()["destination"], dir_ / "link/m.db");
    EXPECT_EQ(mirror({"--no-require-mount", dir_ / "none.db", dir_ / "link/m.db"}).status, 1);
    EXPECT_TRUE(state()["last_success"].is_string());
}

TEST_F(MirrorTest, AStateThatCannotBeWrittenIsAWarningOnly) {
    write_file(dir_ / "file", "");
    const auto warned =
        run({"env", "EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "EMSN_STATE_DIR=" + (dir_ / "file/below"),
             kMirror, "--no-require-mount", source_, mirror_},
            sanitizer_env());
    EXPECT_EQ(warned.status, 0);
    EXPECT_EQ(warned.err,
              "emsn-mirror: warning: what came of this run is not remembered: no folder to write to: " +
                  (dir_ / "file/below") + "\n");
    EXPECT_EQ(rows_of_good_copy(mirror_), 1000);
}

TEST_F(MirrorTest, AStateThatIsNoJsonIsReplaced) {
    fs::create_directory(state_);
    write_file(state_ + "/mirror.json", "half of a fi");
    EXPECT_EQ(mirror({"--no-require-mount", dir_ / "none.db", mirror_}).status, 1);
    EXPECT_TRUE(state()["last_success"].is_null());
    EXPECT_EQ(mirror({"--no-require-mount", source_, mirror_}).status, 0);
    EXPECT_TRUE(state()["last_success"].is_string());
}

} // namespace
} // namespace emsn::test
