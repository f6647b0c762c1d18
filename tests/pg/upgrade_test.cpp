// An older version that is updated is what a fresh install gives (pg_ext/sql/upgrade/README.md). No version
// is released yet: one is made up, which the present script became, to prove the comparison.
#include <algorithm>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <utility>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

// The text from `begin` up to and including the first `end` after it.
std::string part(const std::string &text, const std::string &begin, const std::string &end) {
    const auto from = text.find(begin);
    const auto to = text.find(end, from == std::string::npos ? from : from + begin.size());
    if (to == std::string::npos)
        throw std::runtime_error("the script has no " + begin + " ... " + end);
    return text.substr(from, to - from + end.size());
}

void replace(std::string &text, const std::string &old, const std::string &by) {
    const auto at = text.find(old);
    if (at == std::string::npos)
        throw std::runtime_error("the script has no " + old);
    text.replace(at, old.size(), by);
}

// What an update may forget, and the object that then differs.
struct Step {
    std::string sql;
    std::string object;
};

// The objects of which one has a fact that the other has not.
std::set<std::string> differing(const Table &one, const Table &other) {
    std::set<std::string> objects;
    for (const auto &[all, known] : {std::pair{&one, &other}, {&other, &one}}) {
        for (const auto &fact : *all) {
            if (std::find(known->begin(), known->end(), fact) == known->end())
                objects.insert(fact[0].value());
        }
    }
    return objects;
}

class Upgrade : public PgTest {
  protected:
    void SetUp() override {
        folder_ = run({"bash", "-c", "echo -n \"$0\"/stage/usr/share/postgresql/*/extension",
                       PgCluster::shared().socket_dir()})
                      .out +
                  "/emsn_health";
        current_ = db.value("SELECT extversion FROM pg_extension WHERE extname = 'emsn_health'");
        const std::string script = read_file(folder_ + "--" + current_ + ".sql");
        const std::string view = part(script, "CREATE VIEW emsn.connection_clients AS", ";\n");
        const std::string comment = part(script, "COMMENT ON VIEW emsn.connection_clients", ";\n");
        const std::string column = part(script, "COMMENT ON COLUMN emsn.thresholds.subject", ";\n");
        const std::string kept =
            part(script, "SELECT pg_catalog.pg_extension_config_dump('emsn.thresholds'", ";\n");
        std::string function = part(script, "CREATE FUNCTION emsn.is_time_zone", "\n$$;\n");

        old_ = script;
        for (const auto &[was, is] : {std::pair<std::string, std::string>{view, ""},
                                      {comment, ""},
                                      {"    emsn.connection_clients,\n", ""},
                                      {column, "COMMENT ON COLUMN emsn.thresholds.subject IS 'old';\n"},
                                      {kept, ""},
                                      {",\n    note text\n", "\n"},
                                      {"    RETURN false;\n", "    RETURN NULL;\n"}})
            replace(old_, was, is);
        replace(function, "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION");
        steps_ = {
            {function, "function emsn.is_time_zone(text)"},
            {"ALTER TABLE emsn.station_settings ADD COLUMN note text;\n", "table emsn.station_settings"},
            {comment, "view emsn.connection_clients"},
            {"GRANT SELECT ON emsn.connection_clients TO pg_monitor;\n", "view emsn.connection_clients"},
            {column, "table emsn.thresholds"},
            {kept, "emsn.thresholds"}};
        make_view_ = view;
    }
    ~Upgrade() override {
        for (const auto &file : files_)
            std::remove(file.c_str());
    }

    void stage(const std::string &versions, const std::string &sql) {
        files_.push_back(folder_ + "--" + versions + ".sql");
        write_file(files_.back(), sql);
    }
    // The update that leaves out one step; steps_.size() leaves out none.
    [[nodiscard]] std::string update_without(std::size_t left_out) const {
        std::string sql =
            "\\echo Use \"ALTER EXTENSION emsn_health UPDATE\" to load this file. \\quit\n" + make_view_;
        for (std::size_t i = 0; i < steps_.size(); ++i)
            sql += i == left_out ? "" : steps_[i].sql;
        return sql;
    }
    Table definitions() {
        return db.rows(read_file(std::string(EMSN_SOURCE_DIR) + "/tests/pg/definitions.sql"));
    }
    Table updated_from(const std::string &version) {
        db.exec("DROP EXTENSION emsn_health; CREATE EXTENSION emsn_health VERSION '" + version +
                "'; ALTER EXTENSION emsn_health UPDATE");
        return definitions();
    }

    std::string folder_;
    std::string current_;
    std::string old_;
    std::string make_view_;
    std::vector<Step> steps_;
    std::vector<std::string> files_;
};

TEST_F(Upgrade, EachOlderVersionBecomesWhatAFreshInstallGives) {
    const Table fresh = definitions();
    stage("0.9", old_);
    stage("0.9--" + current_, update_without(steps_.size()));
    const auto older = db.rows("SELECT source FROM pg_extension_update_paths('emsn_health')"
                               " WHERE target = '" +
                               current_ + "'");
    EXPECT_GE(older.size(), 1U);
    for (const auto &row : older)
        EXPECT_EQ(differing(fresh, updated_from(row[0].value())), std::set<std::string>{}) << row[0].value();
}

TEST_F(Upgrade, WhatAnUpdateForgetsIsSeen) {
    const Table fresh = definitions();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const std::string version = "0." + std::to_string(i + 1);
        stage(version, old_);
        stage(version + "--" + current_, update_without(i));
        EXPECT_EQ(differing(fresh, updated_from(version)), std::set<std::string>{steps_[i].object})
            << steps_[i].sql;
    }
}

TEST_F(Upgrade, KeepsWhatTheUserSet) {
    stage("0.9", old_);
    stage("0.9--" + current_, update_without(steps_.size()));
    db.exec("DROP EXTENSION emsn_health; CREATE EXTENSION emsn_health VERSION '0.9';"
            "SELECT emsn.create_detections('public.birds');"
            "INSERT INTO emsn.thresholds VALUES ('disk_usage', '/', '5', '6');"
            "INSERT INTO emsn.station_settings (station, time_zone) VALUES ('attic', 'Asia/Tokyo');"
            "ALTER EXTENSION emsn_health UPDATE");
    EXPECT_EQ(db.text("TABLE emsn.thresholds"), "disk_usage|/|5|6");
    EXPECT_EQ(db.text("TABLE emsn.station_settings"), "attic|Asia/Tokyo|t|NULL");
    EXPECT_EQ(db.text("TABLE emsn.settings"), "detections|public.birds");
    EXPECT_EQ(db.text("SELECT station, detections FROM emsn.detections_today"), "attic|0");
}

} // namespace
} // namespace emsn::test
