#!/usr/bin/python3
"""emsn_publish beside the way of today: Python that reads both sides whole and writes row by row (psycopg2,
execute_batch, page size 100), in one run.

A first load of --rows detections, a run with 5 new ones, a run with nothing new, each into a table of its own with
the same keys and indexes, on a private server (fsync off); for the first load also psql's \\copy of the very rows.
Seconds count from the moment of being connected. Bytes on the wire are those of both directions, counted by a proxy in
runs of their own, of the first load in a tenth of the rows. Peak memory is the client's VmHWM.
"""
import argparse
import json
import os
import pathlib
import re
import select
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from common import PYTHON, ROOT, Server, head, megabytes, query, row  # noqa: E402

PER_DAY = 2500
SETTINGS = ["shared_buffers = 1GB", "max_wal_size = 8GB", "wal_level = minimal", "max_wal_senders = 0"]
COLUMNS = ("date, time, species, common_name, confidence, latitude, longitude, cutoff, week, sensitivity, overlap, file_name")
EMSN, BATCH, COPY = "emsn_publish", "Python, execute_batch", r"psql \copy"


class Proxy:
    """Counts what passes between a client and the server's Unix socket."""

    def __init__(self, folder, server):
        folder.mkdir()
        self.folder, self.server, self.bytes = folder, f"{server}/.s.PGSQL.5432", 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{folder}/.s.PGSQL.5432")
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server)
            threading.Thread(target=self.pump, args=(client, server), daemon=True).start()

    def pump(self, client, server):
        while True:
            for end in select.select([client, server], [], [])[0]:
                data = end.recv(1 << 16)
                self.bytes += len(data)
                if not data:
                    client.close()
                    server.close()
                    return
                (server if end is client else client).sendall(data)


def old_way(source, conninfo):
    """As today's job: all of both sides, then what is missing, row by row."""
    import psycopg2  # pylint: disable=import-outside-toplevel
    import psycopg2.extras  # pylint: disable=import-outside-toplevel
    connection = psycopg2.connect(conninfo)
    begin = time.monotonic()
    cursor = connection.cursor()
    cursor.execute(f"SELECT {COLUMNS} FROM bird_detections WHERE station = 'zolder' AND NOT deleted")
    there = {(str(r[0]), str(r[1]), r[2], r[11]): r for r in cursor.fetchall()}
    here = sqlite3.connect(f"file:{source}?mode=ro", uri=True).execute("SELECT * FROM detections").fetchall()
    new = [("zolder", f"{r[0]} {r[1]}", *r) for r in here if (r[0], r[1], r[2], r[11]) not in there]
    psycopg2.extras.execute_batch(
        cursor, f"INSERT INTO bird_detections (station, detection_timestamp, {COLUMNS}) "
                f"VALUES ({', '.join(['%s'] * 14)})", new, page_size=100)
    connection.commit()
    peak = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]
    print(json.dumps({"seconds": time.monotonic() - begin, "rows_read": len(here) + len(there), "inserted": len(new),
                      "peak": 1024 * int(peak)}))


class Bench:
    def __init__(self, folder, server, build):
        self.folder, self.server, self.module = folder, server, build.resolve() / "sqlite_ext" / "emsn_pg"
        self.proxy = Proxy(folder / "proxy", server.folder)

    def fresh(self, database):
        self.server.psql("postgres", f"CREATE DATABASE {database}")
        self.server.psql(database, "CREATE EXTENSION emsn_health",
                         "SELECT emsn.create_detections('public.bird_detections')", "CHECKPOINT")

    def conninfo(self, database, counted):
        return f"host={self.proxy.folder} user=postgres dbname={database}" if counted else self.server.conninfo(database)

    def emsn(self, source, database, counted=False):
        call = f"SELECT emsn_publish('{self.conninfo(database, counted)}', 'zolder', '{{\"timeout_ms\": 3600000}}')"
        words = ["sqlite3", "-readonly", source, f".load {self.module}", call, ".shell grep VmHWM /proc/$PPID/status"]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        report = json.loads(re.search(r"^\{.*$", said, re.MULTILINE)[0])
        peak = re.search(r"VmHWM:\s+(\d+) kB", said)[1]
        return {"seconds": report["seconds"] - report["connect_seconds"], "rows_read": report["rows_read"],
                "inserted": report["inserted"], "peak": 1024 * int(peak), "mode": report["mode"]}

    def batch(self, source, database, counted=False):
        words = [PYTHON, __file__, "--old-way", source, self.conninfo(database, counted)]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def copy(self, origin, database):
        """The rows that emsn_publish wrote into origin, into the same table of another database."""
        file = self.folder / "rows.csv"
        columns = f"station, detection_timestamp, {COLUMNS}"
        self.server.psql(origin, f"\\copy (SELECT {columns} FROM bird_detections ORDER BY id) TO '{file}'")
        begin = time.monotonic()
        self.server.psql(database, f"\\copy bird_detections ({columns}) FROM '{file}'")
        return {"seconds": time.monotonic() - begin}

    def bytes_of(self, way, source, database):
        before = self.proxy.bytes
        way(source, database, counted=True)
        return self.proxy.bytes - before


def make_source(path, rows):
    """As many detections as a busy station hears a day, up to now, and one commit each from then on."""
    query(path, f".read {ROOT / 'sql' / 'birds_schema.sql'}", "PRAGMA synchronous = OFF", f"""
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
        INSERT INTO detections
        SELECT date(t, 'unixepoch'), time(t, 'unixepoch'), 'Species ' || i % 97, 'Name ' || i % 97,
               round(0.7 + abs(random() % 2900) / 10000.0, 4), 52.1, 5.2, 0.7, 1 + i % 48, 1.25, 0.0,
               'Name_' || i % 97 || '-' || i || '.mp3'
        FROM (SELECT i, unixepoch() - ({rows} - i) * 86400 / {PER_DAY} AS t FROM n)""")


def hear(path, count, name):
    for number in range(count):
        connection = sqlite3.connect(path)
        connection.execute("INSERT INTO detections SELECT date(), time(), 'Parus major', 'Great Tit', 0.8, 52.1, 5.2, 0.7, 1, "
                           "1.25, 0.0, ?", (f"{name}-{number}.mp3",))
        connection.commit()
        connection.close()


def median_of(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0] if key != "mode"}


def first_load(bench, source, small, rows, runs):
    taken = {EMSN: [], COPY: []}
    for number in range(runs):
        bench.fresh(f"emsn{number}")
        taken[EMSN].append(bench.emsn(source, f"emsn{number}"))
        bench.fresh(f"copy{number}")
        taken[COPY].append(bench.copy(f"emsn{number}", f"copy{number}"))
        bench.server.psql("postgres", f"DROP DATABASE copy{number}")
    bench.fresh("batch")
    taken[BATCH] = [bench.batch(source, "batch")]
    wire = {}
    for name, way in ((EMSN, bench.emsn), (BATCH, bench.batch)):
        database = "wire_" + name[:4].lower()
        bench.fresh(database)
        wire[name] = bench.bytes_of(way, small, database) * 10 / rows
    head(f"**First load** of {rows:,} rows", "way", "seconds", "rows/s", "/ execute_batch", "bytes a row", "peak memory")
    base = rows / taken[BATCH][0]["seconds"]
    for name in (EMSN, BATCH, COPY):
        found = median_of(taken[name])
        rate = rows / found["seconds"]
        row(name, f"{found['seconds']:.1f}", f"{rate:,.0f}", f"{rate / base:.1f}",
            f"{wire[name]:.0f}" if name in wire else "–", megabytes(found.get("peak")))
    return median_of(taken[COPY])["seconds"] / median_of(taken[EMSN])["seconds"]


def increments(bench, source, rows, runs, old_runs):
    bench.server.psql("emsn0", "ANALYZE bird_detections")
    bench.server.psql("batch", "ANALYZE bird_detections")
    found = {}
    for count in (5, 0):
        ways = ((EMSN, bench.emsn, "emsn0", runs), (BATCH, bench.batch, "batch", old_runs))
        for name, way, database, times in ways:
            way(source, database)  # what the other way has had already
            taken = []
            for number in range(times):
                hear(source, count, f"{name[:4]}{count}-{number}")
                taken.append(way(source, database))
            hear(source, count, f"{name[:4]}{count}-wire")
            found[name, count] = median_of(taken) | {"wire": bench.bytes_of(way, source, database)}
    for count in (5, 0):
        head(f"**{count or 'No'} new rows** among {rows:,}", "way", "ms after connecting", "times as fast", "rows read",
             "bytes on the wire", "peak memory")
        for name in (EMSN, BATCH):
            one = found[name, count]
            row(name, f"{1000 * one['seconds']:,.1f}", f"{found[BATCH, count]['seconds'] / one['seconds']:,.0f}",
                f"{one['rows_read']:,.0f}", f"{one['wire']:,}", megabytes(one["peak"]))


def main():
    if sys.argv[1:2] == ["--old-way"]:
        return old_way(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2, help="first loads by emsn_publish and \\copy, in turns")
    parser.add_argument("--increments", type=int, default=15, help="runs of emsn_publish with few new rows or none")
    parser.add_argument("--old-increments", type=int, default=2, help="the same of the Python way")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the server is another user when this is root
        make_source(folder / "birds.db", options.rows)
        make_source(folder / "small.db", options.rows // 10)
        server = Server(folder, options.build, SETTINGS)
        try:
            bench = Bench(folder, server, options.build)
            ratio = first_load(bench, folder / "birds.db", folder / "small.db", options.rows, options.runs)
            print(f"\nemsn_publish reaches {100 * ratio:.0f} % of the rate of \\copy.")
            increments(bench, folder / "birds.db", options.rows, options.increments, options.old_increments)
        finally:
            server.stop()
    return None


main()
