// What can go wrong between us and PostgreSQL, and whether the same may go through a moment later.
#pragma once

#include <string>

#include "core/error.hpp"

namespace emsn::publish {

class PgError : public core::Error {
  public:
    // sqlstate: PostgreSQL's five characters; empty when there is no connection, or it was lost.
    PgError(std::string sqlstate, const std::string &message);

    [[nodiscard]] const std::string &sqlstate() const noexcept { return sqlstate_; }
    // No server, or one that is full, starting or stopping; a lock; a conflict.
    [[nodiscard]] bool may_retry() const noexcept {
        return code() == core::Errc::unavailable || code() == core::Errc::busy;
    }

  private:
    std::string sqlstate_;
};

// Which Errc an SQLSTATE belongs to (PostgreSQL, appendix A).
[[nodiscard]] core::Errc errc_of(const std::string &sqlstate) noexcept;

} // namespace emsn::publish
