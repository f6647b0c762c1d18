// Fixture: scripts/emsn-report against a real server, or a birds.db.
#pragma once

#include <algorithm>
#include <cstdlib>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

class ReportScript : public PgTest {
  protected:
    // The test machine's own configuration stays out.
    Outcome report(const std::vector<std::string> &words, const std::string &conninfo,
                   const std::vector<std::string> &more = {}) {
        write_file(scratch_ / "emsn.conf", "");
        std::vector<std::string> argv = {kScript};
        argv.insert(argv.end(), words.begin(), words.end());
        std::vector<std::string> env = {"EMSN_PG=" + conninfo, "EMSN_CONF=" + (scratch_ / "emsn.conf"),
                                        "PGUSER=postgres"};
        env.insert(env.end(), more.begin(), more.end());
        return run(argv, env);
    }
    Outcome report(const std::vector<std::string> &words) {
        return report(words, PgCluster::shared().conninfo(database()));
    }
    // What it prints, when all is well.
    std::string made(const std::vector<std::string> &words) {
        const auto out = report(words);
        EXPECT_EQ(out.status, 0) << out.err;
        EXPECT_EQ(out.err, "");
        return out.out;
    }
    // Seasons at so many stations, from tests/support/seasons.sql.
    void sow(int stations, const std::string &from, const std::string &to, int per_day) {
        db.exec("SELECT emsn.create_detections('public.d')");
        db.exec(read_file(EMSN_SOURCE_DIR "/tests/support/seasons.sql"));
        db.exec("SELECT public.sow('d', " + std::to_string(stations) + ", '" + from + "', '" + to + "', " +
                std::to_string(per_day) +
                "); INSERT INTO emsn.station_settings (station, time_zone) SELECT DISTINCT "
                "station, 'Europe/Amsterdam' FROM d");
    }
    const std::string kScript = std::string(EMSN_SOURCE_DIR) + "/scripts/emsn-report";
    const std::string kAway = "host=/nonexistent user=postgres";
    TempDir scratch_;
};

} // namespace emsn::test
