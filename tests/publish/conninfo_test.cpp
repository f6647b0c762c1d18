// Connection strings, also hostile ones: no word about one holds anything of a password.
#include "sqlite_ext/publish/conninfo.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace emsn::publish {
namespace {

std::string value_of(const Conninfo &conninfo, const std::string &keyword) {
    const auto keywords = conninfo.keywords();
    const auto values = conninfo.values();
    std::string found;
    for (std::size_t i = 0; keywords[i] != nullptr; ++i) {
        if (keyword == keywords[i])
            found = values[i]; // the last one wins, as in libpq
    }
    return found;
}

std::string refusal_of(const std::string &text) {
    try {
        const Conninfo conninfo(text, "test");
        return "";
    } catch (const core::Error &e) {
        EXPECT_EQ(e.code(), core::Errc::invalid_argument);
        return e.what();
    }
}

TEST(Conninfo, WhatTheUserSetsWinsOverOurDefaultsButNotTheName) {
    const Conninfo conninfo("host=h keepalives_idle=99 application_name=mine connect_timeout=4",
                            "emsn_publish/zolder");
    EXPECT_EQ(value_of(conninfo, "host"), "h");
    EXPECT_EQ(value_of(conninfo, "keepalives_idle"), "99");
    EXPECT_EQ(value_of(conninfo, "keepalives_count"), "3");
    EXPECT_EQ(value_of(conninfo, "application_name"), "emsn_publish/zolder");
    EXPECT_EQ(value_of(conninfo, "client_encoding"), "UTF8");
    EXPECT_EQ(conninfo.connect_timeout(), 4);
    EXPECT_EQ(Conninfo("", "test").connect_timeout(), 10);
}

TEST(Conninfo, NoHostileTextBringsItsPasswordIntoTheError) {
    const std::string secret = "s3kr1t";
    for (const std::string &text : {
             "host=h password=my " + secret,
             "host=h password=my " + secret + "=x",
             "host=h passwd=" + secret + " x=y",
             "host=h pw=" + secret,
             "host=h password='" + secret,
             "host=h password='it''s " + secret + "'",
             "host=h password=it's " + secret + " port",
             "password = a " + secret + "=b",
             secret,
             "host=h user=joe:" + secret + " " + secret + "=1",
             "postgresql://joe:pass/" + secret + "@h/db",
             "postgresql://joe:pass?" + secret + "=1@h/db",
             "postgresql://joe:pass@" + secret + "@h/db",
             "postgresql://joe:%zz" + secret + "@h/db",
             "postgresql://joe:pass#/" + secret + "@h/db",
             "postgres://joe:p:" + secret + "/@h:12/db",
             "postgresql://h/db?passwort=" + secret,
             "postgresql://h/db?password=x&" + secret + "=1",
             "host=h password=x\\' " + secret + "=1",
             "host=h password=" + secret + std::string("\0 x", 3),
         }) {
        const auto refusal = refusal_of(text);
        EXPECT_NE(refusal, "") << text << ": taken";
        EXPECT_EQ(refusal.find("s3k"), std::string::npos) << text << ": " << refusal;
        EXPECT_EQ(refusal.find("pass/"), std::string::npos) << refusal;
    }
}

TEST(Conninfo, AMistypedOptionIsNamedWhereThatIsSafe) {
    EXPECT_EQ(refusal_of("host=h prot=5432"), "the connection string is not valid: unknown option \"prot\"");
    EXPECT_EQ(refusal_of("host=h user='joe' prot=5432").find("prot"), std::string::npos);
    EXPECT_EQ(refusal_of("host=h wrod"),
              "the connection string is not valid: a word in it has no \"=\" (values with "
              "spaces stand in single quotes)");
}

TEST(Conninfo, PasswordsAreTakenOutOfOtherTexts) {
    const Conninfo conninfo("postgresql://joe:s3%2Fkr1t@h/db?sslpassword=k3y", "test");
    EXPECT_EQ(value_of(conninfo, "password"), "s3/kr1t");
    EXPECT_EQ(conninfo.scrubbed("a s3/kr1t b k3y c"), "a *** b *** c");
}

TEST(Conninfo, AnOrdinaryUriIsTaken) {
    const Conninfo conninfo("postgresql://joe:p@host:5433/birds?sslmode=require", "test");
    EXPECT_EQ(value_of(conninfo, "port"), "5433");
    EXPECT_EQ(value_of(conninfo, "sslmode"), "require");
    EXPECT_EQ(refusal_of("postgresql://joe@h/db"), "");
}

} // namespace
} // namespace emsn::publish
