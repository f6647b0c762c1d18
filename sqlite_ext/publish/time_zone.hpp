// The time zone that the machine's clock shows: what a station's Date and Time mean.
#pragma once

#include <string>

namespace emsn::publish {

// By name, such as "Europe/Amsterdam": from TZ, else from what /etc/localtime leads to, else from
// /etc/timezone, else "UTC". root: in place of "/".
[[nodiscard]] std::string machine_time_zone(const std::string &root = "");

} // namespace emsn::publish
