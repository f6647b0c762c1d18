// Which pages were changed by commits of others while a database in rollback-journal mode is read in slices.
//
// A thread waits for the writer's journal to be created beside the database, and opens it: the descriptor
// keeps it readable when the commit deletes it. Nothing is written, and no journal stays open past its
// commit.
//
// The proof does not rest on that thread being in time. The kernel's queue of inotify(7) says in which order
// the journal was created, the database was written to, and the journal was deleted. What changed is known if
// - every write to the database came between creation and deletion of a journal, and that very journal was
//   opened and read whole: one journal was opened per creation, and each was deleted before the next;
// - no write to that journal came after the first to the database: then it holds one transaction, and all of
//   it. (Else it may have been used again, as journal_mode TRUNCATE and PERSIST and locking_mode EXCLUSIVE
//   do. A cache that spills looks the same.)
// - and these journals are of all the commits that the change counter has counted: that the kernel told of
//   all there was, which it does not of writers on other machines.
// Otherwise nothing is known, and the caller reads everything again.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "core/handle.hpp"

struct inotify_event;

namespace emsn::sqlite {

// What a row of commits may have changed. Pages are counted from 0.
struct Changes {
    std::set<std::int64_t> pages;
    std::int64_t old_pages = std::numeric_limits<std::int64_t>::max(); // pages from here on may be new
    std::uint32_t first_counter = 0;                                   // before the first of them
    std::uint32_t commits = 0;

    // Whether these are all the commits between two values of the database's change counter.
    [[nodiscard]] bool lead(std::uint32_t from, std::uint32_t to) const noexcept {
        return to - from == commits && (commits == 0 || from == first_counter);
    }
};

class JournalWatch {
  public:
    // Null when the folder cannot be watched or there can be no thread.
    [[nodiscard]] static std::unique_ptr<JournalWatch> start(const std::string &database,
                                                             std::int64_t page_size);
    JournalWatch(const std::string &database, std::int64_t page_size); // throws what start() catches
    ~JournalWatch();
    JournalWatch(const JournalWatch &) = delete;
    JournalWatch &operator=(const JournalWatch &) = delete;

    // Since the last call; nullopt: not known. For who holds a SHARED lock on the database.
    [[nodiscard]] std::optional<Changes> take();

  private:
    struct Journal {
        core::Fd file;
        bool database_changed = false; // since it was created
    };

    void wait_for_events();
    void read_events() noexcept;
    void on_event(const inotify_event &event);
    void on_database_changed();
    void on_journal_created();
    void on_journal_changed();
    void on_journal_deleted();
    void begin_again() noexcept;
    [[nodiscard]] core::Fd open_journal() const noexcept;

    std::string database_name_;
    std::string journal_name_;
    std::string journal_path_;
    std::int64_t page_size_;
    core::Fd events_;
    core::Fd stop_;
    std::mutex mutex_; // for what follows, and for reading events
    bool known_ = true;
    std::optional<Journal> journal_; // the one that is there
    Changes changes_;
    std::thread thread_;
};

} // namespace emsn::sqlite
