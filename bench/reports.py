#!/usr/bin/python3
"""What is learned inside the server, beside the way of today: Python that fetches every row of a year (psycopg2) and sums
them up.

--what learn: one year of --rows detections at 2 stations, 100 species, on a private server (fsync off): the first
emsn.learn_baselines, and the one a week later, with a week of new rows, corrections, soft deletions and the days that left the
year; Python over the same rows before and after. Both must agree on each baseline. Then what noting the changes costs a
writer: COPY of a tenth of the rows, and rows inserted one by one, with the notes and without. Medians of --runs; the way of
Python is run once each.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from common import PYTHON, ROOT, Server, head, row  # noqa: E402

SETTINGS = ["shared_buffers = 1GB", "max_wal_size = 8GB", "wal_level = minimal", "max_wal_senders = 0"]
ZONE = "Europe/Amsterdam"
END = "2026-01-01 00:00+01"
SINGLE = 5000  # rows inserted one by one

# rows :first to :last of the year that ends at END, most of them of few species
FILL = """INSERT INTO {table} (station, detection_timestamp, date, "time", species, common_name, confidence, latitude, longitude,
                               cutoff, week, sensitivity, overlap, file_name)
SELECT CASE i % 2 WHEN 0 THEN 'zolder' ELSE 'berging' END, t, l::date, l::time, 'Species ' || s, 'Name ' || s,
       0.7 + abs(hashint8(i) % 30) * 0.01, 52.1, 5.1, 0.7, 6, 1.25, 0, format('Name_%s-%s-%s.mp3', s, l::date, i)
FROM generate_series({first}, {last}) AS i
CROSS JOIN LATERAL (SELECT timestamptz '{end}' - interval '364 days' + i / {per_day} * interval '1 day' + interval '5 hours'
                           + i % {per_day} * interval '15 hours' / {per_day} AS t) AS at
CROSS JOIN LATERAL (SELECT t AT TIME ZONE '{zone}' AS l) AS clock
CROSS JOIN LATERAL (SELECT (power((hashint8(i * 7) & 1048575) / 1048576.0, 3) * 100)::integer AS s) AS sp"""


def way_of_today(conninfo, until):
    """In a process of its own: its baselines, seconds and peak memory as JSON."""
    import collections
    import datetime

    import psycopg2

    begin = time.monotonic()
    connection = psycopg2.connect(conninfo)
    cursor = connection.cursor()
    cursor.execute(f"SET timezone = '{ZONE}'")
    cursor.execute("SELECT station, detection_timestamp, species, common_name, confidence FROM bird_detections WHERE NOT deleted"
                   " AND detection_timestamp >= (%(at)s::timestamptz::date - 365)::timestamptz"
                   " AND detection_timestamp < (%(at)s::timestamptz::date + 1)::timestamptz", {"at": until})
    rows = cursor.fetchall()
    fetched = time.monotonic() - begin
    groups = collections.defaultdict(lambda: [0, 0.0, collections.Counter(), collections.Counter(), collections.Counter()])
    for station, at, species, _, confidence in rows:
        day = datetime.date(at.year, at.month, at.day)
        for place in (station, None):
            group = groups[place, species]
            group[0] += 1
            group[1] += confidence
            group[2][at.month] += 1
            group[3][at.hour] += 1
            group[4][day] += 1
    found = {f"{station}|{species}": [count, sorted(m for m, n in months.items() if n >= 5),
                                      sorted(h for h, n in hours.items() if n >= 3), round(total / count, 9),
                                      round(count / len(days), 9), statistics.median(days.values()), max(days.values())]
             for (station, species), (count, total, months, hours, days) in groups.items() if count >= 20}
    seconds = time.monotonic() - begin
    print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "fetched": fetched, "found": found}))


def today(server, until):
    words = [PYTHON, __file__, "--today", server.conninfo("birds"), until]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def learned(server):
    text = server.psql("birds", """SELECT json_object_agg(coalesce(station, 'None') || '|' || species,
        json_build_array(detections, months_active, hours_active, round(avg_confidence::numeric, 9),
                         round(avg_daily_count::numeric, 9), median_daily_count, max_daily_count)) FROM emsn.baselines""")
    return json.loads(text)


def learn(server, until):
    """Seconds, and the peak memory of its backend in MB, without the shared buffers that it touched."""
    text = server.psql("birds", r"\timing on", f"SELECT emsn.learn_baselines_at('365 days', '{until}')", r"\timing off",
                       "SELECT pg_read_file(format('/proc/%s/status', pg_backend_pid()))")
    peak, shared = (int(text.split(name)[1].split()[0]) / 1024 for name in ("VmHWM:", "RssShmem:"))
    return float(text.split("Time: ")[1].split()[0]) / 1000, peak - shared


def same(ours, theirs):
    close = all(abs(float(a) - float(b)) < 1e-8 if isinstance(b, (int, float)) else a == b
                for key in theirs for a, b in zip(ours[key], theirs[key])) if ours.keys() == theirs.keys() else False
    return "yes" if close else "NO"


def a_week_passes(server, options):
    """New rows, corrections, soft deletions: what a week brings."""
    per_day = options.rows // 365
    server.psql("birds", FILL.format(table="bird_detections", first=365 * per_day, last=372 * per_day, per_day=per_day, end=END,
                                     zone=ZONE),
                f"""UPDATE bird_detections SET species = 'Species 1', common_name = 'Name 1'
                    WHERE station = 'zolder' AND date = '{END[:10]}'::date - 3 AND confidence > 0.985""",
                f"""UPDATE bird_detections SET deleted = true, deleted_at = now()
                    WHERE station = 'berging' AND date IN ('{END[:10]}'::date - 2, '{END[:10]}'::date - 100)
                      AND confidence < 0.705""",
                f"""DELETE FROM bird_detections
                    WHERE station = 'zolder' AND date = '{END[:10]}'::date - 200 AND confidence < 0.705""")


def what_learn(server, options):
    per_day = options.rows // 365
    server.psql("postgres", "CREATE DATABASE birds")
    server.psql("birds", "CREATE EXTENSION emsn_health", "SELECT emsn.create_detections('public.bird_detections')",
                f"INSERT INTO emsn.station_settings (station, time_zone) VALUES ('zolder', '{ZONE}'), ('berging', '{ZONE}')",
                FILL.format(table="bird_detections", first=0, last=365 * per_day - 1, per_day=per_day, end=END, zone=ZONE),
                "VACUUM ANALYZE bird_detections", "CHECKPOINT")
    later = server.psql("postgres", f"SELECT timestamptz '{END}' + interval '7 days'").strip()
    first = []
    for _ in range(options.runs):
        server.psql("birds", "DELETE FROM emsn.learned_from", "TRUNCATE emsn.species_days, emsn.learned_stations")
        first.append(learn(server, END))
    theirs = today(server, END)
    agree = same(learned(server), theirs["found"])
    a_week_passes(server, options)
    server.psql("birds", "VACUUM emsn.species_days", "CHECKPOINT",
                "CREATE TABLE kept AS TABLE emsn.species_days", "CREATE TABLE kept_notes AS TABLE bird_detections_changes",
                "CREATE TABLE kept_stations AS TABLE emsn.learned_stations")
    again = []
    for number in range(options.runs):
        if number:  # as if the week had just passed
            server.psql("birds", "TRUNCATE emsn.species_days, emsn.learned_stations",
                        "INSERT INTO emsn.species_days TABLE kept", "INSERT INTO emsn.learned_stations TABLE kept_stations",
                        "INSERT INTO bird_detections_changes TABLE kept_notes", "VACUUM ANALYZE emsn.species_days",
                        "CHECKPOINT")
        again.append(learn(server, later))
    theirs_later = today(server, later)
    agree_later = same(learned(server), theirs_later["found"])
    median = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in (("first", first), ("again", again))}
    head(f"**learn_baselines**: {options.rows:,} rows, medians of {options.runs} runs", "", "first run", "a week later")
    row("learn_baselines, seconds", f"{median['first']:.2f}", f"{median['again']:.3f}")
    row("Python, seconds", f"{theirs['seconds']:.1f}", f"{theirs_later['seconds']:.1f}")
    row("Python, fetching alone", f"{theirs['fetched']:.1f}", f"{theirs_later['fetched']:.1f}")
    row("Python / learn_baselines", f"{theirs['seconds'] / median['first']:.1f}",
        f"{theirs_later['seconds'] / median['again']:.0f}")
    row("Python, fetching alone / learn_baselines", f"{theirs['fetched'] / median['first']:.1f}",
        f"{theirs_later['fetched'] / median['again']:.0f}")
    row("first run / learn_baselines", "1", f"{median['first'] / median['again']:.1f}")
    row("peak memory of the server's process", f"{max(m for _, m in first):.0f} MB", f"{max(m for _, m in again):.0f} MB")
    row("peak memory of Python", f"{theirs['megabytes']:.0f} MB", f"{theirs_later['megabytes']:.0f} MB")
    row("the same baselines", agree, agree_later)


def what_notes(server, folder, options):
    """COPY and single rows, into tables that differ in the notes only."""
    rows = options.rows // 10
    file = folder / "rows.copy"
    columns = server.psql("birds", "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid ="
                          " 'bird_detections'::regclass AND attnum > 0 AND attname <> 'id'").strip()
    server.psql("birds", "SELECT emsn.create_detections('public.noted')", "SELECT emsn.create_detections('public.plain')",
                "SELECT emsn.track_changes(false)",
                rf"\copy (SELECT {columns} FROM bird_detections ORDER BY id LIMIT {rows}) TO '{file}'")
    seconds = {table: [] for table in ("plain", "noted")}
    single = {table: [] for table in seconds}
    for number in range(options.runs):
        for table in list(seconds)[::1 if number % 2 else -1]:
            server.psql("birds", f"TRUNCATE {table}", "CHECKPOINT")
            begin = time.monotonic()
            server.psql("birds", rf"\copy {table} ({columns}) FROM '{file}'")
            seconds[table].append(time.monotonic() - begin)
            text = server.psql("birds", r"\timing on", f"""DO $$ BEGIN FOR i IN 1..{SINGLE} LOOP
                INSERT INTO {table} (station, detection_timestamp, species, confidence) VALUES ('zolder', now(), 'x', 0.9);
                END LOOP; END $$""")
            single[table].append(float(text.split("Time: ")[1].split()[0]) / SINGLE * 1000)
    head(f"**Notes of changes**, medians of {options.runs} runs", "", "without", "with", "with / without")
    for name, found, digits in ((f"COPY of {rows:,} rows, seconds", seconds, 2), ("a row by itself, µs", single, 0)):
        plain, noted = (statistics.median(found[table]) for table in ("plain", "noted"))
        row(name, f"{plain:.{digits}f}", f"{noted:.{digits}f}", f"{noted / plain:.2f}")


def main():
    if sys.argv[1:2] == ["--today"]:
        way_of_today(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=["learn"], default="learn")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # the server is another user when this is root
        server = Server(folder, options.build, SETTINGS)
        try:
            what_learn(server, options)
            what_notes(server, folder, options)
        finally:
            server.stop()


main()
