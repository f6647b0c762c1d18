// Text that PostgreSQL takes as it is: UTF-8 without NUL.
#pragma once

#include <string>
#include <string_view>

namespace emsn::publish {

// Shortest forms only, no surrogates, up to U+10FFFF (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// As a JSON string with its quotes. A byte that is not part of UTF-8, and a NUL, which PostgreSQL's jsonb
// refuses, stand as the four characters \xNN.
[[nodiscard]] std::string json_string(std::string_view text);

} // namespace emsn::publish
