// Whatever is added, corrected, removed and brought back at the station: what counts at the centre is what
// the source has, and each publication says what it did.
#include <algorithm>
#include <random>
#include <set>

#include "tests/pg/publish_support.hpp"

namespace emsn::test {
namespace {

class PublishRandom : public PublishTest {
  protected:
    using Source = std::vector<Bird>;

    static std::string line(const Bird &b) {
        return b.day + '|' + b.time + '|' + b.species + '|' + b.file + '|' + b.confidence;
    }
    static std::string sorted(const Source &source) {
        std::vector<std::string> lines;
        for (const auto &b : source)
            lines.push_back(line(b));
        std::sort(lines.begin(), lines.end());
        std::string text;
        for (const auto &l : lines)
            text += text.empty() ? l : '\n' + l;
        return text;
    }
    std::string live() {
        return db.text(
            "SELECT l FROM (SELECT concat_ws('|', date, time, species, coalesce(file_name, ''),"
            " confidence) AS l FROM bird_detections WHERE NOT deleted) AS n ORDER BY l COLLATE \"C\"");
    }
    int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
    // few days, seconds, species and file names, so that they meet
    Bird any() {
        Bird b = bird("2026-10-2" + std::to_string(4 + below(3)) + " 02:00:0" + std::to_string(below(4)), "",
                      std::string(1, static_cast<char>('A' + below(3))), "0." + std::to_string(1 + below(3)));
        if (below(2) == 0)
            b.file = std::to_string(below(40)) + ".mp3";
        return b;
    }
    void edit(Source &source) {
        for (int edits = 1 + below(6); edits > 0; --edits) {
            const auto at = source.empty() ? 0 : static_cast<std::ptrdiff_t>(random_() % source.size());
            switch (source.empty() ? 0 : below(5)) {
            case 0:
                source.push_back(any());
                break;
            case 1:
                removed_.push_back(source[static_cast<std::size_t>(at)]);
                source.erase(source.begin() + at);
                break;
            case 2:
                source[static_cast<std::size_t>(at)].species = any().species;
                break;
            case 3:
                source[static_cast<std::size_t>(at)] = any();
                break;
            default:
                source.push_back(removed_.empty() ? source[static_cast<std::size_t>(at)] : removed_.back());
            }
        }
    }
    // all of it, or all rows of the days, or of the seconds, that differ
    static Publication of(const Source &before, const Source &now, const std::string &scope) {
        Publication p{.scope = scope, .rows = now, .total = now.size(), .options = R"({"max_delete": 1000})"};
        if (scope == "all")
            return p;
        const auto place = [&](const Bird &b) { return scope == "days" ? b.day : b.day + b.time; };
        std::map<std::string, std::multiset<std::string>> was;
        std::map<std::string, std::multiset<std::string>> is;
        for (const auto &b : before)
            was[place(b)].insert(line(b));
        for (const auto &b : now)
            is[place(b)].insert(line(b));
        std::erase_if(p.rows, [&](const Bird &b) { return was[place(b)] == is[place(b)]; });
        for (const auto &[day, lines] : was) {
            if (scope == "days" && is[day].empty())
                p.gone_days.push_back(day);
        }
        return p;
    }

    std::mt19937 random_{2026};
    Source removed_;
};

TEST_F(PublishRandom, TheCentreEndsEqual) {
    for (const std::string by : {"none", "month"}) {
        make(by);
        Source source;
        for (int i = 0; i < 30; ++i)
            source.push_back(any());
        ASSERT_EQ(publish({.rows = source}), "inserted 30");
        for (int round = 0; round < (long_run() ? 2000 : 60); ++round) {
            const Source before = source;
            edit(source);
            std::shuffle(source.begin(), source.end(), random_);
            // a second that has lost its rows cannot be told by its rows
            const bool whole = below(3) == 0;
            const auto p = of(before, source, whole ? "all" : "days");
            const auto told = publish(p);
            ASSERT_EQ(live(), sorted(source)) << "round " << round << ": " << told;
            const auto state = db.text("SELECT source_rows, live_rows FROM emsn.sync_state");
            ASSERT_EQ(state, std::to_string(source.size()) + '|' + std::to_string(source.size()));
            const std::string nothing = source.empty() ? "" : "unchanged " + std::to_string(source.size());
            ASSERT_EQ(publish(of(before, source, "all")), nothing) << "round " << round;
        }
        db.exec("DROP TABLE bird_detections; DELETE FROM emsn.sync_state");
    }
}

TEST_F(PublishRandom, SecondsInWhichRowsWereAddedEndEqual) {
    make();
    Source source = {any()};
    publish({.rows = source});
    for (int round = 0; round < 60; ++round) {
        const Source before = source;
        for (int i = 1 + below(4); i > 0; --i)
            source.push_back(any());
        const auto told = publish(of(before, source, "moments"));
        ASSERT_EQ(live(), sorted(source)) << "round " << round << ": " << told;
        ASSERT_EQ(told, "inserted " + std::to_string(source.size() - before.size()) + ", unchanged " +
                            std::to_string(before.size()));
    }
}

} // namespace
} // namespace emsn::test
