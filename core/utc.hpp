// Times as text: UTC, the form of every time that emsn itself writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace emsn::core {

// "2025-12-30T02:00:00Z"
[[nodiscard]] std::string utc_text(std::int64_t unix_seconds);

// The same backwards; nullopt for any other form and for times that do not exist.
[[nodiscard]] std::optional<std::int64_t> unix_of_utc(const std::string &text);

} // namespace emsn::core
