#include "sqlite_ext/publish/conninfo.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "core/error.hpp"

namespace emsn::publish {

using core::Errc;
using core::Error;

namespace {

constexpr int kConnectTimeoutSeconds = 10;
constexpr int kLeastConnectTimeoutSeconds = 2; // as libpq itself

// A link that is gone is noticed within half a minute, and not after the two hours of the kernel's defaults.
constexpr std::pair<const char *, const char *> kDefaults[] = {
    {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "25000"}, // milliseconds
};

struct FreeOptions {
    void operator()(PQconninfoOption *options) const noexcept { PQconninfoFree(options); }
};
struct FreeText {
    void operator()(char *text) const noexcept { PQfreemem(text); }
};

[[noreturn]] void refuse(const std::string &why) {
    throw Error(Errc::invalid_argument, "the connection string is not valid: " + why);
}

bool is_uri(std::string_view text) {
    return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

// libpq ends user and password at the first '/' or '@'. Of a password with such a character in it the rest
// would be read as host, port or database, and come back in errors about those.
void refuse_unclear_uri(std::string_view text) {
    const auto begin = text.find("://") + 3;
    const auto last_at = text.rfind('@');
    if (last_at == std::string_view::npos || last_at < begin)
        return;
    const auto user = text.substr(begin, last_at - begin);
    if (user.find(':') != std::string_view::npos && user.find_first_of("/?#@") != std::string_view::npos)
        refuse("a '/', '?', '#' or '@' before the last '@' of a URI must be percent-encoded");
}

// The name of an option that libpq does not know, where it can be nothing but a name: no password in sight,
// and no quotes that might have ended early.
std::string nameable_option(const std::string &text, const std::string &message) {
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto begin = message.find('"');
    const auto end = message.rfind('"');
    if (is_uri(text) || begin == std::string::npos || end <= begin ||
        lower.find_first_of("'\\%:@") != std::string::npos)
        return "";
    for (const char *word : {"pass", "pw", "secret", "key", "token"}) {
        if (lower.find(word) != std::string::npos)
            return "";
    }
    return message.substr(begin + 1, end - begin - 1);
}

[[noreturn]] void refuse_for(const std::string &text, const std::string &message) {
    const auto says = [&](const char *words) { return message.find(words) != std::string::npos; };
    if (says("invalid connection option")) {
        const auto name = nameable_option(text, message);
        refuse(name.empty() ? "an option in it is unknown (it is not repeated here: a password may be near)"
                            : "unknown option \"" + name + "\"");
    }
    if (says("missing \"=\""))
        refuse("a word in it has no \"=\" (values with spaces stand in single quotes)");
    if (says("unterminated quoted string"))
        refuse("a quoted value has no end");
    if (says("percent-encoded"))
        refuse("a percent-encoded character in it is wrong");
    refuse("libpq cannot read it");
}

std::unique_ptr<PQconninfoOption, FreeOptions> parse(const std::string &text) {
    if (text.find('\0') != std::string::npos)
        refuse("it holds a NUL byte");
    if (is_uri(text))
        refuse_unclear_uri(text);
    char *raw = nullptr;
    std::unique_ptr<PQconninfoOption, FreeOptions> options(PQconninfoParse(text.c_str(), &raw));
    const std::unique_ptr<char, FreeText> message(raw);
    if (!options)
        refuse_for(text, raw != nullptr ? raw : "");
    return options;
}

int timeout_from(const std::string &text) {
    const int seconds = std::atoi(text.c_str());
    return seconds > 0 ? std::max(seconds, kLeastConnectTimeoutSeconds) : kConnectTimeoutSeconds;
}

} // namespace

Conninfo::Conninfo(const std::string &text, const std::string &application_name)
    : connect_timeout_(kConnectTimeoutSeconds) {
    const auto options = parse(text);
    if (const char *seconds = std::getenv("PGCONNECT_TIMEOUT"))
        connect_timeout_ = timeout_from(seconds);
    for (const auto &[keyword, value] : kDefaults)
        settings_.emplace_back(keyword, value);
    for (const PQconninfoOption *option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr)
            continue;
        // libpq marks what must not be shown
        if (std::strchr(option->dispchar, '*') != nullptr && *option->val != '\0')
            secrets_.emplace_back(option->val);
        if (std::strcmp(option->keyword, "connect_timeout") == 0)
            connect_timeout_ = timeout_from(option->val);
        // a later setting of the same name wins
        settings_.emplace_back(option->keyword, option->val);
    }
    if (const char *password = std::getenv("PGPASSWORD"); password != nullptr && *password != '\0')
        secrets_.emplace_back(password);
    settings_.emplace_back("application_name", application_name);
    settings_.emplace_back("client_encoding", "UTF8");
}

std::vector<const char *> Conninfo::keywords() const {
    std::vector<const char *> list;
    for (const auto &setting : settings_)
        list.push_back(setting.first.c_str());
    list.push_back(nullptr);
    return list;
}

std::vector<const char *> Conninfo::values() const {
    std::vector<const char *> list;
    for (const auto &setting : settings_)
        list.push_back(setting.second.c_str());
    list.push_back(nullptr);
    return list;
}

std::string Conninfo::scrubbed(std::string text) const {
    constexpr const char *kStars = "***";
    for (const auto &secret : secrets_) {
        for (auto at = text.find(secret); at != std::string::npos;
             at = text.find(secret, at + std::strlen(kStars)))
            text.replace(at, secret.size(), kStars);
    }
    return text;
}

} // namespace emsn::publish
