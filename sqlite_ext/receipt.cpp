#include "sqlite_ext/receipt.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <optional>
#include <sstream>

namespace emsn::sqlite {

namespace {

constexpr const char *kName = "user.emsn.mirror";
constexpr std::size_t kMostBytes = 512;

std::optional<std::string> receipt_of(const core::Destination &destination, const Source &source) {
    struct stat st {};
    if (!source.file() || ::lstat(destination.path().c_str(), &st) != 0)
        return std::nullopt;
    std::ostringstream text;
    text << "1 source=" << source.file()->id.inode << " layout=" << source.layout()
         << (source.is_wal() ? ",wal" : ",rollback") << " inode=" << st.st_ino << " bytes=" << st.st_size
         << " mtime=" << st.st_mtim.tv_sec << '.' << st.st_mtim.tv_nsec;
    return text.str();
}

} // namespace

Receipt read_receipt(const core::Destination &destination, const Source &source) {
    std::array<char, kMostBytes> found{};
    const ssize_t length = ::lgetxattr(destination.path().c_str(), kName, found.data(), found.size());
    if (length < 0)
        return errno == ENOTSUP ? Receipt::unknown : Receipt::differs;
    const auto expected = receipt_of(destination, source);
    return expected == std::string(found.data(), static_cast<std::size_t>(length)) ? Receipt::matches
                                                                                   : Receipt::differs;
}

void write_receipt(const core::Destination &destination, const Source &source) {
    if (const auto text = receipt_of(destination, source))
        static_cast<void>(::lsetxattr(destination.path().c_str(), kName, text->data(), text->size(), 0));
}

} // namespace emsn::sqlite
