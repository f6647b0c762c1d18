// The one way core says "failed". Each adapter has one switch from Errc to its own codes.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

namespace emsn::core {

enum class Errc {
    invalid_argument, // the caller's words are wrong; nothing was touched
    not_found,        // a named object is not there
    permission,       // the system refuses this user
    busy,             // in use now: try again later
    unavailable,      // what is needed is away now (mount, network): try again later
    no_space,         // the file system is full
    io,               // the system failed to read or write
    corrupt,          // data that does not hold together
    not_a_database,   // the file is something else
    source_changed,   // what was being read was replaced meanwhile
    interrupted,      // the user cancelled
    timed_out,        // the deadline passed
    too_big,          // a number does not fit
    unsupported,      // known, but not here
    internal,         // a bug of ours
};

class Error : public std::runtime_error {
  public:
    Error(Errc code, const std::string &message) : std::runtime_error(message), code_(code) {}
    [[nodiscard]] Errc code() const noexcept { return code_; }

  private:
    Errc code_;
};

// Which Errc an errno(3) value belongs to.
[[nodiscard]] Errc errc_of(int error_number) noexcept;

// strerror(3) as text, safe in threads.
[[nodiscard]] std::string errno_text(int error_number);

// Throws Error "OPERATION OBJECT: REASON" for a failed system call.
[[noreturn]] void throw_errno(std::string_view operation, std::string_view object, int error_number = errno);

} // namespace emsn::core
