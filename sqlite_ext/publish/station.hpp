// The name of a station.
#pragma once

#include <string>

namespace emsn::publish {

// name itself. Throws Error{invalid_argument} for what is no name: nothing, or no UTF-8 text.
[[nodiscard]] std::string station_of(const std::string &name);

} // namespace emsn::publish
