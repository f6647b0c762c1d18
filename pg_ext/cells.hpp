// A row on its way from a helper process to the backend: cells one after the other, each a kind and its bytes
// as this machine keeps them. Both ends are one program, so nothing is ever read that another version wrote.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace emsn::pg {

enum class CellKind : char { null, text, integer, real, boolean, time };

class CellWriter {
  public:
    void null() { bytes_.push_back(static_cast<char>(CellKind::null)); }
    void text(std::string_view value) {
        add(CellKind::text, value.size());
        bytes_.append(value);
    }
    template <typename T> void text(const std::optional<T> &value) { value ? text(*value) : null(); }
    void integer(std::int64_t value) { add(CellKind::integer, value); }
    void real(double value) { add(CellKind::real, value); }
    void boolean(bool value) { add(CellKind::boolean, value); }
    void time(std::int64_t unix_seconds) { add(CellKind::time, unix_seconds); }

  protected:
    std::string bytes_;

  private:
    template <typename T> void add(CellKind kind, T value) {
        bytes_.push_back(static_cast<char>(kind));
        bytes_.append(reinterpret_cast<const char *>(&value), sizeof(value));
    }
};

// Plain data: an ERROR may jump over it. The bytes belong to someone else.
class CellReader {
  public:
    explicit CellReader(std::string_view bytes) : rest_(bytes) {}

    // False after the last cell.
    [[nodiscard]] bool more() const { return !rest_.empty(); }
    // The next cell is this one; then its value, by the function of that name.
    [[nodiscard]] CellKind kind() { return static_cast<CellKind>(take(1).front()); }
    [[nodiscard]] std::string_view text() { return take(value<std::size_t>()); }
    [[nodiscard]] std::int64_t integer() { return value<std::int64_t>(); }
    [[nodiscard]] double real() { return value<double>(); }
    [[nodiscard]] bool boolean() { return value<bool>(); }
    [[nodiscard]] std::int64_t time() { return value<std::int64_t>(); }

  private:
    template <typename T> T value() {
        T out;
        std::memcpy(&out, take(sizeof(out)).data(), sizeof(out));
        return out;
    }
    std::string_view take(std::size_t bytes) {
        const auto taken = rest_.substr(0, bytes);
        rest_.remove_prefix(bytes);
        return taken;
    }

    std::string_view rest_;
};

} // namespace emsn::pg
