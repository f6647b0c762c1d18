// A libpq connection string, taken apart, and the words about it: none of them holds anything of a password.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace emsn::publish {

class Conninfo {
  public:
    // text: what libpq takes: "host=.. dbname=..", "service=..", or a URI. What we need of a connection comes
    // on top: its name, keepalives, UTF-8. Throws Error{invalid_argument}; of a text that cannot be taken
    // apart nothing is repeated, because a password may stand anywhere in it.
    Conninfo(const std::string &text, const std::string &application_name);

    // For PQconnectStartParams: ends with a null pointer. They live as long as this.
    [[nodiscard]] std::vector<const char *> keywords() const;
    [[nodiscard]] std::vector<const char *> values() const;
    // In seconds, for one attempt to connect.
    [[nodiscard]] int connect_timeout() const noexcept { return connect_timeout_; }

    // The text of an error, without any password that was given.
    [[nodiscard]] std::string scrubbed(std::string text) const;

  private:
    std::vector<std::pair<std::string, std::string>> settings_;
    std::vector<std::string> secrets_;
    int connect_timeout_;
};

} // namespace emsn::publish
