// Detections on several servers, by sql/scale_out.sql: the same answers as from one table, with the work done
// over there; one server down costs its own stations only.
#include <csignal>

#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

// Two servers beside the one that all tests share, for the whole binary.
struct Servers {
    PgCluster north{{"timezone = 'UTC'", "log_statement = 'all'"}};
    PgCluster south{{"timezone = 'UTC'", "log_statement = 'all'"}};
    static Servers &shared() {
        static Servers servers;
        return servers;
    }
};

class Shards : public PublishTest {
  protected:
    Shards() {
        for (auto *server : {&Servers::shared().north, &Servers::shared().south}) {
            Session(server->conninfo("postgres")).exec("CREATE DATABASE " + database());
            Session shard(server->conninfo(database()));
            shard.exec("CREATE EXTENSION emsn_health");
            shard.exec("SELECT emsn.create_detections('public.bird_detections')");
        }
        add("north", Servers::shared().north, "zolder,it's");
        add("south", Servers::shared().south, "berging, tuin");
    }
    ~Shards() override { // nobody else connects to a database of this name
        for (auto *server : {&Servers::shared().north, &Servers::shared().south})
            Session(server->conninfo("postgres"))
                .exec("DROP DATABASE IF EXISTS " + database() + " WITH (FORCE)");
    }
    void add(const std::string &name, const PgCluster &server, const std::string &stations) {
        const auto outcome = run({"psql", "-X", "-q", "-d", PgCluster::shared().conninfo(database()), "-v",
                                  "server=" + name, "-v", "host=" + server.socket_dir(), "-v",
                                  "stations=" + stations, "-f", EMSN_SOURCE_DIR "/sql/scale_out.sql"});
        ASSERT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_EQ(outcome.err, "");
    }
    // The same rows on the servers and in a table here.
    void fill() {
        db.exec(
            "SELECT emsn.create_detections('whole'); SELECT emsn.use_detections('public.bird_detections');"
            "INSERT INTO emsn.station_settings (station, time_zone) VALUES ('tuin', 'Asia/Tokyo');"
            "INSERT INTO whole (station, detection_timestamp, date, time, species, deleted)"
            " SELECT s, t, t::date, t::time, 'Species ' || n % 7, n % 11 = 3"
            " FROM (VALUES ('zolder', interval '17 minutes', interval '0'), ('berging', interval '2 hours', "
            "interval '90 days'),"
            " ('tuin', interval '31 minutes', interval '5 minutes')) AS v (s, pace, silent)"
            " CROSS JOIN generate_series(1, 1500) AS n"
            " CROSS JOIN LATERAL (SELECT date_trunc('second', now()) - n * pace - silent AS t) AS m;"
            "INSERT INTO bird_detections (station, detection_timestamp, date, time, species, deleted)"
            " SELECT station, detection_timestamp, date, time, species, deleted FROM whole");
    }
    // After use_detections of the table here, and back.
    std::string of_whole(const std::string &sql) {
        db.exec("SELECT emsn.use_detections('whole')");
        auto found = db.text(sql);
        db.exec("SELECT emsn.use_detections('bird_detections')");
        return found;
    }
};

constexpr const char *kStations = " WHERE station <> 'it''s' ORDER BY station";

TEST_F(Shards, AnswerAsOneTable) {
    fill();
    EXPECT_EQ(
        Session(Servers::shared().south.conninfo(database())).value("SELECT count(*) FROM bird_detections"),
        "3000");
    // in one transaction "now" is the same moment
    for (const auto &sql : {
             std::string("SELECT station, detections, species, last_detection, usual_by_now FROM "
                         "emsn.detections_today"),
             std::string("SELECT station, time_zone, first_detection, last_detection FROM emsn.stations"),
         })
        EXPECT_EQ(db.text(sql + kStations), of_whole(sql + kStations));
    const std::string days = "SELECT * FROM emsn.detections_per_station(current_date - 30, current_date) "
                             "WHERE station <> 'it''s' ORDER BY 1, 2";
    EXPECT_EQ(db.text(days), of_whole(days));
    // one that has a place and no rows shows 0
    EXPECT_EQ(
        db.text(
            "SELECT station, detections, last_detection FROM emsn.detections_today WHERE station = 'it''s'"),
        "it's|0|NULL");
}

// postgres_fdw sends what it was asked, filter and aggregate; rows stay where they are.
TEST_F(Shards, CountWhereTheRowsAre) {
    fill();
    Session fresh(PgCluster::shared().conninfo(database())); // without plans or connections
    const auto before = Servers::shared().north.log().size();
    fresh.exec("SELECT * FROM emsn.detections_today; SELECT * FROM emsn.stations;"
               "SELECT * FROM emsn.detections_per_station(current_date - 3, current_date)");
    const auto log = Servers::shared().north.log().substr(before);
    std::size_t asked = 0;
    for (std::size_t at = log.find("DECLARE c"); at != std::string::npos;
         at = log.find("DECLARE c", at + 1)) {
        const auto begin = log.find('\n', at) + 1; // the query is on a line of its own
        const auto line = log.substr(begin, log.find('\n', begin) - begin);
        ++asked;
        EXPECT_TRUE(line.find(" GROUP BY ") != std::string::npos ||
                    line.find("(species = '')") != std::string::npos)
            << line;
        EXPECT_NE(line.find("(detection_timestamp >"), std::string::npos) << line;
    }
    EXPECT_GE(asked, 4U);
    EXPECT_NE(log.find("count(DISTINCT species)"), std::string::npos);
    EXPECT_NE(log.find("width_bucket("), std::string::npos);
}

TEST_F(Shards, HealthIsThatOfAllServers) {
    fill();
    Session(Servers::shared().north.conninfo(database()))
        .exec("INSERT INTO emsn.thresholds (check_name, warning_at) VALUES ('database_size', '1')");
    EXPECT_EQ(db.text("SELECT subject, status FROM emsn.health WHERE check_name = 'shards'"),
              "north|ok\nsouth|ok");
    EXPECT_EQ(
        db.text(
            "SELECT subject, status FROM emsn.health WHERE check_name = 'silent_station' ORDER BY subject"),
        "berging|critical\ntuin|ok\nzolder|ok");
    EXPECT_EQ(
        db.text(
            "SELECT subject, status FROM emsn.health WHERE check_name = 'database_size' ORDER BY subject"),
        "north: " + database() + "|warning\n" + database() + "|ok");
    // without a table of their health the stations are judged from here
    db.exec("DROP FOREIGN TABLE north_health, south_health");
    EXPECT_EQ(
        db.text(
            "SELECT subject, status FROM emsn.health WHERE check_name = 'silent_station' ORDER BY subject"),
        "berging|critical\nit's|unknown\ntuin|ok\nzolder|ok");
}

// Which servers answer is asked with the rights of whoever calls: of another's table the daily job learns
// nothing.
TEST_F(Shards, HabitsAreLearnedOverAllServers) {
    fill();
    const auto learned =
        std::string("SELECT station, day, usual_by_hour FROM emsn.station_habits") + kStations;
    EXPECT_EQ(of_whole("SELECT emsn.learn_habits()"), "3");
    const auto expected = db.text(learned);
    EXPECT_EQ(db.value("SELECT count(usual_by_hour) FROM emsn.station_habits"), "2");
    EXPECT_EQ(db.value("SELECT emsn.learn_habits()"), "4");
    EXPECT_EQ(db.text(learned), expected);
    db.exec("INSERT INTO emsn.station_settings (station) SELECT n::text FROM generate_series(1, 50) AS n");
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.station_habits"), "54");
    db.exec("TRUNCATE emsn.station_habits; ALTER TABLE bird_detections OWNER TO " + role());
    db.exec("CALL emsn.run_job('maintain')");
    EXPECT_EQ(db.text("SELECT result, (SELECT count(*) FROM emsn.station_habits) FROM emsn.runs WHERE job = "
                      "'maintain' ORDER BY run DESC LIMIT 1"),
              "ok|0");
}

TEST_F(Shards, AServerThatIsDownCostsItsOwnStations) {
    fill();
    const auto tuin = db.text(
        "SELECT * FROM emsn.detections_per_station(current_date, current_date) WHERE station = 'tuin'");
    const auto answer = [&](const std::string &server) {
        Session fresh(PgCluster::shared().conninfo(database()));
        fresh.exec("SET statement_timeout = '30s'"); // a bound, not a measure
        EXPECT_EQ(fresh.text("SELECT station, detections IS NULL, last_detection IS NULL FROM "
                             "emsn.detections_today ORDER BY 1"),
                  "berging|f|f\nit's|t|t\ntuin|f|f\nzolder|t|t");
        EXPECT_EQ(
            fresh.text("SELECT subject, status FROM emsn.health WHERE check_name = 'shards' ORDER BY 1"),
            "north|critical\nsouth|ok")
            << server;
    };
    auto &north = Servers::shared().north;
    // also one that still accepts connections and never answers
    const pid_t postmaster = std::stoi(read_file(north.socket_dir() + "/data/postmaster.pid"));
    ::kill(postmaster, SIGSTOP);
    answer("frozen");
    ::kill(postmaster, SIGCONT);
    north.stop();
    answer("gone");
    EXPECT_EQ(db.text("SELECT station FROM emsn.stations WHERE first_detection IS NULL ORDER BY 1"),
              "it's\nzolder");
    EXPECT_EQ(
        db.text(
            "SELECT * FROM emsn.detections_per_station(current_date, current_date) WHERE station = 'tuin'"),
        tuin);
    EXPECT_NE(db.value("SELECT message FROM emsn.health WHERE subject = 'north'")
                  .find("nothing is known of its 2 stations"),
              std::string::npos);
    EXPECT_EQ(db.text("SELECT subject FROM emsn.health WHERE check_name = 'silent_station' ORDER BY 1"),
              "berging\ntuin");
    // a session that had asked before goes on too, and finds it again
    EXPECT_EQ(db.value("SELECT count(*) FILTER (WHERE detections IS NULL) FROM emsn.detections_today"), "2");
    north.start();
    EXPECT_EQ(db.value("SELECT count(*) FILTER (WHERE detections IS NULL) FROM emsn.detections_today"), "0");
}

TEST_F(Shards, PublishingWritesToTheServerOfTheStation) {
    Publication p{.rows = {bird("2026-01-02 10:00:00", "a"), bird("2026-01-02 10:00:01", "b"),
                           bird("2026-01-02 10:00:02", "c"), bird("2026-01-03 10:00:00", "d")}};
    EXPECT_EQ(publish(p), "inserted 4");
    Session shard(Servers::shared().north.conninfo(database()));
    EXPECT_EQ(shard.value("SELECT count(*) FROM bird_detections WHERE station = 'zolder'"), "4");
    // a twin on the other server, with the same place in its table
    db.exec("INSERT INTO bird_detections (station, detection_timestamp, date, time, species, file_name)"
            " SELECT 'tuin', detection_timestamp, date, time, species, file_name FROM bird_detections");
    p.rows[0].species = "Strix aluco";
    p.rows.pop_back();
    EXPECT_EQ(publish(p), "deleted 1, unchanged 2, updated 1");
    p.rows.push_back(bird("2026-01-03 10:00:00", "d"));
    p.rows.push_back(bird("2026-01-04 10:00:00", "e"));
    p.total = 5;
    p.rows.erase(p.rows.begin(), p.rows.begin() + 3);
    p.scope = "days";
    EXPECT_EQ(publish(p), "inserted 1, restored 1, unchanged 3");
    EXPECT_EQ(shard.text("SELECT file_name, species, deleted FROM bird_detections ORDER BY file_name"),
              "a|Strix aluco|f\nb|Turdus merula|f\nc|Turdus merula|f\nd|Turdus merula|f\ne|Turdus merula|f");
    EXPECT_EQ(
        Session(Servers::shared().south.conninfo(database()))
            .value("SELECT count(*) FROM bird_detections WHERE species = 'Turdus merula' AND NOT deleted"),
        "4");
    // a moment again, beside what is there
    Publication again{.scope = "moments", .rows = {bird("2026-01-04 10:00:00", "e")}, .total = 5};
    EXPECT_EQ(publish(again), "unchanged 5");
    // of all rows only those that change were read there, and locked
    const auto log = Servers::shared().north.log();
    ASSERT_NE(log.find("FOR UPDATE"), std::string::npos);
    for (std::size_t at = log.find("FOR UPDATE"); at != std::string::npos;
         at = log.find("FOR UPDATE", at + 1)) {
        const auto begin = log.rfind('\n', at);
        EXPECT_NE(log.substr(begin, at - begin).find("ctid = ANY"), std::string::npos)
            << log.substr(begin, at - begin);
    }
}

// A row there is found by its place, which in a table of partitions is that of rows of others too.
TEST_F(Shards, PublishingChangesNoRowOfATableOfPartitionsThere) {
    Session shard(Servers::shared().north.conninfo(database()));
    shard.exec(
        "DROP TABLE bird_detections CASCADE; SELECT emsn.create_detections('bird_detections', 'month')");
    db.exec("INSERT INTO bird_detections (station, detection_timestamp, date, time, species, file_name)"
            " SELECT 'it''s', '2026-03-01 10:00+00', '2026-03-01', '11:00', 'Turdus merula', n FROM "
            "generate_series(1, 3) AS n");
    Publication p{.rows = {bird("2026-01-02 10:00:00", "a"), bird("2026-01-02 10:00:01", "b")}};
    EXPECT_EQ(publish(p), "inserted 2");
    EXPECT_EQ(publish(p), "unchanged 2");
    const std::string all = "SELECT station, detection_timestamp, species, file_name, deleted FROM "
                            "bird_detections ORDER BY 1, 4";
    const auto before = shard.text(all);
    const std::string refused = "0A000: publish_apply: on its server public.bird_detections_north is a table "
                                "of partitions: rows there cannot be changed from here";
    p.rows[0].species = "Strix aluco";
    EXPECT_EQ(publish(p), refused);
    p.rows.erase(p.rows.begin());
    EXPECT_EQ(publish(p), refused);
    EXPECT_EQ(shard.text(all), before);
    // two of its own in one place
    p.rows = {bird("2026-01-02 10:00:00", "a"), bird("2026-01-02 10:00:01", "b"),
              bird("2026-02-02 10:00:00", "c")};
    EXPECT_EQ(publish(p), "inserted 1, unchanged 2");
    EXPECT_EQ(publish(p), refused);
    // a new one is not looked for by its place
    Publication again{.scope = "moments", .rows = {bird("2026-02-03 10:00:00", "d")}, .total = 4};
    EXPECT_EQ(publish(again), "inserted 1, unchanged 3");
}

TEST_F(Shards, ALockedTableIsNoAnswer) {
    fill();
    Session other(Servers::shared().north.conninfo(database()));
    other.exec(
        "DROP TABLE bird_detections CASCADE; SELECT emsn.create_detections('bird_detections', 'month')");
    other.exec("BEGIN; LOCK TABLE bird_detections_" +
               other.value("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')") +
               " IN ACCESS EXCLUSIVE MODE");
    db.exec("SET statement_timeout = '30s'"); // a bound, not a measure
    EXPECT_EQ(db.text("SELECT station, detections IS NULL FROM emsn.detections_today ORDER BY 1"),
              "berging|f\nit's|t\ntuin|f\nzolder|t");
    EXPECT_NE(db.value("SELECT message FROM emsn.health WHERE check_name = 'shards' AND subject = 'north'")
                  .find("lock timeout"),
              std::string::npos);
}

TEST_F(Shards, PartsHereAndThereAnswerTogether) {
    fill();
    db.exec(
        "CREATE TABLE here PARTITION OF bird_detections FOR VALUES IN ('office');"
        "INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('office', now(), 'x')");
    const std::string today = "SELECT station, detections IS NULL FROM emsn.detections_today ORDER BY 1";
    EXPECT_EQ(db.text(today), "berging|f\nit's|f\noffice|f\ntuin|f\nzolder|f");
    Servers::shared().north.stop();
    EXPECT_EQ(db.text(today), "berging|f\nit's|t\noffice|f\ntuin|f\nzolder|t");
    Servers::shared().north.start();
}

// A role that may use a server could make one, with types that run its code.
TEST_F(Shards, HealthIsReadFromNobodysTable) {
    const auto stranger = role();
    db.exec("DROP FOREIGN TABLE south_health; GRANT USAGE ON FOREIGN SERVER south TO " + stranger +
            "; CREATE SCHEMA own AUTHORIZATION " + stranger);
    session(stranger).exec(
        "CREATE FOREIGN TABLE own.health (check_name text, subject text, status text, value numeric, unit "
        "text, warning_at text, critical_at text, message text, remedy text, measured_at timestamptz) SERVER "
        "south OPTIONS (schema_name 'emsn', table_name 'health')");
    EXPECT_EQ(db.text("SELECT server, health FROM emsn.remote_health_tables()"), "north|north_health");
}

TEST_F(Shards, AStationWithoutAPlaceIsRefused) {
    Publication p{.rows = {bird("2026-01-02 10:00:00", "a")}, .station = "dak"};
    db.exec("SELECT emsn.allow_publisher('" + role_ + "', 'dak')");
    EXPECT_EQ(publish(p), "55000: public.bird_detections has no partition for station \"dak\"");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.sync_state"), "0");
    add("north", Servers::shared().north, "dak");
    EXPECT_EQ(publish(p), "inserted 1");
}

TEST_F(Shards, AServerGetsMoreStations) {
    add("north", Servers::shared().north, "dak");
    EXPECT_EQ(db.text("SELECT server, stations FROM emsn.remote_servers()"),
              "north|{dak,it's,zolder}\nsouth|{berging,tuin}");
    db.exec("INSERT INTO bird_detections (station, detection_timestamp, species) VALUES ('dak', now(), 'x')");
    EXPECT_EQ(
        Session(Servers::shared().north.conninfo(database())).value("SELECT station FROM bird_detections"),
        "dak");
}

// Rights: SELECT on the whole table is enough, as for a table that lies here.
TEST_F(Shards, MonitorsReadThemWithAMappingOfTheirOwn) {
    fill();
    const auto name = role("pg_monitor");
    db.exec("GRANT SELECT ON bird_detections TO " + name);
    auto monitor = session(name);
    EXPECT_EQ(monitor.value("SELECT count(*) FILTER (WHERE detections IS NULL) FROM emsn.detections_today"),
              "4");
    EXPECT_EQ(monitor.text("SELECT DISTINCT status FROM emsn.health WHERE check_name = 'shards'"),
              "critical");
    for (const std::string server : {"north", "south"})
        db.exec("CREATE USER MAPPING FOR " + name + " SERVER " + server +
                " OPTIONS (user 'postgres', password_required 'false')");
    EXPECT_EQ(monitor.value("SELECT count(detections) FROM emsn.detections_today"), "4");
}

} // namespace
} // namespace emsn::test
