#include "sqlite_ext/db.hpp"

#include "sqlite_ext/guard.hpp"

namespace emsn::sqlite {

SqliteError::SqliteError(int sqlite_code, const std::string &message)
    : core::Error(errc_of(sqlite_code), message), sqlite_code_(sqlite_code) {}

void throw_sqlite(sqlite3 *db, const std::string &what) {
    throw SqliteError(sqlite3_extended_errcode(db), what + ": " + sqlite3_errmsg(db));
}

Db open_file(const std::string &path, int flags, const char *vfs) {
    sqlite3 *raw = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &raw, flags, vfs);
    Db db(raw); // also when it failed
    if (code != SQLITE_OK) {
        if (raw == nullptr)
            throw std::bad_alloc();
        throw_sqlite(raw, "open " + path);
    }
    sqlite3_extended_result_codes(raw, 1);
    return db;
}

Db open_immutable(const std::string &path) {
    std::string uri = "file://";
    for (const char c : path) { // what has a meaning in a URI is escaped
        constexpr const char *kHex = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        if (c == '%' || c == '?' || c == '#')
            uri.append({'%', kHex[byte >> 4], kHex[byte & 0xf]});
        else
            uri += c;
    }
    return open_file(uri + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
}

Statement::Statement(sqlite3 *db, const std::string &sql) : db_(db) {
    sqlite3_stmt *raw = nullptr;
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK)
        throw_sqlite(db, sql);
    statement_.reset(raw);
}

void Statement::check(int code) {
    if (code != SQLITE_OK)
        throw_sqlite(db_, sqlite3_sql(statement_.get()));
}

void Statement::bind(int parameter, const std::string &text) {
    check(sqlite3_bind_text64(statement_.get(), parameter, text.data(), text.size(), SQLITE_TRANSIENT,
                              SQLITE_UTF8));
}

void Statement::bind(int parameter, std::int64_t number) {
    check(sqlite3_bind_int64(statement_.get(), parameter, number));
}

void Statement::bind(int parameter, double number) {
    check(sqlite3_bind_double(statement_.get(), parameter, number));
}

bool Statement::step() {
    switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
        return true;
    case SQLITE_DONE:
        return false;
    default:
        throw_sqlite(db_, sqlite3_sql(statement_.get()));
    }
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const auto *text = sqlite3_column_text(statement_.get(), column);
    if (text == nullptr)
        return {};
    return {reinterpret_cast<const char *>(text),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::bytes(int column) const {
    const bool is_blob = type(column) == SQLITE_BLOB;
    const auto *bytes = is_blob ? sqlite3_column_blob(statement_.get(), column)
                                : static_cast<const void *>(sqlite3_column_text(statement_.get(), column));
    if (bytes == nullptr)
        return {};
    return {static_cast<const char *>(bytes),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void execute(sqlite3 *db, const std::string &sql) {
    Statement statement(db, sql);
    while (statement.step()) {
    }
}

std::int64_t query_integer(sqlite3 *db, const std::string &sql) {
    Statement statement(db, sql);
    return statement.step() ? statement.integer(0) : 0;
}

std::string layout_of(sqlite3 *db, const std::string &schema) {
    Statement encoding(db, "PRAGMA encoding"); // of all databases of a connection
    encoding.step();
    return std::to_string(query_integer(db, "PRAGMA " + quoted(schema) + ".page_size")) + "," +
           encoding.text(0) + "," +
           std::to_string(query_integer(db, "PRAGMA " + quoted(schema) + ".auto_vacuum"));
}

std::string quoted(const std::string &name) {
    std::string out = "\"";
    for (const char c : name)
        out.append(c == '"' ? 2 : 1, c);
    return out + "\"";
}

std::string schema_text(sqlite3 *db, const std::string &schema) {
    constexpr int kColumns = 5;
    Statement rows(db,
                   "SELECT type, name, tbl_name, rootpage, sql FROM " + quoted(schema) + ".sqlite_schema");
    std::string text;
    while (rows.step()) {
        for (int column = 0; column < kColumns; ++column)
            text.append(rows.text(column)).push_back('\0');
    }
    return text;
}

} // namespace emsn::sqlite
