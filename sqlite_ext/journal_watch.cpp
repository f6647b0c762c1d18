#include "sqlite_ext/journal_watch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "core/error.hpp"
#include "core/file_id.hpp"
#include "sqlite_ext/journal_pages.hpp"

namespace emsn::sqlite {

namespace {

// More are as good as all; this many take about 10 MB.
constexpr std::size_t kMostPages = 1 << 18;
constexpr std::uint32_t kNameGone = IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kWatched =
    IN_CREATE | IN_MODIFY | kNameGone | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// A thread begun while this lives takes no signal away from the host's threads.
class AllSignalsBlocked {
  public:
    AllSignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    AllSignalsBlocked(const AllSignalsBlocked &) = delete;
    AllSignalsBlocked &operator=(const AllSignalsBlocked &) = delete;

  private:
    sigset_t before_{};
};

bool is_deleted(int fd) {
    struct stat st {};
    return ::fstat(fd, &st) == 0 && st.st_nlink == 0;
}

bool same_file(int one, int other) {
    struct stat a {};
    struct stat b {};
    return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && core::id_of(a) == core::id_of(b);
}

} // namespace

std::unique_ptr<JournalWatch> JournalWatch::start(const std::string &database, std::int64_t page_size) {
    try {
        return std::make_unique<JournalWatch>(database, page_size);
    } catch (const core::Error &) { // no right to the folder, or too many watches
        return nullptr;
    } catch (const std::system_error &) { // too many threads
        return nullptr;
    }
}

JournalWatch::JournalWatch(const std::string &database, std::int64_t page_size)
    : database_name_(std::filesystem::path(database).filename()), journal_name_(database_name_ + "-journal"),
      journal_path_(database + "-journal"), page_size_(page_size),
      events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), stop_(::eventfd(0, EFD_CLOEXEC)) {
    const std::string folder = std::filesystem::path(database).parent_path();
    if (!events_ || !stop_ || ::inotify_add_watch(events_.get(), folder.c_str(), kWatched) < 0)
        core::throw_errno("watch", folder);
    begin_again();
    const AllSignalsBlocked blocked;
    thread_ = std::thread([this] { wait_for_events(); });
}

JournalWatch::~JournalWatch() {
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
}

void JournalWatch::wait_for_events() {
    std::array<pollfd, 2> wanted{{{events_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    while (::poll(wanted.data(), wanted.size(), -1) >= 0 || errno == EINTR) {
        if (wanted[1].revents != 0 || (wanted[0].revents & ~POLLIN) != 0)
            return;
        const std::lock_guard lock(mutex_);
        read_events();
    }
}

std::optional<Changes> JournalWatch::take() {
    const std::lock_guard lock(mutex_);
    // The kernel queues an event before the call that it tells of returns. Under the SHARED lock, no commit
    // is under way: all that they did is in the queue.
    read_events();
    std::optional<Changes> found;
    // a journal that stays is not of journal_mode DELETE
    if (known_ && !(journal_ && journal_->database_changed))
        found = std::move(changes_);
    changes_ = {};
    if (!found)
        begin_again();
    return found;
}

// There may be a journal already: of a transaction that has not come to its commit.
void JournalWatch::begin_again() noexcept {
    changes_ = {};
    journal_.reset();
    core::Fd file = open_journal();
    known_ = file || errno == ENOENT;
    if (file)
        journal_ = Journal{std::move(file)};
}

core::Fd JournalWatch::open_journal() const noexcept {
    return core::Fd(::open(journal_path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
}

void JournalWatch::read_events() noexcept {
    constexpr std::size_t kBufferBytes = 16 << 10;
    alignas(inotify_event) std::array<char, kBufferBytes> buffer;
    try {
        for (;;) {
            const ssize_t count = ::read(events_.get(), buffer.data(), buffer.size());
            if (count <= 0) {
                known_ = known_ && count < 0 && errno == EAGAIN;
                return;
            }
            for (const char *at = buffer.data(); at < buffer.data() + count;) {
                const auto *event = reinterpret_cast<const inotify_event *>(at);
                if (known_)
                    on_event(*event);
                if (!known_)
                    journal_.reset(); // deleted, it takes space as long as it is open
                at += sizeof *event + event->len;
            }
        }
    } catch (...) {
        known_ = false;
    }
}

void JournalWatch::on_event(const inotify_event &event) {
    const std::string_view name = event.len > 0 ? event.name : "";
    const auto is = [&](std::uint32_t kinds) { return (event.mask & kinds) != 0; };
    if (!name.empty() && name != database_name_ && name != journal_name_)
        return;
    if (name == database_name_ && is(IN_MODIFY))
        on_database_changed();
    else if (name == journal_name_ && is(IN_CREATE))
        on_journal_created();
    else if (name == journal_name_ && is(IN_MODIFY))
        on_journal_changed();
    else if (name == journal_name_ && is(IN_DELETE))
        on_journal_deleted();
    else // the folder itself, an overflow of the queue, or another file under one of the names
        known_ = false;
}

void JournalWatch::on_database_changed() {
    known_ = journal_.has_value();
    if (journal_)
        journal_->database_changed = true;
}

void JournalWatch::on_journal_created() {
    core::Fd file = open_journal();
    if (!journal_ && file)
        journal_ = Journal{std::move(file)};
    else // we may have opened it already, when we began
        known_ = journal_ && file && same_file(journal_->file.get(), file.get());
}

void JournalWatch::on_journal_changed() {
    known_ = journal_ && !journal_->database_changed;
}

void JournalWatch::on_journal_deleted() {
    // one that is still there is the next one: we came too late for this
    known_ = journal_ && is_deleted(journal_->file.get());
    if (known_ && journal_->database_changed) {
        const auto found = read_journal(journal_->file.get(), page_size_);
        if (changes_.commits == 0 && found)
            changes_.first_counter = found->change_counter;
        known_ = found && found->change_counter == changes_.first_counter + changes_.commits;
        if (known_) {
            ++changes_.commits;
            changes_.old_pages = std::min(changes_.old_pages, found->old_pages);
            changes_.pages.insert(found->pages.begin(), found->pages.end());
            known_ = changes_.pages.size() <= kMostPages;
        }
    }
    journal_.reset();
}

} // namespace emsn::sqlite
