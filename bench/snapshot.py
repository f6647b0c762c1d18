#!/usr/bin/python3
"""Copies of a live birds.db: emsn_snapshot beside what people use today, in one run.

Each tool copies the same database while BirdNET-Pi's recorder inserts 20 detections a second into it, and then once
more over its own copy (VACUUM INTO refuses that: there, its copy is removed first). Reported: seconds, the recorder's
waits for one insert, detections lost, bytes written to the destination over the size, peak memory, and whether the
copy passes integrity_check. The first row is the recorder alone.
"""
import time

from common import USUAL, Recorder, arguments, bench, head, is_whole, megabytes, place, row, share, tools, wait_cells

ALONE_SECONDS = 5


def main():
    parser = arguments(__doc__, USUAL)
    parser.add_argument("--journal", choices=("delete", "wal"), default="delete")
    parser.add_argument("--rate", type=float, default=20.0, help="detections per second")
    parser.add_argument("--once", action="store_true", help="without the second copy")
    options = parser.parse_args()
    with bench(options) as here:
        head(f"**Live**: {here.size / 1e6:.0f} MB, journal_mode={options.journal}, destination {place(options.throttled)}, "
             f"recorder at {options.rate:g}/s", "tool", "copy", "seconds", "p50", "p99", "longest wait", "lost",
             "written / size", "peak memory", "whole")
        here.fresh_source(options.journal)
        alone = Recorder(here.source, options.rate)
        time.sleep(ALONE_SECONDS)
        row("none", "", ALONE_SECONDS, *wait_cells(alone.stop()), "", "", "")
        for label in options.tools:
            here.fresh_source(options.journal)
            for which in ("first",) if options.once else ("first", "again"):
                recorder = Recorder(here.source, options.rate)
                result = here.run(tools(here.build)[label], here.environment(options.throttled))
                waits = recorder.stop()
                row(label, which, result.took(), *wait_cells(waits), share(result.written, here.size),
                    megabytes(result.peak), "yes" if result.status == 0 and is_whole(here.destination) else "NO")
                if result.status != 0:
                    break


main()
