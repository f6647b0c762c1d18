// A lock file that says who holds it: one run at a time for one destination.
#pragma once

#include <string>

#include "core/handle.hpp"

namespace emsn::core {

// Holds PATH locked from construction to destruction, and removes it at the end. The kernel's lock (flock(2))
// ends with its holder, so a killed run leaves nothing to clear up. Where the file system cannot lock, the
// process ID and boot ID written in the file decide: a living holder of this boot is respected, any other is
// taken over.
// Throws Error{busy} naming the holder, Error for a file that cannot be made.
class FileLock {
  public:
    explicit FileLock(std::string path);
    ~FileLock();
    FileLock(const FileLock &) = delete;
    FileLock &operator=(const FileLock &) = delete;

  private:
    bool try_lock(); // false: the file was removed meanwhile, try again

    std::string path_;
    std::string claim_; // what we write into it
    Fd fd_;
};

} // namespace emsn::core
