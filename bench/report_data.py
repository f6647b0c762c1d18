#!/usr/bin/python3
"""The rows of a monthly report over a big table of detections, beside fetching that month's rows into Python.

A year of two stations, --rows in all, on a private server (fsync off): most detections at any time of day, 97 species, a
few of which make most of the noise. The report is that of the last complete month but one, compared with the month before
it; the overlap is counted by itself too, and on one day by the self join that defines it. Medians, warm. CPU seconds are
those of the server process without parallel workers: they hold on a machine that does other things too.
"""
import argparse
import collections
import os
import pathlib
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))
from common import Server, head, row  # noqa: E402

SETTINGS = ["shared_buffers = 1GB", "max_wal_size = 4GB", "wal_level = minimal", "max_wal_senders = 0", "autovacuum = off",
            "timezone = 'Europe/Amsterdam'"]
MONTH, FIRST, LAST = "2025-11", "2025-11-01", "2025-11-30"
JOIN = """SELECT count(DISTINCT a.id), count(*) FROM bird_detections AS a
          JOIN bird_detections AS b ON a.species = b.species AND a.station <> b.station
              AND b.detection_timestamp BETWEEN a.detection_timestamp - interval '5 s' AND a.detection_timestamp + interval '5 s'
              AND b.detection_timestamp >= '2025-11-11' AND b.detection_timestamp < '2025-11-12'
          WHERE a.detection_timestamp >= '2025-11-11' AND a.detection_timestamp < '2025-11-12'"""
OVERLAP = "SELECT sum(shared), sum(partners) FROM emsn.detection_overlap('{}', '{}')"


def fill(server, rows):
    server.psql(
        "postgres", "CREATE EXTENSION emsn_health", "SELECT emsn.create_detections('public.bird_detections')",
        "SELECT setseed(0.5)",
        f"""INSERT INTO bird_detections (station, detection_timestamp, date, "time", species, common_name, confidence,
                                         file_name)
            SELECT 'station ' || i % 2, t, t::date, t::time, 'Species ' || s, 'Name ' || s, 0.7 + i % 30 * 0.01,
                   format('Name_%s-%s-%s.mp3', s, t::date, i)
            FROM (SELECT i, floor(97 * power(random(), 2.5))::integer AS s,
                         timestamptz '2024-12-31 23:00+00' + (i + 2 * random()) / {rows} * interval '365 days' AS t
                  FROM generate_series(0, {rows} - 1) AS i) AS g""",
        "VACUUM ANALYZE", "CHECKPOINT")


def in_python(conninfo):
    """What a script does that fetches the month's rows and counts them."""
    import psycopg2
    with psycopg2.connect(conninfo) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT station, species, common_name, detection_timestamp, confidence FROM bird_detections "
                       "WHERE detection_timestamp >= %s AND detection_timestamp < %s::date + 1", (FIRST, LAST))
        species, days, hours, stations = (collections.Counter() for _ in range(4))
        for station, name, _, moment, _ in cursor.fetchall():
            species[name] += 1
            days[station, moment.date()] += 1
            hours[moment.date(), moment.hour] += 1
            stations[station] += 1
    return sum(species.values())


def seconds_of(call):
    begin = time.monotonic()
    answer = call()
    return time.monotonic() - begin, answer


def cpu_of(conninfo, query):
    """CPU seconds of the server process, the second time."""
    import psycopg2
    with psycopg2.connect(conninfo) as connection, connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute(query)
        before = cpu_seconds(connection.get_backend_pid())
        cursor.execute(query)
        return cpu_seconds(connection.get_backend_pid()) - before


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the server is another user when this is root
        server = Server(folder, options.build, SETTINGS)
        try:
            fill(server, options.rows)
            asked = {
                "emsn.report('monthly')": f"SELECT count(*) FROM emsn.report('monthly', '{FIRST}')",
                "emsn.detection_overlap, the month": OVERLAP.format(FIRST, LAST),
                "the month's rows in Python, no overlap": None,
            }
            head(f"**Monthly report**, {options.rows:,} rows, month {MONTH}, medians of {options.runs} runs", "what", "seconds",
                 "CPU seconds", "answer")
            for label, query in asked.items():
                conninfo = server.conninfo("postgres")
                call = (lambda: server.psql("postgres", query)) if query else (lambda: in_python(conninfo))
                call()
                runs = [seconds_of(call) for _ in range(options.runs)]
                cpu = f"{cpu_of(conninfo, query):.2f}" if query else "–"
                row(label, f"{statistics.median(taken for taken, _ in runs):.2f}", cpu, str(runs[0][1]).strip())
            day = server.psql("postgres", OVERLAP.format("2025-11-11", "2025-11-11")).strip()
            taken, joined = seconds_of(lambda: server.psql("postgres", JOIN).strip())
            row("the self join, one day", f"{taken:.2f}", "–", f"{joined}; emsn.detection_overlap: {day}")
        finally:
            server.stop()


main()
