#include "core/backup_receipt.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/handle.hpp"
#include "core/utc.hpp"

namespace emsn::core {

namespace {

constexpr std::size_t kMostBytes = 65536; // a receipt has some hundred

[[noreturn]] void fail(const std::string &name, const std::string &reason) {
    throw Error(Errc::corrupt, "receipt " + name + ": " + reason);
}

std::string read_all(int fd, const std::string &name) {
    struct stat st {};
    if (::fstat(fd, &st) != 0)
        throw_errno("receipt", name);
    if (!S_ISREG(st.st_mode))
        fail(name, "no regular file");
    std::string text(kMostBytes + 1, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t got = ::read(fd, &text[length], text.size() - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            throw_errno("receipt", name);
        if (got == 0)
            break;
        length += static_cast<std::size_t>(got);
    }
    if (length > kMostBytes)
        fail(name, "longer than " + std::to_string(kMostBytes) + " bytes");
    text.resize(length);
    return text;
}

std::optional<bool> flag(const nlohmann::json &receipt, const char *key, const std::string &name) {
    const auto found = receipt.find(key);
    if (found == receipt.end() || found->is_null())
        return std::nullopt;
    if (!found->is_boolean())
        fail(name, std::string(key) + " is neither true nor false");
    return found->get<bool>();
}

std::optional<std::int64_t> time(const nlohmann::json &receipt, const char *key, const std::string &name) {
    const auto found = receipt.find(key);
    if (found == receipt.end() || found->is_null())
        return std::nullopt;
    const auto seconds = found->is_string() ? unix_of_utc(found->get<std::string>()) : std::nullopt;
    if (!seconds)
        fail(name, std::string(key) + " is no time such as 2025-12-30T02:00:00Z");
    return seconds;
}

// Nothing but a figure for people hangs on it: what is no number is no reason to doubt the rest.
std::optional<std::int64_t> count(const nlohmann::json &receipt, const char *key) {
    const auto found = receipt.find(key);
    if (found == receipt.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > INT64_MAX)
        return std::nullopt;
    return found->get<std::int64_t>();
}

} // namespace

std::optional<BackupReceipt> read_backup_receipt(int folder_fd, const std::string &entry) {
    const std::string name = entry + std::string(kReceiptSuffix);
    const Fd fd(::openat(folder_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd && (errno == ENOENT || errno == ENAMETOOLONG)) // too long to have been written
        return std::nullopt;
    if (!fd)
        throw_errno("receipt", name);
    const auto receipt = nlohmann::json::parse(read_all(fd.get(), name), nullptr, false);
    if (!receipt.is_object())
        fail(name, "no JSON object");
    return BackupReceipt{flag(receipt, "complete", name), flag(receipt, "verified", name),
                         time(receipt, "finished", name), count(receipt, "bytes")};
}

} // namespace emsn::core
