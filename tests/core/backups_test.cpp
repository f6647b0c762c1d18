#include "core/backups.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "core/backup_name.hpp"
#include "core/error.hpp"
#include "core/utc.hpp"
#include "tests/support/as_nobody.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

namespace fs = std::filesystem;

const Poll kNoPoll = [] {};
// rules instead of a name: needs no time zone data
constexpr const char *kAmsterdam = "CET-1CEST,M3.5.0,M10.5.0/3";

// The time zone of this process, put back at the end.
class TimeZone {
  public:
    explicit TimeZone(const char *name) {
        const char *old = ::getenv("TZ");
        old_ = old != nullptr ? std::optional<std::string>(old) : std::nullopt;
        ::setenv("TZ", name, 1);
        ::tzset();
    }
    ~TimeZone() {
        old_ ? ::setenv("TZ", old_->c_str(), 1) : ::unsetenv("TZ");
        ::tzset();
    }
    TimeZone(const TimeZone &) = delete;
    TimeZone &operator=(const TimeZone &) = delete;

  private:
    std::optional<std::string> old_;
};

std::string utc_of(const std::string &name) {
    const auto dated = parse_backup_name(name);
    return dated ? utc_text(dated->taken_unix) : "none";
}

TEST(BackupName, DatesAreLocalTimeInEveryForm) {
    const TimeZone zone(kAmsterdam);
    const std::map<std::string, std::string> cases{
        {"2025-12-30", "2025-12-29T23:00:00Z"},
        {"2025-06-30", "2025-06-29T22:00:00Z"},
        {"birds-2025-12-30-14.sql.gz", "2025-12-30T13:00:00Z"},
        {"birds-2025-12-30-1405.db", "2025-12-30T13:05:00Z"},
        {"centre-2025-12-30-140506.dump", "2025-12-30T13:05:06Z"},
        {"pi20251230.img.gz", "2025-12-29T23:00:00Z"},
        {"20251230-235959", "2025-12-30T22:59:59Z"},
        {"2024-02-29_00", "2024-02-28T23:00:00Z"},
        {"2025-12-30 copy", "2025-12-29T23:00:00Z"},
        {"2025-12-30-1", "2025-12-29T23:00:00Z"},
        {"cam12345678-2025-12-30", "2025-12-29T23:00:00Z"},
        {"1970-01-01", "1969-12-31T23:00:00Z"},
    };
    for (const auto &[name, expected] : cases)
        EXPECT_EQ(utc_of(name), expected) << name;
}

TEST(BackupName, WhatIsNoDateIsNone) {
    for (const char *name : {"",
                             "notes.txt",
                             "2025",
                             "2025-12",
                             "2025-12-3",
                             "2025-02-30",
                             "2025-02-29",
                             "2025-13-01",
                             "2025-00-10",
                             "2025-12-00",
                             "0000-01-01",
                             "1969-12-31",
                             "20250230",
                             "12345678",
                             "2025-12-301",
                             "12025-12-30",
                             "120251230",
                             "202512301",
                             "2025-12-30-24",
                             "2025-12-30-1460",
                             "2025-12-30-235960",
                             "2025-12-30T02",
                             "20251230abc",
                             "2025-12-30-14h",
                             "2025-12-30-2025-12-31",
                             "20251230-20251231",
                             "2025-1-30",
                             "2025/12/30"})
        EXPECT_EQ(utc_of(name), "none") << name;
}

TEST(BackupName, ClocksThatChangeLeaveOneMeaning) {
    const TimeZone zone(kAmsterdam);
    EXPECT_EQ(utc_of("2025-03-30-01"), "2025-03-30T00:00:00Z");
    EXPECT_EQ(utc_of("2025-03-30-02"), "2025-03-30T01:00:00Z") << "left out: 03:00";
    EXPECT_EQ(utc_of("2025-03-30-0230"), "2025-03-30T01:30:00Z") << "left out: 03:30";
    EXPECT_EQ(utc_of("2025-03-30-03"), "2025-03-30T01:00:00Z");
    EXPECT_EQ(utc_of("2025-10-26-01"), "2025-10-25T23:00:00Z");
    EXPECT_EQ(utc_of("2025-10-26-02"), "2025-10-26T00:00:00Z") << "the first of two";
    EXPECT_EQ(utc_of("2025-10-26-03"), "2025-10-26T02:00:00Z");
    const TimeZone beirut("EET-2EEST,M3.5.0/0,M10.5.0/0"); // midnight itself is left out
    EXPECT_EQ(utc_of("2024-03-31"), "2024-03-30T22:00:00Z") << "01:00 of that day";
}

TEST(BackupName, SeriesIsWhatStandsBeforeTheDate) {
    EXPECT_EQ(parse_backup_name("birds-2025-12-30-14.sql.gz")->series, "birds-");
    EXPECT_EQ(parse_backup_name("2025-12-30")->series, "");
}

TEST(BackupName, UnfinishedAndForeignFilesAreNoBackups) {
    for (const char *name : {"x.partial", "x.emsn.partial", "x.corrupt", "x.emsn.json", "x.emsn.lock",
                             ".hidden", "x.db-journal", "x.db-wal", "x.db-shm"})
        EXPECT_EQ(what_is(name), NameIs::no_backup) << name;
    EXPECT_EQ(what_is("x.removing"), NameIs::leftover);
    EXPECT_EQ(what_is("2025-12-30"), NameIs::backup);
}

TEST(Utc, ReadsBackOnlyWhatItWrites) {
    EXPECT_EQ(utc_text(1767060000), "2025-12-30T02:00:00Z");
    EXPECT_EQ(unix_of_utc("2025-12-30T02:00:00Z"), 1767060000);
    for (const char *text :
         {"", "2025-12-30", "2025-12-30T02:00:00", "2025-12-30T02:00:00Zx", "2025-02-30T02:00:00Z",
          "2025-1-30T02:00:00Z", "2025-12-30 02:00:00Z", "2025-12-30T02:00:00+01:00"})
        EXPECT_EQ(unix_of_utc(text), std::nullopt) << text;
}

class BackupsTest : public ::testing::Test {
  protected:
    void file(const std::string &path, const std::string &content = "12345") {
        fs::create_directories(fs::path(dir_ / path).parent_path());
        test::write_file(dir_ / path, content);
    }
    void folder(const std::string &path) { fs::create_directories(dir_ / path); }

    // "PATH KIND STATION" of each row, a line each
    [[nodiscard]] std::string rows(Listed listed = Listed::backups) const {
        std::string out;
        for (const auto &row : backups_in(dir_.path(), listed, kNoPoll)) {
            out += row.path.substr(dir_.path().size() + 1) + " " + row.kind + " " +
                   row.station.value_or("-") + (row.error ? " error\n" : "\n");
        }
        return out;
    }
    [[nodiscard]] Backup only() const {
        const auto all = backups_in(dir_.path(), Listed::backups, kNoPoll);
        EXPECT_EQ(all.size(), 1U);
        return all.empty() ? Backup{} : all.front();
    }

    const test::TempDir dir_;
};

TEST_F(BackupsTest, ReadsTheThreeLayouts) {
    file("images/pi-2025-12-28.img.gz");
    folder("daily/2025-12-29/etc/daily");
    file("zolder/database/birds-2025-12-30-14.sql.gz");
    folder("zolder/daily/2025-12-29");
    folder("zolder/misc");
    folder("2025-12-30/daily"); // a whole system, whatever is in it
    file("notes.txt");
    folder("empty");
    folder("daily/images"); // below a kind everything is an entry
    file("centre/a/b");
    EXPECT_EQ(rows(), "2025-12-30 other -\n"
                      "centre/a centre -\n"
                      "daily/2025-12-29 daily -\n"
                      "daily/images daily -\n"
                      "empty other -\n"
                      "images/pi-2025-12-28.img.gz images -\n"
                      "notes.txt other -\n"
                      "zolder/daily/2025-12-29 daily zolder\n"
                      "zolder/database/birds-2025-12-30-14.sql.gz database zolder\n"
                      "zolder/misc other zolder\n");
}

TEST_F(BackupsTest, UnfinishedOnesAreNotListedAndLeftoversOnlyWhenAskedFor) {
    file("daily/2025-12-30.partial");
    file("daily/.emsn.lock");
    file("daily/2025-12-29.emsn.json", "{}");
    file("daily/2025-12-28.removing/deep/x.removing");
    file("zolder/images/a.removing");
    file("b.removing");
    EXPECT_EQ(rows(), "");
    EXPECT_EQ(rows(Listed::leftovers), "b.removing other -\n"
                                       "daily/2025-12-28.removing daily -\n"
                                       "zolder/images/a.removing images zolder\n");
}

TEST_F(BackupsTest, SymlinksAndOddEntriesAreRowsWithErrors) {
    folder("elsewhere/2025-12-30");
    folder("daily");
    ASSERT_EQ(::symlink("../elsewhere/2025-12-30", (dir_ / "daily/latest").c_str()), 0);
    ASSERT_EQ(::symlink("elsewhere", (dir_ / "images").c_str()), 0);
    ASSERT_EQ(::mkfifo((dir_ / "daily/2025-12-29").c_str(), 0600), 0);
    EXPECT_EQ(rows(), "daily/2025-12-29 daily - error\n"
                      "daily/latest daily - error\n"
                      "elsewhere other -\n"
                      "images images - error\n");
    const auto row = backups_in(dir_.path(), Listed::backups, kNoPoll)[1];
    EXPECT_EQ(row.error, row.path + " is a symlink: not followed");
    EXPECT_FALSE(row.taken) << "unknown, not 1970";
}

TEST_F(BackupsTest, AFolderThatCannotBeReadIsARowAndTheOthersAreRead) {
    folder("daily/2025-12-30");
    folder("images");
    fs::permissions(dir_ / "images", fs::perms::none);
    fs::permissions(dir_.path(), fs::perms(0755));
    const test::AsNobody nobody;
    EXPECT_EQ(rows(), "daily/2025-12-30 daily -\nimages images - error\n");
    EXPECT_EQ(backups_in(dir_.path(), Listed::backups, kNoPoll)[1].error,
              "open " + (dir_ / "images") + ": Permission denied");
}

TEST_F(BackupsTest, TheReceiptSaysWhatIsCompleteAndVerified) {
    folder("daily/2025-12-30");
    EXPECT_FALSE(only().complete);
    file("daily/2025-12-30.emsn.json", R"({"emsn":1,"complete":true,"verified":false})");
    EXPECT_EQ(only().complete, true);
    EXPECT_EQ(only().verified, false);
    file("daily/2025-12-30.emsn.json", R"({"complete":null})");
    EXPECT_EQ(only().complete, std::nullopt);
    EXPECT_EQ(only().verified, std::nullopt);
    EXPECT_EQ(only().error, std::nullopt);
}

TEST_F(BackupsTest, TimeIsTheNamesElseTheReceiptsElseTheFiles) {
    const TimeZone zone("UTC");
    const std::string receipt = R"({"finished":"2025-12-24T03:00:00Z"})";
    file("daily/2025-12-30");
    file("daily/2025-12-30.emsn.json", receipt);
    EXPECT_EQ(utc_text(only().taken->unix_seconds), "2025-12-30T00:00:00Z");
    EXPECT_EQ(only().taken->source, DateSource::name);
    fs::remove_all(dir_ / "daily");
    file("daily/today");
    const timespec times[2]{{1'000'000'000, 0}, {1'000'000'000, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / "daily/today").c_str(), times, 0), 0);
    EXPECT_EQ(only().taken->unix_seconds, 1'000'000'000);
    EXPECT_EQ(only().taken->source, DateSource::mtime);
    file("daily/today.emsn.json", receipt);
    EXPECT_EQ(utc_text(only().taken->unix_seconds), "2025-12-24T03:00:00Z");
    EXPECT_EQ(only().taken->source, DateSource::receipt);
}

TEST_F(BackupsTest, AReceiptThatSaysNothingSensibleIsTold) {
    file("daily/2025-12-30");
    const std::string receipt = "daily/2025-12-30.emsn.json";
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "no JSON object"},
        {"[true]", "no JSON object"},
        {R"({"complete":true)", "no JSON object"},
        {R"({"complete":1})", "complete is neither true nor false"},
        {R"({"complete":true,"verified":"ok"})", "verified is neither true nor false"},
        {R"({"complete":true,"finished":"yesterday"})", "finished is no time such as 2025-12-30T02:00:00Z"},
        {std::string(70'000, ' '), "longer than 65536 bytes"},
    };
    for (const auto &[content, reason] : cases) {
        file(receipt, content);
        const auto row = only();
        EXPECT_EQ(row.error, "receipt 2025-12-30.emsn.json: " + reason);
        EXPECT_EQ(row.complete, std::nullopt);
        EXPECT_TRUE(row.taken);
    }
    fs::remove(dir_ / receipt);
    folder(receipt);
    EXPECT_EQ(only().error, "receipt 2025-12-30.emsn.json: no regular file");
    fs::remove(dir_ / receipt);
    test::write_file(dir_ / ".good", R"({"complete":true})");
    ASSERT_EQ(::symlink("../.good", (dir_ / receipt).c_str()), 0);
    EXPECT_TRUE(only().error) << "a symlink is not followed";
}

TEST_F(BackupsTest, NamesAreBytesOfAnyKind) {
    file("daily/2025-12-30-\n\xff");
    EXPECT_EQ(only().name, "2025-12-30-\n\xff");
    fs::remove_all(dir_ / "daily");
    const std::string longest = "2025-12-30-" + std::string(244, 'x');
    file("daily/" + longest);
    EXPECT_EQ(only().name, longest) << "no receipt's name is so long";
    EXPECT_EQ(only().error, std::nullopt);
}

TEST_F(BackupsTest, AFolderThatIsNotThereIsAnErrorAndPollEndsIt) {
    try {
        static_cast<void>(backups_in(dir_ / "away", Listed::backups, kNoPoll));
        FAIL();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::not_found);
        EXPECT_EQ(std::string(e.what()), "open " + (dir_ / "away") + ": No such file or directory");
    }
    file("zolder/daily/2025-12-30");
    int asked = 0;
    const auto stop_at_third = [&] {
        if (++asked == 3)
            throw Error(Errc::interrupted, "enough");
    };
    EXPECT_THROW(static_cast<void>(backups_in(dir_.path(), Listed::backups, stop_at_third)), Error);
}

} // namespace
} // namespace emsn::core
