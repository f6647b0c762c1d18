"""What the benchmarks share: a birds.db, the tools, the recorder, one measured run, and tables in Markdown."""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORDER = ROOT / "tests" / "support" / "recorder.py"
PYTHON = "/usr/bin/python3"
QUICK, NONE = "emsn_snapshot, quick", "emsn_snapshot, verify none"
CP, CP_SYNC = "cp", "cp, then sync"
BACKUP, BACKUP_CHECK, STEPPED = "Python backup()", "Python backup() + integrity_check", "Python backup(pages=64)"
SHELL_BACKUP, VACUUM = "sqlite3 .backup", "VACUUM INTO"
# hours from UTC of a place where it is between 18 and 19 o'clock: whatever the time here, three quarters of a day are to be counted
EVENING = (18 - time.gmtime().tm_hour + 11) % 24 - 11
EVENING_ZONE = f"Etc/GMT{-EVENING:+d}"
USUAL = [QUICK, NONE, CP, BACKUP, STEPPED, SHELL_BACKUP, VACUUM]


def tools(build, timeout_ms=600_000):
    """Command by name, with {source} and {destination}."""
    snapshot = ["sqlite3", "-readonly", "{source}", f".load {build / 'sqlite_ext' / 'emsn'}"]
    emsn = "SELECT emsn_snapshot('{{destination}}', '{{{{\"verify\": \"{}\", \"timeout_ms\": {}}}}}')"
    python = "import sqlite3, sys; s = sqlite3.connect(sys.argv[1]); d = sqlite3.connect(sys.argv[2]); s.backup(d"
    check = "); assert d.execute('PRAGMA integrity_check').fetchall() == [('ok',)]"
    ends = ["{source}", "{destination}"]
    return {
        QUICK: [*snapshot, emsn.format("quick", timeout_ms)],
        NONE: [*snapshot, emsn.format("none", timeout_ms)],
        CP: ["cp", *ends],
        CP_SYNC: ["sh", "-c", 'cp "$1" "$2" && sync "$2"', "sh", *ends],
        BACKUP: [PYTHON, "-c", python + ")", *ends],
        BACKUP_CHECK: [PYTHON, "-c", python + check, *ends],
        STEPPED: [PYTHON, "-c", python + ", pages=64)", *ends],
        SHELL_BACKUP: ["sqlite3", "{source}", ".timeout 60000", ".backup '{destination}'"],
        VACUUM: ["sqlite3", "{source}", ".timeout 60000", "VACUUM INTO '{destination}'"],
    }


def telling_its_peak(words):
    """The command, printing its VmHWM at the end. wait4's ru_maxrss would not do: it counts what this process had
    before exec."""
    if words[0] == "sqlite3":
        return [*words, ".shell grep VmHWM /proc/$PPID/status"]
    if words[0] == PYTHON:
        return [*words[:2], words[2] + "; print(open('/proc/self/status').read())", *words[3:]]
    return words


@dataclasses.dataclass
class Run:
    seconds: float
    written: int | None  # None: it was stopped, or nobody counted
    status: int | None  # None: it did not end
    report: dict
    error: str
    peak: int | None

    def took(self):
        return f"{self.seconds:.2f}" if self.status == 0 else "did not end" if self.status is None else "failed"


class Bench:
    """A folder with the source on a card and the destination on a stick, which the bad disk may slow down."""

    def __init__(self, folder, options):
        self.folder, self.build, self.limit = folder, options.build.resolve(), options.limit
        self.original, self.source = options.original or folder / "original.db", folder / "card" / "birds.db"
        self.stick = folder / "stick"
        self.destination = self.stick / "mirror.db"
        for path in (self.stick, self.source.parent):
            path.mkdir()
        if not self.original.exists():
            make_database(self.original, options.megabytes)
        self.size = self.original.stat().st_size

    def fresh_source(self, journal="delete"):
        for path in (*self.source.parent.iterdir(), *self.stick.iterdir()):
            path.unlink()
        shutil.copyfile(self.original, self.source)
        query(self.source, f"PRAGMA journal_mode = {journal}")
        os.sync()  # the recorder's fsyncs shall not wait for it

    def environment(self, throttled=False, read_pace=0):
        """Preloads the bad disk. It counts what is written below the stick: every write and pwrite, journals and
        partial files included, and tells at exit."""
        env = dict(os.environ, LD_PRELOAD=str(self.build / "tests" / "bad_disk.so"), BAD_DISK_DIR=str(self.stick),
                   BAD_DISK_TALLY=str(self.folder / "tally"))
        if throttled:
            env.update(BAD_DISK_BYTES_PER_SECOND="40000000", BAD_DISK_SYNC_MS="30")
        if read_pace:
            env.update(BAD_DISK_READ_DIR=str(self.source.parent), BAD_DISK_READ_BYTES_PER_SECOND=str(read_pace))
        return env

    def run(self, words, env=None, peak=True, preexec_fn=None):
        tally = self.folder / "tally"
        tally.unlink(missing_ok=True)
        if "VACUUM INTO" in words[-1]:
            self.destination.unlink(missing_ok=True)  # it refuses a file that is there
        words = [word.format(source=self.source, destination=self.destination) for word in words]
        words = telling_its_peak(words) if peak else words
        stopped = []
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            begin = time.monotonic()
            # a group of its own, so that all of it can be stopped
            process = subprocess.Popen(words, env=env, stdout=out, stderr=err, preexec_fn=preexec_fn,
                                       start_new_session=True)
            timer = threading.Timer(self.limit, lambda: (stopped.append(1), os.killpg(process.pid, signal.SIGKILL)))
            timer.start()
            try:
                status = process.wait()
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            finally:
                timer.cancel()
            seconds = time.monotonic() - begin
            for file in (out, err):
                file.seek(0)
            said, errors = out.read(), err.read().strip().splitlines()
        error = errors[-1] if errors else f"ended by signal {-status}" if status < 0 else str(status)
        if status != 0 and not stopped:
            print(f"    {error}", file=sys.stderr)
        counted = int(tally.read_text()) if tally.exists() else 0
        high_water, report = re.search(r"VmHWM:\s+(\d+) kB", said), re.search(r"^\{.*$", said, re.MULTILINE)
        return Run(seconds, counted if env and not stopped else None, None if stopped else status,
                   json.loads(report[0]) if report else {}, error,
                   1024 * int(high_water[1]) if high_water else None)


@contextlib.contextmanager
def bench(options):
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        yield Bench(pathlib.Path(name), options)


class Server:
    """A private PostgreSQL server with the built extension."""

    def __init__(self, folder, build, settings):
        self.folder = folder / "pg"
        self.call("EMSN_STAGE=$1; shift; private_pg_start \"$@\"", str(build.resolve() / "stage"), str(self.folder), *settings)

    def call(self, words, *arguments):
        library = str(ROOT / "scripts" / "lib" / "private_pg.sh")
        subprocess.run(["bash", "-c", f". \"$0\"; {words}", library, *arguments], check=True)

    def stop(self):
        self.call("private_pg_stop \"$1\"", str(self.folder))

    def conninfo(self, database):
        return f"host={self.folder} user=postgres dbname={database}"

    def psql(self, database, *statements):
        words = [word for statement in statements for word in ("-c", statement)]
        return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database), *words],
                              check=True, capture_output=True, text=True).stdout


class Recorder:
    """BirdNET-Pi's recorder; rate 0: none. It has made its first insert when this is ready."""

    def __init__(self, source, rate, env=None, preexec_fn=None):
        self.process = None
        if not rate:
            return
        before = source.stat().st_mtime_ns
        self.process = subprocess.Popen([PYTHON, RECORDER, source, "--rate", str(rate)], stdout=subprocess.PIPE, env=env,
                                        stderr=subprocess.DEVNULL, text=True, preexec_fn=preexec_fn)
        while source.stat().st_mtime_ns == before and not source.with_name(source.name + "-wal").exists():
            if self.process.poll() is not None:
                raise RuntimeError("the recorder ended")
            time.sleep(0.01)

    def stop(self):
        """Its waits; empty when there was none, or when it was killed."""
        if self.process is None:
            return {}
        self.process.send_signal(signal.SIGTERM)
        lines = self.process.communicate()[0].splitlines()
        return json.loads(lines[-1]) if lines else {}


def wait_cells(waits):
    """p50, p99, longest wait, lost."""
    if not waits:
        return ["–"] * 4
    return [f"{waits['p50_ms']} ms", f"{waits['p99_ms']} ms", f"{1000 * waits['longest_wait_seconds']:.0f} ms",
            f"{waits['lost']} of {waits['inserted'] + waits['lost']}"]


def query(path, *statements):
    return subprocess.run(["sqlite3", "-bail", path, *statements], check=True, capture_output=True, text=True).stdout


def make_database(path, megabytes):
    """A birds.db of about so many megabytes."""
    query(path, "PRAGMA synchronous = OFF", "PRAGMA cache_size = -200000", f".read {ROOT / 'sql' / 'birds_schema.sql'}",
          f".parameter set @rows {megabytes * 4200}", ".parameter set @until_hours_ago 0",
          ".parameter set @latitude 52.1", f".read {ROOT / 'sql' / 'demo_detections.sql'}")


def is_whole(path):
    check = subprocess.run(["sqlite3", "-readonly", path, "PRAGMA integrity_check"], capture_output=True, text=True,
                           check=False)
    return check.stdout.strip() == "ok"


def megabytes(count):
    return "–" if count is None else f"{count / 1e6:.0f} MB"


def share(count, size):
    """Whole digits where much was written, enough of them where little was."""
    return "–" if count is None else f"{count / size:.2f}" if count > size / 10 else f"{count / size:.4f}"


def head(title, *columns):
    print(f"\n{title}\n")
    row(*columns)
    row(*["---"] * len(columns))


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def place(throttled):
    return "throttled to 40 MB/s and 30 ms per fsync" if throttled else "not throttled"


def arguments(text, default_tools):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--original", type=pathlib.Path, help="the database to copy from: made when it is not there")
    parser.add_argument("--throttled", action="store_true", help="the destination takes 40 MB/s and 30 ms per fsync")
    parser.add_argument("--limit", type=float, default=150.0, help="seconds; what takes longer is stopped")
    parser.add_argument("--tools", nargs="+", default=default_tools, metavar="TOOL", choices=list(tools(ROOT)),
                        help="by name: " + "; ".join(default_tools))
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev")
    return parser
