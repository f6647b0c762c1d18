#include "core/options.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace emsn::core {
namespace {

// The message of the Error that fn throws; "" when it throws none.
template <typename Fn> std::string message_of(Fn &&fn) {
    try {
        fn();
    } catch (const Error &e) {
        EXPECT_EQ(e.code(), Errc::invalid_argument);
        return e.what();
    }
    return "";
}

TEST(Options, NoTextMeansDefaults) {
    Options options("");
    EXPECT_TRUE(options.flag("a", true));
    EXPECT_EQ(options.integer("b", 7, 0, 9), 7);
    EXPECT_EQ(options.choice("c", "x", {"x", "y"}), "x");
    EXPECT_NO_THROW(options.finish());
}

TEST(Options, TakesWhatIsGiven) {
    Options options(R"({"a": false, "b": 3, "c": "y", "d": "text"})");
    EXPECT_FALSE(options.flag("a", true));
    EXPECT_EQ(options.integer("b", 7, 0, 9), 3);
    EXPECT_EQ(options.choice("c", "x", {"x", "y"}), "y");
    EXPECT_EQ(options.text("d", ""), "text");
    EXPECT_NO_THROW(options.finish());
}

TEST(Options, UnknownKeyIsNamedWithTheKnownOnes) {
    Options options(R"({"modus": 1})");
    static_cast<void>(options.text("mode", ""));
    static_cast<void>(options.flag("fast", false));
    EXPECT_EQ(message_of([&] { options.finish(); }), R"(unknown option "modus" (known: mode, fast))");
}

TEST(Options, WrongTypesAreNamed) {
    const auto with = [](const char *json, auto ask) {
        return message_of([&] {
            Options options(json);
            ask(options);
        });
    };
    const auto flag = [](Options &o) { static_cast<void>(o.flag("k", false)); };
    const auto integer = [](Options &o) { static_cast<void>(o.integer("k", 1, 1, 10)); };
    const auto text = [](Options &o) { static_cast<void>(o.text("k", "")); };
    const auto choice = [](Options &o) { static_cast<void>(o.choice("k", "x", {"x", "y"})); };
    const char *number = R"(option "k" must be a whole number from 1 to 10)";
    EXPECT_EQ(with(R"({"k": 1})", flag), R"(option "k" must be true or false)");
    EXPECT_EQ(with(R"({"k": "1"})", integer), number);
    EXPECT_EQ(with(R"({"k": 1.5})", integer), number);
    EXPECT_EQ(with(R"({"k": 0})", integer), number);
    EXPECT_EQ(with(R"({"k": 11})", integer), number);
    EXPECT_EQ(with(R"({"k": 18446744073709551615})", integer), number);
    EXPECT_EQ(with(R"({"k": 5})", text), R"(option "k" must be text)");
    EXPECT_EQ(with(R"({"k": "z"})", choice), R"(option "k" must be one of: x, y)");
    EXPECT_EQ(with(R"({"k": null})", flag), R"(option "k" is null)");
}

TEST(Options, WhatIsNoObjectIsRefused) {
    EXPECT_EQ(message_of([] { Options options("{"); }), "options are not valid JSON");
    EXPECT_EQ(message_of([] { Options options("[1]"); }), "options must be a JSON object");
    EXPECT_EQ(message_of([] { Options options("quick"); }), "options are not valid JSON");
}

} // namespace
} // namespace emsn::core
