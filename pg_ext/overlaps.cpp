#include "pg_ext/overlaps.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace emsn::pg {

namespace {

struct Detection {
    std::int64_t time;
    std::uint32_t place; // of its station, in order of their numbers
    bool operator<(const Detection &other) const {
        return std::tie(time, place) < std::tie(other.time, other.place);
    }
};

// The times of all history are further apart than a signed number can say.
bool further(const Detection &earlier, const Detection &later, std::int64_t reach) {
    return static_cast<std::uint64_t>(later.time) - static_cast<std::uint64_t>(earlier.time) >
           static_cast<std::uint64_t>(reach);
}

// How many detections of each station lie in a stretch of the order, and of all of them.
class Window {
  public:
    explicit Window(std::size_t stations) : of_station_(stations) {}
    void put(const Detection &detection) { change(detection, 1); }
    void take(const Detection &detection) { change(detection, -1); }
    [[nodiscard]] std::int64_t others(std::uint32_t place) const { return all_ - of_station_[place]; }

  private:
    void change(const Detection &detection, std::int64_t by) {
        all_ += by;
        of_station_[detection.place] += by;
    }
    std::int64_t all_ = 0;
    std::vector<std::int64_t> of_station_;
};

// Each looks at those within reach around it, and at those of them before it in the order: all three ends
// only move forwards.
void look_around(const std::vector<Detection> &order, std::int64_t reach,
                 std::vector<Overlaps::Count> *found) {
    Window around(found->size());
    Window before(found->size());
    auto first = order.begin();
    auto end = order.begin();
    for (const Detection &one : order) {
        for (; end != order.end() && !further(one, *end, reach); ++end)
            around.put(*end);
        for (; further(*first, one, reach); ++first) {
            around.take(*first);
            before.take(*first);
        }
        Overlaps::Count &count = (*found)[one.place];
        const std::int64_t partners = around.others(one.place);
        count.shared += partners > 0 ? 1 : 0;
        count.repeated += before.others(one.place) > 0 ? 1 : 0;
        count.partners += partners;
        before.put(one);
    }
}

} // namespace

void Overlaps::add(std::string_view species, std::int32_t station, std::int64_t time) {
    const auto found = by_name_.find(species);
    Species *kept = nullptr;
    if (found != by_name_.end()) {
        kept = found->second;
    } else {
        kept = &species_.emplace_back(Species{.name = std::string(species), .times = {}});
        by_name_.emplace(kept->name, kept);
    }
    kept->times[station].push_back(time);
}

void Overlaps::count(std::size_t number, std::int64_t reach, std::vector<Count> *counts) const {
    const Species &species = species_[number];
    std::vector<Count> found;
    std::size_t rows = 0;
    for (const auto &[station, times] : species.times) {
        found.push_back({.station = station, .species = species.name});
        rows += times.size();
    }
    std::sort(found.begin(), found.end(),
              [](const Count &a, const Count &b) { return a.station < b.station; });
    std::vector<Detection> order;
    order.reserve(rows);
    for (std::uint32_t place = 0; place < found.size(); ++place) {
        for (const std::int64_t time : species.times.at(found[place].station))
            order.push_back({.time = time, .place = place});
    }
    std::sort(order.begin(), order.end());
    look_around(order, reach, &found);
    std::copy_if(found.begin(), found.end(), std::back_inserter(*counts),
                 [](const Count &count) { return count.shared > 0; });
}

} // namespace emsn::pg
