// What makes a file the same file, whatever its names: device and inode.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

namespace emsn::core {

struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const FileId &, const FileId &) = default;
};

[[nodiscard]] inline FileId id_of(const struct stat &st) noexcept {
    return {st.st_dev, st.st_ino};
}

// Of the file that path leads to, symlinks followed; nullopt when there is none in reach.
[[nodiscard]] inline std::optional<FileId> id_at(const std::string &path) noexcept {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0)
        return std::nullopt;
    return id_of(st);
}

} // namespace emsn::core
