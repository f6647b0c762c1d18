#include "sqlite_ext/publish/detection.hpp"

#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>

// the whole algorithm from the header: no library is needed at run time
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sqlite_ext/publish/utf8.hpp"

namespace emsn::publish {

using sqlite::Statement;

namespace {

enum Column : int { // 0 is the rowid
    kDate = 1,
    kTime,
    kSpecies,
    kCommonName,
    kConfidence,
    kLatitude,
    kLongitude,
    kCutoff,
    kWeek,
    kSensitivity,
    kOverlap,
    kFileName,
};

constexpr std::int16_t kIncomingColumns = 15;

std::string json_value(const Statement &row, int column) {
    switch (row.type(column)) {
    case SQLITE_NULL:
        return "null";
    case SQLITE_INTEGER:
        return std::to_string(row.integer(column));
    case SQLITE_FLOAT: // also infinite ones, which JSON has not
        return json_string(row.text(column));
    default:
        return json_string(row.bytes(column));
    }
}

// Its values under the names that the station's owner knows.
std::string raw_values(const Statement &row) {
    std::string json = "{";
    for (int column = kDate; column <= kFileName; ++column) {
        json.append(column > kDate ? "," : "").append("\"");
        json.append(kSourceColumns[static_cast<std::size_t>(column - 1)]).append("\":");
        json.append(json_value(row, column));
    }
    return json + "}";
}

} // namespace

void Detection::read_unjudged(const Statement &row) {
    rowid_ = row.integer(0);
    reason_.clear();
    hash_values(row);
    day_ = row.type(kDate) == SQLITE_TEXT ? parse_day(row.bytes(kDate)) : std::nullopt;
    time_ = row.type(kTime) == SQLITE_TEXT ? parse_time(row.bytes(kTime)) : std::nullopt;
}

void Detection::read(const Statement &row) {
    read_unjudged(row);
    judge(row);
}

void Detection::hash_values(const Statement &row) {
    scratch_.clear();
    const auto append = [&](const auto &value) {
        scratch_.append(reinterpret_cast<const char *>(&value), sizeof value);
    };
    for (int column = kDate; column <= kFileName; ++column) {
        const int type = row.type(column);
        scratch_.push_back(static_cast<char>(type));
        switch (type) {
        case SQLITE_NULL:
            break;
        case SQLITE_INTEGER:
            append(row.integer(column));
            break;
        case SQLITE_FLOAT:
            append(row.real(column));
            break;
        default: {
            const auto bytes = row.bytes(column);
            append(static_cast<std::uint64_t>(bytes.size()));
            scratch_.append(bytes);
        }
        }
    }
    hash_ = XXH3_64bits(scratch_.data(), scratch_.size());
}

// The first thing that is wrong with it is the reason.
void Detection::reject(int column, const char *why) {
    if (reason_.empty())
        reason_.append(kSourceColumns[static_cast<std::size_t>(column - 1)]).append(" ").append(why);
}

// What PostgreSQL takes as text; a number in a column of text counts as the text of it.
std::string_view Detection::text(const Statement &row, int column) {
    const int type = row.type(column);
    if (type == SQLITE_NULL)
        return {};
    if (type == SQLITE_BLOB)
        reject(column, "is binary data");
    const auto value = row.bytes(column);
    if (value.find('\0') != std::string_view::npos)
        reject(column, "contains a NUL byte");
    else if (!is_utf8(value))
        reject(column, "is not valid UTF-8");
    return value;
}

// A number, or the text of one; nothing and an empty text are none.
std::optional<double> Detection::number(const Statement &row, int column) {
    const int type = row.type(column);
    double value = 0;
    if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
        value = row.real(column);
    } else {
        const auto digits = row.bytes(column);
        if (type == SQLITE_NULL || (type == SQLITE_TEXT && digits.empty()))
            return std::nullopt;
        const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
        if (type != SQLITE_TEXT || error != std::errc() || end != digits.end())
            reject(column, "is not a number");
    }
    if (!std::isfinite(value))
        reject(column, "is not a finite number");
    return value;
}

void Detection::judge(const Statement &row) {
    if (!day_)
        reject(kDate, row.type(kDate) == SQLITE_NULL || row.bytes(kDate).empty()
                          ? "is empty"
                          : "is not a day as YYYY-MM-DD");
    if (!time_)
        reject(kTime, "is not a time of day as HH:MM:SS");
    species_ = text(row, kSpecies);
    if (species_.empty())
        reject(kSpecies, "is empty");
    common_name_ = text(row, kCommonName);
    has_common_name_ = row.type(kCommonName) != SQLITE_NULL;
    confidence_ = number(row, kConfidence);
    if (!confidence_)
        reject(kConfidence, "is empty, or was not a number");
    latitude_ = number(row, kLatitude);
    longitude_ = number(row, kLongitude);
    cutoff_ = number(row, kCutoff);
    const auto week = number(row, kWeek);
    if (week && (*week != std::floor(*week) || std::abs(*week) > INT32_MAX))
        reject(kWeek, "is not a whole number");
    week_ = week && reason_.empty() ? std::optional(static_cast<std::int32_t>(*week)) : std::nullopt;
    sensitivity_ = number(row, kSensitivity);
    overlap_ = number(row, kOverlap);
    file_name_ = text(row, kFileName);
}

void Detection::append_to(CopyBuffer &out, const Statement &row) const {
    out.row(kIncomingColumns);
    out.bigint(rowid_);
    out.integer(day_);
    if (!good()) {
        constexpr int kValues = 11;
        for (int i = 0; i < kValues; ++i)
            out.null();
        out.text(reason_);
        out.text(raw_values(row));
        return;
    }
    const auto text_or_null = [&](std::string_view value, bool is_there) {
        is_there ? out.text(value) : out.null();
    };
    out.bigint(*time_);
    out.text(species_);
    text_or_null(common_name_, has_common_name_);
    for (const auto *value : {&confidence_, &latitude_, &longitude_, &cutoff_})
        out.real(*value);
    out.integer(week_);
    out.real(sensitivity_);
    out.real(overlap_);
    text_or_null(file_name_, !file_name_.empty()); // "" is how the table says none
    out.null();
    out.null();
}

} // namespace emsn::publish
