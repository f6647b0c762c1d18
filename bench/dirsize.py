#!/usr/bin/env python3
"""Size of a directory tree: dir_size_safe beside du, find, gdu and the Python function that people run.

Warm: the tools take turns in an order that changes, a first round does not count, the least of all runs is shown.
Cold (as root): the kernel's caches are dropped before each run. Trees: rootfs (15,000 folders, 150,000 files), flat (500,000
files in one folder), daily (7 hard-linked days of such a root file system), or your own with --tree."""
import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time

import common

SUM_UP = '{ if ($2 == 1 || !seen[$1]++) sum += $3 } END { printf "%.0f\\n", sum }'
RGLOB = """import pathlib, sys
total = 0
for item in pathlib.Path(sys.argv[1]).rglob('*'):
    try:
        if item.is_file():
            total += item.stat().st_size
    except PermissionError:
        continue
print(total)"""


def tools(build):
    """Command by name; TREE stands for the tree."""
    def emsn(options):
        return ["sqlite3", ":memory:", f".load {build / 'sqlite_ext' / 'emsn'}",
                f"SELECT dir_size_safe('TREE', '{options}')"]
    found = {"dir_size_safe, 1 thread": emsn('{"threads": 1}'), "dir_size_safe, 2 threads": emsn('{"threads": 2}'),
             "dir_size_safe": emsn("{}"), "du -sb": ["du", "-sb", "TREE"],
             "find -printf": ["sh", "-c", f"find TREE -printf '%D:%i %n %s\\n' | awk '{SUM_UP}'"],
             "Python rglob": [common.PYTHON, "-c", RGLOB, "TREE"]}
    if shutil.which("gdu"):
        found["gdu"] = ["gdu", "-npc", "TREE"]
    return found


def fill(folder, folders, files):
    """A tree with about so many files, ten subfolders to a folder, of the sizes that a root file system has."""
    dice = random.Random(7)
    paths = [folder]
    folder.mkdir(parents=True)
    for index in range(1, folders):
        paths.append(paths[(index - 1) // 10] / f"folder-{index}")
        paths[-1].mkdir()
    for index in range(files):
        name = paths[index % folders] / f"file-{index}.txt"
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
        os.truncate(descriptor, int(dice.lognormvariate(7, 2)))
        os.close(descriptor)


def make_tree(kind, folder, scale):
    """Finds it where it was made before."""
    tree = folder / f"{kind}-{scale:g}"
    if tree.exists():
        return tree
    making = tree.with_suffix(".partial")
    if kind == "flat":
        fill(making, 1, int(500_000 * scale))
    elif kind == "rootfs":
        fill(making, max(1, int(15_000 * scale)), int(150_000 * scale))
    else:
        fill(making / "day-1", max(1, int(9_000 * scale)), int(99_000 * scale))
        for day in range(2, 8):
            subprocess.run(["cp", "-al", making / "day-1", making / f"day-{day}"], check=True)
    making.rename(tree)
    return tree


def run(words, tree):
    words = [word.replace("TREE", str(tree)) for word in words]
    begin = time.perf_counter()
    out = subprocess.run(words, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    count, peak = re.search(r"^\d+", out.stdout, re.MULTILINE), re.search(r"VmHWM:\s+(\d+) kB", out.stdout)
    return seconds, int(count[0]) if count and out.returncode == 0 else None, 1024 * int(peak[1]) if peak else None


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n", encoding="ascii")


def measure(commands, tree, runs, cold):
    """Least seconds, bytes and most memory by name. The memory is of a first round, which does not count."""
    peaks = {name: run(common.telling_its_peak(words), tree)[2] for name, words in commands.items()}
    seconds, counts = {name: [] for name in commands}, {}
    for turn in range(runs):
        order = list(commands)
        random.Random(turn).shuffle(order)
        for name in order:
            if cold:
                drop_caches()
            took, counts[name], _ = run(commands[name], tree)
            seconds[name].append(took)
    return {name: (min(seconds[name]), counts[name], peaks[name]) for name in commands}


def show(title, results):
    reference, exact, _ = results["du -sb"]
    common.head(title, "tool", "seconds", "du / tool", "bytes against du", "peak memory")
    for name, (seconds, count, peak) in results.items():
        off = "–" if name == "gdu" else "failed" if count is None else "equal" if count == exact else f"{count - exact:+d}"
        common.row(name, f"{seconds:.3f}", f"{reference / seconds:.2f}", off, common.megabytes(peak))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", nargs="+", default=["rootfs", "flat", "daily"], choices=["rootfs", "flat", "daily"])
    parser.add_argument("--tree", type=pathlib.Path, help="measure this one instead")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--folder", type=pathlib.Path, help="keeps the trees here, to be used again")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--cold-runs", type=int, default=3, help="0: none; needs root")
    parser.add_argument("--tools", nargs="+", metavar="TOOL", help="by name; du -sb is always among them")
    parser.add_argument("--build", type=pathlib.Path, default=common.ROOT / "build" / "dev")
    options = parser.parse_args()
    commands = tools(options.build.resolve())
    if options.tools:
        commands = {name: words for name, words in commands.items() if name in [*options.tools, "du -sb"]}
    with tempfile.TemporaryDirectory(prefix="emsn-bench.", dir=os.environ.get("TMPDIR", "/var/tmp")) as scratch:
        folder = options.folder or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for kind in [None] if options.tree else options.trees:
            tree = options.tree or make_tree(kind, folder, options.scale)
            size = f"{kind or tree}, scale {options.scale:g}" if kind else str(tree)
            show(f"**Size**: {size}, warm, least of {options.runs}", measure(commands, tree, options.runs, False))
            if options.cold_runs and os.geteuid() == 0:
                show(f"**Size**: {size}, cold, least of {options.cold_runs}",
                     measure(commands, tree, options.cold_runs, True))


if __name__ == "__main__":
    main()
