// What a day, a time, text and a time zone are.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "sqlite_ext/publish/copy_buffer.hpp"
#include "sqlite_ext/publish/day.hpp"
#include "sqlite_ext/publish/pg_error.hpp"
#include "sqlite_ext/publish/time_zone.hpp"
#include "sqlite_ext/publish/utf8.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::publish {
namespace {

namespace fs = std::filesystem;

TEST(Day, BothSpellingsAreTheSameDay) {
    EXPECT_EQ(parse_day("2000-01-01"), 0);
    EXPECT_EQ(parse_day("2026-01-02"), parse_day("2026/01/02"));
    EXPECT_EQ(day_text(*parse_day("2024/02/29")), "2024-02-29");
    EXPECT_EQ(day_text(*parse_day("1999-12-31")), "1999-12-31");
}

TEST(Day, EverythingElseIsNone) {
    for (const char *text :
         {"", "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-2", "2026-01/02", "02-01-2026", "0000-01-01",
          "2026-01-02 ", "2026-01-0x", "-026-01-02", "20260102"})
        EXPECT_EQ(parse_day(text), std::nullopt) << text;
}

TEST(TimeOfDay, EndsBeforeMidnight) {
    EXPECT_EQ(parse_time("00:00:00"), 0);
    EXPECT_EQ(parse_time("23:59:59"), 86'399'000'000);
    EXPECT_EQ(time_text(*parse_time("07:08:09")), "07:08:09");
    for (const char *text :
         {"", "24:00:00", "12:60:00", "12:00:60", "1:02:03", "12:00", "12-00-00", "ab:cd:ef"})
        EXPECT_EQ(parse_time(text), std::nullopt) << text;
}

TEST(DayTallies, DoNotDependOnTheOrder) {
    DayTally a;
    DayTally b;
    a.add(1, UINT64_MAX);
    a.add(2, 7);
    b.add(2, 7);
    b.add(1, UINT64_MAX);
    EXPECT_TRUE(a.same(b));
    b.add(3, 0);
    EXPECT_FALSE(a.same(b)) << "a row whose hash is 0 counts too";
    EXPECT_EQ(json_of({{Day(), a}, {Day(1), b}}),
              R"([{"day":null,"rows":2,"digest":"6"},{"day":"2000-01-02","rows":3,"digest":"6"}])");
}

TEST(Utf8, OnlyItsShortestForms) {
    using namespace std::string_literals;
    EXPECT_TRUE(is_utf8("Blaumeise, Ziegenmelker, Gr\xc3\xbcnspecht \xf0\x9f\x90\xa6"));
    for (const auto &text : {"\xc0\x80"s, "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s, "Gr\xfcnspecht"s, "\xc3"s,
                             "\x80"s, "\xe2\x82"s, "\xf8\x88\x80\x80\x80"s})
        EXPECT_FALSE(is_utf8(text)) << json_string(text);
}

TEST(Utf8, JsonKeepsWhatCannotBeSaid) {
    using namespace std::string_literals;
    EXPECT_EQ(json_string("a\"b\\c\n\xfc\0\xc3\xbc"s), "\"a\\\"b\\\\c\\u000a\\\\xfc\\\\x00\xc3\xbc\"");
}

TEST(CopyBuffer, IsBigEndian) {
    CopyBuffer out;
    out.row(2);
    out.integer(258);
    out.null();
    const std::string expected("\0\2\0\0\0\4\0\0\1\2\377\377\377\377", 14);
    EXPECT_EQ(std::string(out.bytes().begin(), out.bytes().end()), expected);
}

TEST(TimeZone, ComesFromTzElseFromTheMachine) {
    const test::TempDir root;
    fs::create_directories(root / "etc");
    const auto with_tz = [&](const char *zone) {
        ::setenv("TZ", zone, 1);
        auto name = machine_time_zone(root.path());
        ::unsetenv("TZ");
        return name;
    };
    EXPECT_EQ(with_tz(""), "UTC");
    EXPECT_EQ(with_tz("Europe/Amsterdam"), "Europe/Amsterdam");
    EXPECT_EQ(with_tz(":/usr/share/zoneinfo/Asia/Tokyo"), "Asia/Tokyo");
    test::write_file(root / "etc/timezone", "Europe/Paris\n");
    EXPECT_EQ(machine_time_zone(root.path()), "Europe/Paris");
    fs::create_symlink("../usr/share/zoneinfo/posix/America/Argentina/Ushuaia", root / "etc/localtime");
    EXPECT_EQ(machine_time_zone(root.path()), "America/Argentina/Ushuaia");
}

TEST(PgError, KnowsWhetherALaterTryMayGoThrough) {
    for (const char *state : {"", "57P01", "57P02", "57P03", "53300", "08006", "40001", "40P01", "55P03"})
        EXPECT_TRUE(PgError(state, "").may_retry()) << state;
    for (const char *state :
         {"28P01", "28000", "3D000", "42501", "22P02", "25006", "EM001", "XX000", "57014"})
        EXPECT_FALSE(PgError(state, "").may_retry()) << state;
    EXPECT_EQ(PgError("28P01", "").code(), core::Errc::permission);
}

} // namespace
} // namespace emsn::publish
