#!/usr/bin/python3
"""Copies of a database that nobody writes to: medians of several runs, the tools taking turns.

Before each run the destination is removed and everything is synced; a first round, in which the source comes into
the cache and peak memory is looked at, does not count.
"""
import os
import random
import statistics

from common import (BACKUP, BACKUP_CHECK, CP, CP_SYNC, NONE, QUICK, SHELL_BACKUP, VACUUM, arguments, bench, head, megabytes,
                    place, row, tools)

TOOLS = [NONE, QUICK, CP, CP_SYNC, BACKUP, BACKUP_CHECK, SHELL_BACKUP, VACUUM]
RATIOS = [(BACKUP, NONE), (NONE, CP), (NONE, CP_SYNC), (BACKUP_CHECK, QUICK)]
RATIOS_THROTTLED = [(QUICK, CP), (NONE, CP), (BACKUP, QUICK)]


def main():
    parser = arguments(__doc__, TOOLS)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with bench(options) as here:
        here.fresh_source()
        # the preloaded library looks at every write, so without a throttle it stays away
        env = here.environment(throttled=True) if options.throttled else None
        order = random.Random(20251228)
        seconds, peaks = {label: [] for label in options.tools}, {}
        for number in range(options.runs + 1):
            # what one tool leaves to do for the disk falls on the next: never in the same order
            for label in order.sample(options.tools, len(options.tools)):
                for path in here.stick.iterdir():
                    path.unlink()
                os.sync()
                result = here.run(tools(here.build)[label], env, peak=number == 0)
                if result.status != 0:
                    raise SystemExit(f"{label}: {result.took()}: {result.error}")
                if number == 0:
                    peaks[label] = result.peak
                else:
                    seconds[label].append(result.seconds)
        median = {label: statistics.median(times) for label, times in seconds.items()}
        where = f"{here.size / 1e6:.0f} MB, destination {place(options.throttled)}"
        head(f"**Quiet**: {where}, medians of {options.runs} runs", "tool", "seconds", "least", "most", "peak memory")
        for label, times in seconds.items():
            row(label, f"{median[label]:.3f}", f"{min(times):.3f}", f"{max(times):.3f}", megabytes(peaks[label]))
        head(f"**Quiet, ratios**: {where}", "ratio of medians", "")
        for over, under in RATIOS_THROTTLED if options.throttled else RATIOS:
            if over in median and under in median:
                row(f"{over} / {under}", f"{median[over] / median[under]:.2f}")


main()
