#include "tests/publish/support.hpp"

#include <sstream>

namespace emsn::test {

std::string publish_sql(const std::string &conninfo, const std::string &station, const std::string &options) {
    return "SELECT emsn_publish(" + quoted(conninfo) + ", " + quoted(station) + ", " + quoted(options) + ")";
}

nlohmann::json publish_file(const std::string &path, const std::string &conninfo, const std::string &station,
                            const std::string &options) {
    SqliteDb db(path, SQLITE_OPEN_READONLY, false);
    db.load(EMSN_PG_SO);
    return nlohmann::json::parse(db(publish_sql(conninfo, station, options)));
}

PublishTest::PublishTest() {
    make_birds_db(birds_, 1000);
    db.exec("SELECT emsn.create_detections('public.bird_detections')");
}

nlohmann::json PublishTest::publish(const std::string &options, const std::string &station) {
    return publish_file(birds_, conninfo(), station, options);
}

std::string PublishTest::error_of_publish(const std::string &options, const std::string &station) {
    try {
        return "no error, but " + publish(options, station).dump();
    } catch (const SqlError &e) {
        return e.what();
    }
}

void write_into(const std::string &path, const std::string &sql) {
    SqliteDb db(path, SQLITE_OPEN_READWRITE, false);
    db("PRAGMA busy_timeout = 5000; PRAGMA synchronous = OFF");
    db(sql);
}

std::string hear_sql(int n) {
    return "INSERT INTO detections VALUES (date('2025-06-01', '" + std::to_string(n / 50) + " days'), time(" +
           std::to_string(n / 5 * 5 * 7 % 86400 + n % 5 / 2) +
           ", 'unixepoch'), 'Parus major', 'Great Tit', 0.7512, 52.1, 5.2, 0.7, 22, 1.25, 0.0, 'Great_Tit-" +
           std::to_string(n) + ".mp3')";
}

std::string station_rows(const std::string &path) {
    return SqliteDb(path, SQLITE_OPEN_READONLY, false)(
        "SELECT replace(Date, '/', '-'), Time, Sci_Name, Com_Name, printf('%.4f', Confidence), "
        "nullif(File_Name, '') FROM detections ORDER BY 1, 2, 3, 4, 5, 6");
}

std::string centre_rows(Session &db, const std::string &station) {
    std::string text;
    for (const auto &row : db.rows(
             "SELECT date, time, species, common_name, to_char(confidence, 'FM0.0000'), coalesce(file_name, "
             "'') FROM "
             "bird_detections WHERE station = " +
             quoted(station) +
             " AND deleted IS NOT TRUE ORDER BY 1, 2, species COLLATE \"C\", common_name COLLATE \"C\", 5, "
             "coalesce(file_name, '') COLLATE \"C\"")) {
        text += text.empty() ? "" : "\n";
        for (std::size_t i = 0; i < row.size(); ++i)
            text.append(i == 0 ? "" : "|").append(row[i].value_or("NULL"));
    }
    return text;
}

std::string difference(const std::string &path, Session &db, const std::string &station) {
    const auto here = station_rows(path);
    const auto there = centre_rows(db, station);
    if (here == there)
        return "";
    std::istringstream left(here);
    std::istringstream right(there);
    std::string a;
    std::string b;
    for (int line = 1;; ++line) {
        const bool more = static_cast<bool>(std::getline(left, a));
        if (static_cast<bool>(std::getline(right, b)) != more || a != b)
            return "line " + std::to_string(line) + ": station " + a + ", centre " + b;
    }
}

} // namespace emsn::test
