#include "tests/support/pg_cluster.hpp"

#include <array>
#include <regex>

namespace emsn::test {
namespace {

class DirUsage : public PgTest {
  protected:
    DirUsage() {
        run({"bash", "-c",
             "cd \"$0\" && mkdir -p a/deep/er b closed odd$'\\xff' && head -c 70000 /dev/zero >a/deep/file "
             "&& "
             "ln a/deep/file a/deep/link && echo x >a/deep/er/x && head -c 5000 /dev/zero >closed/secret && "
             "mkfifo b/fifo && truncate -s 1G b/sparse && touch -d 2001-02-03T04:05:06Z b/* b && chmod 000 "
             "closed",
             tree_.path()});
    }
    std::string usage(const std::string &columns, const std::string &arguments = "") {
        return db.text("SELECT " + columns + " FROM emsn.dir_usage('" + tree_.path() + "'" + arguments + ")");
    }

    TempDir tree_;
};

TEST_F(DirUsage, RowsAreWhatDuSaysOfEachDirectory) {
    const auto du = [&](const std::string &options) {
        auto lines =
            run(as_server({"bash", "-c", "du " + options + " \"$0\" | LC_ALL=C sort -k2", tree_.path()})).out;
        lines = std::regex_replace(lines, std::regex("\t"), "|");
        lines = std::regex_replace(lines, std::regex("\xff"), "\\xff");
        return lines.substr(0, lines.size() - 1);
    };
    const auto ours = [&](const std::string &column, const std::string &depth) {
        return db.text("SELECT " + column + ", path FROM emsn.dir_usage('" + tree_.path() + "', " + depth +
                       ") ORDER BY path COLLATE \"C\"");
    };
    for (const std::string depth : {"0", "1", "2", "9"}) {
        EXPECT_EQ(ours("bytes", depth), du("-b --max-depth=" + depth));
        EXPECT_EQ(ours("allocated_bytes", depth), du("-B1 --max-depth=" + depth));
    }
}

TEST_F(DirUsage, RowsCountWhatLiesBelowParentsFirst) {
    EXPECT_EQ(usage("replace(path, '" + tree_.path() +
                    R"(', ''), depth, files, directories, unreadable, error, complete)"),
              "|0|5|7|1|open closed: Permission denied|t\n"
              "/a|1|3|3|0|NULL|t\n"
              "/b|1|2|1|0|NULL|t\n"
              "/closed|1|0|1|1|open closed: Permission denied|t\n"
              "/odd\\xff|1|0|1|0|NULL|t");
    EXPECT_EQ(usage("min(newest_mtime)", R"(, 1, '{"threads": 3}')"), "2001-02-03 04:05:06+00");
    EXPECT_EQ(usage("bytes", ", 0, '{\"files_only\": true, \"one_file_system\": true}'"), "1073811826");
}

TEST_F(DirUsage, WhatIsNotThereIsARowAndNullIsNone) {
    EXPECT_EQ(db.text("SELECT u.* FROM emsn.dir_usage('/no/such') AS u"),
              "/no/such|such|0|NULL|NULL|NULL|NULL|NULL|NULL|lstat /no/such: No such file or directory|t");
    EXPECT_EQ(
        db.value("SELECT count(*) FROM (SELECT emsn.dir_usage(NULL), emsn.dir_usage('/usr', NULL)) AS u"),
        "0");
}

TEST_F(DirUsage, WrongArgumentsAreRefused) {
    const std::vector<std::array<std::string, 3>> wrong = {
        {"'../etc'", "22023", "the path \"../etc\" is not absolute"},
        {"'/usr', -1", "22023", "max_depth is -1: must not be negative"},
        {"'/usr', 1, '{\"threads\": 0}'", "22023", "option \"threads\" must be"},
        {"'/usr', 1, '{\"treads\": 1}'", "22023", "unknown option \"treads\""},
        {"'/usr', 1, '{\"shared\": true}'", "0A000",
         "option \"shared\" is not known to PostgreSQL: ask dir_usage"},
    };
    for (const auto &[arguments, sqlstate, message] : wrong) {
        const auto failed = db.fails("SELECT emsn.dir_usage(" + arguments + ")");
        EXPECT_EQ(failed.sqlstate, sqlstate) << arguments;
        EXPECT_EQ(failed.message.find("dir_usage: " + message), 0u) << failed.message;
    }
}

TEST_F(DirUsage, IsForReadersOfServerFilesOnly) {
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.fails("SELECT emsn.dir_usage('/usr/share/doc')").sqlstate, "42501");
    auto reader = session(role("pg_read_server_files"));
    EXPECT_EQ(reader.value("SELECT count(*) FROM emsn.dir_usage('" + tree_.path() + "', 0)"), "1");
}

} // namespace
} // namespace emsn::test
