// Baselines as plain SQL over the table of detections gives them, row by row and without regard for time.
#pragma once

#include <string>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

// rows: FROM what has station, species, common_name, confidence, at (timestamptz) and clock (timestamp) of
// the detections that count. today: an expression over station.
inline std::string plain_baselines(const std::string &rows, const std::string &today,
                                   const std::string &lookback = "365 days") {
    const std::string mine = " FROM r AS x WHERE x.station IS NOT DISTINCT FROM g.station";
    const std::string same = mine + " AND x.species = g.species";
    const std::string daily = "(SELECT count(*) AS c" + same + " GROUP BY clock::date) AS n";
    const auto active = [&](const std::string &field, int least) {
        return "coalesce((SELECT array_agg(p ORDER BY p) FROM (SELECT extract(" + field +
               " FROM clock)::integer AS p" + same +
               " GROUP BY 1 HAVING count(*) >= " + std::to_string(least) + ") AS n), '{}')";
    };
    return "WITH raw AS MATERIALIZED (SELECT station, species, common_name, confidence, at, clock FROM (" +
           rows + ") AS d WHERE clock::date BETWEEN (" + today + " - interval '" + lookback +
           "')::date AND " + today +
           "), r AS MATERIALIZED (SELECT * FROM raw UNION ALL SELECT NULL, species, common_name, confidence, "
           "at, "
           "clock FROM raw)"
           "SELECT station, species, (array_agg(common_name ORDER BY at DESC, common_name))[1], count(*), " +
           active("month", 5) + ", " + active("hour", 3) +
           ", round(avg(confidence)::numeric, 9), round(count(*)::numeric / count(DISTINCT clock::date), 9), "
           "round(count(*)::numeric / (SELECT count(DISTINCT clock::date)" +
           mine + "), 9), (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY c) FROM " + daily +
           "), (SELECT min(c) FROM " + daily + "), (SELECT max(c) FROM " + daily +
           "), min(at), max(at), CASE WHEN (SELECT count(DISTINCT clock::date)" + mine +
           ") < 21 THEN 'learning' ELSE 'learned' END FROM r AS g GROUP BY station, species HAVING count(*) "
           ">= 20 "
           "ORDER BY station COLLATE \"C\" NULLS FIRST, species COLLATE \"C\"";
}

inline const std::string kBaselines =
    "SELECT station, species, common_name, detections, months_active, hours_active,"
    " round(avg_confidence::numeric, 9), round(avg_daily_count::numeric, 9),"
    " round(avg_recorded_day_count::numeric, 9), median_daily_count, min_daily_count, max_daily_count,"
    " first_seen, last_seen, state FROM emsn.baselines ORDER BY station COLLATE \"C\" NULLS FIRST, species "
    "COLLATE \"C\"";

} // namespace emsn::test
