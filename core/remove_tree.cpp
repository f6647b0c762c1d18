#include "core/remove_tree.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <cstdio>

#include "core/beneath.hpp"
#include "core/error.hpp"
#include "core/mounts.hpp"
#include "core/partial_file.hpp"
#include "core/tree_deletion.hpp"

namespace emsn::core {

namespace {

constexpr std::string_view kSuffix = ".removing";

bool inside_a_character(char byte) { // UTF-8
    constexpr unsigned kMask = 0xc0;
    constexpr unsigned kContinuation = 0x80;
    return (static_cast<unsigned char>(byte) & kMask) == kContinuation;
}

std::string removing_name(const Beneath &place) {
    const std::string &name = place.name();
    if (name.ends_with(kSuffix))
        return name;
    const long limit = ::fpathconf(place.folder().get(), _PC_NAME_MAX); // eCryptfs: 143
    const auto most = limit > 0 ? std::min<long>(limit, NAME_MAX) : NAME_MAX;
    std::size_t length = std::min(name.size(), static_cast<std::size_t>(most) - kSuffix.size());
    while (length > 0 && length < name.size() && inside_a_character(name[length]))
        --length;
    return name.substr(0, length).append(kSuffix);
}

bool is_there(const Beneath &place, const std::string &name) {
    struct stat st {};
    if (::fstatat(place.folder().get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
        return true;
    if (errno != ENOENT)
        throw_errno("remove", place.path());
    return false;
}

void refuse_mounts(const std::string &path) {
    for (const Mount &mount : system_mounts()) {
        if (mount.mount_point == path)
            throw Error(Errc::invalid_argument, "remove " + path + ": it is a mount point");
        if (mount.mount_point.starts_with(path + "/")) {
            throw Error(Errc::invalid_argument,
                        "remove " + path + ": " + mount.mount_point + " is mounted below it");
        }
    }
}

std::int64_t finish(const Beneath &place, const std::string &name, const Poll &poll) {
    const Deleted done = delete_tree(place.folder(), name, poll);
    if (done.failures == 0)
        return done.bytes;
    throw Error(errc_of(done.first_error), "remove " + place.path() + ": " + std::to_string(done.failures) +
                                               (done.failures == 1 ? " entry" : " entries") +
                                               " could not be deleted, first " + done.first_failure + "; " +
                                               std::to_string(done.bytes) + " bytes freed, the rest is in " +
                                               name);
}

} // namespace

std::int64_t remove_tree(const std::string &path, const std::string &inside, const Poll &poll) {
    poll();
    const Beneath place(path, inside);
    const std::string removing = removing_name(place);
    const bool leftover = is_there(place, removing);
    const bool whole = removing != place.name() && is_there(place, place.name());
    if (!leftover && !whole)
        throw_errno("remove", place.path(), ENOENT);
    refuse_mounts(place.path());
    refuse_mounts(place.folder_path() + "/" + removing);

    const std::int64_t before = leftover ? finish(place, removing, poll) : 0;
    if (!whole)
        return before;
    const int folder = place.folder().get();
    if (::renameat(folder, place.name().c_str(), folder, removing.c_str()) != 0)
        throw_errno("rename " + place.path() + " to", removing);
    sync_folder(place.folder(), place.folder_path());
    return saturating_sum(before, finish(place, removing, poll));
}

} // namespace emsn::core
