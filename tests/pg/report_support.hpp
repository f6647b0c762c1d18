// Reports over generated seasons.
#pragma once

#include <string>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

class ReportTest : public PgTest {
  protected:
    void make(const std::string &columns = "") {
        db.exec(columns.empty() ? "SELECT emsn.create_detections('public.d')"
                                : "CREATE TABLE d (" + columns + "); SELECT emsn.use_detections('d')");
    }
    // tests/support/seasons.sql
    void sow(int stations, const std::string &from, const std::string &to, int per_day) {
        db.exec(read_file(EMSN_SOURCE_DIR "/tests/support/seasons.sql"));
        db.exec("SELECT public.sow('d', " + std::to_string(stations) + ", '" + from + "', '" + to + "', " +
                std::to_string(per_day) + ")");
    }
    void zone(const std::string &station, const std::string &name) {
        db.exec("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('" + station + "', '" + name +
                "')");
    }
    void hear(const std::string &station, const std::string &moment, const std::string &species = "x") {
        db.exec("INSERT INTO d (station, detection_timestamp, species, common_name, confidence) VALUES ('" +
                station + "', '" + moment + "', '" + species + "', 'name of " + species + "', 0.9)");
    }
    // Columns of the rows of one section, in their order.
    std::string section(const std::string &name, const std::string &columns, const std::string &period,
                        const std::string &kind = "monthly", const std::string &station = "NULL") {
        return db.text("SELECT " + columns + " FROM emsn.report('" + kind + "', '" + period + "', " +
                       station + ") AS r WHERE section = '" + name + "' ORDER BY position");
    }
};

} // namespace emsn::test
