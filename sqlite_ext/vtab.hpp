// A table-valued function of SQLite, written once for all of ours: read-only, eponymous, its rows held in
// memory from the moment a scan begins.
//
// A table is a struct:
//
//   struct DisksTable {
//       static constexpr const char *kName = "emsn_disks";
//       static constexpr std::string_view kColumns = "mount_point TEXT, total_bytes INTEGER";
//       static constexpr std::array kArguments{"source", "options"}; // std::array<const char *, 0>{}: none
//       static constexpr std::size_t kRequired = 1;                  // the first so many must be given
//       using Row = core::Mount;
//       static std::vector<Row> open(sqlite3 *db, const Arguments &arguments);
//       static void column(Row &row, int index, Columns out); // Row &: may compute what is asked for now
//   };
//
// open and column may throw: the statement fails with "NAME: MESSAGE" and the error's code. An argument that
// is NULL gives no rows, and open is not called. One line in init.cpp makes it a table:
// add_table<DisksTable>.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite_ext/guard.hpp"

namespace emsn::sqlite {

struct FreeValue {
    void operator()(sqlite3_value *value) const noexcept { sqlite3_value_free(value); }
};
using Value = std::unique_ptr<sqlite3_value, FreeValue>;

// The arguments of one scan, by position. One that is not given has its fallback.
class Arguments {
  public:
    Arguments(std::span<const char *const> names, std::span<const Value> values)
        : names_(names), values_(values) {}

    // Throws Error{invalid_argument} for a NUL byte.
    [[nodiscard]] std::string path(std::size_t index) const;
    [[nodiscard]] std::string text(std::size_t index, const std::string &fallback) const;
    // Throws Error{invalid_argument} for what is no whole number from least to most.
    [[nodiscard]] std::int64_t integer(std::size_t index, std::int64_t fallback, std::int64_t least,
                                       std::int64_t most) const;

  private:
    std::span<const char *const> names_;
    std::span<const Value> values_;
};

// Where a row's column goes; untouched, it is NULL.
class Columns {
  public:
    explicit Columns(sqlite3_context *ctx) : ctx_(ctx) {}

    void text(const std::string &value) const { result_text(ctx_, value); }
    void text(const std::optional<std::string> &value) const {
        if (value)
            result_text(ctx_, *value);
    }
    void integer(std::int64_t value) const { sqlite3_result_int64(ctx_, value); }
    void integer(const std::optional<std::int64_t> &value) const {
        if (value)
            integer(*value);
    }
    void flag(bool value) const { integer(std::int64_t{value}); }
    void flag(std::optional<bool> value) const {
        if (value)
            flag(*value);
    }
    void real(double value) const { sqlite3_result_double(ctx_, value); }
    [[nodiscard]] sqlite3 *db() const { return sqlite3_context_db_handle(ctx_); }

  private:
    sqlite3_context *ctx_;
};

// Which arguments a query gives, for xBestIndex: one bit each in idxNum, their values in order for xFilter.
// SQLITE_CONSTRAINT: the query has a value for one, but not in this plan.
[[nodiscard]] int choose_arguments(sqlite3_index_info *info, int first_column, std::size_t count,
                                   std::size_t required) noexcept;

// The values that xFilter gets, each at its argument's place; null where there is none. Throws
// Error{invalid_argument} when a required one is missing.
[[nodiscard]] std::vector<Value> take_arguments(int given, sqlite3_value **argv,
                                                std::span<const char *const> names, std::size_t required);

template <typename T> class Vtab {
  public:
    static const sqlite3_module kModule;

  private:
    struct Table : sqlite3_vtab {
        sqlite3 *db = nullptr;
    };
    struct Cursor : sqlite3_vtab_cursor {
        std::vector<Value> arguments;
        std::vector<typename T::Row> rows;
        std::size_t at = 0;
    };

    static constexpr int kArgColumn = 1 + static_cast<int>(std::ranges::count(T::kColumns, ','));
    static_assert(T::kRequired <= T::kArguments.size());

    static Cursor &of(sqlite3_vtab_cursor *cursor) noexcept { return *static_cast<Cursor *>(cursor); }

    static int connect(sqlite3 *db, void * /*aux*/, int /*argc*/, const char *const * /*argv*/,
                       sqlite3_vtab **table, char **error) noexcept {
        return guard_table(T::kName, error, [&] {
            std::string schema = "CREATE TABLE x(" + std::string(T::kColumns);
            for (const char *name : T::kArguments)
                schema.append(", ").append(name).append(" HIDDEN");
            if (const int code = sqlite3_declare_vtab(db, (schema + ")").c_str()); code != SQLITE_OK)
                return code;
            if (const int code = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY); code != SQLITE_OK)
                return code;
            auto made = std::make_unique<Table>();
            made->db = db;
            *table = made.release();
            return SQLITE_OK;
        });
    }
    static int disconnect(sqlite3_vtab *table) noexcept {
        delete static_cast<Table *>(table);
        return SQLITE_OK;
    }
    static int best_index(sqlite3_vtab * /*table*/, sqlite3_index_info *info) noexcept {
        return choose_arguments(info, kArgColumn, T::kArguments.size(), T::kRequired);
    }
    static int open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor) noexcept {
        return guard_table(T::kName, &table->zErrMsg, [&] {
            *cursor = std::make_unique<Cursor>().release();
            return SQLITE_OK;
        });
    }
    static int close(sqlite3_vtab_cursor *cursor) noexcept {
        delete &of(cursor);
        return SQLITE_OK;
    }
    static int filter(sqlite3_vtab_cursor *base, int given, const char * /*plan*/, int /*argc*/,
                      sqlite3_value **argv) noexcept {
        return guard_table(T::kName, &base->pVtab->zErrMsg, [&] {
            Cursor &cursor = of(base);
            cursor.at = 0;
            cursor.rows.clear();
            cursor.arguments = take_arguments(given, argv, T::kArguments, T::kRequired);
            const bool any_null = std::ranges::any_of(cursor.arguments, [](const Value &value) {
                return value && sqlite3_value_type(value.get()) == SQLITE_NULL;
            });
            if (!any_null) {
                cursor.rows = T::open(static_cast<Table *>(base->pVtab)->db,
                                      Arguments(T::kArguments, cursor.arguments));
            }
            return SQLITE_OK;
        });
    }
    static int next(sqlite3_vtab_cursor *cursor) noexcept {
        ++of(cursor).at;
        return SQLITE_OK;
    }
    static int eof(sqlite3_vtab_cursor *cursor) noexcept {
        return static_cast<int>(of(cursor).at >= of(cursor).rows.size());
    }
    static int column(sqlite3_vtab_cursor *base, sqlite3_context *ctx, int index) noexcept {
        Cursor &cursor = of(base);
        if (index >= kArgColumn) {
            if (const Value &value = cursor.arguments[static_cast<std::size_t>(index - kArgColumn)])
                sqlite3_result_value(ctx, value.get());
            return SQLITE_OK;
        }
        try {
            T::column(cursor.rows[cursor.at], index, Columns(ctx));
        } catch (...) {
            report_exception(ctx, T::kName);
        }
        return SQLITE_OK;
    }
    static int rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *id) noexcept {
        *id = static_cast<sqlite3_int64>(of(cursor).at);
        return SQLITE_OK;
    }
};

template <typename T>
const sqlite3_module Vtab<T>::kModule = [] {
    sqlite3_module module{}; // no xCreate: the table is there by its name, and only so
    module.xConnect = connect;
    module.xBestIndex = best_index;
    module.xDisconnect = disconnect;
    module.xOpen = open;
    module.xClose = close;
    module.xFilter = filter;
    module.xNext = next;
    module.xEof = eof;
    module.xColumn = column;
    module.xRowid = rowid;
    return module;
}();

// Makes T a table of db; returns SQLite's code.
template <typename T> int add_table(sqlite3 *db) noexcept {
    return sqlite3_create_module_v2(db, T::kName, &Vtab<T>::kModule, nullptr, nullptr);
}

} // namespace emsn::sqlite
