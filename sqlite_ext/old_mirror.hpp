// The copy that stands at the destination, as what the next one begins with.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/destination.hpp"
#include "sqlite_ext/copy.hpp"
#include "sqlite_ext/db.hpp"
#include "sqlite_ext/db_file.hpp"
#include "sqlite_ext/source.hpp"
#include "sqlite_ext/watch.hpp"

namespace emsn::sqlite {

class OldMirror {
  public:
    // Throws SqliteError for what is no database.
    explicit OldMirror(const std::string &path);
    // nullopt unless it is an earlier copy of this source, of the same layout, to which nobody has done
    // anything since: what can be seen of that (the receipt, where the file system keeps one; the header) is
    // looked at.
    // Whatever is not seen does no harm: every page is compared. It is read without SQLite's locks.
    [[nodiscard]] static std::optional<OldMirror> find(const core::Destination &destination,
                                                       const Source &source);

    [[nodiscard]] const FileHeader &header() const noexcept { return header_; }
    [[nodiscard]] bool same_counter(const Source &source) const;
    void read(std::int64_t page, std::span<char> into) const;
    // Reads all of it.
    [[nodiscard]] Known known(Watch &watch) const;

  private:
    Db db_;
    DbFile file_;
    FileHeader header_;
};

} // namespace emsn::sqlite
