#include "tests/sqlite/support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace emsn::test {

SqliteDb::SqliteDb(const std::string &path, int flags, bool load) {
    sqlite3 *raw = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    db_.reset(raw);
    if (code != SQLITE_OK)
        throw SqlError(code, sqlite3_errmsg(raw));
    if (load)
        this->load(EMSN_SO);
}

void SqliteDb::load(const std::string &module) {
    sqlite3_db_config(db_.get(), SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
    char *message = nullptr;
    if (sqlite3_load_extension(db_.get(), module.c_str(), nullptr, &message) != SQLITE_OK) {
        const std::string text = message != nullptr ? message : "?";
        sqlite3_free(message);
        throw std::runtime_error("load " + module + ": " + text);
    }
}

std::string SqliteDb::operator()(const std::string &sql) {
    std::string out;
    const auto on_row = [](void *to, int columns, char **values, char **) {
        auto &text = *static_cast<std::string *>(to);
        if (!text.empty())
            text += '\n';
        for (int i = 0; i < columns; ++i) {
            text += i > 0 ? "|" : "";
            text += values[i] != nullptr ? values[i] : "";
        }
        return 0;
    };
    char *message = nullptr;
    const int code = sqlite3_exec(db_.get(), sql.c_str(), on_row, &out, &message);
    if (code != SQLITE_OK) {
        const std::string text = message != nullptr ? message : sqlite3_errstr(code);
        sqlite3_free(message);
        throw SqlError(code & 0xff, text);
    }
    return out;
}

nlohmann::json SqliteDb::snapshot(const std::string &destination, const std::string &options) {
    return nlohmann::json::parse(
        (*this)("SELECT emsn_snapshot(" + quoted(destination) + ", " + quoted(options) + ")"));
}

std::string SqliteDb::error_of(const std::string &sql) {
    try {
        (*this)(sql);
        return "";
    } catch (const SqlError &e) {
        return e.what();
    }
}

std::string bytes_of(const SqliteDb &db) {
    constexpr sqlite3_int64 kMostAtOnce = 64 << 10;
    sqlite3_file *file = nullptr;
    sqlite3_file_control(db.get(), "main", SQLITE_FCNTL_FILE_POINTER, static_cast<void *>(&file));
    sqlite3_int64 size = 0;
    file->pMethods->xFileSize(file, &size);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    for (sqlite3_int64 at = 0; at < size; at += kMostAtOnce) {
        const int count = static_cast<int>(std::min(kMostAtOnce, size - at));
        EXPECT_EQ(file->pMethods->xRead(file, &bytes[static_cast<std::size_t>(at)], count, at), SQLITE_OK);
    }
    return bytes;
}

std::string quoted(const std::string &text) {
    std::string out = "'";
    for (const char c : text)
        out.append(c == '\'' ? 2 : 1, c);
    return out + "'";
}

std::vector<std::string> sanitizer_env() {
#ifdef EMSN_SANITIZE
    // libstdc++ too, or the first throw ends in "CHECK failed: __cxa_throw"
    static const std::string preload = [] {
        std::string list;
        for (const char *library : {"libasan.so", "libstdc++.so"}) {
            auto path = run({"gcc", "-print-file-name=" + std::string(library)}).out;
            path.erase(path.find_last_not_of('\n') + 1);
            list += (list.empty() ? "" : ":") + path;
        }
        return list;
    }();
    // leaks are found in the tests' own process; here bash and sqlite3 would report theirs
    return {"LD_PRELOAD=" + preload, "ASAN_OPTIONS=detect_leaks=0"};
#else
    return {};
#endif
}

std::vector<std::string> preload_env(const std::string &library) {
    auto env = sanitizer_env(); // its runtime must come first in the list
    if (env.empty())
        env.emplace_back("LD_PRELOAD=");
    env[0] += (env[0].back() == '=' ? "" : ":") + library;
    return env;
}

std::vector<std::string> bad_disk_env(const std::string &dir, const std::vector<std::string> &settings) {
    auto env = preload_env(BAD_DISK_SO);
    env.push_back("BAD_DISK_DIR=" + dir);
    for (const auto &setting : settings)
        env.push_back("BAD_DISK_" + setting);
    return env;
}

std::vector<std::string> disk_log_env(const std::string &dir, const std::string &log) {
    auto env = preload_env(DISK_LOG_SO);
    env.push_back("DISK_LOG_DIR=" + dir);
    env.push_back("DISK_LOG=" + log);
    return env;
}

Outcome sqlite3_cli(const std::vector<std::string> &args) {
    std::vector<std::string> argv{"sqlite3"};
    argv.insert(argv.end(), args.begin(), args.end());
    return run(argv, sanitizer_env());
}

std::string load_command() {
    return ".load " + std::string(EMSN_SO).substr(0, std::string(EMSN_SO).size() - 3);
}

void make_birds_db(const std::string &path, int rows, const std::string &journal_mode) {
    SqliteDb db(path);
    db(read_file(EMSN_SOURCE_DIR "/sql/birds_schema.sql"));
    db("PRAGMA journal_mode = " + journal_mode);
    db("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(rows) +
       ") INSERT INTO detections SELECT date('2025-01-01', (i / 200) || ' days'), time(i * 60 % 86400, "
       "'unixepoch'), "
       "'Turdus merula', 'Eurasian Blackbird', 0.8, 52.1, 5.2, 0.7, 1, 1.25, 0, 'Blackbird-' || i || '.mp3' "
       "FROM n "
       "WHERE i <= " +
       std::to_string(rows));
}

void make_torn_db(const std::string &path, int rows) {
    const TempDir dir;
    make_birds_db(dir / "birds.db", rows);
    SqliteDb writer(dir / "birds.db", SQLITE_OPEN_READWRITE, false);
    writer("PRAGMA cache_size = 5; BEGIN; UPDATE detections SET Confidence = 0.1"); // too much for the cache
    for (const char *suffix : {"", "-journal"})
        std::filesystem::copy_file(dir / (std::string("birds.db") + suffix), path + suffix);
}

int rows_of_good_copy(const std::string &path) {
    SqliteDb copy(path, SQLITE_OPEN_READONLY, false);
    const std::string integrity = copy("PRAGMA integrity_check");
    EXPECT_EQ(integrity, "ok");
    // the running number stands between the '-' and the '.' of File_Name
    const std::string found =
        copy("WITH numbers(n) AS (SELECT CAST(substr(File_Name, instr(File_Name, '-') + 1) AS "
             "INTEGER) FROM detections) SELECT count(*) = count(DISTINCT n) AND count(*) = "
             "max(n) AND min(n) = 1, count(*) FROM numbers");
    EXPECT_EQ(found.substr(0, 2), "1|") << "not a prefix of what was written: " << found;
    return integrity == "ok" && found.starts_with("1|") ? std::stoi(found.substr(2)) : -1;
}

std::string files_in(const std::string &folder) {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
        names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    std::string list;
    for (const auto &name : names)
        list += (list.empty() ? "" : " ") + name;
    return list;
}

} // namespace emsn::test
