#include "sqlite_ext/publish/station.hpp"

#include "core/error.hpp"
#include "sqlite_ext/publish/utf8.hpp"

namespace emsn::publish {

using core::Errc;
using core::Error;

std::string station_of(const std::string &name) {
    if (name.empty())
        throw Error(Errc::invalid_argument, "the station has no name");
    if (name.find('\0') != std::string::npos || !is_utf8(name))
        throw Error(Errc::invalid_argument, "the station's name is not valid UTF-8 text");
    return name;
}

} // namespace emsn::publish
