#include "core/walk_crew.hpp"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

#include "core/detached.hpp"
#include "core/error.hpp"

namespace emsn::core {

namespace {

using namespace std::chrono_literals;

constexpr auto kAMoment = 1ms; // most trees are walked by then
constexpr auto kBetweenPolls = 20ms;
constexpr auto kLastWait = 100ms;    // for threads after the end; longer than a disk takes for one call
constexpr int kMostThreads = 16;     // as queue depth of a cold disk; more gained nothing
constexpr rlim_t kFilesAThread = 16; // of RLIMIT_NOFILE: the open levels, and room for the host

// Which threads are at work, and the processor time that they used.
class Roster {
  public:
    void enter() {
        const std::lock_guard lock(mutex_);
        ::pthread_getcpuclockid(::pthread_self(), &clocks_.emplace_back());
    }
    void leave() {
        const std::lock_guard lock(mutex_);
        clockid_t mine{};
        ::pthread_getcpuclockid(::pthread_self(), &mine);
        std::erase(clocks_, mine);
        if (--expected_ == 0)
            gone_.notify_all();
    }
    void expect(int more) {
        const std::lock_guard lock(mutex_);
        expected_ += more;
    }
    // False: some are not.
    bool wait_gone(Clock::duration limit) {
        std::unique_lock lock(mutex_);
        return gone_.wait_for(lock, limit, [&] { return expected_ == 0; });
    }
    [[nodiscard]] std::chrono::nanoseconds processor_time() {
        const std::lock_guard lock(mutex_); // a thread's clock ends with it
        std::chrono::nanoseconds sum{0};
        for (const clockid_t clock : clocks_) {
            timespec time{};
            ::clock_gettime(clock, &time);
            sum += std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
        }
        return sum;
    }

  private:
    std::mutex mutex_;
    std::condition_variable gone_;
    std::vector<clockid_t> clocks_;
    int expected_ = 0; // threads started, not ended
};

void work(WalkTask &task) {
    std::optional<DirWalk> worker;
    while (auto job = task.jobs.take()) {
        try {
            if (!worker)
                worker.emplace(task);
            worker->run(std::move(*job));
            task.jobs.finish();
        } catch (...) {
            task.jobs.finish(std::current_exception());
        }
    }
}

class Crew {
  public:
    explicit Crew(std::shared_ptr<WalkTask> task) : task_(std::move(task)) {
        rlimit files{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        const rlim_t room = std::max<rlim_t>(files.rlim_cur / kFilesAThread, 1);
        most_ = task_->options.threads > 0 ? task_->options.threads : kMostThreads;
        most_ = static_cast<int>(std::min<rlim_t>(static_cast<rlim_t>(most_), room));
        cores_ = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    }
    ~Crew() { disband(); }
    Crew(const Crew &) = delete;
    Crew &operator=(const Crew &) = delete;

    void begin() {
        task_->jobs.give({});
        enlarge_to(task_->options.threads > 0 ? most_ : 1);
    }

    // Ends the walk. True when no thread is left.
    bool disband() {
        task_->jobs.stop();
        return roster_->wait_gone(std::exchange(patience_, Clock::duration{0}));
    }

    // Called once in a while when the number of threads is left to us.
    void adapt() {
        if (task_->options.threads > 0 || size_ >= most_)
            return;
        if (size_ < cores_)
            return enlarge_to(cores_);
        const auto now = Clock::now();
        const auto used = roster_->processor_time();
        const bool waits_for_disk = (used - used_) * 2 < (now - looked_) * cores_;
        if (waits_for_disk && task_->jobs.all_busy())
            enlarge_to(size_ * 2);
        looked_ = now;
        used_ = used;
    }

  private:
    void enlarge_to(int count) {
        count = std::min(count, most_);
        for (; size_ < count; ++size_) {
            roster_->expect(1);
            try {
                start_detached([task = task_, roster = roster_] {
                    roster->enter();
                    work(*task);
                    roster->leave();
                });
            } catch (const Error &) {
                roster_->expect(-1);
                if (size_ == 0)
                    throw;
                most_ = size_; // those that there are can do it
            }
        }
        task_->workers = size_;
        looked_ = Clock::now();
        used_ = roster_->processor_time();
    }

    std::shared_ptr<WalkTask> task_;
    std::shared_ptr<Roster> roster_ = std::make_shared<Roster>();
    Clock::duration patience_ = kLastWait;
    int most_ = 1;
    int cores_ = 1;
    int size_ = 0;
    Clock::time_point looked_;
    std::chrono::nanoseconds used_{0};
};

} // namespace

WalkEnd walk(const std::shared_ptr<WalkTask> &task, const Poll &poll) {
    const auto start = Clock::now();
    const auto deadline = task->options.deadline_ms > 0
                              ? start + std::chrono::milliseconds(task->options.deadline_ms)
                              : Clock::time_point::max();
    Crew crew(task);
    crew.begin();
    auto next_look = start + kAMoment;
    while (!task->jobs.wait_over(std::min(next_look, deadline))) {
        poll();
        const auto now = Clock::now();
        if (now >= deadline)
            return crew.disband() ? WalkEnd::deadline : WalkEnd::hung;
        crew.adapt();
        next_look = now + kBetweenPolls;
    }
    if (auto failure = task->jobs.failure())
        std::rethrow_exception(failure);
    return WalkEnd::whole;
}

} // namespace emsn::core
