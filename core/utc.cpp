#include "core/utc.hpp"

#include <array>
#include <ctime>

namespace emsn::core {

namespace {

constexpr const char *kForm = "%Y-%m-%dT%H:%M:%SZ";

} // namespace

std::string utc_text(std::int64_t unix_seconds) {
    constexpr std::size_t kMostBytes = 64;
    const std::time_t time = unix_seconds;
    std::tm utc{};
    std::array<char, kMostBytes> text{};
    ::gmtime_r(&time, &utc);
    return {text.data(), std::strftime(text.data(), text.size(), kForm, &utc)};
}

std::optional<std::int64_t> unix_of_utc(const std::string &text) {
    std::tm utc{};
    if (::strptime(text.c_str(), kForm, &utc) == nullptr)
        return std::nullopt;
    const std::int64_t seconds = ::timegm(&utc);
    // strptime(3) takes the 30th of February, short years and blanks
    return utc_text(seconds) == text ? std::optional(seconds) : std::nullopt;
}

} // namespace emsn::core
