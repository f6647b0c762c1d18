// scripts/emsn-backup as a timer runs it, on a tree and a folder of backups of one test.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <sstream>

#include "tests/sqlite/support.hpp"

namespace emsn::test {

inline const std::string kBackup = EMSN_SOURCE_DIR "/scripts/emsn-backup";

class BackupTest : public ::testing::Test {
  protected:
    BackupTest() {
        for (const char *name : {"tree/home", "to", "tmp", "bin"})
            std::filesystem::create_directories(dir_ / name);
        write_file(conf_, "");
    }

    // Hard links, symlinks, a FIFO, a hole, odd names, modes and times.
    void plant() {
        const std::string script =
            "cd \"$1\"; umask 022; head -c 200000 /dev/urandom >home/wav; ln home/wav home/the-same; ln -s "
            "wav home/link; "
            "ln -s nowhere home/dangling; mkfifo home/fifo; truncate -s 50M home/hole; mkdir home/closed "
            "home/$'a\\nb'; "
            "echo x >home/$'a\\nb'/$'it\\'s \"it\";$(x)\\xff'; echo y >home/closed/y; chmod 2750 "
            "home/closed; "
            "chmod 4711 home/closed/y; touch -d '2001-02-03 04:05:06.789' home/wav home/closed";
        ASSERT_EQ(run({"bash", "-c", script, "-", tree_}).status, 0);
    }
    // Programs of the same name in dir_/bin come before the system's.
    std::vector<std::string> env() {
        auto words = sanitizer_env();
        words.insert(words.end(), {"EMSN_SO=" EMSN_SO, "EMSN_CONF=" + conf_, "TMPDIR=" + (dir_ / "tmp"),
                                   "PATH=" + (dir_ / "bin") + ":/usr/bin:/bin:/usr/sbin:/sbin"});
        return words;
    }
    std::vector<std::string> argv(const std::vector<std::string> &args) {
        std::vector<std::string> words{kBackup};
        words.insert(words.end(), args.begin(), args.end());
        words.insert(words.end(), {"--to", to_, "--no-require-mount"});
        return words;
    }
    Outcome backup(const std::vector<std::string> &args) { return run(argv(args), env()); }
    Outcome daily(std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"daily", "--tree", tree_});
        return backup(more);
    }
    // A program before the system's of that name: does body, where "$real" is the system's.
    void instead_of(const std::string &program, const std::string &body) {
        write_file(dir_ / "bin/" + program,
                   "#!/bin/bash\nreal=/usr/bin/" + program + "\nhere=" + dir_.path() + "\n" + body + "\n");
        std::filesystem::permissions(dir_ / "bin/" + program, std::filesystem::perms{0755});
    }
    void as_usual(const std::string &program) { std::filesystem::remove(dir_ / "bin/" + program); }

    // The backups in a kind's folder: entries that have a receipt, joined by spaces.
    std::string backups(const std::string &folder) {
        std::string list;
        std::istringstream names(files_in(folder));
        for (std::string name; names >> name;) {
            if (std::filesystem::exists(folder + "/" + name + ".emsn.json"))
                list += (list.empty() ? "" : " ") + name;
        }
        return list;
    }
    // The only backup of a kind.
    std::string backup_in(const std::string &kind) {
        const auto name = backups(to_ + "/" + kind);
        EXPECT_EQ(name.find(' '), std::string::npos) << name;
        EXPECT_NE(name, "") << files_in(to_ + "/" + kind);
        return to_ + "/" + kind + "/" + name;
    }
    // The daily backup with the latest name.
    std::string latest() {
        const auto names = backups(to_ + "/daily");
        return to_ + "/daily/" + names.substr(names.rfind(' ') + 1);
    }
    static nlohmann::json receipt_of(const std::string &path) {
        return nlohmann::json::parse(read_file(path + ".emsn.json"));
    }
    // Gives the only daily backup the name of another day.
    std::string date_back(const std::string &day) {
        const auto from = backup_in("daily");
        const auto path = to_ + "/daily/" + day;
        std::filesystem::rename(from, path);
        std::filesystem::rename(from + ".emsn.json", path + ".emsn.json");
        return path;
    }

    TempDir dir_;
    const std::string tree_ = dir_ / "tree";
    const std::string to_ = dir_ / "to";
    const std::string conf_ = dir_ / "emsn.conf";
};

inline void expect_words(const Outcome &outcome, const std::string &words) {
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err;
}

} // namespace emsn::test
