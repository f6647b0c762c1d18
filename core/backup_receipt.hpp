// The receipt of a backup, ENTRY.emsn.json beside it: one JSON object that says how the run ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emsn::core {

constexpr std::string_view kReceiptSuffix = ".emsn.json";

struct BackupReceipt {
    std::optional<bool> complete;
    std::optional<bool> verified;
    std::optional<std::int64_t> finished_unix;
    std::optional<std::int64_t> bytes; // as du -sb counts; nullopt for anything but a whole number
};

// Of the backup called entry in the open folder; nullopt: it has none.
// Throws Error "receipt NAME: REASON" for one that cannot be read, is no JSON object, or says something else
// than true, false or null for complete and verified, or than UTC text or null for finished.
[[nodiscard]] std::optional<BackupReceipt> read_backup_receipt(int folder_fd, const std::string &entry);

} // namespace emsn::core
