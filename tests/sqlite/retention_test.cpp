// sql/retention.sql as it stands: random histories against a plain model of the rules, and the words it
// answers with.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/backup_name.hpp"
#include "core/utc.hpp"
#include "tests/sqlite/retention_model.hpp"
#include "tests/sqlite/support.hpp"

namespace emsn::test {
namespace {

class Retention : public ::testing::Test {
  protected:
    Retention() {
        ::setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
        ::tzset();
        db_(read_file(EMSN_SOURCE_DIR "/sql/retention.sql"));
    }

    void fill(const Policy &policy, const Entries &entries) {
        std::string sql = "BEGIN; DELETE FROM policy; DELETE FROM backup;";
        for (const auto &[rule, count] : policy)
            sql += "INSERT INTO policy VALUES (" + quoted(rule) + ", " + std::to_string(count) + ");";
        const auto flag = [](std::optional<bool> value) { return !value ? "NULL" : *value ? "1" : "0"; };
        for (const Entry &e : entries) {
            sql += "INSERT INTO backup VALUES (" + quoted(e.path) + ", " + quoted(e.path) + ", " +
                   quoted(e.kind) + ", nullif(" + quoted(e.station) + ", ''), " + quoted(e.series) + ", " +
                   quoted(core::utc_text(e.taken)) + ", " +
                   std::to_string(static_cast<double>(kNow - e.taken) / kDay) + ", 1, " + quoted(e.source) +
                   ", " + flag(e.complete) + ", " + flag(e.verified) + ", NULL);";
        }
        db_(sql + "COMMIT");
    }
    std::set<std::string> kept(const Policy &policy, const Entries &entries) {
        fill(policy, entries);
        std::set<std::string> keeps;
        std::set<std::string> all;
        std::size_t lines = 0;
        std::istringstream in(db_("SELECT verdict, path FROM retention WHERE reason <> ''"));
        for (std::string line; std::getline(in, line); ++lines) {
            const std::string path = line.substr(line.find('|') + 1);
            EXPECT_TRUE(line.starts_with("keep|") || line.starts_with("drop|")) << line;
            all.insert(path);
            if (line.starts_with("keep|"))
                keeps.insert(path);
        }
        EXPECT_EQ(all.size(), entries.size()) << "a verdict with its reason for each";
        EXPECT_EQ(lines, entries.size()) << "and only one";
        return keeps;
    }
    // "NAME verdict: reason", a line each, the newest first
    std::string plan(const Policy &policy, const Entries &entries) {
        fill(policy, entries);
        return db_(
            "SELECT name || ' ' || verdict || ': ' || reason FROM retention ORDER BY taken_at DESC, path");
    }

    SqliteDb db_{":memory:", SQLITE_OPEN_READWRITE, false};
};

// Entries named by their date, as emsn_backups reads them.
Entry named(const std::string &name, std::optional<bool> complete = std::nullopt) {
    Entry entry(name, "", core::parse_backup_name(name)->taken_unix);
    entry.complete = entry.verified = complete;
    return entry;
}

class Histories {
  public:
    explicit Histories(unsigned seed) : random_(seed) {}

    Policy policy() {
        Policy policy;
        for (int rules = upto(3); rules > 0; --rules)
            policy[upto(6) == 0 ? "within" : kPeriods[static_cast<std::size_t>(upto(5))]] = 1 + upto(6);
        return policy;
    }
    Policy bigger(Policy policy) {
        for (auto &[rule, count] : policy)
            count += upto(3);
        policy.try_emplace(kPeriods[static_cast<std::size_t>(upto(5))], 1 + upto(3));
        return policy;
    }
    Entries history(const std::string &station) {
        const std::int64_t step = std::vector<std::int64_t>{kHour / 2, 5 * kHour, kDay, 9 * kDay}[size(3)];
        Entries entries;
        for (int i = upto(8); i >= 0; --i) {
            Entry entry(station + "/" + std::to_string(i), station, kNow - upto(20) * step);
            entry.complete = flag();
            entry.verified = flag();
            const int odd = upto(30);
            entry.taken += odd == 0 ? 30 * 20 * kDay : 0;
            entry.source = odd == 1 ? "mtime" : odd == 2 ? "receipt" : "name";
            entry.kind = odd == 3 ? "other" : "daily";
            entries.push_back(entry);
        }
        return entries;
    }
    int upto(int most) { return std::uniform_int_distribution<int>(0, most)(random_); }
    std::mt19937 &random() { return random_; }

  private:
    std::size_t size(int most) { return static_cast<std::size_t>(upto(most)); }
    std::optional<bool> flag() {
        const int value = upto(3);
        return value == 0 ? std::nullopt : std::optional(value > 1);
    }
    std::mt19937 random_;
};

std::string text_of(const Policy &policy) {
    std::string text;
    for (const auto &[rule, count] : policy)
        text += rule + " " + std::to_string(count) + " ";
    return text;
}

// 50 stations at once: that they do not influence each other is seen by the model, which knows one at a time.
TEST_F(Retention, TenThousandRandomHistoriesKeepWhatTheyMust) {
    constexpr unsigned kRounds = 200;
    constexpr int kStations = 50;
    for (unsigned seed = 1; seed <= kRounds && !HasFailure(); ++seed) {
        Histories histories(seed);
        const Policy policy = histories.policy();
        SCOPED_TRACE("seed " + std::to_string(seed) + ", policy " + text_of(policy));
        Entries all;
        Entries newer;
        for (int i = 0; i < kStations; ++i) {
            const auto some = histories.history("s" + std::to_string(i));
            all.insert(all.end(), some.begin(), some.end());
            newer.emplace_back(some[0].station + "/newer", some[0].station, kNow);
            newer.back().complete = some[0].verified; // at random too
        }
        std::shuffle(all.begin(), all.end(), histories.random());
        const auto keeps = kept_by_model(policy, all);
        EXPECT_EQ(kept(policy, all), keeps);

        // what must hold between two runs holds in the model; of these runs, one a round goes through SQL too
        const auto second = [&](unsigned turn, const Policy &rules, const Entries &entries) {
            const auto expected = kept_by_model(rules, entries);
            if (seed % 3 == turn) {
                EXPECT_EQ(kept(rules, entries), expected);
            }
            return expected;
        };
        const auto is_in = [](const auto &larger, const auto &smaller) {
            return std::includes(larger.begin(), larger.end(), smaller.begin(), smaller.end());
        };
        Entries left;
        std::copy_if(all.begin(), all.end(), std::back_inserter(left),
                     [&](const Entry &e) { return keeps.contains(e.path); });
        EXPECT_EQ(second(0, policy, left).size(), left.size()) << "a second run drops nothing";
        if (!policy.empty()) {
            EXPECT_TRUE(is_in(second(1, histories.bigger(policy), all), keeps))
                << "a bigger policy keeps no less";
        }
        all.insert(all.end(), newer.begin(), newer.end());
        auto with_newer = second(2, policy, all);
        for (const Entry &entry : newer)
            EXPECT_EQ(with_newer.erase(entry.path), 1U) << "the newest";
        EXPECT_TRUE(is_in(keeps, with_newer)) << "a newer backup brings no dropped one back";
    }
}

TEST_F(Retention, OneBackupLeftStaysWhateverThePolicy) {
    for (const std::string &rule : kPeriods) {
        for (const auto complete : {std::optional<bool>(), std::optional(false), std::optional(true)})
            EXPECT_EQ(kept({{rule, 1}}, {named("2001-01-01", complete)}).size(), 1U);
    }
    EXPECT_EQ(plan({{"within", 1}}, {named("2001-01-01", false)}), "2001-01-01 keep: within 1 day");
}

TEST_F(Retention, SaysWhichRuleKeepsAndWhyTheRestGoes) {
    const Entries entries{named("2025-12-30-14"), named("2025-12-30-02"), named("2025-12-29"),
                          named("2025-12-28"),    named("2025-12-27"),    named("2025-11-30"),
                          named("2024-12-31")};
    EXPECT_EQ(plan({{"daily", 2}, {"monthly", 2}, {"last", 1}}, entries),
              "2025-12-30-14 keep: last 1 of 1, daily 1 of 2, monthly 1 of 2\n"
              "2025-12-30-02 drop: another of its day is kept\n"
              "2025-12-29 keep: daily 2 of 2\n"
              "2025-12-28 drop: another of its month is kept\n"
              "2025-12-27 drop: another of its month is kept\n"
              "2025-11-30 keep: monthly 2 of 2\n"
              "2024-12-31 drop: older than what the rules keep");
    EXPECT_EQ(plan({{"within", 2}}, entries), "2025-12-30-14 keep: within 2 days\n"
                                              "2025-12-30-02 keep: within 2 days\n"
                                              "2025-12-29 keep: within 2 days\n"
                                              "2025-12-28 drop: older than 2 days\n"
                                              "2025-12-27 drop: older than 2 days\n"
                                              "2025-11-30 drop: older than 2 days\n"
                                              "2024-12-31 drop: older than 2 days");
    EXPECT_EQ(plan({}, {named("2025-12-30")}), "2025-12-30 keep: no rule");
}

TEST_F(Retention, UnfinishedOnesNeverPushGoodOnesOut) {
    const Entries entries{named("2025-12-30-14", false), named("2025-12-30-02", true),
                          named("2025-12-29", false),    named("2025-12-28"),
                          named("2025-12-27", true),     named("2025-12-26", true)};
    EXPECT_EQ(plan({{"daily", 2}}, entries), "2025-12-30-14 keep: the newest\n"
                                             "2025-12-30-02 keep: daily 1 of 2\n"
                                             "2025-12-29 keep: daily 2 of 2\n"
                                             "2025-12-28 keep: daily 2 of 2 complete\n"
                                             "2025-12-27 drop: older than what the rules keep\n"
                                             "2025-12-26 drop: older than what the rules keep");
}

TEST_F(Retention, TheNewestCompleteAndTheNewestVerifiedStay) {
    Entries entries{named("2025-12-30"), named("2025-12-29"), named("2025-12-28", true),
                    named("2025-12-27", true)};
    entries[2].verified = false;
    EXPECT_EQ(plan({{"last", 1}}, entries), "2025-12-30 keep: last 1 of 1\n"
                                            "2025-12-29 drop: older than what the rules keep\n"
                                            "2025-12-28 keep: the newest complete\n"
                                            "2025-12-27 keep: the newest verified");
}

TEST_F(Retention, DaysAndHoursAreThoseOfTheClockOnTheWall) {
    EXPECT_EQ(kept({{"daily", 9}}, {named("2025-12-30-00"), named("2025-12-29-23")}).size(), 2U);
    // 02:30 comes twice in this night
    Entries night{named("2025-10-26-0230"), named("2025-10-26-0230")};
    night[0].taken += kHour;
    night[0].path = "again";
    EXPECT_EQ(kept({{"hourly", 9}}, night).size(), 2U) << "two hours";
    EXPECT_EQ(kept({{"within", 1}}, {named("2025-10-27"), named("2025-10-26")}).size(), 1U) << "25 hours";
    EXPECT_EQ(kept({{"within", 1}}, {named("2025-03-31"), named("2025-03-30")}).size(), 1U) << "23 hours";
    EXPECT_EQ(kept({{"weekly", 9}}, {named("2026-01-01"), named("2025-12-29")}).size(), 1U) << "from Monday";
    EXPECT_EQ(kept({{"weekly", 9}}, {named("2025-12-29"), named("2025-12-28")}).size(), 2U);
}

TEST_F(Retention, StationsKindsAndSeriesAreJudgedForThemselves) {
    Entries entries(5, named("2025-12-30"));
    entries[1].station = "zolder";
    entries[2].kind = "images";
    entries[3].series = "berging-";
    entries[4].taken -= kDay;
    for (std::size_t i = 0; i < entries.size(); ++i)
        entries[i].path = std::to_string(i);
    EXPECT_EQ(kept({{"last", 1}}, entries), (std::set<std::string>{"0", "1", "2", "3"}));
}

TEST_F(Retention, WhatIsNotUnderstoodIsKeptWithTheReason) {
    Entries entries{named("2025-12-30"), named("2025-12-29"), named("2025-12-28"), named("2025-12-27")};
    entries[1].source = "mtime";
    entries[2].kind = "other";
    fill({{"last", 1}}, entries);
    db_("INSERT INTO backup(path, name, kind, taken_at, age_days, date_source, error) VALUES "
        "('a', 'a', 'daily', '2025-12-26T00:00:00Z', 1, 'name', 'open a: Permission denied'), "
        "('b', 'b', 'daily', 'nonsense', 1, 'name', NULL), ('c', 'c', 'daily', NULL, NULL, NULL, NULL), "
        "('d', 'd', NULL, '2025-12-26T00:00:00Z', 1, 'name', NULL), "
        "('e', 'e', 'daily', '2999-12-26T00:00:00Z', -1, 'name', NULL)");
    EXPECT_EQ(db_("SELECT name || ' ' || verdict || ': ' || reason FROM retention ORDER BY name"),
              "2025-12-27 drop: older than what the rules keep\n"
              "2025-12-28 keep: not in a folder of a kind\n"
              "2025-12-29 keep: no date in its name\n"
              "2025-12-30 keep: last 1 of 1\n"
              "a keep: open a: Permission denied\n"
              "b keep: not understood\n"
              "c keep: not understood\n"
              "d keep: not understood\n"
              "e keep: dated in the future");
}

TEST_F(Retention, APolicyThatIsNoneIsRefused) {
    for (const char *values :
         {"'sometimes', 1", "'daily', 0", "'daily', -1", "'daily', 1.5", "'daily', 'x'", "'daily', NULL"})
        EXPECT_NE(db_.error_of("INSERT INTO policy VALUES (" + std::string(values) + ")"), "") << values;
}

} // namespace
} // namespace emsn::test
