#define SQLITE_CORE // the table of functions, without the macros that call through it
#include "tests/sqlite/module.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sqlite3ext.h>

#include <memory>
#include <sstream>

#include "tests/sqlite/support.hpp"

namespace emsn::test {

std::set<std::string> lines_of(const std::string &text) {
    std::istringstream in(text);
    std::set<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && !line.starts_with('#'))
            lines.insert(line);
    }
    return lines;
}

std::set<std::string> added_by(const std::string &module) {
    constexpr const char *kQuery =
        "SELECT 'function ' || name || '/' || narg || CASE WHEN flags & 0x80000 THEN ' directonly' "
        "WHEN flags & 0x200000 THEN ' innocuous' ELSE '' END FROM pragma_function_list "
        "UNION ALL SELECT 'module ' || name FROM pragma_module_list WHERE name NOT LIKE 'pragma%'";
    SqliteDb db(":memory:", SQLITE_OPEN_READWRITE, false);
    const auto bare = lines_of(db(kQuery));
    db.load(module);
    auto added = lines_of(db(kQuery));
    for (const auto &line : bare)
        added.erase(line);
    return added;
}

std::set<std::string> missing_in_docs(const std::set<std::string> &added) {
    const auto docs = read_file(EMSN_SOURCE_DIR "/docs/functions.md");
    std::set<std::string> missing;
    for (const auto &line : added) {
        const auto name = line.substr(line.find(' ') + 1, line.find('/') - line.find(' ') - 1);
        if (docs.find("\n## " + name) == std::string::npos)
            missing.insert(name);
    }
    return missing;
}

std::string refusal_of_3_39(const std::string &module, const std::string &entry_point) {
    using Init = int (*)(sqlite3 *, char **, const sqlite3_api_routines *);
    const std::unique_ptr<void, int (*)(void *)> handle(::dlopen(module.c_str(), RTLD_NOW), ::dlclose);
    if (!handle)
        throw std::runtime_error(::dlerror());
    const auto init = reinterpret_cast<Init>(::dlsym(handle.get(), entry_point.c_str()));
    if (init == nullptr)
        throw std::runtime_error(::dlerror());
    static sqlite3_api_routines old{}; // the module keeps the table that it is given
    old.libversion_number = [] { return 3039004; };
    old.libversion = [] { return "3.39.4"; };
    old.mprintf = sqlite3_mprintf;
    char *error = nullptr;
    if (init(nullptr, &error, &old) != SQLITE_ERROR || error == nullptr)
        return "";
    const std::string text = error;
    sqlite3_free(error);
    return text;
}

std::string exports_of(const std::string &module) {
    return run({"bash", "-c", "nm -D --defined-only -- \"$1\" | cut -d ' ' -f 2-", "-", module}).out;
}

} // namespace emsn::test
