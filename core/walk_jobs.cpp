#include "core/walk_jobs.hpp"

#include <iterator>
#include <utility>

namespace emsn::core {

void NameList::add(std::string_view name, UsageRow *row) {
    names_.append(name).push_back('\0');
    if (row != nullptr)
        rows_.push_back(row);
}

NameList::Taken NameList::take() {
    current_ = next_;
    next_ = names_.find('\0', next_) + 1;
    return {current(), rows_.empty() ? nullptr : rows_[next_row_++]};
}

NameList NameList::split() {
    const std::size_t middle = next_ + (names_.size() - next_) / 2;
    // the end of the name before the middle, so that a single name goes as a whole
    const std::size_t before = middle == next_ ? std::string::npos : names_.rfind('\0', middle - 1);
    const std::size_t cut = before == std::string::npos || before < next_ ? next_ : before + 1;
    NameList later;
    later.names_ = names_.substr(cut);
    names_.resize(cut);
    if (!rows_.empty()) {
        const auto count = std::count(later.names_.begin(), later.names_.end(), '\0');
        later.rows_.assign(rows_.end() - count, rows_.end());
        rows_.resize(rows_.size() - later.rows_.size());
    }
    return later;
}

void JobQueue::give(Job job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++unfinished_;
    queued_.store(static_cast<int>(jobs_.size()), std::memory_order_relaxed);
    given_.notify_one();
}

std::optional<Job> JobQueue::take() {
    std::unique_lock lock(mutex_);
    idle_.fetch_add(1, std::memory_order_relaxed);
    given_.wait(lock, [&] { return stopped() || !jobs_.empty(); });
    idle_.fetch_sub(1, std::memory_order_relaxed);
    if (stopped())
        return std::nullopt;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    queued_.store(static_cast<int>(jobs_.size()), std::memory_order_relaxed);
    return job;
}

void JobQueue::finish(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    --unfinished_;
    if (failure && !failure_)
        failure_ = std::move(failure);
    if (unfinished_ == 0 || failure_)
        over_.notify_all();
}

void JobQueue::stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    given_.notify_all();
}

bool JobQueue::wait_over(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    return over_.wait_until(lock, until, [&] { return unfinished_ == 0 || failure_ != nullptr; });
}

std::exception_ptr JobQueue::failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
}

} // namespace emsn::core
