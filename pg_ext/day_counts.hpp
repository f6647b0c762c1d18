// Detections counted by station, calendar day and species, as they stream by. Knows nothing of the backend.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace emsn::pg {

class DayCounts {
  public:
    static constexpr std::size_t kHours = 24;

    struct Group {
        std::uint32_t station;
        std::int32_t day;
        std::uint32_t species;
        std::int32_t detections = 0;
        std::int32_t confident = 0; // those with a confidence
        double confidence_sum = 0;
        std::int64_t first = 0;
        std::int64_t last = 0;
        std::array<std::int32_t, kHours> hours{};
    };
    struct Detection {
        std::string_view species;
        std::int32_t day;  // of the station's calendar
        unsigned hour;     // of its clock
        std::int64_t time; // any unit that orders
        bool has_confidence;
        double confidence;
    };

    // Stations are numbered in this order.
    void add_station(std::string_view name);
    // Its number; -1: not one of them.
    [[nodiscard]] int station(std::string_view name);
    void count(std::uint32_t station, const Detection &detection);

    [[nodiscard]] std::size_t size() const { return groups_.size(); }
    [[nodiscard]] const Group &group(std::size_t index) const { return groups_[index]; }
    [[nodiscard]] const std::string &species(const Group &group) const { return names_[group.species]; }
    [[nodiscard]] const std::string &station_name(const Group &group) const {
        return stations_[group.station];
    }
    // Groups only: the numbers of stations stay.
    void clear();

  private:
    struct Key {
        std::uint64_t station_and_day;
        std::uint32_t species;
        bool operator==(const Key &) const = default;
    };
    struct HashKey {
        std::size_t operator()(const Key &key) const noexcept {
            // the day changes slowly: the multiplier spreads it over the buckets
            return (key.station_and_day * 0x9E3779B97F4A7C15ULL) ^ (key.species * 0xC2B2AE3D27D4EB4FULL);
        }
    };

    [[nodiscard]] std::uint32_t species_number(std::string_view name);

    std::deque<std::string> stations_; // a deque: views into it stay valid
    std::deque<std::string> names_;
    std::unordered_map<std::string_view, std::uint32_t> station_numbers_;
    std::unordered_map<std::string_view, std::uint32_t> species_numbers_;
    std::unordered_map<Key, std::uint32_t, HashKey> index_;
    std::vector<Group> groups_;
};

} // namespace emsn::pg
