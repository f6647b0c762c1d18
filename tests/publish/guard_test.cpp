// No deletion by mistake: a birds.db that is empty, cut short, another one or an old copy changes nothing at
// the centre, and what is wrong is said.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/publish/support.hpp"

namespace emsn::test {
namespace {

namespace fs = std::filesystem;

class PublishGuardTest : public PublishTest {
  protected:
    PublishGuardTest() {
        fs::copy_file(birds_, dir_ / "old.db");
        for (int n = 1; n <= 200; ++n)
            hear(n);
        publish();
        before_ = everything();
    }

    std::string everything() {
        return db.text("SELECT * FROM bird_detections ORDER BY id") +
               db.text("SELECT position FROM emsn.sync_state");
    }
    void expect_refused(const std::vector<std::string> &words) {
        const auto error = error_of_publish();
        for (const auto &word : words)
            EXPECT_NE(error.find(word), std::string::npos) << word << " is not in: " << error;
        EXPECT_TRUE(everything() == before_) << "something was changed after: " << error;
    }

    std::string before_;
};

TEST_F(PublishGuardTest, AnEmptiedTable) {
    at_station("DELETE FROM detections");
    expect_refused({"emsn_publish: nothing is changed at the centre for station \"zolder\": the source is "
                    "empty, live rows "
                    "at the centre: 1200",
                    "max_delete", "has no detection at all"});
    EXPECT_NE(error_of_publish(R"({"full": true})").find("the source is empty"), std::string::npos);
    EXPECT_TRUE(everything() == before_);
}

TEST_F(PublishGuardTest, ANewEmptyFile) {
    fs::remove(birds_);
    write_file(birds_, "");
    expect_refused({"has no pages: is its name right?"});
    make_birds_db(birds_, 0);
    expect_refused({"the source is empty"});
}

TEST_F(PublishGuardTest, AFileCutShort) {
    fs::resize_file(birds_, fs::file_size(birds_) / 2);
    expect_refused({"emsn_publish: "});
    fs::resize_file(birds_, 60);
    expect_refused({"emsn_publish: "});
    write_file(birds_, std::string(8192, 'x'));
    expect_refused({"emsn_publish: "});
}

TEST_F(PublishGuardTest, AnOlderCopy) {
    fs::copy_file(dir_ / "old.db", birds_, fs::copy_options::overwrite_existing);
    expect_refused({"rows that would be marked deleted: 200, more than the 50 allowed",
                    "looks like an older copy: its newest detection is of 2025-01-06",
                    "published of 2025-06-05"});
    fs::remove(birds_);
    fs::rename(dir_ / "old.db", birds_);
    expect_refused({"is another file than at the last run"});
}

TEST_F(PublishGuardTest, AnotherStationsFile) {
    fs::rename(birds_, dir_ / "aside.db");
    make_birds_db(birds_, 0);
    for (int n = 1000; n <= 1700; ++n)
        hear(n);
    expect_refused({"rows that would be marked deleted: 1200, more than the 50 allowed",
                    "is another file than at the last run"});
    EXPECT_EQ(publish(R"({"max_delete": 1200})")["deleted"], 1200) << "unless that is what is wanted";
    expect_equal("after all");
}

TEST_F(PublishGuardTest, HalfOfItGone) {
    at_station("DELETE FROM detections WHERE rowid > 500");
    expect_refused({"rows of the source: 500, less than half of the 1200 live rows at the centre"});
    EXPECT_NE(error_of_publish(R"({"max_delete": 699})").find("rows that would be marked deleted: 700"),
              std::string::npos);
    EXPECT_TRUE(everything() == before_);
    EXPECT_EQ(publish(R"({"max_delete": 700, "dry_run": true})")["deleted"], 700);
    EXPECT_EQ(publish(R"({"max_delete": 700})")["deleted"], 700);
    expect_equal("half");
}

TEST_F(PublishGuardTest, FiftyMayGoWithoutAsking) {
    at_station("DELETE FROM detections WHERE rowid <= 51");
    expect_refused({"rows that would be marked deleted: 51, more than the 50 allowed"});
    at_station("INSERT INTO detections SELECT '2025-01-01', time(60, 'unixepoch'), 'Turdus merula', "
               "'Eurasian Blackbird', "
               "0.8, 52.1, 5.2, 0.7, 1, 1.25, 0, 'Blackbird-1.mp3'");
    EXPECT_EQ(publish()["deleted"], 50);
    expect_equal("fifty");
}

} // namespace
} // namespace emsn::test
