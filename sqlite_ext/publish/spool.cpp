#include "sqlite_ext/publish/spool.hpp"

#include <vector>

#include "core/error.hpp"

namespace emsn::publish {

Spool::Spool() : file_(std::tmpfile()) {
    if (!file_)
        core::throw_errno("make", "a temporary file");
}

void Spool::append(std::span<const char> bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
        core::throw_errno("write", "a temporary file");
}

void Spool::replay(const std::function<void(std::span<const char>)> &sink) {
    constexpr std::size_t kPiece = 256 << 10;
    if (std::fflush(file_.get()) != 0)
        core::throw_errno("write", "a temporary file");
    std::rewind(file_.get());
    std::vector<char> piece(kPiece);
    while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), file_.get()))
        sink(std::span(piece).first(count));
    if (std::ferror(file_.get()) != 0)
        core::throw_errno("read", "a temporary file");
}

} // namespace emsn::publish
