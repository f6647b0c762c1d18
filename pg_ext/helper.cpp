#include "pg_ext/helper.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <new>

#include "core/error.hpp"
#include "pg_ext/guard.hpp"

namespace emsn::pg {

using core::Errc;
using core::Error;

namespace {

// A message: its size, what it is, and a row's cells or the text of an error.
enum class Kind : char { row, done, error, out_of_memory };
struct Header {
    std::uint32_t bytes;
    Kind kind;
    Errc code; // of an error
};

constexpr int kPipe = 3; // in the helper, where nothing else is open but /dev/null as 0 to 2

// Two processes: the backend's child only waits for its own child, which does the work. So the backend can
// always reap the one that it knows, at once, also when the other is inside a call that never returns; that
// one is init's to reap, whenever it ends. Both leave with status 0 when they are told to: in a container the
// postmaster may be process 1, and takes any other end of an unknown process for a crash of the server.
extern "C" void leave(int /*signal*/) {
    ::_exit(0);
}

// The backend's handlers would look at shared memory that is no longer there.
void reset_signals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number)
        ::sigaction(number, &action, nullptr);
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr); // a cancel that came before setsid
    action.sa_handler = leave;
    ::sigaction(SIGTERM, &action, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void end_with(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent)
        ::_exit(0);
}

// The client's socket, the log's and the postmaster's pipe: others wait for their end.
void keep_only(int pipe) {
    ::dup2(pipe, kPipe);
    ::closefrom(kPipe + 1);
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd < kPipe; ++fd) {
        if (null < 0)
            ::close(fd);
        else
            ::dup2(null, fd);
    }
    ::close(null);
}

void send(Kind kind, std::string_view body, Errc code = Errc::internal) {
    Header header{};
    header.bytes = static_cast<std::uint32_t>(body.size());
    header.kind = kind;
    header.code = code;
    std::string message(reinterpret_cast<const char *>(&header), sizeof(header));
    message.append(body);
    for (std::string_view rest = message; !rest.empty();) {
        const ssize_t wrote = ::write(kPipe, rest.data(), rest.size());
        if (wrote < 0 && errno != EINTR)
            ::_exit(0);
        rest.remove_prefix(wrote < 0 ? 0 : static_cast<std::size_t>(wrote));
    }
}

void send_result_of(const Helper::Work &work) {
    try {
        RowSender rows;
        work(rows);
        send(Kind::done, {});
    } catch (const Error &e) {
        send(Kind::error, e.what(), e.code());
    } catch (const std::bad_alloc &) {
        send(Kind::out_of_memory, {});
    } catch (const std::exception &e) {
        send(Kind::error, e.what());
    } catch (...) {
        send(Kind::error, "unknown C++ exception");
    }
}

[[noreturn]] void be_helper(const Helper::Work &work, pid_t backend, int pipe) {
    reset_signals();
    end_with(backend);
    ::setsid(); // cancelling a backend signals its whole process group
    // A new server refuses to start while a process of the old one is attached.
    PGSharedMemoryDetach();
    set_ps_display("emsn helper");
    keep_only(pipe);
    if (::chdir("/") != 0) // keeps no file system busy
        ::_exit(0);
    const pid_t me = ::getpid();
    const pid_t worker = ::fork();
    if (worker == 0) {
        end_with(me);
        send_result_of(work);
        ::_exit(0);
    }
    if (worker < 0) {
        send(Kind::error, "fork a helper process: " + core::errno_text(errno), Errc::io);
        ::_exit(0);
    }
    int status = 0;
    while (::waitpid(worker, &status, 0) < 0 && errno == EINTR)
        ;
    ::_exit(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

} // namespace

void RowSender::put() {
    send(Kind::row, bytes_);
    bytes_.clear();
}

void Helper::start(const Work &work) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        core::throw_errno("make", "the pipe of a helper process");
    pipe_ = core::Fd(ends[0]);
    const core::Fd write_end(ends[1]);
    ::fcntl(pipe_.get(), F_SETFL, O_NONBLOCK);
    const pid_t backend = ::getpid();
    // until the child has reset them, a signal to it would run a handler of the backend
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    pid_ = ::fork();
    if (pid_ == 0)
        be_helper(work, backend, write_end.get());
    const int error = errno;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    if (pid_ < 0) {
        pid_ = 0;
        core::throw_errno("fork", "a helper process", error);
    }
}

Helper::Got Helper::read() {
    for (;;) {
        Header header{};
        const std::string_view rest = std::string_view(incoming_).substr(taken_);
        if (rest.size() >= sizeof(header))
            std::memcpy(&header, rest.data(), sizeof(header));
        if (rest.size() < sizeof(header) || rest.size() - sizeof(header) < header.bytes) {
            if (!fill())
                return Got::nothing_yet;
            continue;
        }
        const auto body = rest.substr(sizeof(header), header.bytes);
        taken_ += sizeof(header) + body.size();
        switch (header.kind) {
        case Kind::row:
            row_ = body;
            return Got::row;
        case Kind::done:
            stop();
            return Got::end;
        case Kind::error:
            throw Error(header.code, std::string(body));
        case Kind::out_of_memory:
            throw std::bad_alloc();
        }
    }
}

// More bytes; false when there are none yet.
bool Helper::fill() {
    constexpr std::size_t kChunk = 65536; // what a pipe holds, pipe(7)
    incoming_.erase(0, taken_);
    taken_ = 0;
    const std::size_t had = incoming_.size();
    incoming_.resize(had + kChunk);
    const ssize_t got = ::read(pipe_.get(), incoming_.data() + had, kChunk);
    const int error = errno;
    incoming_.resize(had + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got > 0)
        return true;
    if (got == 0)
        fail_without_result();
    if (error != EAGAIN && error != EINTR)
        core::throw_errno("read from", "a helper process", error);
    return false;
}

int Helper::reap() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR)
        ;
    pid_ = 0;
    pipe_.reset();
    return status;
}

void Helper::stop() noexcept {
    if (pid_ == 0)
        return;
    ::kill(pid_, SIGKILL);
    reap();
}

// The pipe ended, which the exit of the process that we wait for does last of all.
void Helper::fail_without_result() {
    const int status = reap();
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    throw Error(Errc::io, signal == 0 ? "helper process was told to end"
                                      : "helper process ended by signal " + std::to_string(signal));
}

bool next_row(const char *function, Helper *helper) {
    for (;;) {
        auto got = Helper::Got::nothing_yet;
        call_core(function, [&] { got = helper->read(); });
        CHECK_FOR_INTERRUPTS();
        if (got != Helper::Got::nothing_yet)
            return got == Helper::Got::row;
        WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, helper->fd(), -1,
                          PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
}

} // namespace emsn::pg
