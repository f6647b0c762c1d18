// Options of an SQL function: one JSON object. Unknown keys, wrong types and values out of range are errors
// that name the key and what is allowed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace emsn::core {

class Options {
  public:
    // json: the text of a JSON object; empty means no options.
    explicit Options(std::string_view json);
    ~Options();
    Options(const Options &) = delete;
    Options &operator=(const Options &) = delete;

    [[nodiscard]] bool flag(const char *key, bool fallback);
    [[nodiscard]] std::int64_t integer(const char *key, std::int64_t fallback, std::int64_t least,
                                       std::int64_t most);
    [[nodiscard]] std::string text(const char *key, std::string_view fallback);
    [[nodiscard]] std::string choice(const char *key, std::string_view fallback,
                                     std::initializer_list<std::string_view> allowed);
    // Call after the last key was asked for: what is left over is unknown.
    void finish() const;

  private:
    struct State; // keeps the JSON library out of this header
    std::unique_ptr<State> state_;
};

} // namespace emsn::core
