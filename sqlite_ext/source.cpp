#include "sqlite_ext/source.hpp"

#include <unistd.h>

#include <algorithm>

namespace emsn::sqlite {

using core::Errc;
using core::Error;

namespace {

std::optional<core::SourceFile> find_file(sqlite3 *db, const std::string &schema) {
    const char *name = sqlite3_db_filename(db, schema.c_str());
    if (name == nullptr || *name == '\0')
        return std::nullopt;
    struct stat st {};
    if (::stat(name, &st) != 0)
        throw Error(Errc::source_changed, "source " + std::string(name) + ": the file is no longer there");
    return core::SourceFile{core::real_path(name).value_or(name), core::id_of(st), st.st_mode};
}

[[noreturn]] void throw_unreadable(const SqliteError &e, const std::string &name) {
    const std::string source = "source " + name + ": ";
    const std::string who = "user ID " + std::to_string(::geteuid());
    switch (e.sqlite_code()) {
    case SQLITE_READONLY_ROLLBACK:
        throw Error(Errc::unavailable,
                    source + "a writer died and left a hot journal, which a read-only connection "
                             "cannot roll back; the recorder's next write does");
    case SQLITE_READONLY_RECOVERY:
    case SQLITE_READONLY_CANTINIT:
    case SQLITE_READONLY_DIRECTORY:
    case SQLITE_CANTOPEN:
        throw Error(Errc::permission, source + who + " cannot open it, or it is in WAL mode and " + who +
                                          " cannot write its -shm file or make one in its folder");
    default:
        throw SqliteError(e.sqlite_code(), source + sqlite3_errstr(e.sqlite_code()));
    }
}

} // namespace

Source::Source(sqlite3 *db, std::string schema, Watch &watch) : db_(db), schema_(std::move(schema)) {
    if (sqlite3_txn_state(db_, schema_.c_str()) < 0)
        throw Error(Errc::invalid_argument, "no schema named " + schema_);
    file_ = find_file(db_, schema_);
    const std::string name = file_ ? file_->path : schema_;
    check_may_read();
    sidecars_before_ = sidecars();
    watch.stage("waiting for a lock on the source");
    try {
        patiently(watch, [&] {
            // first a look into the file: the mode may be another than when this connection last read it
            execute(db_, "PRAGMA " + quoted(schema_) + ".schema_version");
            Statement mode(db_, "PRAGMA " + quoted(schema_) + ".journal_mode");
            is_wal_ = mode.step() && mode.text(0) == "wal";
            page_size_ = query_integer(db_, "PRAGMA " + quoted(schema_) + ".page_size");
            layout_ = layout_of(db_, schema_);
            pages_ = query_integer(db_, "PRAGMA " + quoted(schema_) + ".page_count");
        });
    } catch (const SqliteError &e) {
        throw_unreadable(e, name);
    }
    check_no_transaction();
    if (pages_ == 0)
        throw Error(Errc::invalid_argument, "source " + name + " has no pages: is its name right?");
    check_not_moved();
}

// Before our own first read, whose lock would outlast this call.
void Source::check_may_read() const {
    if (!file_)
        return;
    const bool in_wal_mode = header().is_wal;
    // inside BEGIN, SQLite keeps the first lock until COMMIT
    if (sqlite3_get_autocommit(db_) == 0 && sqlite3_txn_state(db_, schema_.c_str()) == SQLITE_TXN_NONE &&
        !in_wal_mode)
        throw_reading();
    Statement mode(db_, "PRAGMA " + quoted(schema_) + ".locking_mode");
    if (mode.step() && mode.text(0) == "exclusive") {
        throw Error(Errc::invalid_argument, "locking_mode of " + schema_ +
                                                " is exclusive: this connection would keep "
                                                "every lock, and the writer waiting");
    }
}

void Source::throw_reading() const {
    throw Error(Errc::invalid_argument, "a read transaction is open on " + schema_ +
                                            "; it would hold the writer (call it in a SELECT of its own, "
                                            "not FROM a table, and not inside BEGIN)");
}

std::vector<std::string> Source::sidecars() const {
    std::vector<std::string> there;
    for (const char *suffix : {"-wal", "-shm"}) {
        if (file_ && ::access((file_->path + suffix).c_str(), F_OK) == 0)
            there.push_back(file_->path + suffix);
    }
    return there;
}

std::vector<std::string> Source::warnings() const {
    std::vector<std::string> found;
    if (!file_)
        found.emplace_back("the source is a database in memory");
    for (const auto &path : sidecars()) {
        if (std::find(sidecars_before_.begin(), sidecars_before_.end(), path) == sidecars_before_.end())
            found.push_back("SQLite made " + path + " in order to read the source");
    }
    return found;
}

// Asked after our own first reads: when another statement of this connection is reading (even from temp
// only), SQLite keeps the lock that we took until that one ends as well.
void Source::check_no_transaction() const {
    const int state = sqlite3_txn_state(db_, schema_.c_str());
    if (state == SQLITE_TXN_WRITE)
        throw Error(Errc::invalid_argument, "a write transaction is open on " + schema_);
    if (state == SQLITE_TXN_READ && !is_wal_ && file_)
        throw_reading();
}

std::optional<std::int64_t> Source::change_counter() const {
    if (!file_)
        return std::nullopt;
    return header().change_counter;
}

FileHeader Source::header() const {
    return DbFile(db_, schema_.c_str()).header();
}

void Source::check_not_moved() const {
    int moved = 0;
    if (file_ && sqlite3_file_control(db_, schema_.c_str(), SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
        moved != 0)
        throw Error(Errc::source_changed, "source " + file_->path + " was replaced or deleted meanwhile");
}

ReadTransaction::ReadTransaction(const Source &source)
    // a statement that stands on its only row keeps its read transaction open
    : statement_(source.db(), "PRAGMA " + quoted(source.schema()) + ".schema_version") {
    statement_.step();
}

NoBusyTimeout::NoBusyTimeout(sqlite3 *db)
    : db_(db), timeout_ms_(static_cast<int>(query_integer(db, "PRAGMA busy_timeout"))) {
    if (timeout_ms_ > 0)
        sqlite3_busy_timeout(db_, 0);
}

NoBusyTimeout::~NoBusyTimeout() {
    if (timeout_ms_ > 0)
        sqlite3_busy_timeout(db_, timeout_ms_);
}

} // namespace emsn::sqlite
