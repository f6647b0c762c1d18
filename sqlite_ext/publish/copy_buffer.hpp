// Rows in the binary form of PostgreSQL's COPY (PostgreSQL documentation, COPY, "Binary Format"): the server
// parses no text, and a number arrives as the very number it was.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace emsn::publish {

class CopyBuffer {
  public:
    void header(); // once, before the first row
    void trailer();
    void row(std::int16_t fields); // that many calls of those below follow

    void null();
    void integer(std::int32_t value); // integer, or date as days since 2000-01-01
    void bigint(std::int64_t value);  // bigint, or time as microseconds since midnight
    void real(double value);          // double precision
    void text(std::string_view value);

    void real(const std::optional<double> &value) { value ? real(*value) : null(); }
    void integer(const std::optional<std::int32_t> &value) { value ? integer(*value) : null(); }

    [[nodiscard]] std::span<const char> bytes() const noexcept { return bytes_; }
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    void clear() noexcept { bytes_.clear(); }

  private:
    template <typename Unsigned> void big_endian(Unsigned value);

    std::string bytes_;
};

} // namespace emsn::publish
