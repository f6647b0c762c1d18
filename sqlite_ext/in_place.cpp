#include "sqlite_ext/in_place.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "sqlite_ext/check_copy.hpp"
#include "sqlite_ext/mirror_lock.hpp"
#include "sqlite_ext/rollback_journal.hpp"
#include "sqlite_ext/settle.hpp"

namespace emsn::sqlite {

namespace {

// Of each page that will be replaced or cut off.
void keep_old_pages(RollbackJournal &journal, const DbFile &file, const Patch &patch, const Copied &copied,
                    std::int64_t old_pages) {
    std::vector<char> page(static_cast<std::size_t>(copied.page_size));
    const auto keep = [&](std::int64_t number) {
        file.read(number * copied.page_size, page);
        journal.add(number, page);
    };
    for (const std::int64_t number : patch.numbers()) {
        if (number < std::min(old_pages, copied.pages))
            keep(number);
    }
    for (std::int64_t number = copied.pages; number < old_pages; ++number) {
        if (number != lock_byte_page(copied.page_size)) // SQLite's rollback would stop at it
            keep(number);
    }
}

void replace_pages(DbFile &file, const Patch &patch, const Copied &copied, std::int64_t old_pages,
                   Written &written) {
    patch.each_run([&](std::int64_t first, std::span<const char> pages) {
        file.write(first * copied.page_size, pages);
        written.pages += std::ssize(pages) / copied.page_size;
        written.bytes += std::ssize(pages);
    });
    if (copied.pages < old_pages)
        file.truncate(copied.bytes());
    file.sync();
}

// SQLite puts the old pages back. Where even that fails now, the journal stays for whoever opens it next.
void roll_back_if_possible(const core::Destination &destination) noexcept {
    try {
        settle_destination(destination);
    } catch (...) { // the error that led here says more
    }
}

} // namespace

bool write_in_place(const core::Destination &destination, const OldMirror &old, const Patch &patch,
                    const Copied &copied, Level level, Written &written, Watch &watch) {
    auto lock = MirrorLock::take(destination, watch);
    if (!lock)
        return false;
    DbFile file(lock->db(), "main");
    const std::int64_t old_pages = old.header().pages;
    if (file.header() != old.header() || file.size_bytes() != old_pages * copied.page_size)
        return false; // somebody has written to it since it was read
    watch.stage("writing the changed pages");
    watch.check();
    std::optional<RollbackJournal> journal(std::in_place, lock->db(), copied.page_size, old_pages, written);
    try {
        keep_old_pages(*journal, file, patch, copied, old_pages);
        journal->seal();
        replace_pages(file, patch, copied, old_pages, written);
        if (problem_of_copy(destination.path(), copied, level, watch).empty()) {
            journal->remove();
            return true; // nothing was changed through the lock's connection: it only lets go
        }
    } catch (...) {
        journal.reset();
        lock->release();
        roll_back_if_possible(destination);
        throw;
    }
    journal.reset();
    lock->release();
    settle_destination(destination);
    return false;
}

} // namespace emsn::sqlite
