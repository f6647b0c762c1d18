#include "core/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "core/error.hpp"
#include "core/file_id.hpp"

namespace emsn::core {

namespace {

constexpr mode_t kMode = 0644; // others may read who holds it

std::string boot_id() {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string id;
    in >> id;
    return id;
}

struct Holder {
    pid_t pid = 0;
    std::string boot;

    static Holder read(int fd) {
        char text[128] = {};
        if (::pread(fd, text, sizeof text - 1, 0) < 0)
            return {};
        Holder holder;
        std::istringstream(text) >> holder.pid >> holder.boot;
        return holder;
    }
    [[nodiscard]] bool alive() const {
        return pid > 0 && boot == boot_id() && (::kill(pid, 0) == 0 || errno == EPERM);
    }
};

[[noreturn]] void throw_busy(const std::string &path, const Holder &holder) {
    throw Error(Errc::busy, "lock " + path + ": busy, held by process " + std::to_string(holder.pid));
}

} // namespace

FileLock::FileLock(std::string path)
    : path_(std::move(path)), claim_(std::to_string(::getpid()) + " " + boot_id() + "\n") {
    constexpr int kTries = 100; // each lost to another run that ended at that moment
    for (int tries = 0; !try_lock(); ++tries) {
        if (tries == kTries)
            throw Error(Errc::busy, "lock " + path_ + ": busy, others come and go");
    }
}

bool FileLock::try_lock() {
    fd_ = Fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kMode));
    if (!fd_)
        throw_errno("lock", path_);
    struct stat ours {};
    if (::fstat(fd_.get(), &ours) != 0)
        return false;
    if (!S_ISREG(ours.st_mode) || ours.st_nlink > 1)
        throw Error(Errc::invalid_argument, "lock " + path_ + ": this is no lock file of ours");
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
        const bool cannot_lock = errno != EWOULDBLOCK; // ENOLCK, EOPNOTSUPP, EIO: a share without locks
        const Holder holder = Holder::read(fd_.get());
        if (!cannot_lock || holder.alive())
            throw_busy(path_, holder);
    }
    if (id_at(path_) != id_of(ours))
        return false; // its last holder removed it between our open and our lock
    // Who holds it is for people, and for shares without locks: a full disk must not stop the run here.
    // Nothing from here on throws, so the file is ours to remove.
    static_cast<void>(::ftruncate(fd_.get(), 0) == 0 &&
                      ::pwrite(fd_.get(), claim_.data(), claim_.size(), 0) > 0);
    return true;
}

FileLock::~FileLock() {
    ::unlink(path_.c_str());
}

} // namespace emsn::core
