// Other programs, run as a person would run them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace emsn::test {

struct Outcome {
    int status = 0; // exit code, or 128 + signal
    std::string out;
    std::string err;
};

// Runs argv[0] found by PATH, waits for it and returns what it said. env: "NAME=value" added to ours.
Outcome run(const std::vector<std::string> &argv, const std::vector<std::string> &env = {});

// A program in the background; killed by the destructor when it still runs.
class Process {
  public:
    // out_path: where its standard output and error go.
    Process(const std::vector<std::string> &argv, const std::string &out_path,
            const std::vector<std::string> &env = {});
    ~Process();
    Process(const Process &) = delete;
    Process &operator=(const Process &) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] bool running();
    void signal(int number) const;
    int wait(); // as Outcome::status

  private:
    pid_t pid_;
    int status_ = -1;
};

// scripts/test --long: more rounds, bigger files.
[[nodiscard]] bool long_run();

void pause_briefly();

// Asks until it is true, for at most 60 s: a condition, not a time, decides how a test goes on.
template <typename Fn> bool eventually(Fn &&condition) {
    constexpr int kTries = 12'000;
    for (int i = 0; i < kTries; ++i) {
        if (condition())
            return true;
        pause_briefly();
    }
    return false;
}

} // namespace emsn::test
