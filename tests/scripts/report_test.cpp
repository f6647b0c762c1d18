// scripts/emsn-report: its options, its exit codes, where its reports go.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>

#include "tests/scripts/report_script.hpp"

namespace emsn::test {
namespace {

class ReportOptions : public ReportScript {
  protected:
    void small() {
        db.exec("SELECT emsn.create_detections('public.d'); INSERT INTO emsn.station_settings VALUES ('a b', "
                "'UTC');"
                "INSERT INTO d (station, detection_timestamp, species, common_name) VALUES ('a b', "
                "'2025-12-30 12:00', "
                "'Turdus merula', 'Blackbird')");
    }
    // A birds.db with a detection so many days ago.
    std::string birds(const std::vector<int> &days_ago) {
        std::string path = scratch_ / "birds.db";
        std::string sql = ".read " EMSN_SOURCE_DIR "/sql/birds_schema.sql\n";
        for (const int days : days_ago)
            sql += "INSERT INTO detections VALUES (date('now', 'localtime', '-" + std::to_string(days) +
                   " days'), '12:00:00', 'Turdus merula', 'Blackbird', 0.9, 0, 0, 0, 0, 0, 0, 'f');\n";
        write_file(scratch_ / "birds.sql", sql);
        EXPECT_EQ(run({"sqlite3", "-bail", path, ".read " + (scratch_ / "birds.sql")}).status, 0);
        return path;
    }
    [[nodiscard]] std::string listing(const std::string &folder) const {
        return run({"ls", "-A", scratch_ / folder}).out;
    }
};

TEST_F(ReportOptions, PeriodIsTheOneNamedOrTheLastComplete) {
    small();
    EXPECT_EQ(made({"monthly", "--month", "2025-12", "--format", "text"}).substr(0, 30),
              "Monthly report: December 2025\n");
    EXPECT_EQ(made({"weekly", "--week", "2026-W01", "--format", "text", "--lang", "nl"}).substr(0, 70),
              "Weekrapport: Week 1, 2026\nAlle stations (1), 29 december 2025 t/m 4 ja");
    EXPECT_NE(
        made({"weekly", "--week", "2020-W53", "--format", "text"}).find("28 December 2020 to 3 January 2021"),
        std::string::npos);
    const auto period = [&](const std::string &kind) {
        write_file(scratch_ / "rows.json", made({kind, "--format", "json"}));
        return run({"jq", "-r", ".[0].detail | .first_day, .complete", scratch_ / "rows.json"}).out;
    };
    EXPECT_EQ(period("monthly"),
              db.value("SELECT date_trunc('month', current_date - interval '1 month')::date") + "\ntrue\n");
    EXPECT_EQ(period("weekly"),
              db.value("SELECT date_trunc('week', current_date - interval '1 week')::date") + "\ntrue\n");
}

TEST_F(ReportOptions, WrongUseIsTwo) {
    for (const std::vector<std::string> &words : {std::vector<std::string>{},
                                                  {"yearly"},
                                                  {"--month", "2025-12"},
                                                  {"monthly", "--month", "2025-13"},
                                                  {"monthly", "--month", "2025-1"},
                                                  {"monthly", "--month", "2025-12-01"},
                                                  {"monthly", "--week", "2025-W01"},
                                                  {"weekly", "--week", "2025-W53"},
                                                  {"weekly", "--week", "2025-W00"},
                                                  {"weekly", "--week", "2025-W1"},
                                                  {"weekly", "--month", "2025-12"},
                                                  {"monthly", "--lang", "de"},
                                                  {"monthly", "--format", "pdf"},
                                                  {"monthly", "--format"},
                                                  {"monthly", "--station", ""},
                                                  {"monthly", "--all"},
                                                  {"monthly", "x"},
                                                  {"monthly", "--pending", "/tmp", "--output", "x"},
                                                  {"monthly", "--pending", "/tmp", "--month", "2025-12"},
                                                  {"monthly", "--pg", "host=x password=secret"},
                                                  {"monthly", "--pg", "nonsense=1"}}) {
        const auto out = report(words);
        EXPECT_EQ(out.status, 2) << (words.empty() ? "" : words.back()) << out.err;
        EXPECT_EQ(out.out, "");
        EXPECT_EQ(out.err.find("emsn-report: "), 0u);
        EXPECT_EQ(out.err.find("secret"), std::string::npos);
    }
    EXPECT_EQ(made({"--help"}), made({"monthly", "--help"}));
}

TEST_F(ReportOptions, WhatFailsSaysWhy) {
    small();
    const auto fails = [&](const std::vector<std::string> &words, const std::string &conninfo) {
        const auto out = report(words, conninfo);
        EXPECT_EQ(out.out, "");
        return std::to_string(out.status) + ": " + out.err;
    };
    const auto here = PgCluster::shared().conninfo(database());
    EXPECT_EQ(fails({"monthly"}, kAway).find("75: emsn-report: connection to server on socket"), 0u);
    EXPECT_NE(fails({"monthly"}, PgCluster::shared().conninfo("none")).find("1: emsn-report: "),
              std::string::npos);
    EXPECT_EQ(
        fails({"monthly", "--station", "nowhere"}, here),
        "1: emsn-report: ERROR:  no station \"nowhere\" is known\nemsn-report: HINT:  SELECT station FROM "
        "emsn.stations;\n");
    EXPECT_EQ(fails({"monthly", "--local", scratch_ / "none.db"}, kAway),
              "1: emsn-report: read " + (scratch_ / "none.db") + ": not a readable file\n");
    write_file(scratch_ / "text.db", std::string(5000, 'x'));
    EXPECT_EQ(fails({"monthly", "--local", scratch_ / "text.db"}, kAway).substr(0, 2), "1:");
}

TEST_F(ReportOptions, FileIsReplacedAsAWholeOrStays) {
    small();
    const std::string file = scratch_ / "report.html";
    write_file(file, "old");
    EXPECT_EQ(report({"monthly", "--output", file}, kAway).status, 75);
    EXPECT_EQ(read_file(file), "old");
    EXPECT_EQ(made({"monthly", "--month", "2025-12", "--output", file}), "");
    EXPECT_EQ(read_file(file).find("<!DOCTYPE html>"), 0u);
    EXPECT_EQ(listing(""), "emsn.conf\nreport.html\n");
    const auto out = report({"monthly", "--output", scratch_ / "none/report.html"});
    EXPECT_EQ(out.status, 1);
    EXPECT_EQ(out.err,
              "emsn-report: write " + (scratch_ / "none/report.html") + ": No such file or directory\n");
}

TEST_F(ReportOptions, PendingMakesEachCompleteMonthThatIsMissing) {
    const auto local = birds({0, 40, 100});
    ::mkdir((scratch_ / "out").c_str(), 0755);
    const auto month = [&](int back) {
        return "monthly-" +
               db.value("SELECT to_char(current_date - interval '" + std::to_string(back) +
                        " month', 'YYYY-MM')") +
               ".md";
    };
    const int months = std::stoi(
        db.value("SELECT 12 * (extract(year FROM current_date) - extract(year FROM current_date - 100))"
                 " + extract(month FROM current_date) - extract(month FROM current_date - 100)"));
    std::string all;
    for (int back = months; back >= 1; --back)
        all += month(back) + "\n";
    const std::string kept = scratch_ / ("out/" + month(2));
    write_file(kept, "made before");
    const std::vector<std::string> words = {"monthly", "--pending", scratch_ / "out", "--format", "md",
                                            "--local", local};
    const auto said = made(words);
    EXPECT_EQ(listing("out"), all);
    EXPECT_EQ(read_file(kept), "made before");
    EXPECT_EQ(read_file(scratch_ / ("out/" + month(1))).find("# Monthly report: "), 0u);
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), months - 1) << said;
    EXPECT_EQ(made(words), "");
    EXPECT_EQ(
        made({"weekly", "--pending", scratch_ / "out", "--format", "json", "--local", birds({8})}).empty(),
        false);
}

// The machine may be ahead of the stations.
TEST_F(ReportOptions, PendingLeavesOutWhatIsNotOverWhereTheStationsAre) {
    db.exec(
        "SELECT emsn.create_detections('public.d'); INSERT INTO d (station, detection_timestamp, species) "
        "SELECT 'a', now() - n * interval '20 days', 'x' FROM generate_series(0, 4) AS n");
    ::mkdir((scratch_ / "out").c_str(), 0755);
    ::mkdir((scratch_ / "bin").c_str(), 0755);
    const std::string date = scratch_ / "bin/date";
    write_file(date,
               "#!/bin/sh\n[ \"$*\" != +%F ] || exec /usr/bin/date -d '45 days' +%F\nexec /usr/bin/date "
               "\"$@\"\n");
    ::chmod(date.c_str(), 0755);
    const auto out =
        report({"monthly", "--pending", scratch_ / "out", "--format", "json"},
               PgCluster::shared().conninfo(database()), {"PATH=" + (scratch_ / "bin") + ":/usr/bin:/bin"});
    EXPECT_EQ(out.status, 0) << out.err;
    const auto last =
        db.value("SELECT 'monthly-' || to_char(current_date - interval '1 month', 'YYYY-MM') || "
                 "'.json'");
    const auto names = listing("out");
    ASSERT_GE(names.size(), last.size() + 1);
    EXPECT_EQ(names.substr(names.size() - last.size() - 1), last + "\n");
}

TEST_F(ReportOptions, AStationsFileThatCannotBeReadIsNamed) {
    const std::string odd = scratch_ / "odd.db";
    write_file(odd, std::string(4096, 'x'));
    auto out = report({"monthly", "--local", odd});
    EXPECT_EQ(out.status, 1);
    EXPECT_NE(out.err.find("not a database"), std::string::npos) << out.err;
    EXPECT_NE(out.err.find("emsn-report: " + odd + " could not be read\n"), std::string::npos) << out.err;
    const auto local = birds({40});
    const Process holder({"/usr/bin/python3", "-c",
                          "import signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN "
                          "EXCLUSIVE'); open(sys.argv[2], 'w').close(); signal.pause()",
                          local, scratch_ / "held"},
                         scratch_ / "holder.out");
    ASSERT_TRUE(eventually([&] { return ::access((scratch_ / "held").c_str(), F_OK) == 0; }));
    out = report({"monthly", "--local", local});
    EXPECT_EQ(out.status, 75);
    EXPECT_NE(out.err.find("database is locked"), std::string::npos) << out.err;
}

TEST_F(ReportOptions, ALocalReportSaysTheNewestName) {
    const auto local = birds({});
    EXPECT_EQ(
        run({"sqlite3", "-bail", local,
             "INSERT INTO detections SELECT column1, '10:00:00', 'Turdus merula', column2, 0.9, 0, 0, 0, 0, "
             "0, 0, 'f' FROM (VALUES ('2025-10-01', 'Oldest'), ('2025-10-30', 'Newest'), ('2025-10-02', "
             "'Middle'), ('2025-11-02', 'Later'))"})
            .err,
        "");
    const auto page = made({"monthly", "--month", "2025-10", "--format", "md", "--local", local});
    EXPECT_NE(page.find("Newest"), std::string::npos);
    for (const std::string other : {"Oldest", "Middle", "Later"})
        EXPECT_EQ(page.find("| " + other), std::string::npos) << page;
}

TEST_F(ReportOptions, PendingWaitsForAServerThatIsAway) {
    small();
    ::mkdir((scratch_ / "out").c_str(), 0755);
    const std::vector<std::string> words = {"monthly",   "--pending", scratch_ / "out", "--format", "text",
                                            "--station", "a b"};
    EXPECT_EQ(report(words, kAway).status, 75);
    EXPECT_EQ(listing("out"), "");
    EXPECT_EQ(made(words).find((scratch_ / "out") + "/monthly-2025-12-a%20b.text\n"), 0u);
    EXPECT_EQ(report({"monthly", "--pending", scratch_ / "none"}).status, 1);
    const auto typo = report({"monthly", "--pending", scratch_ / "out", "--station", "a"});
    EXPECT_EQ(typo.status, 1);
    EXPECT_NE(typo.err.find("no station \"a\" is known"), std::string::npos) << typo.err;
    db.exec("INSERT INTO d (station, detection_timestamp, species) VALUES ('a b', '0900-01-01', 'x')");
    const auto out = report(words);
    EXPECT_EQ(out.status, 1);
    EXPECT_EQ(out.err, "emsn-report: the first detection is dated 0900-01-01\n");
}

// A server that takes connections and says nothing.
TEST_F(ReportOptions, SignalEndsItAndLeavesNothing) {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = scratch_ / ".s.PGSQL.5432";
    ASSERT_LT(path.size(), sizeof address.sun_path);
    path.copy(static_cast<char *>(address.sun_path), path.size());
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ::mkdir((scratch_ / "tmp").c_str(), 0755);
    write_file(scratch_ / "emsn.conf", "");
    Process waiting({kScript, "monthly", "--output", scratch_ / "report.html"}, scratch_ / "log",
                    {"EMSN_PG=host=" + scratch_.path() + " user=x", "EMSN_CONF=" + (scratch_ / "emsn.conf"),
                     "TMPDIR=" + (scratch_ / "tmp"), "PGCONNECT_TIMEOUT=0"});
    const int connection = ::accept(listener, nullptr, nullptr);
    ASSERT_GE(connection, 0);
    waiting.signal(SIGTERM);
    EXPECT_EQ(waiting.wait(), 128 + SIGTERM) << read_file(scratch_ / "log");
    std::string heard(1, '\0');
    while (::read(connection, heard.data(), 1) > 0) // to its end: nobody holds the connection any more
        ;
    EXPECT_EQ(listing("tmp"), "");
    EXPECT_EQ(run({"ls", scratch_ / "report.html"}).status, 2);
    ::close(connection);
    ::close(listener);
}

// What a text is called in one language it is called in the other.
TEST_F(ReportOptions, LanguagesSayTheSame) {
    const auto keys = [](const std::string &lang) {
        return run({"cut", "-f", "1", EMSN_SOURCE_DIR "/scripts/report/texts." + lang + ".tsv"}).out;
    };
    EXPECT_EQ(keys("en"), keys("nl"));
    EXPECT_EQ(run({"bash", "-c", "cut -f 1 \"$0\"/texts.en.tsv | sort | uniq -d",
                   EMSN_SOURCE_DIR "/scripts/report"})
                  .out,
              "");
    // no key is shown for want of a text
    const auto used =
        run({"bash", "-c",
             "grep -ohE '(text|column|numeric)\\(\"[a-z_]+(\\.[a-z_]+)*\"\\)' \"$0\"/*.jq | "
             "sed 's/^[^\"]*\"//; s/\".*//' | sort -u | comm -23 - <(cut -f 1 \"$0\"/texts.en.tsv | sort)",
             EMSN_SOURCE_DIR "/scripts/report"});
    EXPECT_EQ(used.out + used.err, "");
}

} // namespace
} // namespace emsn::test
