// scripts/emsn-health against a real server: every option, its format and its exit code.
#include "tests/scripts/health_script.hpp"

#include <algorithm>
#include <regex>
#include <sstream>

namespace emsn::test {
namespace {

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
    const std::regex line("# (HELP|TYPE) emsn_(up|health_status|health_value) .+|emsn_up 1|"
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

// One word of performance data: 'label'=value[UOM];warn;crit;min;max
const std::string kWord = "'[^'=|]+'=-?[0-9.]+(s|%|B|c)?;(@0:)?[0-9.]*;(@0:)?[0-9.]*;0(;[0-9.]+)?";

TEST_F(HealthScript, NagiosIsOneBoundedLine) {
    all_well();
    auto out = health({"--nagios"});
    EXPECT_TRUE(std::regex_match(
        out.out, std::regex("EMSN OK - [0-9]+ checks, nothing to report \\|( " + kWord + ")+\n")))
        << out.out;
    silent("50");
    out = health({"--nagios"});
    EXPECT_TRUE(std::regex_match(
        out.out, std::regex("EMSN CRITICAL - critical silent_station odd / [^|]+ \\|( " + kWord + ")+\n")))
        << out.out;
    db.exec("INSERT INTO d (station, detection_timestamp, species) SELECT repeat('long', 20) || n,"
            " now() - interval '50 hours', 'x' FROM generate_series(1, 200) AS n");
    out = health({"--nagios"});
    EXPECT_EQ(std::count(out.out.begin(), out.out.end(), '\n'), 1);
    EXPECT_EQ(std::count(out.out.begin(), out.out.end(), '|'), 1);
    EXPECT_LT(out.out.size(), 2000u);
}

TEST_F(HealthScript, NagiosTellsLimitsAsNumbersInTheUnitOfTheValue) {
    all_well();
    const auto word = [&](const std::string &label) {
        const std::string text = health({"--nagios"}).out;
        const auto begin = text.find(" '" + label + "'=");
        return begin == std::string::npos
                   ? text
                   : text.substr(begin + 1, text.find_first_of(" \n", begin + label.size() + 3) - begin - 1);
    };
    // 20 slots, 3 of them reserved
    EXPECT_TRUE(std::regex_match(word("connections server"),
                                 std::regex("'connections server'=[0-9]+;13.6;15.3;0;17")))
        << word("connections server");
    EXPECT_EQ(word("idle_in_transaction server"), "'idle_in_transaction server'=0s;300;900;0");
    EXPECT_EQ(word("silent_station a"), "'silent_station a'=0s;86400;172800;0");
    EXPECT_EQ(word("detections_today a"), "'detections_today a'=1;;;0");
    db.exec("INSERT INTO emsn.thresholds VALUES ('connections', NULL, '-5', '-10%'),"
            " ('detections_today', NULL, '50%', '0'), ('silent_station', 'a', '1.5', NULL);"
            "UPDATE emsn.thresholds SET warning_at = '-0.5%', critical_at = '101%' WHERE check_name = "
            "'disk_usage'");
    EXPECT_TRUE(
        std::regex_match(word("connections server"), std::regex("'connections server'=[0-9]+;12;15.3;0;17")))
        << word("connections server");
    EXPECT_EQ(word("silent_station a"), "'silent_station a'=0s;5400;172800;0");
    EXPECT_EQ(word("detections_today a"), "'detections_today a'=1;;@0:0;0");
    EXPECT_NE(health({"--nagios"}).out.find("%;99.5;101;0;100"), std::string::npos);
}

TEST_F(HealthScript, ServerAwayIsCriticalInEveryForm) {
    const std::string reason = "connection to server on socket \"/nonexistent/.s.PGSQL.5432\" failed: ";
    for (const std::vector<std::string> &options :
         {std::vector<std::string>{}, {"--table"}, {"--check"}, {"--nagios"}}) {
        const auto out = health(options, kAway);
        EXPECT_EQ(out.out.find("EMSN CRITICAL - " + reason), 0u) << out.out;
        EXPECT_EQ(std::count(out.out.begin(), out.out.end(), '\n'), 1);
        EXPECT_EQ(out.err, "");
        EXPECT_EQ(out.status, options.empty() || options[0] == "--table" ? 75 : 2);
    }
    auto out = health({"--prometheus"}, kAway);
    EXPECT_EQ(out.status, 75);
    EXPECT_EQ(out.out,
              "# HELP emsn_up Whether the server answered: 1 yes, 0 no.\n# TYPE emsn_up gauge\nemsn_up 0\n");
    EXPECT_EQ(out.err.find("EMSN CRITICAL - " + reason), 0u) << out.err;
    EXPECT_EQ(health({"--prometheus", "--check"}, kAway).status, 2);

    out = health({"--json"}, kAway);
    EXPECT_EQ(out.status, 75);
    EXPECT_EQ(out.err.find("EMSN CRITICAL - " + reason), 0u) << out.err;
    write_file(scratch_ / "away.json", out.out);
    write_file(scratch_ / "here.json", health({"--json"}).out);
    const auto keys = [&](const std::string &name) {
        return run({"jq", "-r", ".[0] | keys_unsorted | join(\",\")", scratch_ / name}).out;
    };
    EXPECT_EQ(keys("away.json"), keys("here.json"));
    EXPECT_EQ(run({"jq", "-r", ".[] | .check_name, .status, .message", scratch_ / "away.json"})
                  .out.find("server\ncritical\n" + reason + "No such file"),
              0u);
    EXPECT_EQ(health({"--json", "--check"}, kAway).status, 2);
}

// Its host, its disk or the network stands still; or it is a standby that takes no questions.
TEST_F(HealthScript, AServerThatDoesNotAnswerIsAwayToo) {
    const auto with = [&](const std::string &program, const std::string &body,
                          const std::vector<std::string> &options) {
        write_file(scratch_ / program, "#!/bin/bash\n" + body + "\n");
        run({"chmod", "+x", scratch_ / program});
        return health(options, PgCluster::shared().conninfo(database()),
                      "PATH=" + scratch_.path() + ":/usr/bin:/bin");
    };
    const std::string stuck = R"([[ $* == "-k 5 45 "*"psql -X"* ]] && exit 124)";
    EXPECT_EQ(with("timeout", stuck, {}).status, 75);
    const auto told = with("timeout", stuck, {"--nagios"});
    EXPECT_EQ(told.status, 2);
    EXPECT_EQ(told.out, "EMSN CRITICAL - the server did not answer within 45 s\n");
    run({"rm", scratch_ / "timeout"});
    const std::string standby =
        "echo 'psql: error: connection to server failed: FATAL:  the database system is not "
        "accepting connections' >&2; exit 2";
    EXPECT_EQ(with("psql", standby, {}).status, 75);
    EXPECT_EQ(with("psql", standby, {"--nagios"}).status, 2);
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
    const auto plain = health({}, PgCluster::shared().conninfo(database(), user));
    EXPECT_EQ(plain.status, 75);
    EXPECT_EQ(plain.out, out.out);
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
