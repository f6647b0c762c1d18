// A directory of its own for one test, removed with everything in it, whatever its rights.
#pragma once

#include <string>

namespace emsn::test {

class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir &) = delete;
    TempDir &operator=(const TempDir &) = delete;

    [[nodiscard]] const std::string &path() const noexcept { return path_; }
    [[nodiscard]] std::string operator/(const std::string &name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

// While it lives, new TempDirs are in memory where there is room: a disk takes long to sync many changes.
class InMemory {
  public:
    InMemory();
    ~InMemory();
    InMemory(const InMemory &) = delete;
    InMemory &operator=(const InMemory &) = delete;
};

void write_file(const std::string &path, const std::string &content);
[[nodiscard]] std::string read_file(const std::string &path);

} // namespace emsn::test
