#include "sqlite_ext/journal_pages.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <unordered_map>

#include "core/error.hpp"
#include "sqlite_ext/big_endian.hpp"
#include "sqlite_ext/db_header.hpp"
#include "sqlite_ext/journal_format.hpp"

namespace emsn::sqlite {

namespace {

// A transaction that changes more is not worth following: reading all pages again costs no more.
constexpr std::int64_t kMostBytes = 16 << 20;
// A writer with synchronous=OFF never fills in the number of records: as many as there are.
constexpr std::uint32_t kAllThereAre = 0xffffffff;

std::vector<char> read_all(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0)
        core::throw_errno("look at", "a rollback journal");
    if (st.st_size > kMostBytes)
        return {};
    std::vector<char> bytes(static_cast<std::size_t>(st.st_size));
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t count = ::pread(fd, &bytes[at], bytes.size() - at, static_cast<off_t>(at));
        if (count < 0)
            core::throw_errno("read", "a rollback journal");
        if (count == 0)
            return {};
        at += static_cast<std::size_t>(count);
    }
    return bytes;
}

// Old contents by the number of the page, counted from 1 as SQLite does.
using OldPages = std::unordered_map<std::uint32_t, std::span<const char>>;

// nullopt: not one part, whole and nothing else.
std::optional<OldPages> old_pages(std::span<const char> journal, std::size_t page_bytes) {
    const auto field = [&](std::size_t at) { return read_big_endian(&journal[at]); };
    if (journal.size() < kJournalHeaderBytes ||
        !std::equal(kJournalMagic.begin(), kJournalMagic.end(), journal.begin()) ||
        field(kJournalPageSizeAt) != page_bytes)
        return std::nullopt;
    const std::size_t sector = field(kJournalSectorBytesAt);
    const std::size_t record = journal_record_bytes(page_bytes);
    if (sector < kJournalHeaderBytes || sector > journal.size() || (journal.size() - sector) % record != 0)
        return std::nullopt;
    const std::size_t records = (journal.size() - sector) / record;
    if (field(kJournalRecordsAt) != records && field(kJournalRecordsAt) != kAllThereAre)
        return std::nullopt;
    OldPages pages;
    for (std::size_t at = sector; at < journal.size(); at += record) {
        const std::uint32_t number = field(at);
        const auto page = journal.subspan(at + kJournalWordBytes, page_bytes);
        if (number == 0 || number > field(kJournalOldPagesAt) ||
            field(at + kJournalWordBytes + page_bytes) != journal_sum(field(kJournalNonceAt), page))
            return std::nullopt;
        pages.try_emplace(number, page); // the first is the oldest
    }
    return pages;
}

// The leaves of those trunk pages of the old freelist that were changed. False: not understood.
bool add_free_leaves(const OldPages &old, std::span<const char> first_page,
                     std::vector<std::int64_t> &pages) {
    constexpr std::size_t kLeavesAt = 4; // on a trunk page: the next trunk, how many leaves, the leaves
    constexpr std::size_t kFirstLeafAt = 8;
    if (read_big_endian(&first_page[kFreePagesAt]) == 0)
        return true;
    if (read_big_endian(&first_page[kLargestRootAt]) != 0)
        return false;
    std::size_t left = old.size(); // a list that bites its tail ends too
    for (auto trunk = old.find(read_big_endian(&first_page[kFirstFreeTrunkAt])); trunk != old.end();
         trunk = old.find(read_big_endian(trunk->second.data()))) {
        const auto page = trunk->second;
        const std::size_t leaves = read_big_endian(&page[kLeavesAt]);
        if (left-- == 0 || leaves > (page.size() - kFirstLeafAt) / kJournalWordBytes)
            return false;
        for (std::size_t i = 0; i < leaves; ++i)
            pages.push_back(std::int64_t{read_big_endian(&page[kFirstLeafAt + i * kJournalWordBytes])} - 1);
    }
    return true;
}

} // namespace

std::optional<JournalPages> read_journal(int fd, std::int64_t page_size) {
    const std::vector<char> journal = read_all(fd);
    const auto old = old_pages(journal, static_cast<std::size_t>(page_size));
    if (!old)
        return std::nullopt;
    // every commit counts in the first page; a journal without it says nothing of where it belongs
    const auto first = old->find(1);
    if (first == old->end())
        return std::nullopt;
    const auto first_page = first->second;
    JournalPages found;
    found.change_counter = read_big_endian(&first_page[kChangeCounterAt]);
    found.old_pages = read_big_endian(&first_page[kPagesAt]);
    if (found.old_pages == 0 || read_big_endian(&first_page[kValidForAt]) != found.change_counter)
        return std::nullopt; // a library before 3.7.0 wrote it
    for (const auto &[number, page] : *old)
        found.pages.push_back(std::int64_t{number} - 1);
    if (!add_free_leaves(*old, first_page, found.pages))
        return std::nullopt;
    return found;
}

} // namespace emsn::sqlite
