// Detections that several stations heard together: kept by species and station as they stream by, and
// compared once all are there. Knows nothing of the backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace emsn::pg {

class Overlaps {
  public:
    // Of one species at one station.
    struct Count {
        std::int32_t station;
        std::string_view species;  // valid as long as the object
        std::int64_t shared = 0;   // detections with a partner: another station's within reach
        std::int64_t repeated = 0; // those with an earlier partner
        std::int64_t partners = 0; // partners of all of them
    };

    // time: any unit. Of two at one moment the lower station is the earlier.
    void add(std::string_view species, std::int32_t station, std::int64_t time);

    // How many species there are, and for one of them: puts what each station shared behind counts.
    [[nodiscard]] std::size_t size() const { return species_.size(); }
    void count(std::size_t number, std::int64_t reach, std::vector<Count> *counts) const;

  private:
    // 8 bytes for each time; what is put into one order is one species at a time
    struct Species {
        std::string name;
        std::unordered_map<std::int32_t, std::vector<std::int64_t>> times;
    };

    std::deque<Species> species_; // a deque: views into it stay valid
    std::unordered_map<std::string_view, Species *> by_name_;
};

} // namespace emsn::pg
