// Publishing as a publisher sees it: first load, new rows, corrections, what is gone and what comes back.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class Publish : public PublishTest {
  protected:
    const std::vector<Bird> two_ = {bird("2026-01-02 10:00:00", "a.mp3"),
                                    bird("2026-01-02 10:00:00", "b.mp3", "Parus major", "0.8")};
};

TEST_F(Publish, FirstLoadArrivesWhole) {
    make();
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder')"), "NULL");
    EXPECT_EQ(publish({.rows = two_}), "inserted 2");
    EXPECT_EQ(centre("id, station, detection_timestamp AT TIME ZONE 'UTC', date, time, species, common_name, "
                     "confidence, latitude, longitude, cutoff, week, sensitivity, overlap, file_name, "
                     "detected_by_zolder, detected_by_berging, deleted, deleted_at"),
              "1|zolder|2026-01-02 09:00:00|2026-01-02|10:00:00|Turdus merula|Turdus merula|0.9|52.1|5.2|0.7|"
              "1|1.25|0|a.mp3|t|NULL|f|NULL\n"
              "2|zolder|2026-01-02 09:00:00|2026-01-02|10:00:00|Parus major|Parus major|0.8|52.1|5.2|0.7|1|"
              "1.25|0|b.mp3|t|NULL|f|NULL");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') - 'compared_at'"),
              R"({"rows": 2, "position": {"at": 1}, "live_rows": 2, "time_zone": "Europe/Amsterdam", )"
              R"("seconds_since_compared": 0, "seconds_since_published": 0})");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') ->> 'compared_at' ~ "
                               "'^[0-9-]{10}T[0-9:]{8}Z$'"),
              "t");
    EXPECT_EQ(publisher_.text("SELECT * FROM emsn.publish_days('zolder')"), "2026-01-02|2|7");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_live_rows('zolder')"), "2");
}

TEST_F(Publish, TwiceChangesNothing) {
    make();
    publish({.rows = two_});
    const auto before = centre("xmin, ctid, id");
    for (const std::string scope : {"all", "days", "moments"}) {
        EXPECT_EQ(publish({.scope = scope, .rows = two_}), "unchanged 2") << scope;
        EXPECT_EQ(centre("xmin, ctid, id"), before) << scope;
    }
}

TEST_F(Publish, NewRowsAreAddedToTheirDays) {
    make();
    publish({.rows = two_});
    EXPECT_EQ(publish({.scope = "moments",
                       .rows = {two_[0], two_[1], bird("2026-01-02 10:00:00", "c.mp3")},
                       .total = 3}),
              "inserted 1, unchanged 2");
    EXPECT_EQ(publish({.scope = "moments", .rows = {bird("2026-01-03 00:00:00", "d.mp3")}, .total = 4}),
              "inserted 1, unchanged 3");
    EXPECT_EQ(publisher_.text("SELECT * FROM emsn.publish_days('zolder')"),
              "2026-01-02|5|14\n2026-01-03|1|7");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') ->> 'live_rows'"), "4");
    db.exec("UPDATE emsn.sync_days SET digest = 18446744073709551615 WHERE day = '2026-01-03'");
    publish({.scope = "moments", .rows = {bird("2026-01-03 00:00:01", "e.mp3")}, .total = 5});
    EXPECT_EQ(db.value("SELECT digest FROM emsn.sync_days WHERE day = '2026-01-03'"), "6");
}

TEST_F(Publish, CorrectionIsAnUpdateOfTheSameRow) {
    make();
    publish({.rows = two_});
    auto corrected = two_;
    corrected[1] = bird("2026-01-02 10:00:00", "c.mp3", "Parus ater", "0.8");
    EXPECT_EQ(publish({.scope = "days", .rows = corrected}), "unchanged 1, updated 1");
    EXPECT_EQ(centre("id, species, common_name, file_name, deleted"),
              "1|Turdus merula|Turdus merula|a.mp3|f\n2|Parus ater|Parus ater|c.mp3|f");
    corrected[1].confidence = "0.7";
    EXPECT_EQ(publish({.rows = corrected}), "unchanged 1, updated 1");
    EXPECT_EQ(centre("confidence"), "0.9\n0.7");
}

TEST_F(Publish, WhatIsGoneIsMarkedAndWhatReturnsIsRestored) {
    make();
    publish({.rows = two_});
    EXPECT_EQ(publish({.scope = "days", .rows = {two_[0]}}), "deleted 1, unchanged 1");
    EXPECT_EQ(centre("id, deleted, deleted_at > now() - interval '1 minute'"), "1|f|NULL\n2|t|t");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_live_rows('zolder')"), "1");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') ->> 'live_rows'"), "1");
    EXPECT_EQ(publish({.scope = "days", .rows = {two_[0]}}), "unchanged 1");
    EXPECT_EQ(publish({.scope = "moments", .rows = two_}), "restored 1, unchanged 1");
    EXPECT_EQ(centre("id, deleted, deleted_at"), "1|f|NULL\n2|f|NULL");
    // with its only row goes the day
    EXPECT_EQ(publish({.rows = {two_[0], two_[1], bird("2026-01-03 10:00:00")}}), "inserted 1, unchanged 2");
    EXPECT_EQ(publish({.scope = "days", .total = 2, .gone_days = {"2026-01-03"}}), "deleted 1, unchanged 2");
    EXPECT_EQ(publisher_.text("SELECT day FROM emsn.publish_days('zolder')"), "2026-01-02");
}

TEST_F(Publish, OtherStationsAndDaysAreNotTouched) {
    make();
    db.exec(
        "INSERT INTO bird_detections (station, detection_timestamp, date, time, species, file_name)"
        " VALUES ('berging', '2026-01-02 10:00:00+01', '2026-01-02', '10:00:00', 'Turdus merula', 'a.mp3')");
    publish({.rows = {two_[0], two_[1], bird("2026-01-03 10:00:00", "d.mp3")}});
    const auto before = centre("xmin, id", "station = 'berging' OR date = '2026-01-03'");
    EXPECT_EQ(publish({.scope = "days", .rows = {bird("2026-01-02 11:00:00", "z.mp3")}, .total = 2}),
              "deleted 2, inserted 1, unchanged 1");
    EXPECT_EQ(centre("xmin, id", "station = 'berging' OR date = '2026-01-03'"), before);
}

TEST_F(Publish, RolledBackItLeavesNothing) {
    make();
    publish({.rows = two_});
    const auto before =
        centre("xmin, id, species") + db.text("TABLE emsn.sync_state") + db.text("TABLE emsn.sync_days");
    publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'Europe/Amsterdam')");
    copy_in(publisher_, "pg_temp.emsn_incoming", Publication{.rows = {two_[0]}}.copy_lines());
    EXPECT_EQ(
        publisher_.value("SELECT emsn.publish_apply('zolder', 'all', '[]', 1, '{}', '{}') ->> 'deleted'"),
        "1");
    publisher_.exec("ROLLBACK");
    EXPECT_EQ(centre("xmin, id, species") + db.text("TABLE emsn.sync_state") +
                  db.text("TABLE emsn.sync_days"),
              before);
}

TEST_F(Publish, WhatIsSaidWrongIsRefused) {
    make();
    const auto refused = [&](const Publication &p) { return publish(p); };
    EXPECT_EQ(refused({.scope = "moments", .rows = two_}),
              "55000: publish_apply: station \"zolder\" has not published in time zone Europe/Amsterdam yet");
    EXPECT_EQ(refused({.rows = two_, .total = 3}),
              "22023: publish_apply: 2 rows were sent of 3; days among them that are not named: 0");
    EXPECT_EQ(refused({.scope = "week", .rows = two_}),
              "22023: publish_apply: scope is moments, days or all; days, rows and position are given");
    EXPECT_EQ(refused({.rows = two_, .options = R"({"max_delet": 1})"}),
              "22023: publish_apply: options are max_delete (a number) and compared (true or false), not "
              "{\"max_delet\": 1}");
    EXPECT_EQ(refused({.rows = two_, .options = R"({"max_delete": -1})"}).substr(0, 5), "22023");
    EXPECT_EQ(refused({.rows = two_, .time_zone = "Mars/Base"}),
              "22023: publish_begin: there is no time zone \"Mars/Base\"");
    publish({.rows = two_});
    EXPECT_EQ(refused({.scope = "days", .rows = two_, .time_zone = "UTC"}),
              "55000: publish_apply: station \"zolder\" has not published in time zone UTC yet");
    publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'Europe/Amsterdam')");
    copy_in(publisher_, "pg_temp.emsn_incoming", Publication{.rows = two_}.copy_lines());
    EXPECT_EQ(publisher_.fails("SELECT emsn.publish_apply('zolder', 'days', '[]', 2, '{}', '{}')").message,
              "publish_apply: 2 rows were sent of 2; days among them that are not named: 1");
    publisher_.exec("ROLLBACK");
    EXPECT_EQ(publisher_.fails("SELECT emsn.publish_apply('zolder', 'all', '[]', 0, '{}', '{}')").message,
              "publish_apply: publish_begin was not called for station \"zolder\" in this transaction");
}

TEST_F(Publish, AppliesOnceForEachBegin) {
    make();
    publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    publisher_.exec("SELECT emsn.publish_apply('zolder', 'all', '[]', 0, '{}', '{}')");
    EXPECT_EQ(publisher_.fails("SELECT emsn.publish_apply('zolder', 'all', '[]', 0, '{}', '{}')").sqlstate,
              "55000");
    publisher_.exec("ROLLBACK");
}

TEST_F(Publish, WhatWasBegunForOneStationIsNotAppliedToAnother) {
    make();
    db.exec("SELECT emsn.allow_publisher('" + role_ + "', 'berging')");
    publisher_.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    EXPECT_EQ(publisher_.fails("SELECT emsn.publish_apply('berging', 'all', '[]', 0, '{}', '{}')").message,
              "publish_apply: publish_begin was not called for station \"berging\" in this transaction");
    publisher_.exec("ROLLBACK");
}

TEST_F(Publish, WithoutATableItSaysWhy) {
    EXPECT_EQ(publish({.rows = two_}), "55000: no table of detections is named yet");
    make();
    db.exec("ALTER TABLE bird_detections RENAME TO birds");
    EXPECT_EQ(publish({.rows = two_}), "42P01: the table of detections public.bird_detections is not there");
    db.exec("CREATE VIEW bird_detections AS SELECT * FROM birds");
    EXPECT_EQ(publish({.rows = two_}),
              "42809: public.bird_detections is no table that can be published into");
}

TEST_F(Publish, AnotherPublisherOfTheStationIsToldToWait) {
    make();
    auto other = session(role_);
    other.exec("BEGIN; SELECT emsn.publish_begin('zolder', 'UTC')");
    EXPECT_EQ(publish({.rows = two_}), "55P03: another publisher of station \"zolder\" is at work");
    db.exec("SELECT emsn.allow_publisher('" + role_ + "', 'berging')");
    EXPECT_EQ(publish({.rows = two_, .station = "berging"}), "inserted 2");
    other.exec("ROLLBACK");
    EXPECT_EQ(publish({.rows = two_}), "inserted 2");
}

TEST_F(Publish, SaysThatNothingWasNew) {
    make();
    publish({.rows = two_});
    db.exec("UPDATE emsn.sync_state SET published_at = now() - interval '1 hour'");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') ->> 'seconds_since_published'"), "3600");
    publisher_.exec("SELECT emsn.publish_unchanged('zolder')");
    EXPECT_EQ(publisher_.value("SELECT emsn.publish_state('zolder') ->> 'seconds_since_published'"), "0");
}

} // namespace
} // namespace emsn::test
