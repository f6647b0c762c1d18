#include "sqlite_ext/check_copy.hpp"

#include <unistd.h>

namespace emsn::sqlite {

namespace {

constexpr std::size_t kPagesBetweenChecks = 1024;

// What the destination gives back must be what was written to it.
std::string differing_page(const core::PartialFile &partial, const Copied &copied, Watch &watch) {
    std::vector<char> page(static_cast<std::size_t>(copied.page_size));
    for (std::size_t i = 0; i < copied.hashes.size(); ++i) {
        if (i % kPagesBetweenChecks == 0)
            watch.check();
        const auto got = ::pread(partial.fd(), page.data(), page.size(), static_cast<off_t>(i * page.size()));
        if (got < 0)
            core::throw_errno("read", partial.path());
        if (got != std::ssize(page) || hash_page(page.data(), page.size()) != copied.hashes[i])
            return "the destination gives back other bytes than were written, in page " +
                   std::to_string(i + 1);
    }
    return {};
}

} // namespace

std::string problem_of_copy(const core::PartialFile &partial, const Copied &copied, Level level,
                            Watch &watch) {
    if (level != Level::none) {
        if (auto problem = differing_page(partial, copied, watch); !problem.empty())
            return problem;
    }
    const auto open_copy = [&] { return open_file(partial.path(), SQLITE_OPEN_READONLY, "unix-none"); };
    const Db db = open_copy();
    if (auto problem = first_problem(db.get(), level, watch); !problem.empty()) {
        // a destination that fails to read is no damaged source: that one has its problem every time
        if (first_problem(open_copy().get(), level, watch).empty())
            throw core::Error(core::Errc::io,
                              "read " + partial.path() + ": " + problem + " (but not a second time)");
        return "the source is damaged: " + problem;
    }
    if (const auto pages = query_integer(db.get(), "PRAGMA page_count"); pages != copied.pages)
        return "the copy has " + std::to_string(pages) + " pages instead of " + std::to_string(copied.pages);
    if (schema_text(db.get(), "main") != copied.schema)
        return "the copy's schema is not that of the source";
    return {};
}

} // namespace emsn::sqlite
