// Host reports as stations send them.
#pragma once

#include <string>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

class HostTest : public PgTest {
  protected:
    // Stores a report as it is, received so long ago; parts: the inside of a JSON object.
    void report(const std::string &station, const std::string &parts, const std::string &ago = "0") {
        db.exec("INSERT INTO emsn.host_reports VALUES ('" + station +
                "', statement_timestamp() - interval '" + ago + "', '{" + parts + "}')");
    }
    // The form of a time in a report, so long before a given moment.
    static std::string before(const std::string &ago) {
        return "to_char((now() - interval '" + ago +
               "') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    }
    std::string utc(const std::string &ago) { return db.value("SELECT " + before(ago)); }
    std::string health(const std::string &check,
                       const std::string &columns = "subject, status, value, message") {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = '" + check + "'");
    }
};

} // namespace emsn::test
