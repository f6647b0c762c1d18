#include "core/detached.hpp"

#include <pthread.h>

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.hpp"

namespace emsn::core {

namespace {

class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked &) = delete;
    SignalsBlocked &operator=(const SignalsBlocked &) = delete;

  private:
    sigset_t before_{};
};

} // namespace

void start_detached(std::function<void()> body) {
    const SignalsBlocked blocked; // a new thread inherits the mask
    try {
        std::thread(std::move(body)).detach();
    } catch (const std::system_error &e) {
        throw Error(Errc::unavailable, std::string("start a thread: ") + e.code().message());
    }
}

} // namespace emsn::core
