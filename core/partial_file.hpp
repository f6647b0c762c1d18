// A file that is replaced as a whole or not at all: its new content grows in a partial file beside it, which
// takes its name at the end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/destination.hpp"
#include "core/handle.hpp"

namespace emsn::core {

// Made empty by the first call that needs it, deleted by the destructor unless it was published or set aside.
class PartialFile {
  public:
    // Removes what a killed run has left.
    explicit PartialFile(const Destination &destination);
    ~PartialFile();
    PartialFile(const PartialFile &) = delete;
    PartialFile &operator=(const PartialFile &) = delete;

    [[nodiscard]] const std::string &path() const noexcept { return path_; }
    [[nodiscard]] std::int64_t size_bytes() const; // 0 while it is not made

    // Starts the disk writing too, so that the sync at the end finds little left to do.
    void write(std::int64_t offset, std::span<const char> bytes);
    // Throws Error{io} when the file ends before.
    void read(std::int64_t offset, std::span<char> into) const;
    void resize(std::int64_t bytes);
    // Takes the content of another file of this file system, sharing its blocks until one of the two is
    // written to (FICLONE, ioctl_ficlone(2); btrfs, XFS). False where the file system cannot.
    // Closes a descriptor of that file: POSIX locks that this process holds on it are gone (fcntl(2)).
    [[nodiscard]] bool clone(const std::string &from);

    // Syncs the file, gives it mode and owner of the file that stands at the destination (new_mode when none
    // does), renames it over the destination and syncs the folder. What the file system could not keep is
    // added to warnings.
    void publish(mode_t new_mode, std::vector<std::string> &warnings);
    // Renames it to path instead, replacing what is there.
    void set_aside(const std::string &path);

  private:
    void make();
    void keep_mode_and_owner(mode_t new_mode, std::vector<std::string> &warnings) const;
    void rename_to(const std::string &path);

    const Destination &destination_;
    std::string path_;
    Fd fd_;
};

// Makes changes of names in the folder durable. A file system that cannot is left alone.
void sync_folder(const std::string &folder);
void sync_folder(const Fd &fd, const std::string &folder); // folder: for messages

} // namespace emsn::core
