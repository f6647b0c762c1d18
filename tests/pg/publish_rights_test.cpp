// What a publisher's role can do, and what nobody can make the publishing functions do.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishRights : public PublishTest {
  protected:
    PublishRights() {
        make();
        db.exec("INSERT INTO bird_detections (station, detection_timestamp, species) VALUES"
                " ('berging', '2026-01-02 10:00:00+01', 'Secret')");
    }
    std::string sqlstate(const std::string &sql) { return publisher_.fails(sql).sqlstate; }

    const Publication one_{.rows = {bird("2026-01-02 10:00:00", "a.mp3")}};
};

TEST_F(PublishRights, ARoleHasItsOwnStationOnly) {
    const auto refused = publisher_.fails("SELECT emsn.publish_state('berging')");
    EXPECT_EQ(refused.sqlstate, "42501");
    EXPECT_EQ(refused.message, "role \"" + role_ + "\" may not publish station \"berging\"");
    EXPECT_EQ(refused.hint,
              "As the owner of the extension: SELECT emsn.allow_publisher('" + role_ + "', 'berging');");
    for (const std::string call :
         {"publish_days('berging')", "publish_live_rows('berging')", "publish_unchanged('berging')",
          "publish_begin('berging', 'UTC')", "publish_apply('berging', 'all', '[]', 0, '{}', '{}')"})
        EXPECT_EQ(sqlstate("SELECT emsn." + call), "42501") << call;
    // begun for its own, it cannot end as another one's
    publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    EXPECT_EQ(sqlstate("SELECT emsn.publish_apply('berging', 'all', '[]', 0, '{}', '{}')"), "42501");
    publisher_.exec("ROLLBACK");
    for (const std::string none : {"NULL", "''"})
        EXPECT_EQ(sqlstate("SELECT emsn.publish_state(" + none + ")"), "22023");
    const auto before = centre("xmin, species, deleted", "station = 'berging'");
    EXPECT_EQ(publish(one_), "inserted 1");
    EXPECT_EQ(publish({.options = R"({"max_delete": 9})"}), "deleted 1");
    EXPECT_EQ(centre("xmin, species, deleted", "station = 'berging'"), before);
    EXPECT_NE(before, "");
}

TEST_F(PublishRights, ARoleSeesAndWritesNoTable) {
    publish(one_);
    for (const std::string command : {"SELECT * FROM", "DELETE FROM", "TRUNCATE", "COPY"}) {
        const std::string end = command == "COPY" ? " TO STDOUT" : "";
        for (const std::string table :
             {"bird_detections", "emsn.sync_state", "emsn.sync_days", "emsn.rejected_detections",
              "emsn.publishers", "emsn.settings", "emsn.station_settings"})
            EXPECT_EQ(sqlstate(command + " " + table + end), "42501") << command << " " << table;
    }
    EXPECT_EQ(sqlstate("INSERT INTO bird_detections (station, detection_timestamp, species) VALUES "
                       "('zolder', now(), 'x')"),
              "42501");
    EXPECT_EQ(sqlstate("UPDATE bird_detections SET species = 'x'"), "42501");
    EXPECT_EQ(publisher_.text("SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace ="
                              " (SELECT oid FROM pg_namespace WHERE nspname = 'emsn') AND"
                              " has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1"),
              db.text("SELECT f FROM emsn.publisher_functions() AS f ORDER BY 1"));
    publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    for (const std::string sql : {"SELECT * FROM pg_temp.emsn_incoming", "DROP TABLE pg_temp.emsn_incoming",
                                  "COMMENT ON TABLE pg_temp.emsn_incoming IS '{\"station\": \"berging\"}'"}) {
        publisher_.exec("SAVEPOINT s");
        EXPECT_EQ(sqlstate(sql), "42501") << sql;
        publisher_.exec("ROLLBACK TO s");
    }
    publisher_.exec("ROLLBACK");
}

TEST_F(PublishRights, StationsAreGivenAndTaken) {
    const auto name = role();
    auto other = session(name);
    EXPECT_EQ(other.fails("SELECT emsn.publish_state('zolder')").sqlstate, "42501");
    EXPECT_EQ(publisher_.fails("SELECT emsn.allow_publisher('" + name + "', 'zolder')").sqlstate, "42501");
    EXPECT_EQ(publisher_.fails("SELECT emsn.deny_publisher('" + name + "', 'zolder')").sqlstate, "42501");
    for (int i = 0; i < 2; ++i)
        db.exec("SELECT emsn.allow_publisher('" + name + "', 'a'), emsn.allow_publisher('" + name +
                "', 'b')");
    EXPECT_EQ(other.value("SELECT emsn.publish_state('a')"), "NULL");
    db.exec("SELECT emsn.deny_publisher('" + name + "', 'a')");
    EXPECT_EQ(other.fails("SELECT emsn.publish_state('a')").message,
              "role \"" + name + "\" may not publish station \"a\"");
    EXPECT_EQ(other.value("SELECT emsn.publish_state('b')"), "NULL");
    db.exec("SELECT emsn.deny_publisher('" + name + "', 'b')");
    EXPECT_EQ(other.fails("SELECT emsn.publish_state('b')").message, "permission denied for schema emsn");
    EXPECT_EQ(db.fails("SELECT emsn.allow_publisher('nobody at all', 'a')").sqlstate, "42704");
    EXPECT_EQ(db.fails("SELECT emsn.allow_publisher('" + name + "', '')").sqlstate, "23514");
    db.exec("SELECT emsn.deny_publisher('nobody at all', 'a')");
}

TEST_F(PublishRights, MembersAndSuperusersPublishToo) {
    const auto member = role(role_);
    auto session_of_member = session(member);
    EXPECT_EQ(attempt(session_of_member, one_).sqlstate, "");
    EXPECT_EQ(counts_, "inserted 1");
    Publication other = one_;
    other.station = "berging";
    EXPECT_EQ(attempt(session_of_member, other).sqlstate, "42501");
    EXPECT_EQ(attempt(db, other).sqlstate, "");
    // who connected counts, not who was set
    auto super = session();
    super.exec("SET ROLE " + role_);
    EXPECT_EQ(super.value("SELECT emsn.publish_state('berging') IS NOT NULL"), "t");
}

TEST_F(PublishRights, NamesThatWereTakenBeforehandAreAnError) {
    const std::string evil = "CREATE FUNCTION pg_temp.evil() RETURNS trigger LANGUAGE plpgsql AS"
                             " $$ BEGIN RAISE 'as %', current_user; END $$;";
    publisher_.exec(
        evil +
        "CREATE TEMP TABLE emsn_incoming (source_row bigint, day date, \"time\" time, reason text);"
        "CREATE TRIGGER t BEFORE INSERT ON emsn_incoming FOR EACH ROW EXECUTE FUNCTION pg_temp.evil()");
    EXPECT_EQ(publish(one_), "42P07: relation \"emsn_incoming\" already exists");
    EXPECT_EQ(sqlstate("SELECT emsn.publish_apply('zolder', 'all', '[]', 0, '{}', '{}')"), "55000");
    publisher_.exec("COMMENT ON TABLE emsn_incoming IS '{\"station\": \"zolder\", \"time_zone\": \"UTC\"}'");
    EXPECT_EQ(sqlstate("SELECT emsn.publish_apply('zolder', 'all', '[]', 0, '{}', '{}')"), "55000");
    publisher_.exec("DROP TABLE emsn_incoming; CREATE TEMP VIEW emsn_incoming AS SELECT 1 AS source_row;"
                    "COMMENT ON VIEW emsn_incoming IS '{\"station\": \"zolder\", \"time_zone\": \"UTC\"}'");
    EXPECT_EQ(publish(one_), "42P07: relation \"emsn_incoming\" already exists");
    EXPECT_EQ(sqlstate("SELECT emsn.publish_apply('zolder', 'all', '[]', 0, '{}', '{}')"), "55000");
    publisher_.exec("DROP VIEW emsn_incoming");
    EXPECT_EQ(publish(one_), "inserted 1");
    // the tables in which rows are matched
    for (const std::string table : {"emsn_source", "emsn_centre", "emsn_pairs"}) {
        publisher_.exec("CREATE TEMP TABLE " + table +
                        " (source_row bigint, part oid, place tid);"
                        "CREATE TRIGGER t BEFORE INSERT ON " +
                        table + " FOR EACH ROW EXECUTE FUNCTION pg_temp.evil()");
        EXPECT_EQ(publish(one_), "42P07: relation \"" + table + "\" already exists");
        publisher_.exec("DROP TABLE " + table);
    }
    EXPECT_EQ(publish(one_), "unchanged 1");
}

// A publisher's schemas, temporary objects and settings are nowhere looked at.
TEST_F(PublishRights, HostileObjectsAreNotReached) {
    db.exec("CREATE SCHEMA trap AUTHORIZATION " + role_);
    const std::string evil = " LANGUAGE plpgsql AS $$ BEGIN RAISE 'reached as %', current_user; END $$;";
    publisher_.exec(
        "CREATE FUNCTION trap.format(text, text) RETURNS text" + evil +
        "CREATE FUNCTION trap.now() RETURNS timestamptz" + evil +
        "CREATE FUNCTION trap.left(text, integer) RETURNS text" + evil +
        "CREATE FUNCTION trap.require_publisher(text) RETURNS void" + evil +
        "CREATE FUNCTION trap.eq(text, text) RETURNS boolean" + evil +
        "CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.eq);"
        "CREATE FUNCTION trap.eq(bigint, bigint) RETURNS boolean" +
        evil +
        "CREATE OPERATOR trap.= (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = trap.eq);"
        "CREATE FUNCTION trap.ge(tid, tid) RETURNS boolean" +
        evil +
        "CREATE OPERATOR trap.>= (LEFTARG = tid, RIGHTARG = tid, FUNCTION = trap.ge);"
        "CREATE DOMAIN pg_temp.text AS integer; CREATE DOMAIN pg_temp.bigint AS text;"
        "CREATE TEMP TABLE bird_detections (id integer); CREATE TEMP TABLE pg_class (oid integer);"
        "CREATE TEMP TABLE settings (name integer); CREATE TEMP TABLE pg_attribute (attname integer);"
        "CREATE TYPE pg_temp.publish_target AS (relation oid); CREATE TYPE pg_temp.publish_counts AS "
        "(inserted text);"
        "SET search_path = trap, pg_temp, pg_catalog; SET datestyle = 'German'; SET extra_float_digits = -15;"
        "SET timezone = 'Asia/Tokyo'; SET standard_conforming_strings = off; SET backslash_quote = on;"
        "SET transform_null_equals = on; SET quote_all_identifiers = on");
    const auto run = [&](const std::string &scope, const Publication &p) {
        publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'Europe/Amsterdam')");
        copy_in(publisher_, "pg_temp.emsn_incoming", p.copy_lines());
        const auto failure =
            publisher_.fails("SELECT emsn.publish_apply('zolder', '" + scope +
                             "', '[{\"day\": \"2026-01-02\", \"rows\": 1, \"digest\": \"1\"}]', " +
                             std::to_string(p.rows.size()) + ", '{}', '{}')");
        publisher_.exec("COMMIT");
        return failure.sqlstate + failure.message;
    };
    EXPECT_EQ(run("all", one_), "");
    EXPECT_EQ(run("days", {.rows = {bird("2026-01-02 10:00:00", "b.mp3", "Parus major", "0.12345678901")}}),
              "");
    EXPECT_EQ(run("moments", {.rows = {bird("2026-01-02 10:00:00", "b.mp3", "Parus major", "0.12345678901"),
                                       {.day = "2026-01-02", .time = "", .reason = "bad"}}}),
              "");
    EXPECT_EQ(centre("detection_timestamp AT TIME ZONE 'UTC', species, confidence, file_name",
                     "station = 'zolder'"),
              "2026-01-02 09:00:00|Parus major|0.12345678901|b.mp3");
    EXPECT_EQ(publisher_
                  .fails("SELECT emsn.publish_state('zolder'), emsn.publish_live_rows('zolder'),"
                         " emsn.publish_unchanged('zolder')")
                  .message,
              "");
    EXPECT_EQ(publisher_.fails("SELECT * FROM emsn.publish_days('zolder')").message, "");
}

TEST_F(PublishRights, RoleScriptMakesAPublisher) {
    const std::string name = role_ + "_made";
    for (int i = 0; i < 2; ++i) {
        const auto made =
            run({"psql", "-X", "-q", "-d", PgCluster::shared().conninfo(database()), "-v", "role=" + name,
                 "-v", "station=attic", "-f", EMSN_SOURCE_DIR "/sql/publisher_role.sql"});
        ASSERT_EQ(made.status, 0) << made.err;
        EXPECT_EQ(made.out, "role " + name + " may publish station attic\n");
        EXPECT_EQ(made.err, "");
    }
    db.exec("REVOKE TEMPORARY, CONNECT ON DATABASE " + database() + " FROM PUBLIC");
    auto made = session(name);
    EXPECT_EQ(attempt(made, {.rows = one_.rows, .station = "attic"}).sqlstate, "");
    EXPECT_EQ(counts_, "inserted 1");
    EXPECT_EQ(made.fails("SELECT emsn.publish_state('zolder')").sqlstate, "42501");
    EXPECT_EQ(db.text("SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolpassword IS NULL FROM "
                      "pg_authid WHERE"
                      " rolname = '" +
                      name + "'"),
              "t|f|f|f|t");
    const auto without = run({"psql", "-X", "-q", "-d", PgCluster::shared().conninfo(database()), "-f",
                              EMSN_SOURCE_DIR "/sql/publisher_role.sql"});
    EXPECT_EQ(without.status, 3) << without.err;
    db.exec("SELECT emsn.deny_publisher('" + name + "', 'attic'); REVOKE ALL ON DATABASE " + database() +
            " FROM " + name + "; DROP ROLE " + name);
}

} // namespace
} // namespace emsn::test
