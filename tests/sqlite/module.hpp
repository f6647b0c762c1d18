// What holds for each of our loadable modules, whatever is in it.
#pragma once

#include <set>
#include <string>

namespace emsn::test {

// Lines of a text that are neither empty nor comments (#).
[[nodiscard]] std::set<std::string> lines_of(const std::string &text);
// Functions ("function NAME/ARGUMENTS FLAGS") and virtual tables ("module NAME") that appear when it is
// loaded.
[[nodiscard]] std::set<std::string> added_by(const std::string &module);
// Names of a list as added_by gives it that have no heading of their own in docs/functions.md.
[[nodiscard]] std::set<std::string> missing_in_docs(const std::set<std::string> &added);
// What a SQLite library before 3.40 is told by its entry point; "" when it is served.
[[nodiscard]] std::string refusal_of_3_39(const std::string &module, const std::string &entry_point);
// As nm prints them, without their addresses: "T NAME", one a line.
[[nodiscard]] std::string exports_of(const std::string &module);

} // namespace emsn::test
