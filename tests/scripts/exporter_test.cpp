// sql/exporter/queries.yaml in Debian's prometheus-postgres-exporter, on loopback.
#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

#include "tests/scripts/health_script.hpp"

namespace emsn::test {
namespace {

class Exporter : public HealthScript {
  protected:
    // GET /metrics of an exporter that runs while it is asked.
    std::string metrics(const std::string &user) {
        const std::string log = scratch_ / "exporter.log";
        write_file(log, "");
        const Process exporter(
            {"prometheus-postgres-exporter", "--web.listen-address=127.0.0.1:0", "--disable-settings-metrics",
             "--extend.query-path=" EMSN_SOURCE_DIR "/sql/exporter/queries.yaml"},
            log, {"DATA_SOURCE_NAME=" + PgCluster::shared().conninfo(database(), user) + " sslmode=disable"});
        static const std::regex listening("Listening on\" address=(127\\.0\\.0\\.1:[0-9]+)");
        std::smatch found;
        std::string text;
        EXPECT_TRUE(eventually([&] {
            text = read_file(log);
            return std::regex_search(text, found, listening);
        })) << text;
        const auto answer =
            run({"python3", "-c",
                 "import sys, urllib.request as r; sys.stdout.write(r.build_opener(r.ProxyHandler({}))"
                 ".open(sys.argv[1]).read().decode())",
                 "http://" + found[1].str() + "/metrics"});
        EXPECT_EQ(answer.status, 0) << answer.err;
        return answer.out;
    }
    // Names, labels and, for the statuses, values: what a rule or a dashboard refers to.
    static std::set<std::string> series(const std::string &text) {
        std::set<std::string> all;
        std::istringstream lines(text);
        for (std::string line; std::getline(lines, line);) {
            line = std::regex_replace(line, std::regex(",server=\"[^\"]*\""), "");
            if (line.rfind("emsn_health_value", 0) == 0)
                all.insert(line.substr(0, line.rfind(' ')));
            else if (line.rfind("emsn_health_status", 0) == 0)
                all.insert(line);
        }
        return all;
    }
};

TEST_F(Exporter, TellsAMonitorWhatTheScriptTells) {
    all_well();
    silent("50");
    const auto user = role("pg_monitor");
    db.exec("GRANT SELECT ON d TO " + user);
    const std::string text = metrics(user);
    EXPECT_NE(text.find("\npg_exporter_last_scrape_error 0\n"), std::string::npos) << text;
    EXPECT_TRUE(std::regex_search(text, std::regex("\npg_exporter_user_queries_load_error\\{[^\n]*\\} 0\n")));
    const auto found = series(text);
    EXPECT_EQ(found, series(health({"--prometheus"}).out)) << text;
    EXPECT_EQ(
        found.count(
            "emsn_health_status{check_name=\"silent_station\",subject=\"odd | \\\"na\\\\me' =\\nx\"} 2"),
        1U);
    EXPECT_TRUE(std::regex_search(
        text,
        std::regex("\nemsn_health_value\\{check_name=\"silent_station\",server=\"[^\"]*\",subject=\"a\","
                   "unit=\"hours\"\\} 0\n")))
        << text;
}

// What is not measured has a status and no value: not a number that looks like one.
TEST_F(Exporter, LeavesOutWhatWasNotMeasured) {
    const std::string text = metrics(role("pg_monitor"));
    EXPECT_TRUE(std::regex_search(
        text, std::regex("\nemsn_health_status\\{check_name=\"detections_today\",[^\n]*\\} 3\n")))
        << text;
    EXPECT_EQ(text.find("emsn_health_value{check_name=\"detections_today\""), std::string::npos);
}

} // namespace
} // namespace emsn::test
