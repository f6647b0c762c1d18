#include "sqlite_ext/old_mirror.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "sqlite_ext/receipt.hpp"

namespace emsn::sqlite {

namespace {

constexpr std::int64_t kSliceBytes = 1 << 20;

// A file with a second name (a hard-linked backup of the mirror, say) is not ours to change.
bool is_ours_alone(const std::string &path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size > 0;
}

} // namespace

OldMirror::OldMirror(const std::string &path)
    : db_(open_immutable(path)), file_(db_.get(), "main"), header_(file_.header()) {}

std::optional<OldMirror> OldMirror::find(const core::Destination &destination, const Source &source) {
    if (!source.file() || !is_ours_alone(destination.path()) ||
        read_receipt(destination, source) == Receipt::differs)
        return std::nullopt;
    try {
        OldMirror mirror(destination.path());
        const FileHeader &header = mirror.header();
        if (header.is_wal || header.page_size != source.page_size() ||
            mirror.file_.size_bytes() != header.pages * header.page_size ||
            layout_of(mirror.db_.get(), "main") != source.layout())
            return std::nullopt;
        if (!source.is_wal() && header.change_counter > source.header().change_counter)
            return std::nullopt; // it has changes that the source does not know
        return mirror;
    } catch (const SqliteError &) {
        return std::nullopt; // no database, unreadable: a full copy takes its place
    }
}

bool OldMirror::same_counter(const Source &source) const {
    return !source.is_wal() && source.header().change_counter == header_.change_counter;
}

void OldMirror::read(std::int64_t page, std::span<char> into) const {
    file_.read(page * header_.page_size, into);
}

Known OldMirror::known(Watch &watch) const {
    watch.stage("reading the old mirror");
    const auto page_bytes = static_cast<std::size_t>(header_.page_size);
    const std::int64_t slice_pages = std::max<std::int64_t>(1, kSliceBytes / header_.page_size);
    std::vector<char> slice(static_cast<std::size_t>(slice_pages) * page_bytes);
    Known known{{}, file_.header_bytes()};
    known.hashes.reserve(static_cast<std::size_t>(header_.pages));
    for (std::int64_t at = 0; at < header_.pages; at += slice_pages) {
        watch.check();
        const auto pages = std::min(slice_pages, header_.pages - at);
        const auto bytes = std::span(slice).first(static_cast<std::size_t>(pages) * page_bytes);
        read(at, bytes);
        for (std::int64_t i = 0; i < pages; ++i)
            known.hashes.push_back(hash_page(&bytes[static_cast<std::size_t>(i) * page_bytes], page_bytes));
        watch.progress(at + pages, header_.pages, header_.page_size);
    }
    return known;
}

} // namespace emsn::sqlite
