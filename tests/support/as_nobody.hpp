// The rights of the user nobody, for as long as this lives. Without root rights it changes nothing: an
// ordinary user cannot read folders of mode 000 either.
#pragma once

#include <grp.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

namespace emsn::test {

constexpr uid_t kNobody = 65534;

class AsNobody {
  public:
    AsNobody() : root_(::geteuid() == 0) {
        if (!root_)
            return;
        groups_.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
        if (::getgroups(static_cast<int>(groups_.size()), groups_.data()) < 0 ||
            ::setgroups(0, nullptr) != 0 || ::setegid(kNobody) != 0 || ::seteuid(kNobody) != 0) {
            throw std::runtime_error("become nobody");
        }
    }
    ~AsNobody() {
        if (root_ &&
            (::seteuid(0) != 0 || ::setegid(0) != 0 || ::setgroups(groups_.size(), groups_.data()) != 0))
            ::abort();
    }
    AsNobody(const AsNobody &) = delete;
    AsNobody &operator=(const AsNobody &) = delete;

  private:
    bool root_;
    std::vector<gid_t> groups_;
};

// argv for another program to run with those rights.
inline std::vector<std::string> as_nobody(std::vector<std::string> argv) {
    if (::geteuid() == 0)
        argv.insert(argv.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    return argv;
}

} // namespace emsn::test
