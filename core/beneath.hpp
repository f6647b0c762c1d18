// A place strictly below a folder, reached without following a symlink and held by a descriptor: what is
// renamed or swapped later leads nowhere else.
#pragma once

#include <string>

#include "core/handle.hpp"

namespace emsn::core {

class Beneath {
  public:
    // path must begin, part by part, with inside: as it was given, or as it is without symlinks. Relative
    // ones begin at the working directory; slashes at the end mean nothing. The folder that holds path must
    // be there, path itself need not.
    // Throws Error{invalid_argument}: path is not below inside, is inside itself, has a ".." or a symlink on
    // the way below it, or inside is "/"; Error{not_found, permission, ...} as the system says.
    Beneath(const std::string &path, const std::string &inside);

    [[nodiscard]] const Fd &folder() const noexcept { return folder_; }                    // that holds it
    [[nodiscard]] const std::string &folder_path() const noexcept { return folder_path_; } // without symlinks
    [[nodiscard]] const std::string &name() const noexcept { return name_; }
    [[nodiscard]] std::string path() const { return folder_path_ + "/" + name_; }

  private:
    Fd folder_;
    std::string folder_path_;
    std::string name_;
};

} // namespace emsn::core
