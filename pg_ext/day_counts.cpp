#include "pg_ext/day_counts.hpp"

#include <algorithm>

namespace emsn::pg {

void DayCounts::add_station(std::string_view name) {
    stations_.emplace_back(name);
    station_numbers_.emplace(stations_.back(), static_cast<std::uint32_t>(stations_.size() - 1));
}

int DayCounts::station(std::string_view name) {
    const auto found = station_numbers_.find(name);
    return found == station_numbers_.end() ? -1 : static_cast<int>(found->second);
}

std::uint32_t DayCounts::species_number(std::string_view name) {
    const auto found = species_numbers_.find(name);
    if (found != species_numbers_.end())
        return found->second;
    names_.emplace_back(name);
    const auto number = static_cast<std::uint32_t>(names_.size() - 1);
    species_numbers_.emplace(names_.back(), number);
    return number;
}

void DayCounts::count(std::uint32_t station, const Detection &detection) {
    constexpr unsigned kDayBits = 32;
    const Key key = {(static_cast<std::uint64_t>(station) << kDayBits) |
                         static_cast<std::uint32_t>(detection.day),
                     species_number(detection.species)};
    const auto [at, is_new] = index_.try_emplace(key, static_cast<std::uint32_t>(groups_.size()));
    if (is_new) {
        groups_.push_back({.station = station,
                           .day = detection.day,
                           .species = key.species,
                           .first = detection.time,
                           .last = detection.time});
    }
    Group &group = groups_[at->second];
    ++group.detections;
    ++group.hours.at(detection.hour);
    group.first = std::min(group.first, detection.time);
    group.last = std::max(group.last, detection.time);
    if (detection.has_confidence) {
        ++group.confident;
        group.confidence_sum += detection.confidence;
    }
}

void DayCounts::clear() {
    index_.clear();
    groups_.clear();
    species_numbers_.clear();
    names_.clear();
}

} // namespace emsn::pg
