#include "sqlite_ext/snapshot.hpp"

#include "core/destination.hpp"
#include "core/file_lock.hpp"
#include "core/options.hpp"
#include "sqlite_ext/check_copy.hpp"
#include "sqlite_ext/delta.hpp"
#include "sqlite_ext/guard.hpp"
#include "sqlite_ext/receipt.hpp"
#include "sqlite_ext/settle.hpp"
#include "sqlite_ext/source.hpp"

namespace emsn::sqlite {

using core::Errc;
using core::Error;

namespace {

constexpr std::size_t kFirstWarning = 14;  // its parameter in the report
constexpr mode_t kMemorySourceMode = 0600; // a database in memory has no mode to take over

struct SnapshotOptions {
    std::string schema;
    std::string mode;
    Level verify;
    std::string verify_word;
    std::int64_t timeout_ms;
    std::int64_t max_hold_ms;
    bool atomic;
    bool progress;
    core::DestinationRules rules;

    explicit SnapshotOptions(std::string_view json) {
        constexpr std::int64_t kMostMs = INT64_MAX / 1'000'000; // fits std::chrono's nanoseconds
        core::Options options(json);
        schema = options.text("schema", "main");
        mode = options.choice("mode", "auto", {"auto", "full", "delta"});
        verify_word = options.choice("verify", "quick", {"quick", "full", "none"});
        verify = level_of(verify_word);
        timeout_ms = options.integer("timeout_ms", 600'000, 1, kMostMs);
        max_hold_ms = options.integer("max_hold_ms", 1'000, 1, kMostMs);
        progress = options.flag("progress", false);
        rules.follow_symlink = options.flag("follow_symlink", false);
        rules.require_mount = options.flag("require_mount", false);
        atomic = options.flag("atomic", false);
        options.finish();
    }
};

// As JSON, by SQLite itself: running out of memory there is an error, not the end of the host program.
std::string report(sqlite3 *db, const core::Destination &destination, const Made &made,
                   const SnapshotOptions &options, double seconds, const std::vector<std::string> &warnings) {
    constexpr int kSecondsDigits = 3; // milliseconds; held_ms in microseconds
    const Copied &copied = made.copied;
    std::string list = "'[]'";
    for (std::size_t i = 0; i < warnings.size(); ++i)
        list.insert(0, "json_insert(").append(", '$[#]', ?" + std::to_string(kFirstWarning + i) + ")");
    Statement json(db,
                   "SELECT json_object('destination', ?1, 'mode', ?13, 'pages', ?2, 'page_size', ?3, "
                   "'bytes', ?4, 'pages_written', ?5, 'bytes_written', ?6, 'held_ms', round(?7, ?12), "
                   "'passes', ?8, 'seconds', round(?9, ?12), 'verify', ?10, 'source_change_counter', ?11, "
                   "'warnings', json(" +
                       list + "))");
    json.bind(1, destination.path());
    json.bind(2, copied.pages);
    json.bind(3, copied.page_size);
    json.bind(4, copied.bytes());
    json.bind(5, made.written.pages);
    json.bind(6, made.written.bytes);
    json.bind(7, copied.held_ms);
    json.bind(8, copied.passes);
    json.bind(9, seconds);
    json.bind(10, options.verify_word);
    if (copied.change_counter)
        json.bind(11, *copied.change_counter);
    json.bind(12, kSecondsDigits);
    json.bind(13, std::string(made.is_delta ? "delta" : "full"));
    for (std::size_t i = 0; i < warnings.size(); ++i)
        json.bind(static_cast<int>(kFirstWarning + i), warnings[i]);
    json.step();
    return json.text(0);
}

Made make_full(const Job &job) {
    Made made;
    job.destination.require_free(job.source.pages() * job.source.page_size());
    PartialSink sink(job.partial, job.source.page_size(), made.written);
    made.copied = copy_database(job.source, sink, {}, job.max_hold_ms, job.watch);
    job.partial.resize(made.copied.bytes());
    return made;
}

Made make(const Job &job, bool from_nothing) {
    try {
        if (!from_nothing) {
            if (auto made = make_from_old_mirror(job))
                return *std::move(made);
        }
        return make_full(job);
    } catch (const Error &e) {
        // whether it was too full from the start or filled up midway
        if (e.code() != Errc::no_space)
            throw;
        const auto lack = job.destination.lack_of_space(job.source.pages() * job.source.page_size() -
                                                        job.partial.size_bytes());
        throw Error(Errc::no_space, std::string(e.what()) + (lack.empty() ? "" : "; " + lack));
    }
}

// The partial file takes the mirror's place, or, when it is not good, a place beside it.
void publish(const Job &job, const Copied &copied, std::vector<std::string> &warnings) {
    const auto &destination = job.destination;
    const std::string problem = problem_of_copy(job.partial.path(), copied, job.level, job.watch);
    if (!problem.empty()) {
        job.partial.set_aside(destination.corrupt_path());
        throw Error(Errc::corrupt, problem + "; the copy is kept as " + destination.corrupt_path() + ", " +
                                       destination.path() + " is as it was");
    }
    job.source.check_not_moved();
    settle_destination(destination);
    job.watch.check(); // the last moment at which stopping changes nothing
    job.partial.publish(job.source.file() ? job.source.file()->mode : kMemorySourceMode, warnings);
}

std::string take_snapshot(sqlite3 *db, const std::string &path, const SnapshotOptions &options) {
    const auto start = core::Clock::now();
    Watch watch(db, options.timeout_ms, options.progress);
    const NoBusyTimeout no_busy_timeout(db);
    const Source source(db, options.schema, watch);
    const core::Destination destination(path, options.rules, source.file());
    const core::FileLock lock(destination.lock_path());
    core::PartialFile partial(destination);
    const Job job{source, destination, partial, options.atomic, options.verify, options.max_hold_ms, watch};

    const Made made = make(job, options.mode == "full");
    std::vector<std::string> warnings = source.warnings();
    if (!made.is_published)
        publish(job, made.copied, warnings);
    write_receipt(destination, source);
    const double seconds = std::chrono::duration<double>(core::Clock::now() - start).count();
    return report(db, destination, made, options, seconds, warnings);
}

} // namespace

void emsn_snapshot(sqlite3_context *ctx, int argc, sqlite3_value **argv) noexcept {
    guard("emsn_snapshot", ctx, argc, argv, [&] {
        const SnapshotOptions options(argc > 1 ? text_of(argv[1]) : "");
        result_text(ctx, take_snapshot(sqlite3_context_db_handle(ctx), text_of(argv[0]), options));
    });
}

} // namespace emsn::sqlite
