// The built emsn.so in a real SQLite library, and in the sqlite3 program.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/run.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::test {

// The sanitizers look at the code and not at luck: a quarter of the rounds and of the failing calls, and four
// times the time for each page.
#ifdef EMSN_SANITIZE
constexpr int kSanitizerShare = 4;
#else
constexpr int kSanitizerShare = 1;
#endif

struct SqlError : std::runtime_error {
    SqlError(int code_, const std::string &message) : std::runtime_error(message), code(code_) {}
    int code; // primary result code
};

// A connection with emsn loaded.
class SqliteDb {
  public:
    explicit SqliteDb(const std::string &path, int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                      bool load = true);

    // Another module, by its path.
    void load(const std::string &module);
    // Rows as in the sqlite3 program: columns joined by '|', rows by newline, NULL empty. Throws SqlError.
    std::string operator()(const std::string &sql);
    nlohmann::json snapshot(const std::string &destination, const std::string &options = "{}");
    // The message that the statement fails with; "" when it succeeds.
    std::string error_of(const std::string &sql);
    [[nodiscard]] sqlite3 *get() const { return db_.get(); }

  private:
    struct Close {
        void operator()(sqlite3 *db) const { sqlite3_close_v2(db); }
    };
    std::unique_ptr<sqlite3, Close> db_;
};

// The file of its main database, through SQLite's own descriptor: when a second one is closed, SQLite's locks
// of this process on the file are gone.
[[nodiscard]] std::string bytes_of(const SqliteDb &db);
[[nodiscard]] std::string quoted(const std::string &text); // as an SQL string

// Environment that lets an uninstrumented program load a sanitized emsn.so; empty otherwise.
[[nodiscard]] std::vector<std::string> sanitizer_env();
// Environment that preloads a library into an uninstrumented program.
[[nodiscard]] std::vector<std::string> preload_env(const std::string &library);
// Environment that makes dir a bad disk (tests/support/bad_disk.cpp); settings without the BAD_DISK_.
[[nodiscard]] std::vector<std::string> bad_disk_env(const std::string &dir,
                                                    const std::vector<std::string> &settings);
// Environment that records in log what happens to the files in dir (tests/support/disk_log_names.cpp).
[[nodiscard]] std::vector<std::string> disk_log_env(const std::string &dir, const std::string &log);
// sqlite3 ARGS..., as a person types it.
Outcome sqlite3_cli(const std::vector<std::string> &args);
[[nodiscard]] std::string load_command(); // ".load PATH"

// A station's database with rows detections; File_Name carries 1..rows.
void make_birds_db(const std::string &path, int rows, const std::string &journal_mode = "delete");
// The same as a writer leaves it that died in the middle of an update of every row: a hot journal beside it.
void make_torn_db(const std::string &path, int rows);
// What a mirror must hold: "ok" of integrity_check and the rows 1..k without a gap; k, or -1 with a test
// failure.
int rows_of_good_copy(const std::string &path);
// Names of the files in a folder, sorted, joined by spaces.
std::string files_in(const std::string &folder);

} // namespace emsn::test
