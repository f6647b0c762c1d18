// Rows that the centre cannot take: told with the reason, and no obstacle for the others.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishRejects : public PublishTest {
  protected:
    std::string rejected(const std::string &columns = "day, time, reason") {
        return db.text("SELECT " + columns + " FROM emsn.rejected_detections ORDER BY day, time, reason");
    }
    void make_strict() {
        db.exec("CREATE TABLE bird_detections (id bigserial, station text, detection_timestamp timestamptz,"
                " species varchar(20) NOT NULL, common_name text, confidence numeric(5, 4), file_name text "
                "UNIQUE,"
                " deleted boolean, CHECK (species <> 'Homo sapiens'));"
                "SELECT emsn.use_detections('bird_detections')");
    }
    const std::string at_ = "2026-01-02 10:00:00";
};

TEST_F(PublishRejects, EachReasonIsToldAndTheRestGoesOn) {
    make_strict();
    db.exec(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.species = 'Cuckoo' THEN"
        " RAISE 'no cuckoos'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER t BEFORE INSERT ON bird_detections FOR EACH ROW EXECUTE FUNCTION refuse()");
    const Publication source{.rows = {bird("2026-01-02 10:00:01", "a", "A", "12.5"),
                                      bird("2026-01-02 10:00:02", "b", ""),
                                      bird("2026-01-02 10:00:03", "c", "Homo sapiens"),
                                      bird("2026-01-02 10:00:04", "d"),
                                      bird("2026-01-02 10:00:05", "d", "Twin"),
                                      bird("2026-01-02 10:00:06", "e", "A name of more than 20"),
                                      bird("2026-01-02 10:00:07", "f", "Cuckoo"),
                                      {.day = "2026-01-02", .time = "", .reason = "time 24:00:00"},
                                      {.day = "", .time = "", .reason = "date yesterday"}}};
    EXPECT_EQ(publish(source), "inserted 1, rejected 8");
    EXPECT_EQ(rejected(),
              "2026-01-02|10:00:01|numeric field overflow\n"
              "2026-01-02|10:00:02|null value in column \"species\" of relation \"bird_detections\" violates "
              "not-null "
              "constraint\n"
              "2026-01-02|10:00:03|new row for relation \"bird_detections\" violates check constraint "
              "\"bird_detections_species_check\"\n"
              "2026-01-02|10:00:05|duplicate key value violates unique constraint "
              "\"bird_detections_file_name_key\"\n"
              "2026-01-02|10:00:06|value too long for type character varying(20)\n"
              "2026-01-02|10:00:07|no cuckoos\n"
              "2026-01-02|NULL|time 24:00:00\n"
              "NULL|NULL|date yesterday");
    EXPECT_EQ(db.text("SELECT station, raw FROM emsn.rejected_detections WHERE time = '10:00:01' OR day IS "
                      "NULL ORDER BY "
                      "day"),
              "zolder|[\"2026-01-02\", \"10:00:01\", \"A\", \"A\", 12.5, 52.1, 5.2, 0.7, 1, 1.25, 0, \"a\"]\n"
              "zolder|[\"raw\"]");
    const auto before = rejected("ctid, rejected_at");
    EXPECT_EQ(publish(source), "rejected 8, unchanged 1");
    EXPECT_EQ(rejected("ctid, rejected_at"), before);
}

TEST_F(PublishRejects, AmongManyTheOthersArrive) {
    make_strict();
    std::vector<Bird> rows;
    for (int i = 0; i < 2500; ++i)
        rows.push_back(bird("2026-01-0" + std::to_string(1 + i / 1000) + " 1" + std::to_string(i / 600) +
                                ":" + std::to_string(10 + i / 60 % 50) + ":" + std::to_string(10 + i % 50),
                            std::to_string(i), "A", i == 7 || i == 1200 || i == 2499 ? "99" : "0.5"));
    EXPECT_EQ(publish({.rows = rows}), "inserted 2497, rejected 3");
    EXPECT_EQ(db.value("SELECT count(*) FROM bird_detections"), "2497");
    EXPECT_EQ(
        db.value(
            "SELECT string_agg((raw::jsonb) ->> 11, ' ' ORDER BY day, time) FROM emsn.rejected_detections"),
        "7 1200 2499");
    // the same when they are matched, not only inserted
    rows[8].confidence = "0.6";
    rows[9].confidence = "77";
    rows[7].confidence = "0.7";
    EXPECT_EQ(publish({.rows = rows}), "inserted 1, rejected 3, unchanged 2495, updated 1");
    EXPECT_EQ(
        db.value(
            "SELECT string_agg((raw::jsonb) ->> 11, ' ' ORDER BY day, time) FROM emsn.rejected_detections"),
        "9 1200 2499");
}

TEST_F(PublishRejects, CorrectionThatTheTableRefusesLeavesTheRowAsItIs) {
    make_strict();
    const auto a = bird(at_, "a", "A");
    const auto b = bird(at_, "b", "B");
    publish({.rows = {a, b}});
    EXPECT_EQ(publish({.rows = {bird(at_, "a", "Homo sapiens"), bird(at_, "b", "C")}}),
              "rejected 1, updated 1");
    EXPECT_EQ(centre("species, file_name, deleted"), "A|a|f\nC|b|f");
    EXPECT_EQ(publish({.rows = {a}}), "deleted 1, unchanged 1");
    EXPECT_EQ(rejected(), "");
    EXPECT_EQ(publish({.rows = {a, bird(at_, "b", "Homo sapiens")}}), "rejected 1, unchanged 1");
    EXPECT_EQ(centre("species, deleted"), "A|f\nC|t");
}

TEST_F(PublishRejects, RowThatCannotBeReadAnyMoreTakesNothingAway) {
    make_strict();
    const auto a = bird(at_, "a", "A");
    const auto b = bird("2026-01-02 10:00:01", "b", "B");
    publish({.rows = {a, b}});
    const Bird unread{.day = b.day, .time = b.time, .species = "", .reason = "bad bytes"};
    for (const std::string scope : {"all", "days", "moments"})
        EXPECT_EQ(publish({.scope = scope, .rows = {a, unread}}), "rejected 1, unchanged 1") << scope;
    EXPECT_EQ(publish({.rows = {a, bird("2026-01-02 10:00:01", "b", "B", "12.5")}}),
              "rejected 1, unchanged 1");
    EXPECT_EQ(centre("species, deleted"), "A|f\nB|f");
    EXPECT_EQ(publish({.rows = {a, bird("2026-01-02 10:00:01", "b", "C")}}), "unchanged 1, updated 1");
    EXPECT_EQ(publish({.rows = {a, {.day = b.day, .time = "", .species = "", .reason = "no time"}}}),
              "deleted 1, rejected 1, unchanged 1");
}

TEST_F(PublishRejects, WhatIsCorrectedOrGoneLeaves) {
    make_strict();
    const Bird unread{.day = "", .time = "", .reason = "bad"};
    const Bird timeless{.day = "2026-01-03", .time = "", .reason = "bad"};
    const auto big = bird(at_, "a", "A", "99");
    publish({.rows = {big, unread, unread, timeless}});
    EXPECT_EQ(rejected("day, time"), "2026-01-02|10:00:00\n2026-01-03|NULL\nNULL|NULL\nNULL|NULL");
    EXPECT_EQ(publish({.scope = "moments", .rows = {bird(at_, "a", "A")}, .total = 4}),
              "inserted 1, unchanged 3");
    EXPECT_EQ(rejected("day"), "2026-01-03\nNULL\nNULL");
    EXPECT_EQ(publish({.scope = "moments", .rows = {unread, unread, unread}, .total = 5}),
              "rejected 3, unchanged 2");
    EXPECT_EQ(rejected("day"), "2026-01-03\nNULL\nNULL\nNULL");
    EXPECT_EQ(publish({.scope = "days", .rows = {unread}, .total = 3, .gone_days = {"2026-01-03"}}),
              "rejected 1, unchanged 2");
    EXPECT_EQ(rejected("day"), "NULL");
    EXPECT_EQ(publish({.rows = {bird(at_, "a", "A")}}), "unchanged 1");
    EXPECT_EQ(rejected("day"), "");
}

TEST_F(PublishRejects, NoPartitionForARow) {
    db.exec("CREATE TABLE bird_detections (id bigserial, station text, detection_timestamp timestamptz, "
            "species text,"
            " common_name text, confidence real) PARTITION BY RANGE (detection_timestamp);"
            "CREATE TABLE one PARTITION OF bird_detections FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
            "SELECT emsn.use_detections('bird_detections')");
    EXPECT_EQ(publish({.rows = {bird(at_), bird("2026-03-02 10:00:00")}}), "inserted 1, rejected 1");
    EXPECT_EQ(rejected(), "2026-03-02|10:00:00|no partition of relation \"bird_detections\" found for row");
}

TEST_F(PublishRejects, OtherErrorsEndThePublication) {
    make();
    db.exec(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 FROM nowhere; RETURN "
        "NEW;"
        " END $$; CREATE TRIGGER t BEFORE INSERT ON bird_detections FOR EACH ROW EXECUTE FUNCTION fail()");
    EXPECT_EQ(publish({.rows = {bird(at_)}}), "42P01: relation \"nowhere\" does not exist");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder')"), "NULL");
}

} // namespace
} // namespace emsn::test
