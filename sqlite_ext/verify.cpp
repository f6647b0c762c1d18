#include "sqlite_ext/verify.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <exception>

#include "sqlite_ext/guard.hpp"

namespace emsn::sqlite {

using core::Errc;
using core::Error;

namespace {

constexpr int kStepsBetweenChecks = 10'000; // virtual machine instructions, about a millisecond
constexpr int kBusyTimeoutMs = 5'000;

// Lets the watch stop a long statement on db.
class WatchStatements {
  public:
    WatchStatements(sqlite3 *db, Watch &watch) : db_(db), watch_(watch) {
        sqlite3_progress_handler(db_, kStepsBetweenChecks, &WatchStatements::tick, this);
    }
    ~WatchStatements() { sqlite3_progress_handler(db_, 0, nullptr, nullptr); }
    WatchStatements(const WatchStatements &) = delete;
    WatchStatements &operator=(const WatchStatements &) = delete;

    void rethrow() const {
        if (stopped_)
            std::rethrow_exception(stopped_);
    }

  private:
    static int tick(void *self) noexcept {
        auto *here = static_cast<WatchStatements *>(self);
        try {
            here->watch_.check();
            return 0;
        } catch (...) {
            here->stopped_ = std::current_exception();
            return 1;
        }
    }

    sqlite3 *db_;
    Watch &watch_;
    std::exception_ptr stopped_;
};

std::string check_contents(sqlite3 *db, Level level) {
    Statement check(db, level == Level::full ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)");
    std::string found = check.step() ? check.text(0) : "no answer";
    if (found == "ok")
        return {};
    std::replace(found.begin(), found.end(), '\n', ' '); // one line, whatever it says
    return found;
}

// A regular file with something in it, or what is wrong with it; opening a FIFO would wait for ever.
std::string check_file(const std::string &path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0)
        core::throw_errno("open", path);
    if (!S_ISREG(st.st_mode))
        throw Error(Errc::invalid_argument, "open " + path + ": not a regular file");
    return st.st_size == 0 ? "no pages: the file is empty" : "";
}

std::string verify_file(const std::string &path, Level level, Watch &watch) {
    if (auto problem = check_file(path); !problem.empty())
        return problem;
    try {
        const Db db = open_file(path.front() == '/' ? path : "./" + path, SQLITE_OPEN_READONLY, nullptr);
        sqlite3_busy_timeout(db.get(), kBusyTimeoutMs);
        if (auto problem = first_problem(db.get(), level, watch); !problem.empty())
            return problem;
        if (query_integer(db.get(), "SELECT count(*) FROM sqlite_schema WHERE type = 'table'") == 0)
            return "no tables";
        return "ok";
    } catch (const SqliteError &e) {
        if (e.sqlite_code() == SQLITE_READONLY_ROLLBACK)
            return "a hot journal stands beside it: opening it once for writing recovers it";
        throw SqliteError(e.sqlite_code(), "" + path + ": " + sqlite3_errstr(e.sqlite_code()));
    }
}

} // namespace

Level level_of(const std::string &word) {
    if (word == "none")
        return Level::none;
    if (word == "quick")
        return Level::quick;
    if (word == "full")
        return Level::full;
    throw Error(Errc::invalid_argument, "verification level must be 'quick' or 'full', not '" + word + "'");
}

std::string first_problem(sqlite3 *db, Level level, Watch &watch) {
    if (level == Level::none)
        return {};
    const WatchStatements watching(db, watch);
    try {
        return check_contents(db, level);
    } catch (const SqliteError &e) {
        watching.rethrow();
        if (e.code() == Errc::corrupt || e.code() == Errc::not_a_database)
            return sqlite3_errstr(e.sqlite_code());
        throw;
    }
}

void emsn_verify(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    guard("emsn_verify", ctx, argc, argv, [&] {
        const std::string path = path_of(argv[0]);
        const std::string word = argc > 1 ? text_of(argv[1]) : "quick";
        if (path.empty() || word == "none")
            throw Error(Errc::invalid_argument,
                        path.empty() ? "the path is empty" : "level 'none' looks at nothing");
        Watch watch(sqlite3_context_db_handle(ctx), 0);
        watch.stage("reading " + path);
        result_text(ctx, verify_file(path, level_of(word), watch));
    });
}

} // namespace emsn::sqlite
