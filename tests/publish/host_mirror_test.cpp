// What a host report says of the mirror, from what emsn-mirror has left in files.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "sqlite_ext/publish/host_parts.hpp"
#include "tests/support/temp_dir.hpp"

namespace emsn::publish {
namespace {

class HostMirror : public ::testing::Test {
  protected:
    HostMirror() {
        for (const char *folder : {"system", "home/.local/state/emsn", "other"})
            std::filesystem::create_directories(dir_ / folder);
        places_.system_state_dir = dir_ / "system";
        places_.home = dir_ / "home";
    }
    void remember(const std::string &folder, const std::string &destination, const std::string &attempt) {
        test::write_file(dir_ / (folder + "/mirror.json"),
                         R"({"destination": ")" + destination + R"(", "last_attempt": ")" + attempt + "\"}");
    }
    [[nodiscard]] std::string destination() const {
        const auto part = mirror_part(places_);
        return part.is_null() ? "none" : part["destination"].get<std::string>();
    }
    const std::string user_ = "home/.local/state/emsn";
    test::TempDir dir_;
    HostPlaces places_;
};

TEST_F(HostMirror, OfTwoMemoriesTheLaterRunCounts) {
    EXPECT_EQ(destination(), "none");
    remember("system", "/by/root", "2025-12-30T02:00:00Z");
    EXPECT_EQ(destination(), "/by/root");
    remember(user_, "/by/pi", "2025-12-30T01:55:00Z");
    EXPECT_EQ(destination(), "/by/root");
    remember(user_, "/by/pi", "2025-12-30T02:05:00Z");
    EXPECT_EQ(destination(), "/by/pi");
}

TEST_F(HostMirror, ConfiguredPlacesAreTheOnlyOnes) {
    remember("system", "/by/root", "2025-12-30T02:00:00Z");
    places_.state_dir = dir_ / "other";
    EXPECT_EQ(destination(), "none");
    remember("other", "/other", "2025-12-30T02:00:00Z");
    EXPECT_EQ(destination(), "/other");
    places_.state_dir.clear();
    places_.xdg_state_home = dir_ / "xdg";
    std::filesystem::create_directories(dir_ / "xdg/emsn");
    remember("xdg/emsn", "/xdg", "2025-12-30T02:01:00Z");
    EXPECT_EQ(destination(), "/xdg");
}

TEST_F(HostMirror, AConfiguredMirrorThatWasNeverMadeIsTold) {
    places_.mirror_db = "/mnt/usb/../usb/birds.db";
    EXPECT_EQ(mirror_part(places_),
              (nlohmann::json{{"destination", "/mnt/usb/birds.db"}, {"last_success", nullptr}}));
    remember("system", "/old/place.db", "2025-12-30T02:00:00Z");
    EXPECT_EQ(destination(), "/mnt/usb/birds.db");
    remember("system", "/mnt/usb/birds.db", "2025-12-30T02:00:00Z");
    EXPECT_EQ(mirror_part(places_)["last_attempt"], "2025-12-30T02:00:00Z");
}

TEST_F(HostMirror, WhatCannotBeReadIsAnError) {
    for (const std::string &content : {std::string(), std::string("[]"), std::string("{\"destination\": "),
                                       std::string(70'000, ' ') + "{}"}) {
        test::write_file(dir_ / "system/mirror.json", content);
        EXPECT_THROW(static_cast<void>(mirror_part(places_)), core::Error) << content.size();
    }
    std::filesystem::remove(dir_ / "system/mirror.json");
    std::filesystem::create_directory(dir_ / "system/mirror.json");
    try {
        static_cast<void>(mirror_part(places_));
        FAIL();
    } catch (const core::Error &e) {
        EXPECT_EQ(std::string(e.what()), "read " + (dir_ / "system/mirror.json") + ": not a regular file");
    }
}

} // namespace
} // namespace emsn::publish
