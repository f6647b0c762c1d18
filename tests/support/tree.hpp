// Trees that directory walks stumble over.
#pragma once

#include <string>

namespace emsn::test {

// Files, holes, hard links, symlinks (dangling, looping, to folders), a FIFO, a socket, device nodes (made by
// root only), empty folders, names with newlines, broken UTF-8 and 255 bytes, a folder of mode 000, one
// without search right, one that only root may enter.
void plant_odd_tree(const std::string &path);

// levels folders inside each other, names of name_length bytes, a file of 1 byte in each.
void plant_deep_tree(const std::string &path, int levels, std::size_t name_length);

// Backups "day 1" to "day N" as rsync --link-dest makes them: each has kDailyFolders folders with
// kDailyFiles files of kDailyBytes that all days share, and a file "new" of its own number of bytes, 1 to N.
constexpr int kDailyFolders = 20;
constexpr int kDailyFiles = 10;
constexpr int kDailyBytes = 1'000;
void plant_daily_backups(const std::string &path, int days);

// names hard links to a few files.
void plant_wide_tree(const std::string &path, int names);

} // namespace emsn::test
