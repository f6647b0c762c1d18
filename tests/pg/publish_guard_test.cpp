// The deletion guard: its numbers, and that nothing is changed when it refuses.
#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishGuard : public PublishTest {
  protected:
    PublishGuard() {
        make();
        for (int i = 0; i < 200; ++i)
            rows_.push_back(
                bird("2026-01-02 10:" + std::to_string(10 + i / 50) + ":" + std::to_string(10 + i % 50),
                     std::to_string(i) + ".mp3"));
        publish({.rows = rows_});
        before_ = everything();
    }
    std::string everything() {
        return centre("xmin, ctid, id") + db.text("SELECT xmin, s FROM emsn.sync_state AS s") +
               db.text("SELECT xmin, d FROM emsn.sync_days AS d");
    }
    [[nodiscard]] std::vector<Bird> first(std::size_t count) const {
        return {rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(count)};
    }
    Failed refused(const Publication &p) {
        const auto failure = attempt(publisher_, p);
        EXPECT_EQ(failure.sqlstate, "EM001");
        EXPECT_EQ(everything(), before_);
        return failure;
    }
    static constexpr const char *kNothing = "nothing is changed at the centre for station \"zolder\": ";

    std::vector<Bird> rows_;
    std::string before_;
};

TEST_F(PublishGuard, EmptySource) {
    const auto failure = refused({});
    EXPECT_EQ(failure.message, kNothing + std::string("the source is empty, live rows at the centre: 200"));
    EXPECT_EQ(failure.hint,
              "Look at the source first. If it is right, publish once with the option \"max_delete\": 200");
    EXPECT_EQ(refused({.scope = "days", .gone_days = {"2026-01-02"}}).message, failure.message);
    EXPECT_EQ(publish({.options = R"({"max_delete": 200})"}), "deleted 200");
    // there is nothing left to guard
    EXPECT_EQ(publish({}), "");
}

TEST_F(PublishGuard, SourceOfLessThanHalf) {
    const auto failure = refused({.rows = first(99)});
    EXPECT_EQ(failure.message,
              kNothing +
                  std::string("rows of the source: 99, less than half of the 200 live rows at the centre"));
    EXPECT_EQ(failure.hint,
              "Look at the source first. If it is right, publish once with the option \"max_delete\": 101");
    // swapped for another one
    EXPECT_EQ(refused({.scope = "moments", .rows = {bird("2026-02-02 10:00:00")}, .total = 1}).message,
              kNothing +
                  std::string("rows of the source: 1, less than half of the 200 live rows at the centre"));
    EXPECT_EQ(publish({.rows = first(99), .options = R"({"max_delete": 101})"}), "deleted 101, unchanged 99");
}

TEST_F(PublishGuard, MoreThanFiftyDeletions) {
    const auto failure = refused({.rows = first(149)});
    EXPECT_EQ(failure.message,
              kNothing + std::string("rows that would be marked deleted: 51, more than the 50 allowed"));
    EXPECT_EQ(failure.hint,
              "Look at the source first. If it is right, publish once with the option \"max_delete\": 51");
    EXPECT_EQ(refused({.scope = "days", .rows = first(149)}).message, failure.message);
    EXPECT_EQ(publish({.rows = first(150)}), "deleted 50, unchanged 150");
}

TEST_F(PublishGuard, NumberOfTheUsersOwn) {
    EXPECT_EQ(refused({.rows = first(199), .options = R"({"max_delete": 0})"}).message,
              kNothing + std::string("rows that would be marked deleted: 1, more than the 0 allowed"));
    EXPECT_EQ(refused({.rows = first(80), .options = R"({"max_delete": 119})"}).message,
              kNothing + std::string("rows that would be marked deleted: 120, more than the 119 allowed"));
    EXPECT_EQ(publish({.rows = first(80), .options = R"({"max_delete": 120})"}), "deleted 120, unchanged 80");
}

TEST_F(PublishGuard, OlderCopyOfTheSource) {
    // restored from a backup: the newest rows are gone, all others are as they were
    EXPECT_EQ(refused({.rows = first(140)}).message,
              kNothing + std::string("rows that would be marked deleted: 60, more than the 50 allowed"));
}

TEST_F(PublishGuard, HalfIsOfThisStation) {
    db.exec("SELECT emsn.allow_publisher('" + role_ + "', 'berging')");
    EXPECT_EQ(publish({.rows = first(2), .station = "berging"}), "inserted 2");
    EXPECT_EQ(publish({.rows = first(1), .station = "berging"}), "deleted 1, unchanged 1");
}

TEST_F(PublishGuard, WithoutDeletedItGuardsToo) {
    db.exec("ALTER TABLE bird_detections DROP deleted");
    EXPECT_EQ(attempt(publisher_, {.rows = first(99)}).sqlstate, "EM001");
    EXPECT_EQ(publish({.rows = first(120)}), "missing 80, unchanged 120");
}

} // namespace
} // namespace emsn::test
