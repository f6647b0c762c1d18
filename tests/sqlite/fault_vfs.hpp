// A VFS over SQLite's own whose main database file fails at call N: reads, locks, unlocks, sizes, controls.
#pragma once

#include <sqlite3.h>

namespace emsn::test {

class FaultVfs {
  public:
    static constexpr const char *kName = "fault";

    FaultVfs();
    ~FaultVfs();
    FaultVfs(const FaultVfs &) = delete;
    FaultVfs &operator=(const FaultVfs &) = delete;

    // The Nth call from now on fails; 0: none.
    void fail_at(int call);
    [[nodiscard]] bool has_failed() const;

  private:
    sqlite3_vfs vfs_{};
};

} // namespace emsn::test
