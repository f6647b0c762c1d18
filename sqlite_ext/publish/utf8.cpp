#include "sqlite_ext/publish/utf8.hpp"

#include <cstdint>
#include <cstdio>

namespace emsn::publish {

namespace {

// Bytes of the character that text begins with; 0: it begins with none.
std::size_t character_length(std::string_view text) noexcept {
    struct Lead {
        unsigned char from, to;  // first byte
        unsigned char length;    // of the whole character
        unsigned char low, high; // second byte
    };
    constexpr Lead kLeads[] = {
        {0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
        {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
        {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
    };
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (const Lead &lead : kLeads) {
        if (byte(0) < lead.from || byte(0) > lead.to)
            continue;
        if (text.size() < lead.length)
            return 0;
        if (lead.length > 1 && (byte(1) < lead.low || byte(1) > lead.high))
            return 0;
        for (std::size_t at = 2; at < lead.length; ++at) {
            if ((byte(at) & 0xc0) != 0x80)
                return 0;
        }
        return lead.length;
    }
    return 0;
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        if (static_cast<signed char>(text[0]) >= 0) {
            text.remove_prefix(1);
            continue;
        }
        const std::size_t length = character_length(text);
        if (length == 0)
            return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string json_string(std::string_view text) {
    constexpr unsigned char kSpace = 0x20;
    constexpr std::size_t kRoom = 16;
    std::string out = "\"";
    char escape[kRoom];
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        const auto byte = static_cast<unsigned char>(text[0]);
        if (length == 0 || byte == 0) {
            static_cast<void>(std::snprintf(escape, sizeof escape, "\\\\x%02x", byte));
            out += escape;
        } else if (byte < kSpace) {
            static_cast<void>(std::snprintf(escape, sizeof escape, "\\u%04x", byte));
            out += escape;
        } else if (byte == '"' || byte == '\\') {
            out += {'\\', text[0]};
        } else {
            out.append(text.substr(0, length));
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out + '"';
}

} // namespace emsn::publish
