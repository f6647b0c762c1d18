#include "sqlite_ext/publish/time_zone.hpp"

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace emsn::publish {

namespace {

// The name of a zone in the path of its file; "" when it is no such path.
std::string name_in(const std::string &path) {
    constexpr std::string_view kFolder = "zoneinfo/";
    const auto at = path.rfind(kFolder);
    if (at == std::string::npos)
        return "";
    std::string name = path.substr(at + kFolder.size());
    for (const std::string_view variant : {"posix/", "right/"}) {
        if (name.starts_with(variant))
            name.erase(0, variant.size());
    }
    return name;
}

} // namespace

std::string machine_time_zone(const std::string &root) {
    if (const char *zone = std::getenv("TZ"); zone != nullptr && *zone != '\0') {
        std::string text = *zone == ':' ? zone + 1 : zone; // tzset(3)
        if (!text.starts_with('/'))
            return text;
        if (auto name = name_in(text); !name.empty())
            return name;
    }
    std::error_code ignored;
    const auto link = std::filesystem::read_symlink(root + "/etc/localtime", ignored);
    if (auto name = name_in(link.string()); !name.empty())
        return name;
    std::ifstream file(root + "/etc/timezone"); // where /etc/localtime is a copy
    if (std::string name; std::getline(file, name) && !name.empty())
        return name;
    return "UTC";
}

} // namespace emsn::publish
