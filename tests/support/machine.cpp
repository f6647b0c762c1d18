#include "tests/support/machine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stdexcept>

namespace emsn::test {

namespace {

const std::string &plant(const std::string &folder, const std::map<std::string, std::string> &files,
                         Machine::Emsn emsn) {
    if (emsn == Machine::Emsn::kAbsent)
        write_file(folder + "/bare", "");
    for (const auto &[path, text] : files) {
        const std::string file = folder + "/etc/" + path;
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        write_file(file, text);
    }
    return folder;
}

} // namespace

Machine::Machine(const std::map<std::string, std::string> &files, Emsn emsn)
    : emsn_(emsn), process_({"bash", EMSN_SOURCE_DIR "/tests/support/machine.sh",
                             plant(dir_.path(), files, emsn), EMSN_SOURCE_DIR, EMSN_BINARY_DIR},
                            dir_ / "log") {
    const auto is_there = [&] { return ::access((dir_ / "leader").c_str(), F_OK) == 0; };
    eventually([&] { return is_there() || !process_.running(); });
    if (!is_there()) {
        end();
        throw std::runtime_error("start a machine: " + read_file(dir_ / "log"));
    }
    leader_ = read_file(dir_ / "leader");
    leader_.pop_back(); // the line feed
    std::string state;
    if (!eventually([&] {
            state = run({"systemctl", "is-system-running", "--wait"}).out;
            return state == "running\n";
        })) {
        end();
        throw std::runtime_error("start a machine: systemd says " + state + read_file(dir_ / "log"));
    }
}

Machine::~Machine() {
    end();
}

void Machine::end() {
    process_.signal(SIGTERM);
    process_.wait();
}

Outcome Machine::run(const std::vector<std::string> &argv) const {
    // -r: in a chroot the root of that namespace is not that of the machine
    std::vector<std::string> all{"nsenter",
                                 "-t",
                                 leader_,
                                 "-a",
                                 "-r",
                                 "-w",
                                 "--",
                                 "env",
                                 "-i",
                                 "HOME=/root",
                                 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    if (emsn_ == Emsn::kThere)
        all.insert(all.end(), {"EMSN_SO=/usr/lib/emsn/emsn.so", "EMSN_PG_SO=/usr/lib/emsn/emsn_pg.so"});
    all.insert(all.end(), argv.begin(), argv.end());
    return test::run(all);
}

std::string Machine::sh(const std::string &script) const {
    const auto outcome = run({"bash", "-euo", "pipefail", "-c", script});
    EXPECT_EQ(outcome.status, 0) << script << "\n" << outcome.out << outcome.err;
    return outcome.out;
}

std::string Machine::sql(const std::string &statement) const {
    const auto outcome = run({"sqlite3", ":memory:", ".load /usr/lib/emsn/emsn", statement});
    return outcome.out + outcome.err;
}

std::string Machine::journal_of(const std::string &unit) const {
    return run({"journalctl", "--quiet", "--no-pager", "--output=cat", "--unit=" + unit}).out;
}

std::string Machine::state_of(const std::string &unit) const {
    auto state = run({"systemctl", "show", "--property=ActiveState", "--value", unit}).out;
    if (!state.empty())
        state.pop_back();
    return state;
}

} // namespace emsn::test
