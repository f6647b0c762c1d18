// Rows that must be read faster than the network takes them: a temporary file without a name.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <span>

namespace emsn::publish {

class Spool {
  public:
    Spool(); // throws Error when there is no room for temporary files
    void append(std::span<const char> bytes);
    void replay(const std::function<void(std::span<const char>)> &sink);

  private:
    struct Close {
        void operator()(std::FILE *file) const noexcept { static_cast<void>(std::fclose(file)); }
    };
    std::unique_ptr<std::FILE, Close> file_;
};

} // namespace emsn::publish
