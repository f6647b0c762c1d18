#!/usr/bin/python3
"""Detections on several servers, and many stations on one.

--shards: three private servers with a third of --rows each, behind a coordinator (sql/scale_out.sql), beside one server with all
of them: the answers must be equal; how long they take, warm, in a session of psql; what the query that people type takes there;
and what is left when a server is killed. --fleet: one server, --stations stations and --fleet-rows detections in months. --brin:
the same days found by BRIN and by B-tree. Medians of --runs.
"""
import argparse
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from common import EVENING_ZONE, ROOT, Server, head, row  # noqa: E402


SETTINGS = ["shared_buffers = 1GB", "max_wal_size = 8GB", "wal_level = minimal", "max_wal_senders = 0", "timezone = UTC",
            "max_connections = 60", "max_locks_per_transaction = 256"]
TODAY = "SELECT * FROM emsn.detections_today"
BARE = "SELECT station, detections, species, last_detection FROM emsn.detections_today"
BY_HAND = "SELECT station, count(*) FROM bird_detections WHERE date = CURRENT_DATE AND NOT deleted GROUP BY station"


def rows_sql(stations, rows, per_day, base, first=0, step=1):
    """The rows of stations first, first + step, ..; row i is the same wherever it is made."""
    return f"""INSERT INTO bird_detections (station, detection_timestamp, date, "time", species, common_name, confidence, file_name)
        SELECT 'station ' || s, t, t::date, t::time, 'Species ' || (n + s) % 97, 'Name ' || (n + s) % 97, 0.7, 'f' || n
        FROM generate_series({rows // stations} - 1, 0, -1) AS n
        CROSS JOIN generate_series({first}, {stations} - 1, {step}) AS s
        CROSS JOIN LATERAL (SELECT timestamptz '{base}' - (n + s * 0.01) * interval '1 day' / {per_day} AS t) AS a"""


def times(server, database, queries, runs):
    """Milliseconds as psql measures them, the first of each left out."""
    words = ["\\timing on"] + [f"{query} \\g /dev/null" for query in queries.values() for _ in range(runs + 1)]
    said = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.conninfo(database)], input="\n".join(words), check=True,
                          capture_output=True, text=True).stdout
    found = [float(ms) for ms in re.findall(r"^Time: ([0-9.]+) ms", said, re.MULTILINE)]
    each = runs + 1
    return {name: statistics.median(found[n * each + 1:(n + 1) * each]) for n, name in enumerate(queries)}


def shards(folder, options, base):
    stations, per_day = options.shard_stations, options.per_day
    names = ["one", "north", "middle", "south", "coordinator"]
    servers = {}
    try:
        for name in names:
            (folder / name).mkdir(mode=0o755)
            servers[name] = Server(folder / name, options.build, SETTINGS)
            servers[name].psql("postgres", "CREATE EXTENSION emsn_health")
        jobs = []
        for number, name in enumerate(names[:4]):
            first, step = (0, 1) if name == "one" else (number - 1, 3)
            jobs.append(subprocess.Popen(
                ["psql", "-X", "-q", "-d", servers[name].conninfo("postgres"), "-o", "/dev/null",
                 "-c", "SELECT emsn.create_detections('public.bird_detections')",
                 "-c", rows_sql(stations, options.rows, per_day, base, first, step), "-c", "VACUUM ANALYZE bird_detections"]))
            if name in ("one", "south"):  # the three together, after the one
                for job in jobs:
                    assert job.wait() == 0
                jobs = []
        for number, name in enumerate(names[1:4]):
            subprocess.run(["psql", "-X", "-q", "-d", servers["coordinator"].conninfo("postgres"), "-o", "/dev/null", "-v", f"server={name}",
                            "-v", f"host={servers[name].folder}", "-v",
                            "stations=" + ",".join(f"station {s}" for s in range(number, stations, 3)),
                            "-f", ROOT / "sql" / "scale_out.sql"], check=True)
        coordinator, one = servers["coordinator"], servers["one"]
        for columns in ("station, detections, species, last_detection", "station, usual_by_now"):
            query = f"SELECT {columns} FROM emsn.detections_today"
            assert coordinator.psql("postgres", query) == one.psql("postgres", query), columns
        queries = {"detections_today": TODAY, "detections_today, without usual_by_now": BARE,
                   "detections_per_station, 7 days": "SELECT * FROM emsn.detections_per_station(current_date - 6, current_date)",
                   "stations": "SELECT * FROM emsn.stations", "emsn.health": "SELECT * FROM emsn.health", "by hand": BY_HAND}
        found = {name: times(servers[name], "postgres", queries, options.runs) for name in ("coordinator", "one")}
        head(f"**Shards**: {stations} stations, {per_day} detections a day each, {options.rows:,} rows on 3 servers, and on one; ms",
             "query", "3 servers", "one server")
        for name in queries:
            row(name, f"{found['coordinator'][name]:.1f}", f"{found['one'][name]:.1f}")
        postmaster = int((servers["south"].folder / "data" / "postmaster.pid").read_text().split()[0])
        for label, number in (("frozen", signal.SIGSTOP), ("killed", signal.SIGKILL)):
            os.kill(postmaster, number)
            begin = time.monotonic()
            known, unknown = coordinator.psql("postgres", "SELECT count(detections), count(*) - count(detections) FROM emsn.detections_today").strip().split("|")
            middle = time.monotonic()
            worst = coordinator.psql("postgres", "SELECT subject, status FROM emsn.health WHERE check_name = 'shards' ORDER BY 2 LIMIT 1").strip()
            print(f"\nOne server {label}: detections_today after {middle - begin:.2f} s, {known} stations answered, {unknown} unknown; "
                  f"health after {time.monotonic() - middle:.2f} s: {worst}.", flush=True)
            if number == signal.SIGKILL:
                (servers["south"].folder / "data" / "postmaster.pid").unlink()  # nobody else does
            else:
                os.kill(postmaster, signal.SIGCONT)
    finally:
        for server in servers.values():
            try:
                server.stop()
            except subprocess.CalledProcessError:
                pass


def fleet(folder, options, base):
    stations, rows = options.stations, options.fleet_rows
    (folder / "fleet").mkdir(mode=0o755)
    server = Server(folder / "fleet", options.build, [*SETTINGS, f"timezone = '{EVENING_ZONE}'"])
    try:
        per_day = max(1, min(250, rows // stations // 90))
        server.psql("postgres", "CREATE EXTENSION emsn_health", "SELECT emsn.create_detections('public.bird_detections', 'month')")
        begin = time.monotonic()
        jobs = [subprocess.Popen(["psql", "-X", "-q", "-d", server.conninfo("postgres"), "-c", rows_sql(stations, rows, per_day, base, half, 2)])
                for half in (0, 1)]
        for job in jobs:
            assert job.wait() == 0
        loaded = time.monotonic() - begin
        server.psql("postgres", "VACUUM ANALYZE bird_detections",
                    """INSERT INTO emsn.sync_state (station, position, source_rows, live_rows, time_zone, published_at)
                       SELECT DISTINCT s.station, '{}'::jsonb, 1, 1, current_setting('timezone'), now() FROM emsn.known_stations() AS s""")
        size = server.psql("postgres", "SELECT pg_size_pretty(sum(pg_total_relation_size(relid))) FROM pg_partition_tree('bird_detections')").strip()
        queries = {"emsn.health": "SELECT * FROM emsn.health", "detections_today": TODAY, "detections_today, without usual_by_now": BARE}
        before = times(server, "postgres", queries, 1)
        begin = time.monotonic()
        server.psql("postgres", "SELECT emsn.learn_habits()")
        learned = time.monotonic() - begin
        found = times(server, "postgres", queries, options.runs)
        head(f"**Fleet at rest**: {stations:,} stations, {rows:,} rows ({per_day} a day each), {size}, loaded in {loaded:.0f} s; ms",
             "query", "nothing learned", "after learn_habits")
        for name in queries:
            row(name, f"{before[name]:.0f}", f"{found[name]:.0f}")
        count = server.psql("postgres", "SELECT count(*) FROM emsn.health").strip()
        print(f"\nemsn.health has {count} rows. learn_habits took {learned:.0f} s.", flush=True)
        if options.brin:
            brin(server, options)
    finally:
        server.stop()


def brin(server, options):
    """One month: today's count of each station, by each kind of index."""
    server.psql("postgres", "CREATE TABLE month AS SELECT * FROM bird_detections WHERE detection_timestamp >= date_trunc('month', now()) - interval '1 month'")
    query = """SELECT station, count(*) FROM month WHERE station = ANY (ARRAY(SELECT 'station ' || n FROM generate_series(0, {}) AS n))
               AND detection_timestamp >= (SELECT max(detection_timestamp) - interval '1 day' FROM month) GROUP BY station"""
    head("**BRIN or B-tree**, about one month of it", "index", "size", "made in", "one station's last day, ms", "all stations' last day, ms")
    for name, words in (("B-tree (station, detection_timestamp)", "(station, detection_timestamp) INCLUDE (species, deleted)"),
                        ("BRIN (detection_timestamp)", "USING brin (detection_timestamp)")):
        begin = time.monotonic()
        server.psql("postgres", f"CREATE INDEX month_index ON month {words}", "VACUUM ANALYZE month")
        made = time.monotonic() - begin
        size = server.psql("postgres", "SELECT pg_size_pretty(pg_relation_size('month_index'))").strip()
        found = times(server, "postgres", {"one": query.format(0), "all": query.format(options.stations - 1)}, options.runs)
        row(name, size, f"{made:.1f} s", f"{found['one']:.1f}", f"{found['all']:.1f}")
        server.psql("postgres", "DROP INDEX month_index")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", action="store_true")
    parser.add_argument("--fleet", action="store_true")
    parser.add_argument("--brin", action="store_true", help="with --fleet")
    parser.add_argument("--rows", type=int, default=9_900_000, help="of all shards together")
    parser.add_argument("--shard-stations", type=int, default=30)
    parser.add_argument("--per-day", type=int, default=250, help="detections of a station of the shards")
    parser.add_argument("--stations", type=int, default=2000)
    parser.add_argument("--fleet-rows", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    if not options.shards and not options.fleet:
        options.shards = options.fleet = True
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the servers are another user when this is root
        base = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime())
        if options.shards:
            shards(folder, options, base)
        if options.fleet:
            fleet(folder, options, base)


main()
