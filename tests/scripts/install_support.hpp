// A machine with a real systemd, a BirdNET-Pi, a stick, a centre, and the packages at /shared/{1,2}. Needs
// root.
#pragma once

#include <gtest/gtest.h>

#include "tests/support/machine.hpp"

namespace emsn::test {

class InstallTest : public ::testing::Test {
  protected:
    explicit InstallTest(const std::map<std::string, std::string> &files = {});

    void install_packages() const;
    // user pi with a birds.db of two detections, and a stick at /mnt/usb
    void make_station() const;
    // a server at 127.0.0.1:5499 with the extension and the role pi, which may publish zolder; needs the
    // packages
    void make_centre() const;
    [[nodiscard]] std::string psql(const std::string &sql) const;
    [[nodiscard]] Outcome emsn_install(const std::string &options) const;
    // as emsn_install() of a whole station
    [[nodiscard]] Outcome install_station(const std::string &more = "") const;
    // Every file and folder of /etc, /var, /home and the like that is not the system's own busyness: type,
    // mode, owner, size, target; of /etc its hash. What is in /usr is dpkg's.
    [[nodiscard]] std::string tree() const;

    Machine machine_;
};

// What is in one and not in the other, line by line.
[[nodiscard]] std::string difference(const std::string &before, const std::string &after);

} // namespace emsn::test
