// What a folder may hold after the power went away, for every moment of a program's run: the program runs
// under disk_log, and this plays its operations back up to one of them and drops what was not synced.
//
// As bad as POSIX lets it be, in the limits of file systems that people use:
//   content  What was there at the file's last fsync or fdatasync is there. Each write since then is there
//   whole,
//            not at all, or in some of its sectors; each change of the size is there or not. What was never
//            written reads as zeros.
//   names    What the folder held at its last fsync is there. Each creation, rename, link and removal since
//   then
//            is there as a whole or not at all. Syncing a file does not make its name durable (on ext4 it
//            does).
//   order    Between two syncs any operation may reach the disk before any other.
// Not simulated: owner and mode; old bytes of other files in what was never written; a sector half written; a
// disk that lies about syncs; folders being made and removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/disk_log.hpp"

namespace emsn::test {

// How a cut treats what was not synced. The first four are the corners; each further seed is a mix of its
// own.
constexpr unsigned kLoseAll = 0;
constexpr unsigned kLoseNothing = 1;
constexpr unsigned kLoseNames = 2;
constexpr unsigned kLoseContent = 3;
constexpr unsigned kKeepLastName = 4; // of the changes in a folder; content is there
constexpr unsigned kFirstMix = 5;

class PowerCut {
  public:
    using Files = std::map<std::string, std::string>; // path below the folder, content

    // The folder as it stands now is what is durable before the run. Regular files and folders only.
    explicit PowerCut(std::string folder);
    // Reads the log after the run. Throws std::runtime_error when what it tells does not lead to what the
    // folder holds now: something was not recorded.
    void read_log(const std::string &log);

    [[nodiscard]] std::size_t operations() const { return operations_.size(); }
    // The operation before a cut, for messages.
    [[nodiscard]] std::string describe(std::size_t cut) const;
    // Numbers of operations done when the power goes: all from 0 to operations(), or when they are more than
    // most, some of the writes in rows of writes left out, evenly.
    [[nodiscard]] std::vector<std::size_t> cuts(std::size_t most) const;
    [[nodiscard]] Files after(std::size_t cut, unsigned seed) const;

  private:
    struct Operation {
        DiskOp op;
        std::uint64_t inode;
        std::size_t offset;
        std::string path;
        std::string other;
        std::string data;
    };
    struct File {
        std::string durable;
        std::vector<const Operation *> since; // the last sync
    };
    struct Change { // of a name
        const Operation *operation;
        std::size_t file;
    };
    struct Disk {
        std::vector<File> files;
        std::map<std::uint64_t, std::size_t> file_of; // an inode number comes again when its file is gone
        std::map<std::string, std::size_t> names;
        std::map<std::string, std::vector<Change>> since; // each folder's last sync
        void do_next(const Operation &operation);
    };
    class Fate;

    static void apply(const Operation &operation, std::string &content);
    static void apply_some_sectors(const Operation &operation, std::string &content, Fate &fate);
    static void apply(const Change &change, std::map<std::string, std::size_t> &names);

    std::string folder_;
    Disk before_;
    std::vector<Operation> operations_;
};

[[nodiscard]] PowerCut::Files files_below(const std::string &folder);
// Makes folder hold these files and no others.
void write_folder(const PowerCut::Files &files, const std::string &folder);

} // namespace emsn::test
