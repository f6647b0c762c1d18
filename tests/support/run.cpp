#include "tests/support/run.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "tests/support/temp_dir.hpp"

namespace emsn::test {

namespace {

constexpr int kCannotExec = 127;

int as_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

pid_t spawn(const std::vector<std::string> &argv, const std::string &out_path, const std::string &err_path,
            const std::vector<std::string> &env) {
    std::vector<char *> words;
    for (const auto &word : argv)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0)
        throw std::runtime_error("fork");
    if (pid > 0)
        return pid;
    for (const auto &pair : env) {
        const auto equals = pair.find('=');
        ::setenv(pair.substr(0, equals).c_str(), pair.c_str() + equals + 1, 1);
    }
    const auto redirect = [](const std::string &path, int fd, int flags) {
        const int opened = ::open(path.c_str(), flags, 0666);
        if (opened < 0 || ::dup2(opened, fd) < 0)
            ::_exit(kCannotExec);
        ::close(opened);
    };
    redirect("/dev/null", STDIN_FILENO, O_RDONLY);
    redirect(out_path, STDOUT_FILENO, O_WRONLY | O_CREAT | O_APPEND);
    redirect(err_path, STDERR_FILENO, O_WRONLY | O_CREAT | O_APPEND);
    ::execvp(words[0], words.data());
    ::_exit(kCannotExec);
}

// For the output of run(); TempDir itself is built on run().
std::string scratch_file() {
    std::string path = "/tmp/emsn-run.XXXXXX";
    const int fd = ::mkstemp(path.data());
    if (fd < 0)
        throw std::runtime_error("mkstemp " + path);
    ::close(fd);
    return path;
}

std::string take_file(const std::string &path) {
    auto text = read_file(path);
    ::unlink(path.c_str());
    return text;
}

} // namespace

bool long_run() {
    return std::getenv("EMSN_TEST_LONG") != nullptr;
}

void pause_briefly() {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

Outcome run(const std::vector<std::string> &argv, const std::vector<std::string> &env) {
    const std::string out = scratch_file();
    const std::string err = scratch_file();
    int status = 0;
    if (::waitpid(spawn(argv, out, err, env), &status, 0) < 0)
        throw std::runtime_error("waitpid");
    return {as_status(status), take_file(out), take_file(err)};
}

Process::Process(const std::vector<std::string> &argv, const std::string &out_path,
                 const std::vector<std::string> &env)
    : pid_(spawn(argv, out_path, out_path, env)) {}

Process::~Process() {
    if (running()) {
        signal(SIGKILL);
        wait();
    }
}

bool Process::running() {
    int status = 0;
    if (status_ < 0 && ::waitpid(pid_, &status, WNOHANG) == pid_)
        status_ = as_status(status);
    return status_ < 0;
}

void Process::signal(int number) const {
    if (status_ < 0)
        ::kill(pid_, number);
}

int Process::wait() {
    int status = 0;
    if (status_ < 0 && ::waitpid(pid_, &status, 0) == pid_)
        status_ = as_status(status);
    return status_;
}

} // namespace emsn::test
