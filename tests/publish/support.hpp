// A station's birds.db and a centre on a private server, with emsn_publish between them.
#pragma once

#include "tests/sqlite/support.hpp"
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

[[nodiscard]] std::string publish_sql(const std::string &conninfo, const std::string &station,
                                      const std::string &options);
// emsn_publish on a file in this process, which is opened read-only. Throws SqlError.
nlohmann::json publish_file(const std::string &path, const std::string &conninfo, const std::string &station,
                            const std::string &options = "{}");

// The station's detections and the centre's live rows of it: equal texts, equal sides.
[[nodiscard]] std::string station_rows(const std::string &path);
[[nodiscard]] std::string centre_rows(Session &db, const std::string &station = "zolder");
// "": they are equal; else the first lines in which they differ.
[[nodiscard]] std::string difference(const std::string &path, Session &db,
                                     const std::string &station = "zolder");
// One statement, through a connection of its own.
void write_into(const std::string &path, const std::string &sql);
// The INSERT of detection number n; two in five fall into one second, and some days have many.
[[nodiscard]] std::string hear_sql(int n);

class PublishTest : public PgTest {
  protected:
    PublishTest();

    [[nodiscard]] std::string conninfo() const { return PgCluster::shared().conninfo(database()); }
    // The report; throws SqlError.
    nlohmann::json publish(const std::string &options = "{}", const std::string &station = "zolder");
    std::string error_of_publish(const std::string &options = "{}", const std::string &station = "zolder");
    void at_station(const std::string &sql) { write_into(birds_, sql); }
    void hear(int n) { at_station(hear_sql(n)); }
    void expect_equal(const std::string &when) { EXPECT_EQ(difference(birds_, db), "") << when; }

    TempDir dir_;
    const std::string birds_ = dir_ / "birds.db";
};

} // namespace emsn::test
