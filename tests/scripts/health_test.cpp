// scripts/emsn-health against a real server: every option, its format and its exit code.
#include "tests/support/pg_cluster.hpp"

#include <algorithm>
#include <regex>
#include <sstream>

namespace emsn::test {
namespace {

class HealthScript : public PgTest {
  protected:
    // conf: what EMSN_CONF names; the test machine's own configuration stays out.
    Outcome health(const std::vector<std::string> &options, const std::string &conninfo,
                   const std::string &extra = "A=b") {
        std::vector<std::string> argv = {kScript};
        argv.insert(argv.end(), options.begin(), options.end());
        return run(argv, {"EMSN_PG=" + conninfo, "EMSN_CONF=" + conf(""), "PGUSER=postgres", extra});
    }
    Outcome health(const std::vector<std::string> &options) {
        return health(options, PgCluster::shared().conninfo(database()));
    }
    std::string conf(const std::string &content) {
        write_file(scratch_ / "emsn.conf", content);
        return scratch_ / "emsn.conf";
    }
    // A server whose every check is ok, so that the worst status is what the test makes it.
    void all_well() {
        db.exec("SELECT emsn.create_detections('d');"
                "INSERT INTO d (station, detection_timestamp, species) VALUES ('a', now(), 'x');"
                "INSERT INTO emsn.thresholds VALUES ('disk_usage', NULL, '101', '102')");
    }
    void silent(const std::string &hours) {
        db.exec("INSERT INTO d (station, detection_timestamp, species) VALUES ('odd | \"na\\me'' =\nx', "
                "now() - interval '" +
                hours + " hours', 'x')");
    }

    const std::string kScript = std::string(EMSN_SOURCE_DIR) + "/scripts/emsn-health";
    const std::string kAway = "host=/nonexistent user=postgres";
    TempDir scratch_;
};

TEST_F(HealthScript, TableIsTheDefaultAndWorstComesFirst) {
    all_well();
    silent("50");
    const auto out = health({});
    EXPECT_EQ(out.status, 0) << out.err;
    EXPECT_EQ(out.err, "");
    EXPECT_TRUE(std::regex_search(
        out.out, std::regex("^ +status +\\| +check +\\| +subject +\\| +message +\\| +remedy *\n"
                            "[-+]+\n critical +\\| silent_station +\\| odd")))
        << out.out;
    EXPECT_EQ(health({"--table"}).out, out.out);
}

TEST_F(HealthScript, ExitCodesOfCheckFollowTheWorstStatus) {
    all_well();
    for (const std::string form : {"--table", "--json", "--prometheus", "--nagios"})
        EXPECT_EQ(health({form, "--check"}).status, 0) << form << health({form}).out;
    db.exec("INSERT INTO emsn.station_settings (station) VALUES ('new')");
    for (const std::string form : {"--table", "--json", "--prometheus", "--nagios"})
        EXPECT_EQ(health({form, "--check"}).status, 3) << form;
    silent("25");
    for (const std::string form : {"--table", "--json", "--prometheus", "--nagios"})
        EXPECT_EQ(health({"--check", form}).status, 1) << form;
    silent("1");
    db.exec("DELETE FROM d WHERE station <> 'a'");
    silent("50");
    for (const std::string form : {"--table", "--json", "--prometheus", "--nagios"})
        EXPECT_EQ(health({"--check", form}).status, 2) << form;
    EXPECT_EQ(health({"--nagios"}).status, 2);
    EXPECT_EQ(health({"--json"}).status, 0);
    EXPECT_EQ(health({"--check"}).status, 2);
}

TEST_F(HealthScript, JsonIsAnArrayOfObjectsWithEveryColumn) {
    all_well();
    silent("50");
    const auto out = health({"--json"});
    write_file(scratch_ / "health.json", out.out);
    const auto keys = run({"jq", "-r", ".[0] | keys_unsorted | join(\",\")", scratch_ / "health.json"});
    EXPECT_EQ(keys.out,
              "check_name,subject,status,value,unit,warning_at,critical_at,message,remedy,measured_at\n")
        << keys.err;
    const auto subject =
        run({"jq", "-r", ".[0] | .subject, .status, (.value | type)", scratch_ / "health.json"});
    EXPECT_EQ(subject.out, "odd | \"na\\me' =\nx\ncritical\nnumber\n");
}

TEST_F(HealthScript, PrometheusTextIsWellFormed) {
    all_well();
    silent("50");
    const auto out = health({"--prometheus"});
    const std::regex line("# (HELP|TYPE) emsn_health_(status|value) .+|"
                          "emsn_health_status\\{check_name=\"([^\"\\\\]|\\\\[\"\\\\n])*\",subject=\"([^"
                          "\"\\\\]|\\\\[\"\\\\n])*\"\\} [0-3]|"
                          "emsn_health_value\\{check_name=\"([^\"\\\\]|\\\\[\"\\\\n])*\",subject=\"([^\"\\\\]"
                          "|\\\\[\"\\\\n])*\","
                          "unit=\"[a-z%]*\"\\} -?[0-9]+(\\.[0-9]+)?");
    std::istringstream lines(out.out);
    int samples = 0;
    for (std::string text; std::getline(lines, text); ++samples)
        EXPECT_TRUE(std::regex_match(text, line)) << text;
    EXPECT_GT(samples, 10);
    EXPECT_NE(
        out.out.find(
            "emsn_health_status{check_name=\"silent_station\",subject=\"odd | \\\"na\\\\me' =\\nx\"} 2\n"),
        std::string::npos)
        << out.out;
    EXPECT_NE(
        out.out.find("\nemsn_health_value{check_name=\"silent_station\",subject=\"a\",unit=\"hours\"} 0.0\n"),
        std::string::npos);
}

TEST_F(HealthScript, NagiosIsOneBoundedLine) {
    all_well();
    auto out = health({"--nagios"});
    EXPECT_TRUE(std::regex_match(
        out.out,
        std::regex("EMSN OK - [0-9]+ checks, nothing to report \\|( '[^'=|]+'=[0-9.]+(s|%|B|c)?)+\n")))
        << out.out;
    silent("50");
    out = health({"--nagios"});
    EXPECT_TRUE(std::regex_match(
        out.out,
        std::regex(
            "EMSN CRITICAL - critical silent_station odd / [^|]+ \\|( '[^'=|]+'=[0-9.]+(s|%|B|c)?)+\n")))
        << out.out;
    db.exec("INSERT INTO d (station, detection_timestamp, species) SELECT repeat('long', 20) || n,"
            " now() - interval '50 hours', 'x' FROM generate_series(1, 200) AS n");
    out = health({"--nagios"});
    EXPECT_EQ(std::count(out.out.begin(), out.out.end(), '\n'), 1);
    EXPECT_EQ(std::count(out.out.begin(), out.out.end(), '|'), 1);
    EXPECT_LT(out.out.size(), 2000u);
}

TEST_F(HealthScript, ServerAwayIsCriticalForMonitorsAndTryAgainForOthers) {
    auto out = health({"--nagios"}, kAway);
    EXPECT_EQ(out.status, 2);
    EXPECT_EQ(out.out.find("EMSN CRITICAL - connection to server on socket"), 0u) << out.out;
    EXPECT_EQ(std::count(out.out.begin(), out.out.end(), '\n'), 1);
    out = health({"--check"}, kAway);
    EXPECT_EQ(out.status, 2);
    EXPECT_EQ(out.out.find("EMSN CRITICAL - "), 0u);
    out = health({"--check", "--json"}, kAway);
    EXPECT_EQ(out.status, 2);
    EXPECT_EQ(out.out, "");
    EXPECT_EQ(out.err.find("EMSN CRITICAL - "), 0u);
    out = health({}, kAway);
    EXPECT_EQ(out.status, 75);
    EXPECT_EQ(out.out, "");
    EXPECT_EQ(out.err.find("emsn-health: connection to server on socket"), 0u) << out.err;
}

// Somebody must change something: waiting does not help.
TEST_F(HealthScript, AServerThatAnswersNoIsNotAway) {
    const std::string here = PgCluster::shared().conninfo(database());
    EXPECT_EQ(health({}, here + " user=nobody_at_all").status, 1);
    EXPECT_EQ(health({"--nagios"}, here + " user=nobody_at_all").status, 3);
    EXPECT_EQ(health({"--nagios"}, PgCluster::shared().conninfo("no_such_database")).status, 3);
    EXPECT_EQ(health({}, "foo=bar").status, 2);
    EXPECT_EQ(health({"--check"}, "foo=bar").status, 3);
}

// An exact match in a schema of the path would win over PostgreSQL's own variadic function.
TEST_F(HealthScript, FunctionsOfOthersAreNotTaken) {
    db.exec(
        "CREATE SCHEMA trap; CREATE FUNCTION trap.format(text, text, numeric, text) RETURNS text LANGUAGE "
        "sql AS "
        "$$ SELECT 'PWNED' $$; CREATE FUNCTION trap.format(text, text, text) RETURNS text LANGUAGE sql AS "
        "$$ SELECT 'PWNED' $$; ALTER DATABASE \"" +
        database() + "\" SET search_path = trap, pg_catalog");
    for (const std::string form : {"--table", "--json", "--prometheus", "--nagios"})
        EXPECT_EQ(health({form}).out.find("PWNED"), std::string::npos) << form;
}

TEST_F(HealthScript, NoConnectionLeftIsCritical) {
    const auto user = role("pg_monitor");
    std::vector<std::unique_ptr<Session>> all;
    try {
        while (all.size() < 20)
            all.push_back(std::make_unique<Session>(PgCluster::shared().conninfo(database(), user)));
    } catch (const std::runtime_error &) {
        // the last slot that this role may use is taken
    }
    const auto out = health({"--nagios"}, PgCluster::shared().conninfo(database(), user));
    EXPECT_EQ(out.status, 2);
    EXPECT_TRUE(
        std::regex_search(out.out, std::regex("^EMSN CRITICAL - .*remaining connection slots are reserved")))
        << out.out;
    EXPECT_EQ(health({}, PgCluster::shared().conninfo(database(), user)).status, 75);
}

TEST_F(HealthScript, ExtensionAwayIsUnknown) {
    db.exec("DROP EXTENSION emsn_health");
    const auto out = health({"--nagios"});
    EXPECT_EQ(out.status, 3);
    EXPECT_EQ(out.out.find("EMSN UNKNOWN - ERROR: relation \"emsn.health\" does not exist"), 0u) << out.out;
    EXPECT_EQ(health({}).status, 1);
}

TEST_F(HealthScript, WrongUse) {
    for (const std::vector<std::string> &options : {std::vector<std::string>{"--xml"}, {"extra"}, {"-j"}}) {
        EXPECT_EQ(health(options).status, 2);
        EXPECT_EQ(health(options).out, "");
    }
    const auto out = health({"--nagios", "--xml"});
    EXPECT_EQ(out.status, 3);
    EXPECT_EQ(out.out, "EMSN UNKNOWN - unknown option: --xml (see --help)\n");
    EXPECT_EQ(health({"--xml", "--check"}).status, 3);
    const auto help = health({"--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_EQ(help.out.find("Usage: emsn-health"), 0u);
}

TEST_F(HealthScript, PasswordsInTheConnectionStringAreRefusedAndNotRepeated) {
    for (const std::string conninfo :
         {"host=h password=s3cret", "password='s3cret' host=h", "postgresql://me:s3cret@h/db",
          "postgres://h/db?user=me&password=s3cret", "postgres://h/db?user=me&pass%77ord=s3cret"}) {
        const auto out = health({}, conninfo);
        EXPECT_EQ(out.status, 2) << conninfo;
        EXPECT_NE(out.err.find("~/.pgpass"), std::string::npos) << out.err;
        EXPECT_EQ(out.err.find("s3cret"), std::string::npos);
    }
    EXPECT_EQ(health({"--nagios"}, "password=s3cret").status, 3);
    EXPECT_EQ(health({}, PgCluster::shared().conninfo(database()) + " passfile=/dev/null").status, 0);
}

TEST_F(HealthScript, ConfigurationIsReadAndTheEnvironmentWins) {
    const std::string here = PgCluster::shared().conninfo(database());
    const auto with = [&](const std::string &content, const std::vector<std::string> &env) {
        auto all = env;
        all.push_back("EMSN_CONF=" + conf(content));
        return run({kScript}, all);
    };
    EXPECT_EQ(with("# comment\n\nEMSN_PG=\"" + here + "\"\r\n", {}).status, 0);
    EXPECT_EQ(with("EMSN_PG=" + kAway, {}).status, 75);
    EXPECT_EQ(with("EMSN_PG=" + kAway, {"EMSN_PG=" + here}).status, 0);
    EXPECT_EQ(with("", {"PGHOST=" + PgCluster::shared().socket_dir(), "PGUSER=postgres",
                        "PGDATABASE=" + database()})
                  .status,
              0);
    const auto odd = with("EMSN_PG=" + here + "\nEMSN_TYPO=1\nPATH=/nowhere", {});
    EXPECT_EQ(odd.status, 0);
    EXPECT_NE(odd.err.find("emsn.conf:2: unknown key EMSN_TYPO left out\n"), std::string::npos) << odd.err;
    const auto code = with("EMSN_PG=$(touch " + (scratch_ / "ran") + ")\n", {});
    EXPECT_EQ(run({"test", "-e", scratch_ / "ran"}).status, 1);
    EXPECT_EQ(with("touch x", {}).status, 2);
    EXPECT_EQ(run({kScript}, {"EMSN_CONF=/nonexistent/emsn.conf"}).status, 2);
}

TEST_F(HealthScript, QueriesRunByPsqlAsTheyStand) {
    for (const std::string form : {"table", "json", "prometheus", "nagios"}) {
        const auto out =
            run({"psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", PgCluster::shared().conninfo(database()), "-f",
                 std::string(EMSN_SOURCE_DIR) + "/sql/health_" + form + ".sql"});
        EXPECT_EQ(out.status, 0) << out.err;
    }
}

} // namespace
} // namespace emsn::test
