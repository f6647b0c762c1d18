#include "sqlite_ext/publish/copy_buffer.hpp"

#include <bit>

namespace emsn::publish {

template <typename Unsigned> void CopyBuffer::big_endian(Unsigned value) {
    constexpr int kByte = 8;
    for (int shift = (static_cast<int>(sizeof value) - 1) * kByte; shift >= 0; shift -= kByte)
        bytes_.push_back(static_cast<char>(static_cast<unsigned char>(value >> shift)));
}

void CopyBuffer::header() {
    using namespace std::string_view_literals;
    bytes_.append("PGCOPY\n\377\r\n\0"sv);
    big_endian(std::uint32_t{0}); // flags
    big_endian(std::uint32_t{0}); // length of what may follow
}

void CopyBuffer::trailer() {
    big_endian(std::uint16_t{0xffff});
}

void CopyBuffer::row(std::int16_t fields) {
    big_endian(static_cast<std::uint16_t>(fields));
}

void CopyBuffer::null() {
    big_endian(std::uint32_t{0xffffffff});
}

void CopyBuffer::integer(std::int32_t value) {
    big_endian(std::uint32_t{sizeof value});
    big_endian(static_cast<std::uint32_t>(value));
}

void CopyBuffer::bigint(std::int64_t value) {
    big_endian(std::uint32_t{sizeof value});
    big_endian(static_cast<std::uint64_t>(value));
}

void CopyBuffer::real(double value) {
    big_endian(std::uint32_t{sizeof value});
    big_endian(std::bit_cast<std::uint64_t>(value));
}

void CopyBuffer::text(std::string_view value) {
    big_endian(static_cast<std::uint32_t>(value.size()));
    bytes_.append(value);
}

} // namespace emsn::publish
