// Fixture: scripts/emsn-health against a real server.
#pragma once

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

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
                "INSERT INTO emsn.thresholds VALUES ('disk_usage', NULL, '101', '102'),"
                " ('silent_station', NULL, '24', '48')");
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

} // namespace emsn::test
