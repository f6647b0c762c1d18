// What scripts/emsn-report makes: its forms against files that were read by people, its page in a browser,
// and the report of a birds.db against that of the server.
#include <filesystem>
#include <regex>

#include "tests/scripts/report_script.hpp"

namespace emsn::test {
namespace {

class ReportForms : public ReportScript {
  protected:
    // EMSN_WRITE_GOLDEN=1 writes the files anew: read them before they are committed.
    static void expect_golden(const std::string &name, const std::string &text) {
        const std::string path = EMSN_SOURCE_DIR "/tests/scripts/golden/" + name;
        if (std::getenv("EMSN_WRITE_GOLDEN") != nullptr)
            write_file(path, text);
        EXPECT_EQ(text, read_file(path)) << name;
    }
    // Machines and disks are those of the test machine.
    static std::string without_machines(const std::string &text) {
        return text.substr(0, text.find("\nMACHINES"));
    }
    // "label|value|..." of what a jq filter finds in rows.
    std::string rows(const std::string &json, const std::string &filter) {
        write_file(scratch_ / "rows.json", json);
        const auto out = run({"jq", "-S", filter, scratch_ / "rows.json"});
        EXPECT_EQ(out.status, 0) << out.err;
        return out.out;
    }
    // Opened as by four readers, nothing is wrong with the page; the number of its charts.
    std::string charts(const std::string &page) {
        const auto seen = run({EMSN_SOURCE_DIR "/tests/support/page_check.py", page});
        EXPECT_EQ(seen.status, 0) << seen.err;
        write_file(scratch_ / "seen.json", seen.out);
        EXPECT_EQ(run({"jq", "-c",
                       "to_entries[] | select((.value | .errors == [] and .requests == [] and .duplicates == "
                       "[] and "
                       "(.overflow | not) and (.charts | all(.shown == 1 and .width > 250 and .height > 60 "
                       "and .marks > 5 and "
                       ".unpainted == 0 and .rows > 0 and (.words | length > 20)))) | not)",
                       scratch_ / "seen.json"})
                      .out,
                  "");
        EXPECT_EQ(run({"jq", "-c", "map(.background) | unique | length", scratch_ / "seen.json"}).out, "2\n");
        return run({"jq", "-c", "map(.charts | length) | unique", scratch_ / "seen.json"}).out;
    }
};

TEST_F(ReportForms, TextAndMarkdownAreTheGoldenFiles) {
    sow(2, "2024-11-01", "2025-12-31", 25);
    db.exec("CREATE TABLE weather_data (measured_at timestamptz, temperature real, humidity integer); INSERT "
            "INTO weather_data "
            "SELECT t, 4 + n % 9, 70 + n % 20 FROM generate_series(timestamptz '2025-12-01', '2025-12-31', "
            "'1 hour') "
            "WITH ORDINALITY AS s (t, n)");
    expect_golden("season.monthly.en.txt",
                  without_machines(made({"monthly", "--month", "2025-12", "--format", "text"})));
    expect_golden("season.weekly.nl.md", made({"weekly", "--week", "2025-W19", "--format", "md", "--lang",
                                               "nl", "--station", "station 2"}));
}

// The same detections in both: the same rows, but for what several stations or the server have.
TEST_F(ReportForms, RowsOfABirdsDbAreThoseOfTheServer) {
    sow(1, "2024-10-20", "2025-11-05", 15);
    const std::string birds = scratch_ / "birds.db";
    const auto filled =
        run({"bash", "-c",
             "psql -X -q -A -t -F '|' -d \"$1\" -c \"SELECT l::date, to_char(l, 'HH24:MI:SS'), species, "
             "common_name, confidence, "
             "0, 0, 0, 0, 0, 0, 'f' FROM d, LATERAL (SELECT detection_timestamp AT TIME ZONE "
             "'Europe/Amsterdam') AS z (l)\" | "
             "sqlite3 -bail \"$0\" \".read $2/sql/birds_schema.sql\" '.import /dev/stdin detections'",
             birds, PgCluster::shared().conninfo(database()), EMSN_SOURCE_DIR});
    ASSERT_EQ(filled.status, 0) << filled.err;
    const std::string birds_only = "map(select(.section | IN(\"by_station\", \"system\") | not))";
    const std::vector<std::vector<std::string>> periods = {
        {"monthly", "--month", "2024-10"}, {"monthly", "--month", "2025-03"},
        {"monthly", "--month", "2025-05"}, {"monthly", "--month", "2025-10"},
        {"monthly", "--month", "2025-11"}, {"monthly", "--month", "2026-01"},
        {"weekly", "--week", "2025-W01"},  {"weekly", "--week", "2024-W52"},
        {"weekly", "--week", "2025-W13"},  {"weekly", "--week", "2025-W43"},
        {"weekly", "--week", "2025-W45"}};
    for (auto words : periods) {
        const auto name = words.back();
        words.insert(words.end(), {"--format", "json", "--station", "station 1"});
        const auto server = rows(made(words), birds_only);
        words.insert(words.end(), {"--local", birds});
        EXPECT_EQ(rows(made(words), "."), server) << name;
        EXPECT_NE(server.find("hour_by_day"), std::string::npos);
    }
}

// Real detections of a station.
TEST_F(ReportForms, RealDetectionsAreTheGoldenFiles) {
    const char *csv = std::getenv("EMSN_BIRDDB_CSV");
    if (csv == nullptr || !std::filesystem::exists(csv))
        GTEST_SKIP() << "EMSN_BIRDDB_CSV names no export of real detections";
    const std::string birds = scratch_ / "birds.db";
    ASSERT_EQ(run({EMSN_SOURCE_DIR "/tests/support/load_csv.py", csv, birds}).status, 0);
    const auto february = [&](const std::string &format, const std::string &lang) {
        return made({"monthly", "--month", "2022-02", "--local", birds, "--station", "garden", "--lang", lang,
                     "--format", format});
    };
    expect_golden("birddb.en.txt", february("text", "en"));
    expect_golden("birddb.nl.md", february("md", "nl"));
    expect_golden("birddb.json", february("json", "en"));
    const auto counted =
        run({"sqlite3", birds,
             "SELECT count(*), count(DISTINCT Sci_Name), count(DISTINCT Date) FROM detections WHERE Date "
             "BETWEEN '2022-02-01' AND '2022-02-28'"});
    EXPECT_EQ(rows(february("json", "en"), "[.[] | select(.section == \"totals\").value][:3] | join(\"|\")"),
              "\"" + counted.out.substr(0, counted.out.size() - 1) + "\"\n");
}

// No error, no request, each chart drawn in the colours of the page and with its table, on a screen and on a
// phone, light and dark.
TEST_F(ReportForms, PageIsGoodInABrowser) {
    sow(2, "2025-02-01", "2025-03-31", 60);
    const std::string page = scratch_ / "report.html";
    made({"monthly", "--month", "2025-03", "--output", page});
    EXPECT_EQ(charts(page), "[5]\n");
    EXPECT_LT(read_file(page).size(), 1'000'000u);
    made({"weekly", "--week", "2025-W12", "--station", "station 1", "--lang", "nl", "--output", page});
    EXPECT_EQ(charts(page), "[4]\n");
    EXPECT_NE(read_file(page).find("<html lang=\"nl\">"), std::string::npos);
    made({"monthly", "--month", "2020-01", "--output", page});
    EXPECT_EQ(charts(page), "[0]\n");
    EXPECT_NE(read_file(page).find("No detections in this period."), std::string::npos);
}

// Names come from strangers: they stay words in every form.
TEST_F(ReportForms, NamesCannotBecomeAnythingElse) {
    db.exec(R"(SELECT emsn.create_detections('public.d');
        INSERT INTO d (station, detection_timestamp, species, common_name)
        SELECT E'<script>alert(1)</script>\n@@style@@\t"\'&\\', '2025-03-01'::timestamptz + n * interval '7 hours', s, c
        FROM generate_series(1, 90) AS n, (VALUES
            ('a', '</style><img src="http://192.0.2.1/x">'), ('b', E'"; set output "/tmp/emx\t'), ('c', E'@@style@@\n@@style@@'),
            ('d', '`touch /tmp/emx` $(touch /tmp/emx) \n %d {/Bold x}'), ('e', E'| a | # _b_ <b>*c*</b> [d](http://192.0.2.1)'),
            ('f', E'\u0007\u001b[2J'), ('g', repeat('long ', 40)), ('h', '# comment'), ('i', 'NaN'), ('j', 'é 漢字 🐦')) AS v (s, c))");
    const std::string page = scratch_ / "report.html";
    made({"monthly", "--month", "2025-03", "--output", page});
    EXPECT_EQ(charts(page), "[4]\n");
    const auto html = read_file(page);
    for (const std::string wrong : {"<script", "<img", "</style><img", "\x1b", "@@style@@\n"})
        EXPECT_EQ(html.find(wrong), std::string::npos) << wrong;
    EXPECT_NE(html.find("set output ”/tmp/emx"), std::string::npos);
    const auto text = made({"monthly", "--month", "2025-03", "--format", "text"});
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\t'), std::string::npos);
    const auto markdown = made({"monthly", "--month", "2025-03", "--format", "md"});
    EXPECT_NE(markdown.find(R"(\| a \| \# \_b\_ \<b\>\*c\*\</b\> \[d\]\(http://192.0.2.1\))"),
              std::string::npos);
    EXPECT_FALSE(std::regex_search(markdown, std::regex("[^\\\\]<"))); // each is escaped
    EXPECT_EQ(run({"ls", "/tmp/emx"}).status, 2);
}

TEST_F(ReportForms, ManyStationsMakeASmallPage) {
    sow(200, "2025-05-01", "2025-05-31", 2);
    const std::string page = scratch_ / "report.html";
    made({"monthly", "--month", "2025-05", "--output", page});
    EXPECT_LT(read_file(page).size(), 1'000'000u);
    EXPECT_EQ(charts(page), "[9]\n");
    EXPECT_NE(read_file(page).find("The six stations with most detections are drawn"), std::string::npos);
}

} // namespace
} // namespace emsn::test
