#include "sqlite_ext/vtab.hpp"

#include <new>

namespace emsn::sqlite {

namespace {

// Rough: what counts is that a scan is dear, and that one without its arguments is never chosen over another.
constexpr double kCost = 1e6;
constexpr double kCostWithoutArguments = 1e50;
constexpr sqlite3_int64 kRows = 100;

[[nodiscard]] bool is_given(int given, std::size_t index) {
    return ((static_cast<unsigned>(given) >> index) & 1U) != 0;
}

} // namespace

std::string Arguments::path(std::size_t index) const {
    return path_of(values_[index].get());
}

std::string Arguments::text(std::size_t index, const std::string &fallback) const {
    return values_[index] ? text_of(values_[index].get()) : fallback;
}

std::int64_t Arguments::integer(std::size_t index, std::int64_t fallback, std::int64_t least,
                                std::int64_t most) const {
    if (!values_[index])
        return fallback;
    const std::int64_t number = sqlite3_value_int64(values_[index].get());
    if (sqlite3_value_type(values_[index].get()) != SQLITE_INTEGER || number < least || number > most) {
        throw core::Error(core::Errc::invalid_argument,
                          std::string(names_[index]) + " must be a whole number from " +
                              std::to_string(least) + " to " + std::to_string(most));
    }
    return number;
}

int choose_arguments(sqlite3_index_info *info, int first_column, std::size_t count,
                     std::size_t required) noexcept {
    unsigned given = 0;
    int values = 0;
    for (std::size_t index = 0; index < count; ++index) {
        int usable = -1;
        bool asked = false;
        for (int i = 0; i < info->nConstraint && usable < 0; ++i) {
            const auto &constraint = info->aConstraint[i];
            if (constraint.iColumn != first_column + static_cast<int>(index) ||
                constraint.op != SQLITE_INDEX_CONSTRAINT_EQ)
                continue;
            asked = true;
            if (constraint.usable != 0)
                usable = i;
        }
        if (usable >= 0) {
            given |= 1U << index;
            info->aConstraintUsage[usable].argvIndex = ++values;
            info->aConstraintUsage[usable].omit = 1;
        } else if (asked) {
            return SQLITE_CONSTRAINT;
        }
    }
    const unsigned needed = (1U << required) - 1;
    info->idxNum = static_cast<int>(given);
    // a plan without a required argument stays: when it is the only one, xFilter says which is missing
    info->estimatedCost = (given & needed) == needed ? kCost : kCostWithoutArguments;
    info->estimatedRows = kRows;
    return SQLITE_OK;
}

std::vector<Value> take_arguments(int given, sqlite3_value **argv, std::span<const char *const> names,
                                  std::size_t required) {
    std::vector<Value> values(names.size());
    for (std::size_t index = 0; index < names.size(); ++index) {
        if (is_given(given, index)) {
            values[index].reset(sqlite3_value_dup(*argv++));
            if (!values[index])
                throw std::bad_alloc();
        } else if (index < required) {
            throw core::Error(core::Errc::invalid_argument,
                              "needs its argument " + std::string(names[index]));
        }
    }
    return values;
}

} // namespace emsn::sqlite
