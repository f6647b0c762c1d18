#!/usr/bin/python3
"""The health answer over a big table of detections, beside what people use today, in one run.

Four tables: 2 and 200 stations, each with a tenth of --rows and with --rows, on a private server (fsync off). A station
hears as much a day in both, so the bigger table is the longer history. First the time inside the server, planning and
execution, warm; "by hand" are the queries that people type today, on a copy without indexes. Then whole programs, from
start to end. Medians; all take turns, in random order.
"""
import argparse
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import pty
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from common import EVENING_ZONE, Server, head, row  # noqa: E402

PER_DAY = {2: 2500, 200: 250}  # detections of one station
SETTINGS = ["shared_buffers = 1GB", "max_wal_size = 4GB", "wal_level = minimal", "max_wal_senders = 0", "autovacuum = off",
            f"timezone = '{EVENING_ZONE}'"]
HEALTH, BARE, TODAY = "emsn.health", "detections_today, without usual_by_now", "detections_today"
COUNT, NEWEST = "by hand: today's count per station", "by hand: newest per station"
QUERIES = {
    HEALTH: "SELECT * FROM emsn.health",
    BARE: "SELECT station, detections, species, last_detection, minutes_since_last FROM emsn.detections_today",
    TODAY: "SELECT * FROM emsn.detections_today",
    COUNT: "SELECT station, count(*) FROM by_hand WHERE date = current_date GROUP BY station",
    NEWEST: "SELECT station, max(detection_timestamp) FROM by_hand GROUP BY station",
}
CHECKS = [["backends"], ["txn_idle", "-w", "5 minutes", "-c", "15 minutes"], ["txn_time", "-w", "1 hour", "-c", "6 hours"],
          ["locks"], ["autovac_freeze"], ["disk_space"]]


@dataclasses.dataclass(frozen=True)
class Dataset:
    stations: int
    rows: int

    @property
    def name(self):
        return f"d{self.stations}_{self.rows}"

    def fill(self, server):
        server.psql("postgres", f"CREATE DATABASE {self.name}")
        server.psql(
            self.name, "CREATE EXTENSION emsn_health", "SELECT emsn.create_detections('public.bird_detections')",
            f"""INSERT INTO bird_detections (station, detection_timestamp, date, "time", species, common_name, confidence,
                                             file_name)
                SELECT 'station ' || i % {self.stations}, t, t::date, t::time, 'Species ' || i % 97, 'Name ' || i % 97,
                       0.7 + i % 30 * 0.01, format('Name_%s-%s-%s.mp3', i % 97, t::date, i)
                FROM generate_series({self.rows} - 1, 0, -1) AS i
                CROSS JOIN LATERAL (
                    SELECT now() - i / {self.stations} * interval '1 day' / {PER_DAY[self.stations]} AS t
                ) AS at""",
            "CREATE TABLE by_hand AS TABLE bird_detections", "VACUUM ANALYZE", "CHECKPOINT")

    def times(self, server):
        """Milliseconds of each query, in a session of its own where each has run before."""
        statements = [f"EXPLAIN (ANALYZE, TIMING OFF) {query}" for query in QUERIES.values() for _ in range(2)]
        text = server.psql(self.name, *statements)
        found = re.findall(r"Planning Time: ([0-9.]+) ms\n(?:.*\n)*?Execution Time: ([0-9.]+) ms", text)
        return dict(zip(QUERIES, (float(planning) + float(execution) for planning, execution in found[1::2])))


def finished(words, allowed=(0,), env=None):
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    if done.returncode not in allowed:
        raise SystemExit(f"{words[0]}: {done.stdout}{done.stderr}")


def pg_activity(server, database):
    """It has no one-shot mode: opened on a terminal, left with q after its first screen."""
    keyboard, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
    process = subprocess.Popen(["pg_activity", server.conninfo(database)], stdin=terminal, stdout=terminal, stderr=terminal,
                               env=dict(os.environ, TERM="xterm"))
    os.close(terminal)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: nobody holds the terminal any more
        while text := os.read(keyboard, 65536):
            if b"PostgreSQL" not in seen and b"PostgreSQL" in seen + text:
                os.write(keyboard, b"q")
            seen += text
    os.close(keyboard)
    if process.wait() != 0 or b"PostgreSQL" not in seen:
        raise SystemExit(f"pg_activity: {seen.decode(errors='replace')}")


def programs(server, folder, dataset):
    (folder / "emsn.conf").touch()
    env = dict(os.environ, EMSN_PG=server.conninfo(dataset.name), EMSN_CONF=str(folder / "emsn.conf"))
    ends = ["-H", str(server.folder), "-u", "postgres", "-db", dataset.name]
    return {
        "scripts/emsn-health": lambda: finished([str(ROOT / "scripts" / "emsn-health")], env=env),
        "psql, SELECT * FROM emsn.health": lambda: server.psql(dataset.name, QUERIES[HEALTH]),
        "check_postgres, six checks": lambda: [finished(["check_postgres", *ends, f"--action={check[0]}", *check[1:]],
                                                        allowed=(0, 1, 2)) for check in CHECKS],
        "pg_activity, first screen": lambda: pg_activity(server, dataset.name),
    }


def seconds_of(call):
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def medians(rounds):
    """Of a list of dicts, by key."""
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}


def in_server(server, datasets, runs, order):
    rounds = {dataset: [] for dataset in datasets}
    for _ in range(runs):
        for dataset in order.sample(datasets, len(datasets)):
            rounds[dataset].append(dataset.times(server))
    found = {dataset: medians(each) for dataset, each in rounds.items()}
    head(f"**In the server**, ms, medians of {runs} runs", "query",
         *(f"{d.stations} stations, {d.rows:,} rows" for d in datasets))
    for query in QUERIES:
        row(query, *(f"{found[dataset][query]:.2f}" for dataset in datasets))
    head("**In the server, ratios**", "ratio", *(f"{d.stations} stations" for d in datasets[::2]))
    pairs = list(zip(datasets[::2], datasets[1::2]))
    for over, under in (((COUNT,), BARE), ((NEWEST,), BARE), ((COUNT, NEWEST), BARE), ((COUNT,), TODAY), ((COUNT,), HEALTH)):
        row(f"{' and '.join(over)} / {under}, {datasets[1].rows:,} rows",
            *(f"{sum(found[big][query] for query in over) / found[big][under]:.0f}" for _, big in pairs))
    for query in QUERIES:
        row(f"{query}: {datasets[1].rows:,} / {datasets[0].rows:,} rows",
            *(f"{found[big][query] / found[small][query]:.2f}" for small, big in pairs))


def end_to_end(server, folder, dataset, runs, order):
    calls = programs(server, folder, dataset)
    rounds = []
    for number in range(runs + 1):
        taken = {label: seconds_of(calls[label]) for label in order.sample(list(calls), len(calls))}
        rounds += [taken] if number else []  # the first brings the programs into the cache
    found = medians(rounds)
    ours = found["scripts/emsn-health"]
    head(f"**End to end**: {dataset.stations} stations, {dataset.rows:,} rows, medians of {runs} runs", "program", "seconds",
         "/ emsn-health")
    for label in calls:
        row(label, f"{found[label]:.3f}", f"{found[label] / ours:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the bigger tables")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    order = random.Random(20251228)
    datasets = [Dataset(stations, rows) for stations in PER_DAY for rows in (options.rows // 10, options.rows)]
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the server is another user when this is root
        server = Server(folder, options.build, SETTINGS)
        try:
            for dataset in datasets:
                dataset.fill(server)
            in_server(server, datasets, options.runs, order)
            end_to_end(server, folder, datasets[1], options.runs, order)
        finally:
            server.stop()


main()
