// Fixture for the watcher: it works in the database "postgres", where each test gets the extension anew.
#pragma once

#include <string>

#include "tests/support/pg_cluster.hpp"

namespace emsn::test {

class WatcherTest : public ::testing::Test {
  protected:
    WatcherTest() : db(session()) {
        reset_settings();
        db.exec("SET client_min_messages = warning; DROP EXTENSION IF EXISTS emsn_health CASCADE;"
                "CREATE EXTENSION emsn_health");
    }
    ~WatcherTest() override { reset_settings(); }

    static Session session(const std::string &user = "postgres", const std::string &words = "") {
        return Session(PgCluster::shared().conninfo("postgres", user) + " " + words);
    }
    // assignments: "emsn_health.guard_min_available = 1"
    static void set(const std::string &assignment) {
        session().exec("ALTER SYSTEM SET " + assignment);
        session().exec("SELECT pg_reload_conf()");
    }
    static void reset_settings() {
        session().exec("ALTER SYSTEM RESET ALL");
        session().exec("SELECT pg_reload_conf()");
    }
    std::string role(const std::string &memberships = "") {
        static int number = 0;
        std::string name = "watched_" + std::to_string(++number);
        db.exec("CREATE ROLE " + name + " LOGIN" + (memberships.empty() ? "" : " IN ROLE " + memberships));
        return name;
    }
    // "NULL" while there is none
    std::string watcher(const std::string &column = "pid") {
        return db.value("SELECT max(" + column +
                        "::text) FROM pg_stat_activity WHERE backend_type = 'emsn_health watcher'");
    }
    bool sampled(const std::string &condition = "true") {
        return db.value("SELECT count(*) FROM emsn.connection_history WHERE " + condition) != "0";
    }
    std::string now() { return "'" + db.value("SELECT clock_timestamp()") + "'"; }
    bool sampled_again() {
        const std::string after = now();
        return eventually([&] { return sampled("sampled_at > " + after); });
    }
    static std::size_t times_logged(const std::string &text) {
        const std::string log = PgCluster::shared().log();
        std::size_t times = 0;
        for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
            ++times;
        return times;
    }
    // Bytes in use by the watcher, as it says itself.
    std::size_t memory_in_use() {
        const std::size_t before = times_logged("Grand total:");
        db.exec("SELECT pg_log_backend_memory_contexts(" + watcher() + ")");
        EXPECT_TRUE(eventually([&] { return times_logged("Grand total:") > before; }));
        const std::string log = PgCluster::shared().log();
        const auto line = log.rfind("Grand total:");
        const auto free = log.find("; ", line);
        return std::stoul(log.substr(free + 2 + log.substr(free + 2).find("; ") + 2));
    }

    Session db;
};

} // namespace emsn::test
