#include "core/backup_kinds.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.hpp"

namespace emsn::core {
namespace {

class BackupKinds : public ::testing::Test {
  protected:
    void file(const std::string &path, const std::string &content) {
        std::filesystem::create_directories(std::filesystem::path(dir_ / path).parent_path());
        test::write_file(dir_ / path, content);
    }
    void folder(const std::string &path, const std::string &receipt) {
        std::filesystem::create_directories(dir_ / path);
        if (!receipt.empty())
            file(path + ".emsn.json", receipt);
    }
    // "KIND ENTRIES BYTES NEWEST COMPLETE VERIFIED" of each.
    [[nodiscard]] std::string kinds(const std::string &station) const {
        const auto flag = [](const std::optional<bool> &value) {
            return value ? (*value ? "yes" : "no") : "-";
        };
        std::string lines;
        for (const auto &kind : backup_kinds(backups_in(dir_.path(), Listed::backups, [] {}), station)) {
            lines += kind.kind + " " + std::to_string(kind.entries) + " " +
                     (kind.bytes ? std::to_string(*kind.bytes) : "-") + " ";
            lines += kind.newest ? kind.newest->name + " " + flag(kind.newest->complete) + " " +
                                       flag(kind.newest->verified)
                                 : "-";
            lines += "\n";
        }
        return lines;
    }
    test::TempDir dir_;
};

TEST_F(BackupKinds, EachKindWithItsNewest) {
    folder("zolder/daily/2025-12-29", R"({"complete": true, "verified": true, "bytes": 1000})");
    folder("zolder/daily/2025-12-30", R"({"complete": true, "verified": false, "bytes": 500})");
    file("zolder/database/birds-2025-12-30-14.db.zst", "12345");
    file("zolder/database/birds-2025-12-30-13.db.zst", "123");
    EXPECT_EQ(kinds("zolder"),
              "daily 2 1500 2025-12-30 yes no\ndatabase 2 8 birds-2025-12-30-14.db.zst - -\n");
}

TEST_F(BackupKinds, OfAnotherStationNone) {
    file("zolder/database/birds-2025-12-30-14.db.zst", "12345");
    file("berging/database/birds-2025-12-31-14.db.zst", "1");
    file("images/card-2025-12-01.img.zst", "12");
    EXPECT_EQ(kinds("zolder"),
              "database 1 5 birds-2025-12-30-14.db.zst - -\nimages 1 2 card-2025-12-01.img.zst - -\n");
    EXPECT_EQ(kinds("schuur"), "images 1 2 card-2025-12-01.img.zst - -\n");
}

TEST_F(BackupKinds, AFolderThatNobodyMeasuredMakesTheSumUnknown) {
    folder("daily/2025-12-29", R"({"bytes": 1000})");
    folder("daily/2025-12-30", "");
    folder("weekly/2025-12-29", R"({"bytes": "many"})");
    folder("hourly/2025-12-29", R"({"bytes": -5})");
    folder("centre/2025-12-29", R"({"bytes": 9223372036854775807})");
    folder("centre/2025-12-30", R"({"bytes": 1})");
    EXPECT_EQ(kinds(""), "centre 2 - 2025-12-30 - -\ndaily 2 - 2025-12-30 - -\nhourly 1 - 2025-12-29 - -\n"
                         "weekly 1 - 2025-12-29 - -\n");
}

TEST_F(BackupKinds, WhatCannotBeLookedAtIsCountedWithoutADate) {
    file("target", "");
    std::filesystem::create_directories(dir_ / "daily");
    std::filesystem::create_symlink(dir_ / "target", dir_ / "daily/2025-12-30");
    EXPECT_EQ(kinds("").substr(0, 12), "daily 1 - -\n");
}

} // namespace
} // namespace emsn::core
