#!/usr/bin/python3
"""A fleet of stations that publish to one centre through pgbouncer, in transaction mode.

Each station has a birds.db of its own. First all of them load what they have; then, in --rounds rounds of --interval seconds,
each hears 0 to 5 detections and publishes, at its own moment of the interval, as a timer would have it: one sqlite3 process with
emsn_pg.so, as on the station. At last as fast as --workers processes can: where it ends. Everything runs on this machine, the
2,000 stations too, so their CPU is told apart from the centre's. A publication's time is that of the whole process. Nothing is
lost when each station's rows are the centre's.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import pwd
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from common import ROOT, Server, head, query, row  # noqa: E402

SETTINGS = ["shared_buffers = 1GB", "max_wal_size = 4GB", "max_connections = 60", "timezone = UTC", "autovacuum_naptime = 15s"]
TICKS = os.sysconf("SC_CLK_TCK")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def cpu_seconds(pid):
    """Of a process, its children that have ended and those that live."""
    def stat(which):
        try:
            return pathlib.Path(f"/proc/{which}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            return ["0"] * 22
    own = sum(int(field) for field in stat(pid)[11:15])
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (own + sum(int(field) for child in children for field in stat(child)[11:13])) / TICKS


class Pool:
    """pgbouncer before a server, on a socket in a folder of its own."""

    def __init__(self, folder, server, roles, connections):
        self.folder = folder / "pool"
        self.folder.mkdir()
        (self.folder / "users").write_text("".join(f'"{role}" ""\n' for role in roles))
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\npostgres = host={server.folder}\n[pgbouncer]\nunix_socket_dir = {self.folder}\nlisten_addr =\n"
            f"listen_port = 6432\nauth_type = trust\nauth_file = {self.folder}/users\npool_mode = transaction\n"
            f"default_pool_size = {connections}\nmax_db_connections = {connections}\nmax_client_conn = 5000\n"
            f"log_connections = 0\nlog_disconnections = 0\nlogfile = {self.folder}/log\n")
        words = ["/usr/sbin/pgbouncer", "-q", str(self.folder / "pgbouncer.ini")]
        if os.geteuid() == 0:  # it refuses root
            shutil.chown(self.folder, "postgres")
            account = pwd.getpwnam("postgres")
            self.process = subprocess.Popen(words, user=account.pw_uid, group=account.pw_gid, extra_groups=[])
        else:
            self.process = subprocess.Popen(words)
        while not (self.folder / ".s.PGSQL.6432").exists():
            if self.process.poll() is not None:
                raise SystemExit("pgbouncer did not start")
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Fleet:
    def __init__(self, folder, server, options):
        self.server, self.options = server, options
        self.module = options.build.resolve() / "sqlite_ext" / "emsn_pg"
        self.stations = [f"station {number:04}" for number in range(options.stations)]
        self.roles = [f"fleet_{number}" for number in range(options.roles)]
        self.files = folder / "stations"
        self.files.mkdir()
        self.heard = random.Random(7)
        self.pool_folder = None

    def make(self):
        query(self.files / "template.db", f".read {ROOT / 'sql' / 'birds_schema.sql'}", f".parameter set @rows {self.options.rows}",
              ".parameter set @until_hours_ago 1", ".parameter set @latitude 52.1", f".read {ROOT / 'sql' / 'demo_detections.sql'}")
        for station in self.stations:
            shutil.copyfile(self.files / "template.db", self.files / f"{station}.db")
        statements = ["CREATE EXTENSION emsn_health", "SELECT emsn.create_detections('public.bird_detections', 'month')"]
        for number, role in enumerate(self.roles):
            statements += [f"CREATE ROLE {role} LOGIN", f"GRANT TEMP ON DATABASE postgres TO {role}",
                           f"SELECT emsn.allow_publisher('{role}', s) FROM unnest('{{{','.join(self.stations[number::len(self.roles)])}}}'::text[]) AS s"]
        self.server.psql("postgres", *statements)

    def hear(self, station):
        """As the recorder: a connection and a commit for each. How many."""
        count = self.heard.randrange(6)
        for _ in range(count):
            connection = sqlite3.connect(self.files / f"{station}.db")
            connection.execute("PRAGMA synchronous = OFF")
            now = time.time_ns()
            connection.execute("INSERT INTO detections VALUES (date('now', 'localtime'), time('now', 'localtime'), 'Parus major',"
                               " 'Great Tit', 0.8, 52.1, 5.2, 0.7, 1, 1.25, 0.0, ?)", (f"Great_Tit-{now}.mp3",))
            connection.commit()
            connection.close()
        return count

    def publish(self, number):
        station, role = self.stations[number], self.roles[number % len(self.roles)]
        conninfo = f"host={self.pool_folder} port=6432 user={role} dbname=postgres"
        begin = time.monotonic()
        done = subprocess.run(["sqlite3", "-readonly", self.files / f"{station}.db", f".load {self.module}",
                               f"SELECT emsn_publish('{conninfo}', '{station}')"], capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begin
        if done.returncode != 0:
            return seconds, None, done.stderr.strip()
        return seconds, json.loads(done.stdout), None

    def lost(self):
        here = {}
        for station in self.stations:
            with sqlite3.connect(f"file:{self.files / station}.db?mode=ro", uri=True) as connection:
                here[station] = connection.execute("SELECT count(*), count(DISTINCT File_Name) FROM detections").fetchone()
        there = {}
        for line in self.server.psql("postgres", "SELECT station, count(*), count(DISTINCT file_name) FROM bird_detections "
                                                 "WHERE NOT deleted GROUP BY station").splitlines():
            station, rows, files = line.split("|")
            there[station] = (int(rows), int(files))
        return sum(here[station] != there.get(station) for station in self.stations), sum(rows for rows, _ in here.values())


class Watch:
    """Connections at the centre, asked every second."""

    def __init__(self, server):
        self.server, self.most, self.done = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        while not self.done.wait(1):
            # without the one that asks
            count = self.server.psql("postgres", "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
            self.most = max(self.most, int(count))

    def stop(self):
        self.done.set()
        self.thread.join()
        return self.most


def run(fleet, workers, rounds, interval, hears, label):
    """interval 0: as fast as it goes."""
    postmaster = int((fleet.server.folder / "data" / "postmaster.pid").read_text().split()[0])
    watch, cpu, taken, late, errors, inserted = Watch(fleet.server), cpu_seconds(postmaster), [], [], [], 0
    begin = time.monotonic()

    def one(number, due):
        if interval:
            time.sleep(max(0, due - time.monotonic()))
        if hears:
            fleet.hear(fleet.stations[number])
        late.append(time.monotonic() - due)
        return fleet.publish(number)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        count = len(fleet.stations)
        for seconds, report, error in pool.map(one, [n for _ in range(rounds) for n in range(count)],
                                               [begin + interval * (r + n / count) for r in range(rounds) for n in range(count)]):
            taken.append(seconds)
            errors += [error] if error else []
            inserted += report["inserted"] if report else 0
    wall = time.monotonic() - begin
    most, used = watch.stop(), cpu_seconds(postmaster) - cpu
    row(label, len(taken), f"{inserted:,}", f"{wall:.0f} s", f"{len(taken) / wall:.1f}", f"{1000 * percentile(taken, .5):.0f} ms",
        f"{1000 * percentile(taken, .99):.0f} ms", f"{1000 * max(taken):.0f} ms", f"{max(late):.2f} s" if interval else "–", most,
        f"{used / wall:.2f} cores", f"{1000 * used / len(taken):.1f} ms", len(errors))
    if errors:
        print(f"    {errors[0]}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=300, help="of each birds.db at the beginning")
    parser.add_argument("--interval", type=float, default=300)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=16, help="stations that may publish at the same moment")
    parser.add_argument("--connections", type=int, default=40, help="of pgbouncer to the centre")
    parser.add_argument("--roles", type=int, default=1, help="the stations share so many roles; as many as stations: one each")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the server is another user when this is root
        server = Server(folder, options.build, SETTINGS)
        pool = None
        try:
            fleet = Fleet(folder, server, options)
            fleet.make()
            pool = Pool(folder, server, fleet.roles, options.connections)
            fleet.pool_folder = pool.folder
            head(f"**Fleet**: {options.stations:,} stations, {options.roles} roles, {options.workers} at a time, "
                 f"{options.connections} connections of pgbouncer", "what", "publications", "rows", "time", "per second", "p50", "p99",
                 "longest", "late at most", "connections", "centre's CPU", "CPU each", "errors")
            run(fleet, options.workers, 1, 0, False, "first load, as fast as it goes")
            run(fleet, options.workers, options.rounds, options.interval, True, f"every {options.interval:.0f} s")
            run(fleet, options.workers, 1, 0, True, "as fast as it goes")
            run(fleet, options.workers, 1, 0, False, "nothing new, as fast as it goes")
            different, rows = fleet.lost()
            lag = server.psql("postgres", "SELECT max(value) FROM emsn.health WHERE check_name = 'sync_lag'").strip()
            print(f"\n{different} of {options.stations:,} stations differ from their birds.db ({rows:,} detections in all). "
                  f"Largest sync_lag at the end: {lag} s.")
        finally:
            if pool:
                pool.stop()
            server.stop()


main()
