#!/usr/bin/python3
"""What a second copy costs when little has changed since the first.

Nobody else writes, so that the share of changed pages is exact: it is measured by comparing the source's pages before
and after. They lie spread all over the file, no two together, which is the dearest way to have changed so many.
"""
import shutil

from common import USUAL, arguments, bench, head, is_whole, megabytes, place, query, row, share, tools

PAGE = 4096
SHARES = (0, 0.001, 0.01)
CONTENT = "SELECT count(*), total(Confidence) FROM detections"


def change_pages(path, wanted):
    """Changes about that share of the pages: one detection in each, at even distances, in place."""
    if not wanted:
        return
    rows = int(query(path, "SELECT max(rowid) FROM detections"))
    count = max(1, round(wanted * path.stat().st_size / PAGE) - 1)  # page 1 changes with them
    query(path, f"""UPDATE detections SET Confidence = Confidence * 0.999 + 0.0001234 WHERE rowid IN
        (WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
         SELECT 1 + i * {rows} / {count} FROM n)""")


def changed_share(before, after):
    pages = changed = 0
    with open(before, "rb") as old, open(after, "rb") as new:
        while page := new.read(PAGE):
            pages, changed = pages + 1, changed + (page != old.read(PAGE))
    return changed / pages


def measured_shares(here):
    here.fresh_source()
    before = here.folder / "before.db"
    for wanted in SHARES:
        shutil.copyfile(here.source, before)
        change_pages(here.source, wanted)
        yield changed_share(before, here.source)
    before.unlink()


def main():
    options = arguments(__doc__, USUAL).parse_args()
    with bench(options) as here:
        columns = [cell for changed in measured_shares(here)
                   for cell in (f"{100 * changed:.3g} % changed: seconds", "written / size")]
        head(f"**Repeat**: {here.size / 1e6:.0f} MB, journal_mode=delete, destination {place(options.throttled)}, "
             "no recorder", "tool", *columns, "peak memory", "whole and the same")
        for label in options.tools:
            words = tools(here.build)[label]
            here.fresh_source()
            here.run(words)  # the first copy, not throttled
            cells, peaks, same = [], [], True
            for wanted in SHARES:
                change_pages(here.source, wanted)
                result = here.run(words, here.environment(options.throttled))
                cells += [result.took(), share(result.written, here.size)]
                peaks.append(result.peak)
                same = same and result.status == 0 and query(here.source, CONTENT) == query(here.destination, CONTENT)
            row(label, *cells, megabytes(max(peaks) if None not in peaks else None),
                "yes" if same and is_whole(here.destination) else "NO")


main()
