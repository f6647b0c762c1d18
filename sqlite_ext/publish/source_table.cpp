#include "sqlite_ext/publish/source_table.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <ctime>

namespace emsn::publish {

using core::Errc;
using core::Error;
using sqlite::Statement;

namespace {

constexpr int kSliceRows = 2000;  // some 5 ms
constexpr int kNeededColumns = 5; // of kSourceColumns; of the others a station may have none

std::string hex(std::uint64_t value) {
    constexpr std::size_t kRoom = 17;
    char text[kRoom];
    static_cast<void>(std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value)));
    return text;
}

// Size and time of last change. A file may be changed again within the same tick of the kernel's clock, and
// show the same time: what changed a moment ago proves nothing.
std::string stamp_of(const std::string &path) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    constexpr std::int64_t kUnclear = kSecond / 10;
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0 || st.st_size == 0)
        return "none";
    const std::int64_t changed = st.st_mtim.tv_sec * kSecond + st.st_mtim.tv_nsec;
    timespec now{};
    static_cast<void>(::clock_gettime(CLOCK_REALTIME, &now));
    const std::int64_t age = now.tv_sec * kSecond + now.tv_nsec - changed;
    return std::to_string(st.st_size) + "@" + std::to_string(changed) +
           (age >= 0 && age < kUnclear ? " unclear" : "");
}

} // namespace

SourceTable::Held::Held(SourceTable &table)
    : table_(table), transaction_([&] {
          table.held_evidence_ = table.evidence_of_wal();
          return sqlite::patiently(table.watch_, [&] { return sqlite::ReadTransaction(table.source_); });
      }()) {}

SourceTable::Held::~Held() {
    table_.held_evidence_.reset();
}

SourceTable::SourceTable(const sqlite::Source &source, sqlite::Watch &watch)
    : source_(source), watch_(watch) {
    if (!source_.file())
        throw Error(Errc::unsupported, "the source is a database in memory");
    locked([&] { find_columns(); });
}

void SourceTable::find_columns() {
    const std::string name = "source " + source_.file()->path;
    Statement kind(source_.db(),
                   "SELECT l.type, l.wr FROM pragma_table_list('detections') AS l WHERE l.schema = 'main'");
    if (!kind.step())
        throw Error(Errc::invalid_argument, name + " has no table detections: is it a station's birds.db?");
    if (kind.text(0) != "table" || kind.integer(1) != 0)
        throw Error(Errc::unsupported, name + ": detections is not a table with rowids");
    columns_ = "rowid";
    std::string missing;
    Statement column(source_.db(), "SELECT i.name FROM pragma_table_xinfo('detections', 'main') AS i "
                                   "WHERE i.name = ?1 COLLATE NOCASE");
    for (std::size_t i = 0; i < kSourceColumns.size(); ++i) {
        column.reset();
        column.bind(1, std::string(kSourceColumns[i]));
        if (column.step()) {
            columns_ += ", " + sqlite::quoted(column.text(0));
        } else {
            columns_ += ", NULL";
            if (i < kNeededColumns)
                missing.append(missing.empty() ? "" : ", ").append(kSourceColumns[i]);
        }
    }
    if (!missing.empty())
        throw Error(Errc::invalid_argument, name + ": table detections has no column " + missing);
    Statement index(source_.db(), "SELECT 1 FROM pragma_index_list('detections', 'main') AS l, "
                                  "pragma_index_info(l.name, 'main') AS i "
                                  "WHERE l.partial = 0 AND i.seqno = 0 AND i.name = 'Date' COLLATE NOCASE");
    has_date_index_ = index.step();
}

void SourceTable::locked(const std::function<void()> &work) {
    sqlite::patiently(watch_, [&] {
        const auto start = core::Clock::now();
        {
            const sqlite::ReadTransaction transaction(source_);
            work();
        }
        held_seconds_ += std::chrono::duration<double>(core::Clock::now() - start).count();
    });
}

std::string SourceTable::select(const char *where) const {
    return "SELECT " + columns_ + " FROM main.detections WHERE " + where;
}

std::string SourceTable::evidence_of_wal() const {
    if (!source_.is_wal())
        return "";
    return stamp_of(source_.file()->path) + " " + stamp_of(source_.file()->path + "-wal");
}

Moment SourceTable::look() {
    Moment moment;
    const auto id = source_.file()->id;
    moment.file = std::to_string(id.device) + ":" + std::to_string(id.inode);
    moment.wal = held_evidence_ ? *held_evidence_ : evidence_of_wal();
    locked([&] {
        moment.counter = source_.is_wal() ? 0 : source_.change_counter().value_or(0);
        moment.last_rowid = sqlite::query_integer(source_.db(), "SELECT max(rowid) FROM main.detections");
    });
    moment.last_row = hash_at(moment.last_rowid);
    return moment;
}

std::string SourceTable::hash_at(std::int64_t rowid) {
    std::string hash;
    locked([&] {
        Statement row(source_.db(), select("rowid = ?1"));
        row.bind(1, rowid);
        if (row.step()) {
            row_.read(row);
            hash = hex(row_.hash());
        }
    });
    return hash;
}

std::int64_t SourceTable::appended(std::int64_t after, const Moment &moment, std::int64_t most) {
    std::int64_t count = 0;
    locked([&] {
        Statement rows(source_.db(), "SELECT count(*) FROM (SELECT 1 FROM main.detections "
                                     "WHERE rowid > ?1 AND rowid <= ?2 LIMIT ?3)");
        rows.bind(1, after);
        rows.bind(2, moment.last_rowid);
        rows.bind(3, most + 1);
        rows.step();
        count = rows.integer(0);
    });
    return count;
}

bool SourceTable::still(const Moment &moment) {
    source_.check_not_moved();
    if (source_.is_wal())
        return true; // whoever reads in WAL mode holds one moment
    constexpr std::int64_t kWraps = std::int64_t{1} << 32;
    bool same = false;
    locked([&] {
        const std::int64_t counter = source_.change_counter().value_or(0);
        const std::int64_t commits = (counter - moment.counter + kWraps) % kWraps;
        Moment now = moment;
        now.last_rowid = INT64_MAX;
        same = commits == 0 || (appended(moment.last_rowid, now, commits) == commits &&
                                hash_at(moment.last_rowid) == moment.last_row);
    });
    return same;
}

void SourceTable::read_slices(std::int64_t first, std::int64_t last, Reading reading, const OnRow &on_row,
                              const OnSlice &on_slice) {
    Statement rows(source_.db(), select("rowid >= ?1 AND rowid <= ?2 ORDER BY rowid LIMIT ?3"));
    rows.bind(2, last);
    rows.bind(3, kSliceRows);
    for (bool more = first <= last; more;) {
        watch_.check();
        int count = 0;
        std::int64_t at = first;
        locked([&] {
            count = 0;
            rows.reset();
            rows.bind(1, first);
            while (rows.step()) {
                (row_.*reading)(rows);
                on_row(row_, rows);
                at = row_.rowid();
                ++count;
            }
            rows.reset();
        });
        rows_read_ += count;
        more = count == kSliceRows && at < last;
        first = at + 1;
        on_slice(more ? at : last);
    }
}

void SourceTable::read_spellings(Statement &rows, std::int32_t day, Reading reading, const OnRow &on_row) {
    std::string dashes = day_text(day);
    rows.bind(1, dashes);
    for (char &c : dashes)
        c = c == '-' ? '/' : c;
    rows.bind(2, dashes);
    locked([&] {
        while (rows.step()) {
            (row_.*reading)(rows);
            on_row(row_, rows);
            ++rows_read_;
        }
        rows.reset();
    });
}

void SourceTable::tally_day(std::int32_t day, std::int64_t last, DayTally &tally) {
    Statement rows(source_.db(), select("Date IN (?1, ?2) AND rowid <= ?3"));
    rows.bind(3, last);
    read_spellings(rows, day, &Detection::read_unjudged,
                   [&](const Detection &row, const Statement &) { tally.add(row.rowid(), row.hash()); });
}

void SourceTable::read_second(std::int32_t day, std::int64_t time, std::int64_t last, const OnRow &on_row) {
    Statement rows(source_.db(), select("Date IN (?1, ?2) AND Time = ?4 AND rowid <= ?3"));
    rows.bind(3, last);
    rows.bind(4, time_text(time));
    read_spellings(rows, day, &Detection::read, on_row);
}

} // namespace emsn::publish
