// The part of the host report about the mirror.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "sqlite_ext/publish/host_parts.hpp"

namespace emsn::publish {

using core::Errc;
using core::Error;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

constexpr const char *kFile = "/mirror.json";
constexpr std::size_t kMostBytes = 65536; // it has some hundred

// Where emsn-mirror may have written: as root, or as the user who could write nowhere else.
std::vector<std::string> files_of(const HostPlaces &places) {
    if (!places.state_dir.empty())
        return {places.state_dir + kFile};
    std::vector<std::string> files{places.system_state_dir + kFile};
    if (!places.xdg_state_home.empty())
        files.push_back(places.xdg_state_home + "/emsn" + kFile);
    else if (!places.home.empty())
        files.push_back(places.home + "/.local/state/emsn" + kFile);
    return files;
}

// nullopt: it is not there.
std::optional<json> state_in(const std::string &path) {
    std::error_code error;
    const auto status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found)
        return std::nullopt;
    if (status.type() != fs::file_type::regular)
        throw Error(Errc::io, "read " + path + ": " + (error ? error.message() : "not a regular file"));
    std::ifstream in(path, std::ios::binary);
    std::string text(kMostBytes, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad() || (!in && !in.eof()))
        throw Error(Errc::io, "read " + path + ": failed");
    auto state = json::parse(text, nullptr, false);
    if (!state.is_object())
        throw Error(Errc::corrupt, "read " + path + ": not what emsn-mirror writes");
    return state;
}

std::string text_at(const json &state, const char *key) {
    const auto found = state.find(key);
    return found != state.end() && found->is_string() ? found->get<std::string>() : "";
}

} // namespace

json mirror_part(const HostPlaces &places) {
    json newest;
    for (const auto &path : files_of(places)) {
        auto state = state_in(path);
        if (state && (newest.is_null() || text_at(*state, "last_attempt") > text_at(newest, "last_attempt")))
            newest = std::move(*state);
    }
    if (places.mirror_db.empty())
        return newest;
    const std::string configured = fs::absolute(places.mirror_db).lexically_normal();
    if (newest.is_null() || text_at(newest, "destination") != configured)
        return {{"destination", configured}, {"last_success", nullptr}};
    return newest;
}

} // namespace emsn::publish
