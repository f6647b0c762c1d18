// Numbers as SQLite's files hold them: 32 bits, the most significant byte first.
#pragma once

#include <cstdint>

namespace emsn::sqlite {

constexpr int kBitsOfByte = 8;

[[nodiscard]] inline std::uint32_t read_big_endian(const char *from) noexcept {
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i)
        number = number << kBitsOfByte | static_cast<unsigned char>(from[i]);
    return number;
}

inline void write_big_endian(std::uint32_t number, char *to) noexcept {
    for (int i = 3; i >= 0; --i, number >>= kBitsOfByte)
        to[i] = static_cast<char>(number);
}

} // namespace emsn::sqlite
