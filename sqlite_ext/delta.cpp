#include "sqlite_ext/delta.hpp"

#include <algorithm>

#include "core/mounts.hpp"
#include "sqlite_ext/check_copy.hpp"
#include "sqlite_ext/in_place.hpp"
#include "sqlite_ext/mirror_lock.hpp"
#include "sqlite_ext/old_mirror.hpp"
#include "sqlite_ext/patch.hpp"
#include "sqlite_ext/settle.hpp"

namespace emsn::sqlite {

namespace {

constexpr std::int64_t kSliceBytes = 1 << 20;

std::string file_system_of(const core::Destination &destination) {
    try {
        return core::mount_of(destination.folder()).fs_type;
    } catch (const core::Error &) {
        return {}; // not known: then nothing is changed in place there
    }
}

// The partial file as a twin of the old mirror. While the other descriptor is closed, nobody else of this
// process may hold a lock on the mirror: it would be gone.
bool clone_old_mirror(const Job &job) {
    const auto lock = MirrorLock::take(job.destination, job.watch);
    return lock && job.partial.clone(job.destination.path());
}

// The partial file becomes the moment copied: what the patch does not have is in the old mirror.
void complete(const Job &job, const OldMirror &old, Patch &patch, Made &made) {
    const Copied &copied = made.copied;
    job.watch.stage("copying what did not change");
    job.destination.require_free(copied.bytes() - job.partial.size_bytes());
    patch.spill();
    std::vector<char> slice;
    const auto page_bytes = static_cast<std::size_t>(copied.page_size);
    PartialSink sink(job.partial, copied.page_size, made.written);
    for (std::int64_t at = 0; at < copied.pages;) {
        job.watch.check();
        std::int64_t pages = 0;
        slice.clear();
        for (; at + pages < copied.pages && std::ssize(slice) < kSliceBytes && !patch.has(at + pages) &&
               at + pages != lock_byte_page(copied.page_size);
             ++pages) {
            slice.resize(slice.size() + page_bytes);
            const auto page = std::span(slice).last(page_bytes);
            old.read(at + pages, page);
            if (hash_page(page.data(), page_bytes) != copied.hashes[static_cast<std::size_t>(at + pages)]) {
                throw core::Error(core::Errc::busy,
                                  job.destination.path() + " was written to by somebody else meanwhile");
            }
        }
        if (pages > 0)
            sink.write(at, slice);
        at += std::max<std::int64_t>(pages, 1);
    }
    made.written.pages = copied.pages;
    job.partial.resize(copied.bytes());
}

Made patch_clone(const Job &job) {
    Made made;
    made.is_delta = true;
    PartialSink sink(job.partial, job.source.page_size(), made.written);
    const OldMirror twin(job.partial.path());
    made.copied = copy_database(job.source, sink, twin.known(job.watch), job.max_hold_ms, job.watch);
    job.source.check_not_moved();
    job.partial.resize(made.copied.bytes());
    // nothing changed: the mirror can stay, if it is good
    made.is_published = made.written.pages == 0 && made.copied.pages == twin.header().pages &&
                        problem_of_copy(job.partial.path(), made.copied, job.level, job.watch).empty();
    return made;
}

Made patch_old_mirror(const Job &job, const OldMirror &old, bool in_place) {
    Made made;
    Patch patch(job.partial, job.source.page_size(), made.written);
    made.copied = copy_database(job.source, patch, old.known(job.watch), job.max_hold_ms, job.watch);
    job.source.check_not_moved();
    const Copied &copied = made.copied;
    const bool unchanged = patch.pages() == 0 && copied.pages == old.header().pages;
    // SQLite's readers of the mirror know by its change counter that the pages they remember are old
    const bool readers_see_it =
        patch.has(0) && (job.source.is_wal() || copied.change_counter != old.header().change_counter);
    if (unchanged)
        made.is_published = problem_of_copy(job.destination.path(), copied, job.level, job.watch).empty();
    else if (in_place && readers_see_it && patch.pages() * 2 <= copied.pages)
        made.is_published =
            write_in_place(job.destination, old, patch, copied, job.level, made.written, job.watch);
    made.is_delta = made.is_published;
    if (!made.is_published)
        complete(job, old, patch, made);
    return made;
}

} // namespace

std::optional<Made> make_from_old_mirror(const Job &job) {
    settle_destination(job.destination);
    const auto old = OldMirror::find(job.destination, job.source);
    if (!old)
        return std::nullopt;
    const std::string fs_type = file_system_of(job.destination);
    if (core::shares_blocks(fs_type) && clone_old_mirror(job))
        return patch_clone(job);
    const bool in_place = core::is_local_disk(fs_type) && !job.atomic;
    // reading the old mirror would only tell which part of a new file it has
    if (!in_place && !old->same_counter(job.source))
        return std::nullopt;
    return patch_old_mirror(job, *old, in_place);
}

} // namespace emsn::sqlite
