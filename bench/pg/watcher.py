#!/usr/bin/python3
"""What the watcher costs under load: pgbench with and without it, in pairs.

One private server (fsync off) with pgbench's tables and a table of detections of --stations stations. Before each run it is
restarted, with the module preloaded or not, and warmed up; the two runs of a pair follow each other, in changing order. The
watcher takes a sample each --interval (its default: 10 s). Written for the ratio, not for the numbers.
"""
import argparse
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
from common import head, row  # noqa: E402

SETTINGS = ["shared_buffers = 256MB", "max_wal_size = 2GB", "max_connections = 50"]
DETECTIONS = """
CREATE EXTENSION emsn_health;
SELECT emsn.create_detections('public.bird_detections');
INSERT INTO bird_detections (station, detection_timestamp, species)
SELECT 'station ' || n % {stations}, now() - n * interval '1 minute' / {stations}, 'x' FROM generate_series(1, {rows}) AS n;
ANALYZE;
"""


def bash(words, *arguments):
    library = ROOT / "scripts" / "lib" / "private_pg.sh"
    subprocess.run(["bash", "-c", f'. "$0"; {words}', str(library), *map(str, arguments)], check=True)


class Server:
    def __init__(self, folder, build):
        self.folder = folder / "pg"
        self.build = build.resolve()

    def start(self, interval):
        bash('EMSN_STAGE=$1; shift; private_pg_start "$@"', self.build / "stage", self.folder, *SETTINGS,
             f"emsn_health.sample_interval = '{interval}'")

    def stop(self):
        bash('private_pg_stop "$1"', self.folder)

    def restart(self, watched):
        self.sql("ALTER SYSTEM " + ("SET shared_preload_libraries = emsn_health" if watched else "RESET ALL"))
        bash('private_pg_as "$(private_pg_bindir)/pg_ctl" -D "$1/data" -l "$1/server.log" -m fast -w restart >/dev/null',
             self.folder)

    def sql(self, statements):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres"],
                       input=statements, text=True, check=True, stdout=subprocess.DEVNULL)

    def pgbench(self, *arguments):
        done = subprocess.run(["pgbench", "-h", self.folder, "-U", "postgres", *map(str, arguments), "postgres"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise SystemExit(f"pgbench: {done.stderr}")
        return done.stdout


def transactions_per_second(server, watched, options):
    server.restart(watched)
    load = ["-n", "-c", options.clients, "-j", 2]
    server.pgbench(*load, "-T", 2)
    output = server.pgbench(*load, "-T", options.seconds)
    return float(re.search(r"^tps = ([0-9.]+)", output, re.M).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=30, help="of each run")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--scale", type=int, default=10, help="of pgbench")
    parser.add_argument("--stations", type=int, default=2)
    parser.add_argument("--rows", type=int, default=200_000, help="detections")
    parser.add_argument("--interval", default="10s", help="emsn_health.sample_interval")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    order = random.Random(20251228)
    with tempfile.TemporaryDirectory(prefix="emsn-bench.") as folder:
        pathlib.Path(folder).chmod(0o755)  # the server's user enters it
        server = Server(pathlib.Path(folder), options.build)
        server.start(options.interval)
        try:
            server.pgbench("-i", "-q", "-s", options.scale)
            server.sql(DETECTIONS.format(stations=options.stations, rows=options.rows))
            head(f"**Watcher**: pgbench, {options.clients} clients, {options.seconds} s a run, a sample each {options.interval}",
                 "pair", "tps without", "tps with", "with / without")
            ratios = []
            for pair in range(1, options.pairs + 1):
                tps = {watched: transactions_per_second(server, watched, options)
                       for watched in order.sample([False, True], 2)}
                ratios.append(tps[True] / tps[False])
                row(pair, f"{tps[False]:.0f}", f"{tps[True]:.0f}", f"{ratios[-1]:.3f}")
            row("median", "", "", f"{statistics.median(ratios):.3f}")
        finally:
            server.stop()


main()
