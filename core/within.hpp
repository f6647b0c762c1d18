// Work that may hang in a system call, such as on a dead network share, and who waits for it only so long.
#pragma once

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "core/detached.hpp"
#include "core/error.hpp"
#include "core/poll.hpp"

namespace emsn::core {

// What body returns or throws. It runs on a thread of its own, owns what it uses, and asks the Poll it is
// given where it can. After limit that thread is given up: Error{timed_out} "WHAT: hung, no answer within N
// ms". asked is called meanwhile, and what it throws ends the wait too. Code that is unloaded must not call
// this.
template <typename T>
T within(std::chrono::milliseconds limit, const std::string &what, const Poll &asked,
         std::function<T(const Poll &)> body) {
    constexpr auto kBetweenChecks = std::chrono::milliseconds(50);
    struct Shared {
        std::promise<T> answer;
        std::atomic<bool> given_up = false;
    };
    const auto shared = std::make_shared<Shared>();
    auto answer = shared->answer.get_future();
    const auto give_up = [&] { shared->given_up = true; };
    start_detached([shared, work = std::move(body)] {
        try {
            shared->answer.set_value(work([&] {
                if (shared->given_up)
                    throw Error(Errc::interrupted, "given up");
            }));
        } catch (...) {
            shared->answer.set_exception(std::current_exception());
        }
    });
    const auto until = Clock::now() + limit;
    while (answer.wait_for(kBetweenChecks) != std::future_status::ready) {
        if (Clock::now() >= until) {
            give_up();
            throw Error(Errc::timed_out,
                        what + ": hung, no answer within " + std::to_string(limit.count()) + " ms");
        }
        try {
            asked();
        } catch (...) {
            give_up();
            throw;
        }
    }
    return answer.get();
}

} // namespace emsn::core
