#include "core/host.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>

namespace emsn::core {

namespace {

constexpr std::size_t kMostBytes = 65536; // of a file of the kernel; the first ones tell

std::string read_start(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    std::string text(kMostBytes, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

// Up to the end of the first line, or to the NUL that ends texts of the device tree.
std::optional<std::string> first_line(const std::string &path) {
    auto text = read_start(path);
    text.resize(std::min(text.find_first_of(std::string("\n\0", 2)), text.size()));
    return text.empty() ? std::nullopt : std::optional(text);
}

template <typename Number> std::optional<Number> number_of(std::string_view text, int base = 10) {
    Number value{};
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value, base);
    return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

// What follows the first line that begins with key; /proc/stat has "btime 1735520000".
std::optional<std::string> value_after(const std::string &text, std::string_view key) {
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string_view line(text.data() + at, end - at);
        if (line.starts_with(key))
            return std::string(line.substr(key.size()));
        at = end + 1;
    }
    return std::nullopt;
}

std::optional<std::int64_t> boot_time(const std::string &root) {
    const auto seconds = value_after(read_start(root + "/proc/stat"), "btime ");
    return seconds ? number_of<std::int64_t>(*seconds) : std::nullopt;
}

// Thousandths of a degree in /sys/class/thermal/thermal_zone*/temp, see the kernel's sysfs-api.rst of
// thermal.
std::optional<double> temperature(const std::string &root) {
    constexpr double kThousandths = 1000;
    constexpr int kColdest = -100'000; // below and above: a sensor that is not there
    constexpr int kHottest = 250'000;
    std::optional<int> hottest;
    std::error_code ignored;
    for (std::filesystem::directory_iterator zone(root + "/sys/class/thermal", ignored), end;
         !ignored && zone != end; zone.increment(ignored)) {
        if (!zone->path().filename().string().starts_with("thermal_zone"))
            continue;
        const auto line = first_line(zone->path() / "temp");
        const auto value = line ? number_of<int>(*line) : std::nullopt;
        if (value && *value >= kColdest && *value <= kHottest)
            hottest = std::max(hottest.value_or(*value), *value);
    }
    return hottest ? std::optional(*hottest / kThousandths) : std::nullopt;
}

// Hexadecimal. Bits 0 to 3 are now, 16 to 19 the same since the boot: Raspberry Pi documentation, vcgencmd.
std::optional<Throttling> throttling(const std::string &root) {
    constexpr std::uint32_t kUnderVoltage = 1U << 0U;
    constexpr std::uint32_t kCapped = 1U << 1U;
    constexpr std::uint32_t kThrottled = 1U << 2U;
    constexpr std::uint32_t kTooWarm = 1U << 3U;
    const auto line = first_line(root + "/sys/devices/platform/soc/soc:firmware/get_throttled");
    if (!line)
        return std::nullopt;
    std::string_view digits(*line);
    if (digits.starts_with("0x"))
        digits.remove_prefix(2);
    const auto flags = number_of<std::uint32_t>(digits, 16);
    if (!flags)
        return std::nullopt;
    const auto has = [&](std::uint32_t bit) { return (*flags & bit) != 0; };
    return Throttling{*flags, has(kUnderVoltage), has(kCapped), has(kThrottled), has(kTooWarm), *flags != 0};
}

// PRETTY_NAME of os-release(5).
std::optional<std::string> operating_system(const std::string &root) {
    for (const char *file : {"/etc/os-release", "/usr/lib/os-release"}) {
        auto name = value_after(read_start(root + file), "PRETTY_NAME=");
        if (!name)
            continue;
        if (name->size() >= 2 && (name->front() == '"' || name->front() == '\'') &&
            name->back() == name->front())
            name = name->substr(1, name->size() - 2);
        return name;
    }
    return std::nullopt;
}

} // namespace

HostFacts host_facts_below(const std::string &root) {
    return {boot_time(root),        temperature(root),
            throttling(root),       first_line(root + "/proc/sys/kernel/osrelease"),
            operating_system(root), first_line(root + "/proc/device-tree/model")};
}

} // namespace emsn::core
