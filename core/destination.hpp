// The file that a copy goes to. Everything that can be wrong with it is said before anything is touched.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_id.hpp"

namespace emsn::core {

struct DestinationRules {
    bool follow_symlink = false; // true: the last part of the path may be a symlink to a file
    bool require_mount = false;  // true: the nearest mount point must not be /
};

// The file being copied. It, and what SQLite keeps beside it, can never be the destination.
struct SourceFile {
    std::string path; // absolute, symlinks resolved
    FileId id;
    mode_t mode = 0;
};

// The absolute path without symlinks; nullopt (and errno) when it leads nowhere.
[[nodiscard]] std::optional<std::string> real_path(const std::string &path);

class Destination {
  public:
    // Throws Error{invalid_argument, not_found, permission, unavailable}, each with its own message.
    // source: nullopt for a database in memory.
    Destination(std::string_view path, const DestinationRules &rules,
                const std::optional<SourceFile> &source);

    [[nodiscard]] const std::string &path() const noexcept {
        return path_;
    } // absolute, folder's symlinks resolved
    [[nodiscard]] const std::string &folder() const noexcept { return folder_; }
    [[nodiscard]] std::string partial_path() const { return path_ + ".emsn.partial"; }
    [[nodiscard]] std::string lock_path() const { return path_ + ".emsn.lock"; }
    // Where a copy that failed its verification is kept for people to look at.
    [[nodiscard]] std::string corrupt_path() const { return path_ + ".corrupt"; }
    // What SQLite may have left beside a database at path().
    [[nodiscard]] std::vector<std::string> sidecars() const;

    void require_free(std::int64_t bytes) const; // throws Error{no_space}
    // Names the file system and what is missing; "" when there is room.
    [[nodiscard]] std::string lack_of_space(std::int64_t bytes) const;

  private:
    void resolve(std::string_view given, const DestinationRules &rules);
    void check_existing(const DestinationRules &rules) const;
    void check_not_source(const SourceFile &source) const;

    std::string folder_;
    std::string path_;
};

} // namespace emsn::core
