#include "sqlite_ext/check_copy.hpp"

#include "sqlite_ext/db_file.hpp"

namespace emsn::sqlite {

namespace {

constexpr std::int64_t kPagesBetweenChecks = 256;

// What the destination gives back must be what was written to it.
std::string differing_page(const DbFile &file, const Copied &copied, Watch &watch) {
    std::vector<char> page(static_cast<std::size_t>(copied.page_size));
    for (std::int64_t i = 0; i < copied.pages; ++i) {
        if (i % kPagesBetweenChecks == 0) {
            watch.check();
            watch.progress(i, copied.pages, copied.page_size);
        }
        if (i == lock_byte_page(copied.page_size))
            continue;
        file.read(i * copied.page_size, page);
        if (hash_page(page.data(), page.size()) != copied.hashes[static_cast<std::size_t>(i)])
            return "the destination gives back other bytes than were written, in page " +
                   std::to_string(i + 1);
    }
    return {};
}

} // namespace

std::string problem_of_copy(const std::string &path, const Copied &copied, Level level, Watch &watch) {
    watch.stage("verifying the copy");
    const Db db = open_immutable(path);
    if (level != Level::none) {
        if (auto problem = differing_page(DbFile(db.get(), "main"), copied, watch); !problem.empty())
            return problem;
    }
    if (auto problem = first_problem(db.get(), level, watch); !problem.empty()) {
        // a destination that fails to read is no damaged source: that one has its problem every time
        if (first_problem(open_immutable(path).get(), level, watch).empty())
            throw core::Error(core::Errc::io, "read " + path + ": " + problem + " (but not a second time)");
        return "the source is damaged: " + problem;
    }
    if (const auto pages = query_integer(db.get(), "PRAGMA page_count"); pages != copied.pages)
        return "the copy has " + std::to_string(pages) + " pages instead of " + std::to_string(copied.pages);
    if (schema_text(db.get(), "main") != copied.schema)
        return "the copy's schema is not that of the source";
    return {};
}

} // namespace emsn::sqlite
