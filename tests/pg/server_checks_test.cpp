// Checks of the server in emsn.health, each brought about for real: waits, long transactions, slots, archive,
// receivers.
#include "tests/support/pg_cluster.hpp"

namespace emsn::test {
namespace {

const bool kSettings = [] {
    auto &settings = cluster_settings();
    for (const char *line : {"max_connections = 130", "max_prepared_transactions = 2", "archive_mode = on",
                             "archive_command = 'false'"})
        settings.emplace_back(line);
    return true;
}();

class ServerChecks : public PgTest {
  protected:
    std::string row(const std::string &check, const std::string &columns) {
        return db.text("SELECT " + columns + " FROM emsn.health WHERE check_name = '" + check + "'");
    }
    void warn_at(const std::string &check, const std::string &bound) {
        db.exec("DELETE FROM emsn.thresholds; INSERT INTO emsn.thresholds VALUES ('" + check + "', NULL, '" +
                bound + "', NULL)");
    }
};

TEST_F(ServerChecks, BlockedSessionsNameWhoWaitsAndForWhom) {
    EXPECT_EQ(row("blocked_sessions", "subject, status, value, unit, warning_at, critical_at, message"),
              "server|ok|0|seconds|60|300|no session waits for a lock");
    warn_at("blocked_sessions", "0");
    db.exec("CREATE TABLE held (n integer)");
    auto holder = session();
    holder.exec("BEGIN; LOCK TABLE held");
    Session waiter(PgCluster::shared().conninfo(database()) + " application_name=patient");
    waiter.send("SELECT * FROM held");
    ASSERT_TRUE(eventually([&] { return session_is(db, waiter.pid(), "Lock"); }));
    auto other = session();
    other.send("SELECT * FROM held");
    ASSERT_TRUE(eventually([&] { return session_is(db, other.pid(), "Lock"); }));
    const std::string pid = std::to_string(holder.pid());
    EXPECT_EQ(row("blocked_sessions", "regexp_replace(message, 'waited [0-9]+ s', 'waited N s')"),
              "pid " + std::to_string(waiter.pid()) +
                  " (user postgres, application patient) has waited N s for a lock of pid " + pid +
                  "; 1 more");
    EXPECT_EQ(
        row("blocked_sessions", "status, remedy"),
        "warning|See what holds it: SELECT pid, usename, state, query FROM pg_stat_activity WHERE pid IN (" +
            pid + "); and if nobody needs it: SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[" + pid +
            "]) AS pid;");
    db.exec("SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[" + pid + "]) AS pid");
    EXPECT_EQ(waiter.wait().sqlstate, "");
    EXPECT_EQ(other.wait().sqlstate, "");
    auto preparer = session();
    preparer.exec("BEGIN; LOCK TABLE held; PREPARE TRANSACTION 'it''s'");
    waiter.send("SELECT * FROM held");
    ASSERT_TRUE(eventually([&] { return session_is(db, waiter.pid(), "Lock"); }));
    EXPECT_EQ(row("blocked_sessions", "remedy"),
              "A prepared transaction holds it: SELECT * FROM pg_prepared_xacts; then "
              "COMMIT PREPARED or ROLLBACK PREPARED.");
    db.exec("ROLLBACK PREPARED 'it''s'");
    EXPECT_EQ(waiter.wait().sqlstate, "");
}

TEST_F(ServerChecks, LongTransactionsAtWorkAndPrepared) {
    auto idle = session();
    idle.exec("BEGIN; SELECT 1"); // has a check of its own
    ASSERT_TRUE(eventually([&] { return session_is(db, idle.pid(), "idle in transaction"); }));
    EXPECT_EQ(row("long_transactions", "subject, status, value, unit, warning_at, critical_at, message"),
              "server|ok|0|seconds|3600|21600|no other session is at work in a transaction");
    warn_at("long_transactions", "0");
    auto worker = session();
    worker.send("SELECT pg_sleep(600)");
    ASSERT_TRUE(eventually([&] { return session_is(db, worker.pid(), "active"); }));
    const std::string pid = std::to_string(worker.pid());
    EXPECT_EQ(row("long_transactions", "status, regexp_replace(message, '[0-9]+ s$', 'N s'), remedy"),
              "warning|pid " + pid +
                  " (user postgres, application -) has been at work in one transaction for N s|"
                  "See what it does: SELECT query FROM pg_stat_activity WHERE pid = " +
                  pid + "; and if nobody needs it: SELECT pg_cancel_backend(" + pid + ");");
    db.exec("SELECT pg_cancel_backend(" + pid + ")");
    EXPECT_EQ(worker.wait().sqlstate, "57014");
    auto preparer = session();
    preparer.exec("BEGIN; CREATE TABLE t (n integer); PREPARE TRANSACTION 'it''s'");
    EXPECT_EQ(row("long_transactions", "status, regexp_replace(message, '[0-9]+ s$', 'N s'), remedy"),
              "warning|transaction 'it''s' (user postgres, database " + database() +
                  ") has been prepared for N s|Connect to " + database() +
                  ", then COMMIT PREPARED 'it''s'; or ROLLBACK PREPARED 'it''s';");
    db.exec("ROLLBACK PREPARED 'it''s'");
}

TEST_F(ServerChecks, WraparoundAndSizeTakeLimitsOfEachForm) {
    EXPECT_EQ(row("wraparound", "subject, status, unit, warning_at, critical_at, value BETWEEN 1 AND 1000000,"
                                " message LIKE 'database % transactions old, 214%'"),
              "server|ok|transactions|50%|75%|t|t");
    db.exec("INSERT INTO emsn.thresholds VALUES ('wraparound', NULL, '1', '-2144483647'), ('database_size', "
            "NULL, '1', "
            "'1000000000000')");
    EXPECT_EQ(row("wraparound", "status, remedy LIKE 'In database %: VACUUM (FREEZE);%'"), "critical|t");
    EXPECT_EQ(row("database_size",
                  "subject, status, unit, value = pg_database_size(current_database()), message LIKE"
                  " 'database % takes % kB'"),
              database() + "|warning|bytes|t|t");
    db.exec("UPDATE emsn.thresholds SET warning_at = '-10', critical_at = NULL");
    EXPECT_EQ(row("wraparound", "status"), "ok");
    EXPECT_EQ(row("database_size", "status"), "unknown");
}

TEST_F(ServerChecks, SlotsThatKeepWal) {
    EXPECT_EQ(row("replication_slots", "subject, status, value, message"),
              "server|ok|NULL|there are no replication slots");
    db.exec("SELECT pg_create_physical_replication_slot('gone', true)");
    EXPECT_EQ(row("replication_slots", "subject, status, unit, warning_at, critical_at, remedy"),
              "gone|ok|bytes|1073741824|10737418240|NULL");
    warn_at("replication_slots", "80%");
    EXPECT_EQ(row("replication_slots", "status, message LIKE '%has no meaning here'"), "unknown|t");
    warn_at("replication_slots", "0");
    EXPECT_EQ(row("replication_slots",
                  "status, message ~ '^physical slot gone keeps .* of WAL, not in use$', remedy"),
              "warning|t|Start what reads it, or, if nobody does any more: SELECT "
              "pg_drop_replication_slot('gone');");
    db.exec("DELETE FROM emsn.thresholds");
    db.exec("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
    db.exec("SELECT pg_reload_conf()");
    ASSERT_TRUE(eventually([&] { return db.value("SHOW max_slot_wal_keep_size") == "1MB"; }));
    for (int i = 0; i < 3; ++i) {
        db.exec("CREATE TABLE t" + std::to_string(i) + " ()");
        db.exec("SELECT pg_switch_wal()");
    }
    db.exec("CHECKPOINT");
    EXPECT_EQ(row("replication_slots", "status, message LIKE '%; WAL that it needs is gone', remedy IS NULL"),
              "critical|t|f");
    db.exec("SELECT pg_drop_replication_slot('gone')");
    db.exec("ALTER SYSTEM RESET max_slot_wal_keep_size");
    db.exec("SELECT pg_reload_conf()");
}

TEST_F(ServerChecks, WalThatWaitsToBeArchived) {
    warn_at("wal_archiving", "0");
    db.exec("CREATE TABLE t ()");
    const auto wal = db.value("SELECT pg_walfile_name(pg_switch_wal())");
    ASSERT_TRUE(eventually([&] {
        return row("wal_archiving",
                   "subject, status, unit, critical_at, message ~ '^[0-9]+ WAL files? waits? to be"
                   " archived, the first for [0-9]+ s; [0-9A-F]{24} failed at 2'") ==
               "server|warning|seconds|3600|t";
    })) << row("wal_archiving", "*");
    EXPECT_NE(row("wal_archiving", "remedy"), "NULL");
    db.exec("ALTER SYSTEM SET archive_command = 'true'");
    db.exec("DELETE FROM emsn.thresholds; SELECT pg_reload_conf()");
    ASSERT_TRUE(eventually([&] {
        return row("wal_archiving", "status, value, message") == "ok|0|no WAL file waits to be archived";
    })) << row("wal_archiving", "*");
}

TEST_F(ServerChecks, ReceiversThatFallBehind) {
    EXPECT_EQ(row("replication_lag", "subject, status, value, message"),
              "server|ok|NULL|nobody receives WAL from this server");
    Session receiver(PgCluster::shared().conninfo(database()) + " application_name=garden replication=true");
    receiver.send("START_REPLICATION PHYSICAL " + db.value("SELECT pg_current_wal_flush_lsn()"));
    ASSERT_TRUE(eventually([&] {
        return row("replication_lag",
                   "subject, status, unit, warning_at, critical_at, message ~ ' behind [(]streaming[)]$'") ==
               "garden|ok|bytes|104857600|1073741824|t";
    })) << row("replication_lag", "*");
    warn_at("replication_lag", "0");
    EXPECT_EQ(row("replication_lag", "status, remedy IS NOT NULL"), "warning|t");
}

// Dashboards, Prometheus and people at once; and while a table is being altered nobody piles up behind it.
TEST_F(ServerChecks, AHundredReadersAtOnce) {
#ifdef EMSN_SANITIZE
    constexpr int readers = 20;
#else
    constexpr int readers = 100;
#endif
    db.exec("SELECT emsn.create_detections('d'); INSERT INTO d (station, detection_timestamp, species) "
            "VALUES ('a', "
            "now(), 'x')");
    auto locker = session();
    std::vector<Session> all;
    for (int i = 0; i < readers; ++i) {
        all.push_back(session());
        all.back().exec("SET client_min_messages = error");
    }
    const std::string count =
        "DO $$ BEGIN ASSERT (SELECT count(*) FROM emsn.health WHERE status = 'unknown') = ";
    for (const std::string unknown : {"0", "1"}) {
        for (auto &reader : all)
            reader.send(count + unknown + "; END $$");
        for (auto &reader : all)
            EXPECT_EQ(reader.wait().message, "");
        if (unknown == "0")
            locker.exec("BEGIN; ALTER TABLE d ADD note text");
    }
}

} // namespace
} // namespace emsn::test
