// emsn.store_host_report: who may store what, and what is kept.
#include "tests/pg/host_support.hpp"

namespace emsn::test {
namespace {

class HostStore : public HostTest {
  protected:
    std::string store(Session &session, const std::string &station, const std::string &report) {
        return session.value("SELECT emsn.store_host_report('" + station + "', '" + report + "')");
    }
    Failed refused(const std::string &report) {
        return db.fails("SELECT emsn.store_host_report('a', '" + report + "')");
    }
    std::string now() { return "{\"reported_at\": \"" + utc("0") + "\"}"; }
};

TEST_F(HostStore, TheReportIsKeptWithTheOffsetOfTheClock) {
    const auto answer = store(db, "a", "{\"reported_at\": \"" + utc("10 seconds") + "\", \"x\": 1}");
    EXPECT_EQ(
        db.value("SELECT ('" + answer + "'::jsonb ->> 'clock_offset_ms')::integer BETWEEN 10000 AND 40000"),
        "t")
        << answer;
    EXPECT_EQ(
        db.text("SELECT station, received_at BETWEEN now() - interval '1 minute' AND now(), report ->> 'x', "
                "jsonb_build_object('clock_offset_ms', report -> 'clock_offset_ms') = '" +
                answer + "' FROM emsn.host_reports"),
        "a|t|1|t");
    EXPECT_EQ(db.value("SELECT ((emsn.store_host_report('b', jsonb_build_object('reported_at', " +
                       before("-1 hour") + ")) ->> 'clock_offset_ms')::integer / 60000)"),
              "-59")
        << "ahead";
}

TEST_F(HostStore, AMonthIsKeptOfEachStation) {
    for (const std::string station : {"a", "b"}) {
        for (const std::string ago : {"29 days", "31 days", "-1 day"})
            report(station, "\"ago\": \"" + ago + "\"", ago);
    }
    store(db, "a", now());
    EXPECT_EQ(db.text("SELECT station, count(*), max(received_at) < now() + interval '1 hour' FROM "
                      "emsn.host_reports GROUP "
                      "BY station ORDER BY station"),
              "a|2|t\nb|3|f")
        << "of the station that reports; a row of the future would hide every report until then";
}

TEST_F(HostStore, APublisherStoresTheReportsOfItsStationsOnly) {
    const auto name = role();
    db.exec("SELECT emsn.allow_publisher('" + name + "', 'zolder')");
    auto zolder = session(name);
    EXPECT_NE(store(zolder, "zolder", now()), "NULL");
    const auto other = zolder.fails("SELECT emsn.store_host_report('berging', '" + now() + "')");
    EXPECT_EQ(other.sqlstate, "42501");
    EXPECT_EQ(other.message, "role \"" + name + "\" may not publish station \"berging\"");
    EXPECT_EQ(zolder.fails("SELECT * FROM emsn.host_reports").sqlstate, "42501");
    EXPECT_EQ(zolder.fails("INSERT INTO emsn.host_reports VALUES ('zolder', now(), '{}')").sqlstate, "42501");
    db.exec("SELECT emsn.deny_publisher('" + name + "', 'zolder')");
    EXPECT_EQ(zolder.fails("SELECT emsn.store_host_report('zolder', '" + now() + "')").sqlstate, "42501");
    auto monitor = session(role("pg_monitor"));
    EXPECT_EQ(monitor.fails("SELECT emsn.store_host_report('zolder', '" + now() + "')").sqlstate, "42501");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.host_reports"), "1");
}

TEST_F(HostStore, WhatIsNoReportIsRefused) {
    const std::string no_report = "store_host_report: this is no host report: ";
    for (const auto &[report, reason] : std::vector<std::pair<std::string, std::string>>{
             {"[]", "it is no object"},
             {"null", "it is no object"},
             {"{}", "\"reported_at\" is no time such as 2025-12-30T02:00:00Z"},
             {"{\"reported_at\": \"yesterday\"}", "\"reported_at\" is no time such as 2025-12-30T02:00:00Z"},
             {"{\"reported_at\": \"2025-12-30T02:00:00Z\", \"units\": {}, \"mirror\": []}",
              "\"units\" is object, \"mirror\" is array"},
             {"{\"reported_at\": \"2025-12-30T02:00:00Z\", \"backups\": 5}", "\"backups\" is number"}}) {
        const auto failed = refused(report);
        EXPECT_EQ(failed.sqlstate, "22023") << report;
        EXPECT_EQ(failed.message, no_report + reason);
    }
    EXPECT_EQ(db.fails("SELECT emsn.store_host_report('a', NULL)").sqlstate, "22023");
    EXPECT_EQ(db.fails("SELECT emsn.store_host_report(NULL, '" + now() + "')").sqlstate, "22023");
    EXPECT_EQ(db.fails("SELECT emsn.store_host_report('', '" + now() + "')").sqlstate, "22023");
    EXPECT_NE(store(db, "a", R"({"reported_at": "2025-12-30T02:00:00Z", "units": null, "mirror": null})"),
              "NULL");
    EXPECT_EQ(db.value("SELECT count(*) FROM emsn.host_reports"), "1");
}

TEST_F(HostStore, ItsSizeIsBounded) {
    const auto sized = [&](int bytes) {
        return db.fails("SELECT emsn.store_host_report('a', jsonb_build_object('reported_at', "
                        "'2025-12-30T02:00:00Z', 'x', "
                        "repeat('y', " +
                        std::to_string(bytes) + ")))");
    };
    EXPECT_EQ(sized(262'000).sqlstate, "");
    const auto refused = sized(263'000);
    EXPECT_EQ(refused.sqlstate, "54000");
    EXPECT_EQ(refused.message, "store_host_report: the report has 263048 bytes, 262144 are taken");
}

} // namespace
} // namespace emsn::test
