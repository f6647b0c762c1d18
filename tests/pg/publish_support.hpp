// A publisher as the station's program is one: a role that may publish one station, publish_begin, COPY,
// publish_apply.
#pragma once

#include <map>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

// One row of a source. What is empty is NULL; the file name too.
struct Bird {
    std::string day;
    std::string time;
    std::string species = "Turdus merula";
    std::string file = {};
    std::string confidence = "0.9";
    std::string reason = {}; // the station could not read it
};

// "2026-01-02 10:00:00"
inline Bird bird(const std::string &moment, const std::string &file = "",
                 const std::string &species = "Turdus merula", const std::string &confidence = "0.9") {
    return {moment.substr(0, 10), moment.substr(11), species, file, confidence, ""};
}

struct Publication {
    std::string scope = "all";
    std::vector<Bird> rows = {};
    std::size_t total = 0; // rows of the source; 0: those sent
    std::string options = "{}";
    std::vector<std::string> gone_days = {}; // of scope days: they have no rows any more
    std::string station = "zolder";
    std::string time_zone = "Europe/Amsterdam";
    std::string lines = {}; // for COPY, instead of rows; then total is given

    [[nodiscard]] std::string days() const {
        std::map<std::string, int> counts;
        for (const auto &row : rows)
            ++counts[row.day];
        for (const auto &day : gone_days)
            counts[day] += 0;
        std::string json;
        for (const auto &[day, count] : counts) {
            const std::string quoted = day.empty() ? "null" : '"' + day + '"';
            json.append(json.empty() ? "[" : ", ")
                .append("{\"day\": " + quoted + ", \"rows\": " + std::to_string(count) +
                        ", \"digest\": \"7\"}");
        }
        return json.empty() ? "[]" : json + "]";
    }
    [[nodiscard]] std::string copy_lines() const {
        if (!lines.empty())
            return lines;
        std::string text;
        const auto cell = [](const std::string &value) { return value.empty() ? "\\N" : value; };
        int number = 0;
        for (const auto &b : rows) {
            text += std::to_string(++number) + '\t' + cell(b.day) + '\t' + cell(b.time) + '\t' +
                    cell(b.species) + '\t' + cell(b.species) + '\t' + cell(b.confidence) +
                    "\t52.1\t5.2\t0.7\t1\t1.25\t0\t" + cell(b.file) + '\t' + cell(b.reason) + '\t' +
                    (b.reason.empty() ? "\\N" : "[\"raw\"]") + '\n';
        }
        return text;
    }
};

inline void copy_in(Session &session, const std::string &target, const std::string &lines) {
    PGconn *const raw = session.raw();
    PQclear(PQexec(raw, ("COPY " + target + " FROM STDIN").c_str()));
    PQputCopyData(raw, lines.data(), static_cast<int>(lines.size()));
    PQputCopyEnd(raw, nullptr);
    while (PGresult *result = PQgetResult(raw))
        PQclear(result);
}

class PublishTest : public PgTest {
  protected:
    PublishTest() : role_(role()), publisher_(session(role_)) {
        db.exec("SELECT emsn.allow_publisher('" + role_ + "', 'zolder')");
    }

    void make(const std::string &partition_by = "none") {
        db.exec("SELECT emsn.create_detections('public.bird_detections', '" + partition_by + "')");
    }
    // The ERROR, or none; then counts_ holds what apply returned, as "inserted 2, unchanged 1".
    Failed attempt(Session &by, const Publication &p) {
        by.exec("BEGIN");
        const auto begun = by.fails("SELECT emsn.publish_begin('" + p.station + "', '" + p.time_zone + "')");
        if (!begun.sqlstate.empty()) {
            by.exec("ROLLBACK");
            return begun;
        }
        copy_in(by, "pg_temp.emsn_incoming", p.copy_lines());
        const auto failure = by.fails("SELECT set_config('emsn.counts', coalesce(string_agg(k || ' ' || v, "
                                      "', ' ORDER BY k), ''), false)"
                                      " FROM jsonb_each_text(emsn.publish_apply('" +
                                      p.station + "', '" + p.scope + "', '" + p.days() + "', " +
                                      std::to_string(p.total == 0 ? p.rows.size() : p.total) +
                                      ", '{\"at\": 1}', '" + p.options + "')) AS e (k, v) WHERE v <> '0'");
        by.exec(failure.sqlstate.empty() ? "COMMIT" : "ROLLBACK");
        if (failure.sqlstate.empty())
            counts_ = by.value("SELECT current_setting('emsn.counts')");
        return failure;
    }
    std::string publish(const Publication &p) {
        const auto failure = attempt(publisher_, p);
        return failure.sqlstate.empty() ? counts_ : failure.sqlstate + ": " + failure.message;
    }
    // The detections at the centre, in the order of their ids.
    std::string centre(const std::string &columns, const std::string &where = "true") {
        return db.text("SELECT " + columns + " FROM bird_detections WHERE " + where + " ORDER BY id");
    }

    std::string role_;
    Session publisher_;
    std::string counts_;
};

} // namespace emsn::test
