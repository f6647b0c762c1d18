#!/usr/bin/python3
"""A database that is not in the cache and does not fit into it, on a slow card.

emsn_snapshot and the recorder run in a memory cgroup smaller than the database, so that what was read is forgotten
again; reads that are not in the cache take their time. Needs root and a memory controller, v1 or v2.
"""
import contextlib
import os
import pathlib
import time

from common import QUICK, Recorder, arguments, bench, head, megabytes, row, share, tools, wait_cells

# what, detections per second, over an old mirror, with a snapshot
ROWS = [("recorder alone, 20/s", 20, False, False), ("quiet", 0, False, True), ("quiet, again", 0, True, True),
        ("recorder 20/s", 20, False, True), ("recorder 1 per 3 s", 1 / 3, False, True)]


def memory_group():
    """A folder that a group can be made in, and the name of its limit; None: there is none."""
    own = dict(line.split(":", 2)[1:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines())
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, flags, *_ = line.split()
        if kind == "cgroup" and "memory" in flags.split(","):
            mine = next((path for names, path in own.items() if "memory" in names.split(",")), "/")
            return pathlib.Path(where + mine), "memory.limit_in_bytes"
        switched_on = pathlib.Path(where, "cgroup.subtree_control")
        # v2 wants groups without processes above this one: its root is the one place without that rule
        if kind == "cgroup2" and switched_on.exists() and "memory" in switched_on.read_text().split():
            return pathlib.Path(where), "memory.max"
    return None


@contextlib.contextmanager
def limited(count):
    """What a child calls to enter a group that has so many bytes, its page cache included; None: impossible here."""
    found = memory_group()
    if not found or os.geteuid() != 0:
        yield None
        return
    group = found[0] / f"emsn-bench.{os.getpid()}"
    group.mkdir()
    try:
        (group / found[1]).write_text(str(count))
        yield lambda: (group / "cgroup.procs").write_text("0")
    finally:
        group.rmdir()


def forget(*paths):
    """Out of the page cache."""
    os.sync()
    for path in paths:
        if path.exists():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main():
    parser = arguments(__doc__, [QUICK])
    parser.add_argument("--journal", choices=("delete", "wal"), default="delete")
    parser.add_argument("--memory", type=int, default=128, help="megabytes for emsn_snapshot and recorder together")
    parser.add_argument("--read-pace", type=int, default=40_000_000, help="bytes per second of the card; 0: this disk's")
    parser.add_argument("--timeout", type=int, default=90, help="seconds, emsn_snapshot's timeout_ms")
    parser.add_argument("--alone", type=int, default=20, help="seconds of the recorder alone")
    parser.set_defaults(megabytes=400)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context(limited(options.memory * 1_000_000))
        if not enter:
            print("\n**Cold**: cannot limit memory here, skipped")
            return
        here = stack.enter_context(bench(options))
        pace = f"{options.read_pace / 1e6:g} MB/s" if options.read_pace else "as fast as this disk"
        head(f"**Cold**: {here.size / 1e6:.0f} MB, journal_mode={options.journal}, {options.memory} MB of memory, source "
             f"read at {pace}, timeout {options.timeout} s", "", "seconds", "held", "passes", "p50", "p99", "longest wait",
             "lost", "written / size", "peak memory", "ended")
        env = here.environment(options.throttled, options.read_pace)
        for label, rate, again, snapshot in ROWS:
            words = tools(here.build, options.timeout * 1000)[options.tools[0]]
            here.fresh_source(options.journal)
            if again:
                here.run(words)
            forget(here.original, here.source, here.destination)
            recorder = Recorder(here.source, rate, env, enter)
            if not snapshot:
                time.sleep(options.alone)
                row(label, options.alone, "–", "–", *wait_cells(recorder.stop()), "–", "–", "–")
                continue
            result = here.run(words, env, preexec_fn=enter)
            waits, report = recorder.stop(), result.report
            held, ended = "–", "did not end" if result.status is None else result.error.split("emsn_snapshot: ")[-1]
            if report:
                held, ended = f"{report['held_ms']:.0f} ms", report["mode"]
            row(label, f"{result.seconds:.2f}", held, report.get("passes", "–"), *wait_cells(waits),
                share(result.written, here.size), megabytes(result.peak), ended)



main()
