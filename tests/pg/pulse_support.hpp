// Fixture: three stations that hear ten species around the clock, each hour alike, for more than a year,
// learned from.
#pragma once

#include <string>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

class PulseTest : public PgTest {
  protected:
    PulseTest() {
        db.exec("INSERT INTO emsn.station_settings (station, time_zone) VALUES ('attic', 'UTC'), ('hills', "
                "'UTC'),"
                " ('shore', 'UTC'); SELECT emsn.create_detections('d')");
        // a detection every 30 minutes in the year before, every 3 minutes in the last 31 days
        for (const std::string &from_to_step :
             {"timestamptz " + at_ + " - interval '395 days', timestamptz " + at_ +
                  " - interval '31 days 1 minute', interval '30 minutes'",
              "timestamptz " + at_ + " - interval '31 days', timestamptz " + at_ +
                  " - interval '1 minute', interval '3 minutes'"})
            insert(from_to_step);
        learn();
    }
    void insert(const std::string &from_to_step) {
        db.exec(
            "INSERT INTO d (station, detection_timestamp, species, common_name, confidence) SELECT s, t, "
            "'Species ' ||"
            " b, 'Name ' || b, 0.75 + b * 0.01 + (n % 5) * 0.01 FROM unnest(ARRAY['attic', 'hills', 'shore'])"
            " WITH ORDINALITY AS s (s, place) CROSS JOIN generate_series(" +
            from_to_step +
            ") WITH ORDINALITY AS t (t, n) CROSS JOIN LATERAL (SELECT (n * 7 + place) % 10 AS b) AS b");
    }
    void learn() { db.exec("SELECT emsn.learn_baselines_at('365 days', " + at_ + ")"); }
    // How many are open.
    std::string check() { return db.value("SELECT emsn.check_anomalies_at(" + at_ + ")"); }
    std::string open(const std::string &columns, const std::string &where = "true") {
        return db.text("SELECT " + columns + " FROM emsn.anomalies WHERE resolved_at IS NULL AND " + where +
                       " ORDER BY kind, station, species");
    }
    std::string all(const std::string &columns) {
        return db.text("SELECT " + columns +
                       " FROM emsn.anomalies ORDER BY opened_at, kind, station, species");
    }
    std::string health(const std::string &check, const std::string &columns) {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = '" + check +
                       "' ORDER BY subject");
    }
    // As if these had not been heard in the last `time`.
    void forget(const std::string &condition, const std::string &time) {
        db.exec("DELETE FROM d WHERE " + condition + " AND detection_timestamp > timestamptz " + at_ +
                " - interval '" + time + "'");
    }
    void hear(const std::string &station, const std::string &ago, int times = 1,
              const std::string &species = "Species 3") {
        db.exec("INSERT INTO d (station, detection_timestamp, species, common_name, confidence) SELECT '" +
                station + "', timestamptz " + at_ + " - interval '" + ago + "', '" + species +
                "', 'Name of ' || '" + species + "', 0.8 FROM generate_series(1, " + std::to_string(times) +
                ")");
    }
    void hours_pass(const std::string &time) {
        from_ = at_;
        at_ = "'" + db.value("SELECT timestamptz " + at_ + " + interval '" + time + "'") + "'";
    }
    // What was heard meanwhile, as ever.
    void fill_up() {
        insert("timestamptz " + from_ + ", timestamptz " + at_ +
               " - interval '1 minute', interval '3 minutes'");
    }

    std::string at_ = "'2026-02-20 15:00:00+00'";
    std::string from_;
};

} // namespace emsn::test
