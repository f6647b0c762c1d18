// Code of the table's owner that publishing runs into, and what it can do there: no more than its owner.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishOwner : public PublishTest {
  protected:
    PublishOwner() { make(); }

    const Publication one_{.rows = {bird("2026-01-02 10:00:00", "a.mp3")}};
};

// Where the publisher may create objects, the triggers of the table do not look.
TEST_F(PublishOwner, TriggersDoNotFindWhatThePublisherMadeForThem) {
    db.exec("CREATE TABLE journal (who text);"
            "CREATE FUNCTION note(text) RETURNS void LANGUAGE sql AS 'INSERT INTO public.journal VALUES "
            "(current_user)';"
            "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM note(NEW.species::varchar); RETURN NEW; END $$;"
            "CREATE TRIGGER t BEFORE INSERT ON bird_detections FOR EACH ROW EXECUTE FUNCTION fire()");
    EXPECT_EQ(publish(one_), "inserted 1");
    EXPECT_EQ(db.text("TABLE journal"), "postgres");
    db.exec("GRANT CREATE ON SCHEMA public TO " + role_);
    publisher_.exec("CREATE FUNCTION public.note(varchar) RETURNS void LANGUAGE plpgsql AS"
                    " $$ BEGIN RAISE 'reached as %', current_user USING ERRCODE = 'ZZZZZ'; END $$");
    EXPECT_EQ(publish({.rows = {one_.rows[0], bird("2026-01-02 11:00:00")}}),
              "42883: function note(character varying) does not exist");
}

TEST_F(PublishOwner, TriggersHaveTheRightsOfTheTablesOwnerAndNoMore) {
    const auto owner = role();
    db.exec("ALTER TABLE bird_detections OWNER TO " + owner + "; GRANT CREATE ON SCHEMA public TO " + owner +
            "; CREATE TABLE loot (who text, session text, outcome text); GRANT INSERT ON loot TO PUBLIC");
    auto owners = session(owner);
    owners.exec(
        "CREATE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "DECLARE sql text; result text;\n"
        "BEGIN\n"
        "  FOREACH sql IN ARRAY ARRAY['ALTER ROLE " +
        owner +
        " SUPERUSER', 'SET ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres',"
        " 'RESET SESSION AUTHORIZATION', 'CREATE TEMP TABLE t (n integer)',"
        " 'SELECT * FROM emsn.publishers', 'SELECT * FROM pg_authid',"
        " 'SELECT emsn.execute_as_owner(0, ''x'', ''y'')'] LOOP\n"
        "    BEGIN EXECUTE sql; result := 'done'; EXCEPTION WHEN OTHERS THEN result := SQLSTATE; END;\n"
        "    INSERT INTO public.loot VALUES (current_user, session_user, sql || ': ' || result);\n"
        "  END LOOP;\n"
        "  RETURN NEW;\n"
        "END $$;"
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON bird_detections FOR EACH ROW EXECUTE FUNCTION steal()");
    for (const std::string &by : {role_, std::string("postgres")}) {
        db.exec("TRUNCATE loot");
        auto publisher = session(by);
        EXPECT_EQ(attempt(publisher, {.rows = {bird("2026-01-02 10:00:00", by)}}).sqlstate, "");
        EXPECT_EQ(db.text("SELECT DISTINCT who, session FROM loot"), owner + "|" + by);
        EXPECT_EQ(db.text("SELECT outcome FROM loot WHERE outcome LIKE '%: done'"), "");
        EXPECT_EQ(db.value("SELECT count(*) FROM loot"), "9");
    }
    EXPECT_EQ(db.value("SELECT rolsuper FROM pg_roles WHERE rolname = '" + owner + "'"), "f");
    // at the end of the transaction it would be somebody else
    owners.exec("CREATE CONSTRAINT TRIGGER late AFTER INSERT ON bird_detections DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION steal()");
    EXPECT_EQ(publish({.rows = {bird("2026-01-02 10:00:00", "x"), bird("2026-01-02 12:00:00", "y")}}),
              "42501: cannot fire deferred trigger within security-restricted operation");
}

// A type of the table owner's making is cast and compared with that owner's rights too.
TEST_F(PublishOwner, TypesAndExpressionsOfTheOwnerHaveItsRights) {
    const auto owner = role();
    db.exec("DROP TABLE bird_detections; GRANT CREATE ON SCHEMA public TO " + owner);
    auto owners = session(owner);
    owners.exec(
        "CREATE FUNCTION public.who(anyelement) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
        " IF current_user <> '" +
        owner +
        "' THEN RAISE 'as %', current_user USING ERRCODE = 'ZZZZZ'; END IF; RETURN true; END $$;"
        "CREATE DOMAIN public.named AS text CHECK (public.who(value));"
        "CREATE FUNCTION public.default_of() RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM public.who(1); RETURN 'd'; END $$;"
        "CREATE TABLE public.bird_detections (id bigserial, station text, detection_timestamp timestamptz,"
        " species public.named, common_name text CHECK (public.who(common_name)), confidence real,"
        " extra text DEFAULT public.default_of(), week integer, deleted boolean);"
        "CREATE INDEX ON public.bird_detections ((public.who(species::text)))");
    db.exec("SELECT emsn.use_detections('public.bird_detections')");
    EXPECT_EQ(publish(one_), "inserted 1");
    EXPECT_EQ(publish({.rows = {bird("2026-01-02 10:00:00", "", "X"), bird("2026-01-02 10:00:00", "", "Y")}}),
              "inserted 1, updated 1");
    EXPECT_EQ(publish({.rows = {bird("2026-01-02 10:00:00", "", "Y")}}), "deleted 1, unchanged 1");
    EXPECT_EQ(centre("species, extra, deleted"), "X|d|t\nY|d|f");
}

TEST_F(PublishOwner, ActingAsAnOwnerIsForTheExtensionsOwner) {
    publish(one_);
    const std::string call =
        "SELECT emsn.execute_as_owner('public.bird_detections'::regclass, 'pg_catalog', 'SELECT 1::bigint')";
    EXPECT_EQ(db.value(call), "1");
    EXPECT_EQ(publisher_.fails(call).sqlstate, "42501");
    // not even for whom somebody granted it to
    const auto name = role();
    db.exec("GRANT USAGE ON SCHEMA emsn TO " + name + "; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA emsn TO " +
            name);
    EXPECT_EQ(session(name).fails(call).message, "must be owner of function execute_as_owner");
    EXPECT_EQ(db.fails("SELECT emsn.execute_as_owner(4000000000, 'pg_catalog', 'SELECT 1')").sqlstate,
              "55006");
    EXPECT_EQ(db.fails("SELECT emsn.execute_as_owner('pg_stat_activity'::regclass, 'pg_catalog', 'SELECT 1')")
                  .sqlstate,
              "42809");
    EXPECT_EQ(
        db.fails("SELECT emsn.execute_as_owner('bird_detections'::regclass, 'pg_catalog', 'SELECT ''a''')")
            .message,
        "execute_as_owner: the statement returned no bigint");
    EXPECT_EQ(db.fails("SELECT emsn.execute_as_owner('bird_detections'::regclass, 'pg_catalog', 'nonsense')")
                  .sqlstate,
              "42601");
    EXPECT_EQ(db.value("SELECT emsn.execute_as_owner('bird_detections'::regclass, 'pg_catalog',"
                       " 'UPDATE public.bird_detections SET species = species')"),
              "1");
    EXPECT_EQ(db.value("SELECT current_user"), "postgres");
    EXPECT_EQ(db.value("SELECT emsn.execute_as_owner(NULL, 'pg_catalog', 'SELECT 1')"), "NULL");
}

} // namespace
} // namespace emsn::test
