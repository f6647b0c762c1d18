#include "tests/publish/proxy.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace emsn::test {

namespace {

struct Line {
    int client = -1;
    int server = -1;
    bool stalled = false;
    bool held = false;
};

sockaddr_un address_of(const std::string &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        throw std::runtime_error("too long for a socket: " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

void close_line(const Line &line) {
    ::close(line.client);
    ::close(line.server);
}

} // namespace

Proxy::Proxy(const std::string &server, bool deaf) : server_(server), deaf_(deaf) {
    const auto address = address_of(folder_ / ".s.PGSQL.5432");
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listener_, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0 ||
        ::listen(listener_, 16) != 0)
        throw std::runtime_error("proxy: listen");
    thread_ = std::thread([this] { serve(); });
}

Proxy::~Proxy() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
}

void Proxy::fate(Fate fate, long after_bytes) {
    left_ = after_bytes;
    fate_ = fate;
}

void Proxy::release() {
    release_ = true;
    while (release_ && stalled_)
        std::this_thread::yield();
}

void Proxy::serve() {
    std::vector<Line> lines;
    std::array<char, 16384> buffer{};
    while (!stop_) {
        std::vector<pollfd> on{{deaf_ ? -1 : listener_, POLLIN, 0}}; // the kernel accepts all the same
        for (const auto &line : lines) {
            const bool deaf = line.stalled || line.held;
            on.push_back({deaf ? -1 : line.client, POLLIN, 0});
            on.push_back({deaf ? -1 : line.server, POLLIN, 0});
        }
        ::poll(on.data(), on.size(), 20);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            auto &line = lines[i];
            bool over = release_ && line.stalled;
            if (release_ && line.held)
                line.held = release_ = stalled_ = false;
            for (const bool from_client : {true, false}) {
                if (over || line.stalled || line.held || (on[1 + 2 * i + (from_client ? 0 : 1)].revents) == 0)
                    continue;
                std::size_t most = buffer.size();
                if (fate_ != Fate::pass)
                    most = std::min(most, static_cast<std::size_t>(std::max(1L, left_.load())));
                const auto count = ::recv(from_client ? line.client : line.server, buffer.data(), most, 0);
                if (count <= 0) {
                    over = true;
                    continue;
                }
                bytes_ += count;
                if (fate_ == Fate::hold && (left_ -= count) <= 0) {
                    line.held = stalled_ = true;
                    fate_ = Fate::pass;
                } else if (fate_ != Fate::pass && fate_ != Fate::hold && (left_ -= count) <= 0) {
                    over = fate_ == Fate::cut;
                    line.stalled = fate_ == Fate::stall;
                    stalled_ = line.stalled;
                    fate_ = Fate::pass;
                    continue;
                }
                over = ::send(from_client ? line.server : line.client, buffer.data(),
                              static_cast<std::size_t>(count), MSG_NOSIGNAL) != count;
            }
            if (over) {
                if (line.stalled)
                    release_ = stalled_ = false;
                close_line(line);
                line.client = -1;
            }
        }
        std::erase_if(lines, [](const Line &line) { return line.client < 0; });
        if ((on[0].revents & POLLIN) != 0) {
            Line line{::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC),
                      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
            ++connections_;
            const auto address = address_of(server_);
            if (::connect(line.server, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0)
                lines.push_back(line);
            else
                close_line(line);
        }
    }
    for (const auto &line : lines)
        close_line(line);
}

} // namespace emsn::test
