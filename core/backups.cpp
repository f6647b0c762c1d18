#include "core/backups.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "core/backup_name.hpp"
#include "core/backup_receipt.hpp"
#include "core/error.hpp"
#include "core/handle.hpp"

namespace emsn::core {

using namespace std::string_view_literals;

namespace {

constexpr std::array kKinds = {"images"sv, "daily"sv, "database"sv, "weekly"sv, "hourly"sv, "centre"sv};
constexpr std::string_view kOther = "other";
constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC;

struct CloseDir {
    void operator()(DIR *dir) const noexcept { ::closedir(dir); }
};

bool is_kind(std::string_view name) {
    return std::ranges::find(kKinds, name) != kKinds.end();
}

std::vector<std::string> names_in(const Fd &folder, const std::string &path) {
    Fd own(::openat(folder.get(), ".", kOpenFlags));
    const std::unique_ptr<DIR, CloseDir> dir(own ? ::fdopendir(own.get()) : nullptr);
    if (!dir)
        throw_errno("read", path);
    static_cast<void>(own.release()); // dir closes it
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent *entry = ::readdir(dir.get());
        if (entry == nullptr && errno != 0)
            throw_errno("read", path);
        if (entry == nullptr)
            return names;
        if (entry->d_name != "."sv && entry->d_name != ".."sv)
            names.emplace_back(entry->d_name);
    }
}

// A folder that holds entries, and what its place says of them.
struct Folder {
    Fd fd;
    std::string path;
    std::vector<std::string> names;
    std::optional<std::string> station;
    std::string kind{kOther};
    bool is_root = false;

    Folder(int parent_fd, const std::string &name, const std::string &path_, int flags)
        : fd(::openat(parent_fd, name.c_str(), kOpenFlags | flags)), path(path_) {
        if (!fd)
            throw_errno("open", path);
        names = names_in(fd, path);
    }
    [[nodiscard]] bool holds_kinds() const { return std::ranges::any_of(names, is_kind); }
};

class Reading {
  public:
    Reading(Listed listed, const Poll &poll) : listed_(listed), poll_(poll) {}

    void read(const Folder &folder) {
        for (const auto &name : folder.names) {
            poll_();
            Backup row = row_of(folder, name);
            std::optional<Folder> below;
            try {
                below = look_at(folder, row);
            } catch (const Error &e) {
                if (e.code() == Errc::not_found) // gone meanwhile
                    continue;
                row.error = e.what();
            }
            if (below)
                read(*below);
            else if (is_listed(row))
                rows_.push_back(std::move(row));
        }
    }
    [[nodiscard]] std::vector<Backup> sorted() && {
        std::ranges::sort(rows_, {}, &Backup::path);
        return std::move(rows_);
    }

  private:
    static Backup row_of(const Folder &folder, const std::string &name) {
        Backup row;
        row.path = folder.path + "/" + name;
        row.name = name;
        row.station = folder.station;
        row.kind = folder.kind == kOther && is_kind(name) ? name : folder.kind;
        return row;
    }

    [[nodiscard]] bool is_listed(const Backup &row) const {
        return what_is(row.name) == (listed_ == Listed::backups ? NameIs::backup : NameIs::leftover);
    }

    // Fills in row, an entry; or returns what it is instead: a folder of entries.
    [[nodiscard]] static std::optional<Folder> look_at(const Folder &folder, Backup &row) {
        if (what_is(row.name) != NameIs::backup)
            return std::nullopt;
        struct stat st {};
        if (::fstatat(folder.fd.get(), row.name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0)
            throw_errno("look at", row.path);
        const bool is_kind_folder = row.kind != folder.kind;
        const bool may_be_station = folder.is_root && !parse_backup_name(row.name);
        if (S_ISDIR(st.st_mode) && (is_kind_folder || may_be_station)) {
            Folder below(folder.fd.get(), row.name, row.path, O_NOFOLLOW);
            if (is_kind_folder || below.holds_kinds()) {
                below.kind = row.kind;
                below.station = is_kind_folder ? folder.station : row.name;
                return below;
            }
        }
        describe(folder, st, row);
        return std::nullopt;
    }

    static void describe(const Folder &folder, const struct stat &st, Backup &row) {
        if (S_ISLNK(st.st_mode))
            throw Error(Errc::unsupported, row.path + " is a symlink: not followed");
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            throw Error(Errc::unsupported, row.path + " is neither a file nor a folder");
        if (S_ISREG(st.st_mode))
            row.bytes = st.st_size;
        row.taken = Taken{st.st_mtim.tv_sec, DateSource::mtime};
        const auto dated = parse_backup_name(row.name);
        if (dated) {
            row.series = dated->series;
            row.taken = Taken{dated->taken_unix, DateSource::name};
        }
        if (const auto receipt = read_backup_receipt(folder.fd.get(), row.name)) {
            row.complete = receipt->complete;
            row.verified = receipt->verified;
            row.told_bytes = receipt->bytes;
            if (!dated && receipt->finished_unix)
                row.taken = Taken{*receipt->finished_unix, DateSource::receipt};
        }
    }

    Listed listed_;
    const Poll &poll_;
    std::vector<Backup> rows_;
};

} // namespace

std::vector<Backup> backups_in(const std::string &dir, Listed listed, const Poll &poll) {
    Folder root(AT_FDCWD, dir, dir, 0);
    root.is_root = true;
    while (root.path.ends_with('/'))
        root.path.pop_back();
    Reading reading(listed, poll);
    reading.read(root);
    return std::move(reading).sorted();
}

} // namespace emsn::core
