#include "tests/support/pg_cluster.hpp"

#include <unistd.h>

#include <regex>
#include <stdexcept>

namespace emsn::test {

namespace {

struct Clear {
    void operator()(PGresult *result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

std::string field(const PGresult *result, int code) {
    const char *text = PQresultErrorField(result, code);
    return text != nullptr ? text : "";
}

Failed failure_of(const PGresult *result, const PGconn *connection) {
    if (PQresultStatus(result) != PGRES_FATAL_ERROR)
        return {};
    if (field(result, PG_DIAG_SQLSTATE).empty()) // the connection itself broke
        return {"08006", PQerrorMessage(connection), "", ""};
    return {field(result, PG_DIAG_SQLSTATE), field(result, PG_DIAG_MESSAGE_PRIMARY),
            field(result, PG_DIAG_MESSAGE_DETAIL), field(result, PG_DIAG_MESSAGE_HINT)};
}

std::string joined(const std::vector<Cell> &row) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i)
        text.append(i == 0 ? "" : "|").append(row[i].value_or("NULL"));
    return text;
}

void check(const Outcome &outcome, const std::string &what) {
    if (outcome.status != 0)
        throw std::runtime_error(what + ": " + outcome.err);
}

// Stops the shared server when all tests are done, and looks at what it left in its log.
class StopCluster : public ::testing::Environment {
  public:
    static std::unique_ptr<PgCluster> &instance() {
        static std::unique_ptr<PgCluster> cluster;
        return cluster;
    }
    void TearDown() override {
        if (!instance())
            return;
        const std::string log = instance()->log();
        static const std::regex crash(
            "was terminated by signal|PANIC:|TRAP:|AddressSanitizer|runtime error:");
        EXPECT_FALSE(std::regex_search(log, crash)) << log;
        if (::testing::UnitTest::GetInstance()->Failed())
            std::fprintf(stderr, "server log:\n%s\n", log.c_str());
        instance().reset();
    }
};

const auto *const kStop = ::testing::AddGlobalTestEnvironment(new StopCluster);

} // namespace

std::vector<std::string> &cluster_settings() {
    static std::vector<std::string> settings = {"timezone = 'UTC'", "log_timezone = 'UTC'"};
    return settings;
}

std::vector<std::string> &cluster_preloads() {
    static std::vector<std::string> names;
    return names;
}

PgCluster &PgCluster::shared() {
    static_cast<void>(kStop);
    auto &cluster = StopCluster::instance();
    if (!cluster)
        cluster = std::make_unique<PgCluster>(cluster_settings());
    return *cluster;
}

PgCluster::PgCluster(const std::vector<std::string> &settings)
    : folder_(scratch_ / "pg"), settings_(settings) {
    start();
}

PgCluster::~PgCluster() {
    stop();
}

std::vector<std::string> PgCluster::environment(const std::string &folder) {
    std::string libraries;
    std::string words;
    auto names = cluster_preloads();
#ifdef EMSN_PRELOAD
    libraries = EMSN_PRELOAD;
    names.emplace_back("no_gettext.so");
    words = " ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1";
#endif
    for (const auto &name : names)
        libraries.append(libraries.empty() ? "" : ":").append(folder).append("/stage/").append(name);
    if (libraries.empty())
        return {};
    return {"PRIVATE_PG_ENV=LD_PRELOAD=" + libraries + words};
}

void PgCluster::start() {
    std::vector<std::string> argv = {
        "bash",
        "-c",
        ". \"$0/scripts/lib/private_pg.sh\"; EMSN_STAGE=$1; shift; private_pg_start \"$@\"",
        EMSN_SOURCE_DIR,
        std::string(EMSN_BINARY_DIR) + "/stage",
        folder_};
    argv.insert(argv.end(), settings_.begin(), settings_.end());
    check(run(argv, environment(folder_)), "start the cluster");
}

void PgCluster::stop() {
    run({"bash", "-c", ". \"$0/scripts/lib/private_pg.sh\"; private_pg_stop \"$1\"", EMSN_SOURCE_DIR,
         folder_});
}

std::string PgCluster::conninfo(const std::string &database, const std::string &user) const {
    return "host=" + folder_ + " dbname=" + database + " user=" + user;
}

std::string PgCluster::log() const {
    return read_file(folder_ + "/server.log");
}

std::vector<std::string> as_server(std::vector<std::string> argv) {
    if (::geteuid() == 0)
        argv.insert(argv.begin(), {"runuser", "-u", "postgres", "--"});
    return argv;
}

Session::Session(const std::string &conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(connection_.get()) != CONNECTION_OK)
        throw std::runtime_error(PQerrorMessage(connection_.get()));
    PQsetNoticeProcessor(
        connection_.get(), [](void *, const char *) {}, nullptr);
}

Table Session::rows(const std::string &sql) {
    const Result result(PQexec(connection_.get(), sql.c_str()));
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        throw std::runtime_error(sql + ": " + PQerrorMessage(connection_.get()));
    Table table;
    for (int row = 0; row < PQntuples(result.get()); ++row) {
        auto &cells = table.emplace_back();
        for (int column = 0; column < PQnfields(result.get()); ++column) {
            cells.push_back(PQgetisnull(result.get(), row, column) != 0
                                ? Cell()
                                : Cell(PQgetvalue(result.get(), row, column)));
        }
    }
    return table;
}

std::string Session::value(const std::string &sql) {
    const Table table = rows(sql);
    if (table.size() != 1 || table[0].size() != 1)
        throw std::runtime_error(sql + ": " + std::to_string(table.size()) + " rows instead of one value");
    return table[0][0].value_or("NULL");
}

std::string Session::text(const std::string &sql) {
    std::string lines;
    for (const auto &row : rows(sql))
        lines.append(lines.empty() ? "" : "\n").append(joined(row));
    return lines;
}

Failed Session::fails(const std::string &sql) {
    const Result result(PQexec(connection_.get(), sql.c_str()));
    return failure_of(result.get(), connection_.get());
}

void Session::send(const std::string &sql) {
    if (PQsendQuery(connection_.get(), sql.c_str()) != 1)
        throw std::runtime_error(PQerrorMessage(connection_.get()));
}

Failed Session::wait() {
    Failed failed;
    while (const Result result{PQgetResult(connection_.get())}) {
        if (auto found = failure_of(result.get(), connection_.get()); failed.sqlstate.empty())
            failed = std::move(found);
    }
    return failed;
}

namespace {

std::string new_database() {
    static int number = 0;
    std::string name = "test_" + std::to_string(++number);
    Session admin(PgCluster::shared().conninfo("postgres"));
    admin.exec("CREATE DATABASE " + name);
    return name;
}

} // namespace

PgTest::PgTest() : database_(new_database()), db(PgCluster::shared().conninfo(database_)) {
    db.exec("CREATE EXTENSION emsn_health");
}

std::string PgTest::role(const std::string &memberships) {
    static int number = 0;
    std::string name = "role_" + std::to_string(++number);
    db.exec("CREATE ROLE " + name + " LOGIN" + (memberships.empty() ? "" : " IN ROLE " + memberships));
    return name;
}

bool session_is(Session &observer, int pid, const std::string &state) {
    const std::string column = state == "Lock" ? "wait_event_type" : "state";
    return observer.value("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(pid) +
                          " AND " + column + " = '" + state + "'") == "1";
}

} // namespace emsn::test
