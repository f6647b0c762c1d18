#include "core/options.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "core/error.hpp"

namespace emsn::core {

struct Options::State {
    State() : rest(nlohmann::json::object()) {}
    State(const State &) = delete;
    State &operator=(const State &) = delete;
    ~State() = default;

    nlohmann::json rest; // what nobody has asked for yet
    std::string known;   // the keys asked for, for the message about unknown ones

    [[noreturn]] void fail(const std::string &what) const { throw Error(Errc::invalid_argument, what); }

    // Takes the value out, or null when the key is absent.
    nlohmann::json take(const char *key) {
        known += known.empty() ? key : std::string(", ") + key;
        nlohmann::json value;
        if (auto found = rest.find(key); found != rest.end()) {
            value = std::move(*found);
            rest.erase(found);
            if (value.is_null())
                fail("option \"" + std::string(key) + "\" is null");
        }
        return value;
    }
};

Options::Options(std::string_view json) : state_(std::make_unique<State>()) {
    if (json.empty())
        return;
    state_->rest = nlohmann::json::parse(json, nullptr, false);
    if (state_->rest.is_discarded())
        state_->fail("options are not valid JSON");
    if (!state_->rest.is_object())
        state_->fail("options must be a JSON object");
}

Options::~Options() = default;

bool Options::flag(const char *key, bool fallback) {
    const auto value = state_->take(key);
    if (value.is_null())
        return fallback;
    if (!value.is_boolean())
        state_->fail("option \"" + std::string(key) + "\" must be true or false");
    return value.get<bool>();
}

std::int64_t Options::integer(const char *key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    const auto value = state_->take(key);
    if (value.is_null())
        return fallback;
    const bool fits = value.is_number_integer() &&
                      !(value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX});
    if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most) {
        state_->fail("option \"" + std::string(key) + "\" must be a whole number from " +
                     std::to_string(least) + " to " + std::to_string(most));
    }
    return value.get<std::int64_t>();
}

std::string Options::text(const char *key, std::string_view fallback) {
    const auto value = state_->take(key);
    if (value.is_null())
        return std::string(fallback);
    if (!value.is_string())
        state_->fail("option \"" + std::string(key) + "\" must be text");
    return value.get<std::string>();
}

std::string Options::choice(const char *key, std::string_view fallback,
                            std::initializer_list<std::string_view> allowed) {
    auto value = text(key, fallback);
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
        std::string list;
        for (const auto word : allowed)
            list.append(list.empty() ? "" : ", ").append(word);
        state_->fail("option \"" + std::string(key) + "\" must be one of: " + list);
    }
    return value;
}

void Options::finish() const {
    if (!state_->rest.empty())
        state_->fail("unknown option \"" + state_->rest.begin().key() + "\" (known: " + state_->known + ")");
}

} // namespace emsn::core
