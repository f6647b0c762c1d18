// A station's birds.db and a centre on a private server, with emsn_publish between them.
#pragma once

#include "tests/sqlite/support.hpp"
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

// A row as both sides are compared by: its values in one line.
using Lines = std::vector<std::string>;

class PublishTest : public PgTest {
  protected:
    PublishTest();

    [[nodiscard]] std::string conninfo() const { return PgCluster::shared().conninfo(database()); }
    // The report; throws SqlError.
    nlohmann::json publish(const std::string &options = "{}", const std::string &station = "zolder");
    std::string error_of_publish(const std::string &options = "{}", const std::string &station = "zolder");
    // A statement at the station, through a connection of its own.
    void at_station(const std::string &sql);
    // One detection more, of number n.
    void hear(int n);

    // The station's detections and the centre's live rows: equal texts, equal sides.
    [[nodiscard]] std::string station_rows(const std::string &path);
    [[nodiscard]] std::string centre_rows(const std::string &station = "zolder");
    void expect_equal(const std::string &when);

    TempDir dir_;
    const std::string birds_ = dir_ / "birds.db";
};

[[nodiscard]] std::string publish_sql(const std::string &conninfo, const std::string &station,
                                      const std::string &options);
// emsn_publish on a file in this process; the source is opened read-only.
nlohmann::json publish_file(const std::string &path, const std::string &conninfo, const std::string &station,
                            const std::string &options = "{}");

} // namespace emsn::test
