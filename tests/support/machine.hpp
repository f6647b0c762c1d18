// A machine with a real systemd as its first process, and emsn on it as the package puts it; see machine.sh.
// Needs root. Programs run inside as if typed there.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::test {

class Machine {
  public:
    enum class Emsn { kThere, kAbsent };
    // files: the text of each by its path below /etc.
    explicit Machine(const std::map<std::string, std::string> &files = {}, Emsn emsn = Emsn::kThere);
    ~Machine();
    Machine(const Machine &) = delete;
    Machine &operator=(const Machine &) = delete;

    // The folder that is /shared inside.
    [[nodiscard]] const std::string &shared() const { return dir_.path(); }
    Outcome run(const std::vector<std::string> &argv) const; // NOLINT(modernize-use-nodiscard)
    // A script of bash; fails the test when that does not end well. Its output.
    std::string sh(const std::string &script) const; // NOLINT(modernize-use-nodiscard)
    // Statements for sqlite3 in memory, with emsn loaded.
    [[nodiscard]] std::string sql(const std::string &statement) const;
    [[nodiscard]] std::string journal_of(const std::string &unit) const;
    // ActiveState of a unit.
    [[nodiscard]] std::string state_of(const std::string &unit) const;

  private:
    void end();

    Emsn emsn_;
    TempDir dir_;
    Process process_;
    std::string leader_;
};

} // namespace emsn::test
