// Stands between a client and a server, counts the bytes of both directions, and cuts or stalls the line
// where it is told to.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/temp_dir.hpp"

namespace emsn::test {

class Proxy {
  public:
    enum class Fate { pass, cut, stall, hold };

    // server: the path of its Unix socket.
    explicit Proxy(const std::string &server, bool deaf = false);
    static constexpr bool kDeaf = true; // takes connections, and never says anything
    ~Proxy();
    Proxy(const Proxy &) = delete;
    Proxy &operator=(const Proxy &) = delete;

    // What happens once so many bytes more have passed; to one connection, then all is well again. Of cut and
    // stall the last of these bytes do not arrive; hold loses nothing, and goes on when released.
    void fate(Fate fate, long after_bytes);
    // Cuts what stalls; lets go what is held.
    void release();
    [[nodiscard]] long bytes() const { return bytes_; }
    [[nodiscard]] int connections() const { return connections_; }
    [[nodiscard]] bool stalled() const { return stalled_; }
    [[nodiscard]] const std::string &host() const { return folder_.path(); } // for libpq

  private:
    void serve();

    TempDir folder_;
    std::string server_;
    bool deaf_;
    int listener_ = -1;
    std::atomic<bool> stop_ = false;
    std::atomic<Fate> fate_ = Fate::pass;
    std::atomic<long> left_ = 0;
    std::atomic<long> bytes_ = 0;
    std::atomic<int> connections_ = 0;
    std::atomic<bool> stalled_ = false;
    std::atomic<bool> release_ = false;
    std::thread thread_;
};

} // namespace emsn::test
