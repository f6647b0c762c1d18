// A file system of SQLite's in which one database is written and nothing is stored: each page is handed on.
// It lets SQLite's online backup API feed an engine that compares pages.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "sqlite_ext/db.hpp"

namespace emsn::sqlite {

class PageVfs {
  public:
    // Pages come in any order, some of them twice; the number is counted from 0.
    using OnPage = std::function<void(std::int64_t page, const char *bytes)>;

    // Throws Error when SQLite has no memory for it.
    PageVfs(std::int64_t page_size, OnPage on_page);
    ~PageVfs();
    PageVfs(const PageVfs &) = delete;
    PageVfs &operator=(const PageVfs &) = delete;

    // An empty database. It must be closed before this ends.
    [[nodiscard]] Db open();
    // The first page as it was last written: SQLite reads it back.
    [[nodiscard]] std::vector<char> &first_page() noexcept { return first_page_; }
    // What on_page threw.
    void rethrow() const {
        if (failure_)
            std::rethrow_exception(failure_);
    }

  private:
    struct File;
    static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out) noexcept;
    static int on_read(sqlite3_file *file, void *to, int bytes, sqlite3_int64 at) noexcept;
    static int on_write(sqlite3_file *file, const void *from, int bytes, sqlite3_int64 at) noexcept;
    static const sqlite3_io_methods kMethods;

    std::int64_t page_size_;
    OnPage on_page_;
    std::string name_;
    sqlite3_vfs vfs_{};
    std::vector<char> first_page_;
    sqlite3_int64 size_ = 0;
    std::exception_ptr failure_;
};

} // namespace emsn::sqlite
