#!/usr/bin/python3
"""Copies of a live birds.db: emsn_snapshot beside what people use today, in one run.

Each tool copies the same database while BirdNET-Pi's recorder inserts 20 detections a second into it; then a few
pages change and it copies again. Throttled: the destination takes 40 MB/s and 30 ms for each fsync. Reported: seconds,
the recorder's waits for one insert, detections lost, bytes written to the destination over the size, and whether the
copy passes integrity_check. A tool that does not end in --limit seconds is stopped.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORDER = ROOT / "tests" / "support" / "recorder.py"
PYTHON = "/usr/bin/python3"
COPY = "import sqlite3, sys; s = sqlite3.connect(sys.argv[1]); d = sqlite3.connect(sys.argv[2]); s.backup(d"


def tools(build):
    """Name and command, with {source} and {destination}."""
    emsn = str(build / "sqlite_ext" / "emsn")
    snapshot = ["sqlite3", "-readonly", "{source}", f".load {emsn}"]
    return [
        ("emsn_snapshot, quick", [*snapshot, "SELECT emsn_snapshot('{destination}')"]),
        ("emsn_snapshot, verify none", [*snapshot, "SELECT emsn_snapshot('{destination}', '{{\"verify\": \"none\"}}')"]),
        ("cp", ["cp", "{source}", "{destination}"]),
        ("Python backup()", [PYTHON, "-c", COPY + ")", "{source}", "{destination}"]),
        ("Python backup(pages=64)", [PYTHON, "-c", COPY + ", pages=64)", "{source}", "{destination}"]),
        ("sqlite3 .backup", ["sqlite3", "{source}", ".timeout 60000", ".backup '{destination}'"]),
        ("VACUUM INTO", ["sqlite3", "{source}", ".timeout 60000", "VACUUM INTO '{destination}'"]),
    ]


def make_source(path, megabytes, journal):
    """A birds.db of about so many megabytes."""
    rows = megabytes * 4200
    schema, detections = ROOT / "sql" / "birds_schema.sql", ROOT / "sql" / "demo_detections.sql"
    subprocess.run(["sqlite3", "-bail", path, "PRAGMA synchronous = OFF", f".read {schema}",
                    f".parameter set @rows {rows}", ".parameter set @until_hours_ago 0", ".parameter set @latitude 52.1",
                    f".read {detections}", f"PRAGMA journal_mode = {journal}"], check=True, stdout=subprocess.DEVNULL)


def run_tool(command, build, folder, throttled, limit):
    """Seconds, bytes written below folder, and the exit status (None: it did not end)."""
    tally = folder / "tally"
    tally.unlink(missing_ok=True)
    env = dict(os.environ, LD_PRELOAD=str(build / "tests" / "bad_disk.so"), BAD_DISK_DIR=str(folder / "stick"),
               BAD_DISK_TALLY=str(tally))
    if throttled:
        env.update(BAD_DISK_BYTES_PER_SECOND="40000000", BAD_DISK_SYNC_MS="30")
    begin = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=limit)
        status = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        status = None
    seconds = time.monotonic() - begin
    if status not in (0, None):
        print(f"    {err.strip().splitlines()[-1] if err.strip() else status}", file=sys.stderr)
    written = int(tally.read_text()) if tally.exists() else 0
    held = json.loads(out)["held_ms"] if out.startswith("{") else None
    return seconds, written, status, held


def beside_recorder(command, build, folder, source, options):
    recorder = subprocess.Popen([PYTHON, RECORDER, source, "--rate", "20"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True) if options.recorder else None
    before = source.stat().st_mtime_ns
    while recorder and source.stat().st_mtime_ns == before and not source.with_name(source.name + "-wal").exists():
        time.sleep(0.01)
    result = run_tool(command, build, folder, options.throttled, options.limit)
    waits = {}
    if recorder:
        recorder.send_signal(signal.SIGTERM)
        waits = json.loads(recorder.communicate()[0].splitlines()[-1])
    return result, waits


def is_whole(path):
    check = subprocess.run(["sqlite3", "-readonly", path, "PRAGMA integrity_check"], capture_output=True, text=True,
                           check=False)
    return check.stdout.strip() == "ok"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--journal", choices=("delete", "wal"), default="delete")
    parser.add_argument("--throttled", action="store_true")
    parser.add_argument("--no-recorder", dest="recorder", action="store_false")
    parser.add_argument("--limit", type=float, default=150.0, help="seconds")
    parser.add_argument("--tools", default="", help="only tools whose name contains this")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    options = parser.parse_args()
    build = options.build.resolve()
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        folder = pathlib.Path(name)
        (folder / "stick").mkdir()
        original, source = folder / "original.db", folder / "birds.db"
        make_source(original, options.megabytes, options.journal)
        size = original.stat().st_size
        place = "throttled to 40 MB/s" if options.throttled else "not throttled"
        print(f"\n{size / 1e6:.0f} MB, journal_mode={options.journal}, destination {place}, "
              f"recorder {'at 20/s' if options.recorder else 'off'}\n")
        print("| tool | seconds | longest wait | p99 | p50 | lost | written / size | whole | again: seconds | written / size |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for label, command in tools(build):
            if options.tools not in label:
                continue
            shutil.copyfile(original, source)
            destination = folder / "stick" / "mirror.db"
            words = [word.format(source=source, destination=destination) for word in command]
            first, waits = beside_recorder(words, build, folder, source, options)
            whole = first[2] == 0 and is_whole(destination)
            if label.startswith("VACUUM"):
                destination.unlink(missing_ok=True)  # it refuses a file that is there
            again, _ = beside_recorder(words, build, folder, source, options)
            seconds = f"{first[0]:.2f}" if first[2] == 0 else ("did not end" if first[2] is None else "failed")
            repeat = f"{again[0]:.2f}" if again[2] == 0 else ("did not end" if again[2] is None else "failed")
            print(f"| {label} | {seconds} | {1000 * waits.get('longest_wait_seconds', 0):.0f} ms | {waits.get('p99_ms', 0)} ms "
                  f"| {waits.get('p50_ms', 0)} ms | {waits.get('lost', 0)} | {first[1] / size:.2f} | {'yes' if whole else 'NO'} "
                  f"| {repeat} | {again[1] / size:.2f} |", flush=True)
            for path in (folder / "stick").iterdir():
                path.unlink()
            for suffix in ("", "-wal", "-shm", "-journal"):
                (folder / f"birds.db{suffix}").unlink(missing_ok=True)


main()
