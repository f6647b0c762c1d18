#!/usr/bin/python3
"""Writes detections the way BirdNET-Pi's recorder does: a new connection for every detection, 5 s busy timeout,
3 tries, 2 s apart, then the detection is lost. A failed connection is not closed: it keeps its locks until
Python collects it, which is part of the problem.

With --fast: one connection that commits as fast as it can, for tests. Ends at SIGTERM or after --count, and
prints one line of JSON: inserted, lost, longest_wait_seconds, p50_ms and p99_ms of the waits. File_Name carries the running number.
"""
import argparse
import json
import random
import signal
import sqlite3
import sys
import time

SPECIES = [
    ("Turdus merula", "Eurasian Blackbird"),
    ("Parus major", "Great Tit"),
    ("Erithacus rubecula", "European Robin"),
    ("Cyanistes caeruleus", "Eurasian Blue Tit"),
    ("Passer domesticus", "House Sparrow"),
    ("Fringilla coelebs", "Common Chaffinch"),
    ("Strix aluco", "Tawny Owl"),
]
INSERT = "INSERT INTO detections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def detection(number):
    now = time.localtime()
    species, name = random.choice(SPECIES)
    day, clock = time.strftime("%Y-%m-%d", now), time.strftime("%H:%M:%S", now)
    confidence = round(random.uniform(0.7, 0.99), 4)
    return (day, clock, species, name, confidence, 52.1, 5.2, 0.7, now.tm_yday // 7 + 1, 1.25, 0.0,
            f"{name.replace(' ', '_')}-{number}.mp3")


def insert_like_birdnet(path, row):
    """True when the row went in."""
    for _ in range(3):
        try:
            connection = sqlite3.connect(path)
            connection.cursor().execute(INSERT, row)
            connection.commit()
            connection.close()
            return True
        except sqlite3.Error as error:
            print(f"recorder: database busy: {error}", file=sys.stderr, flush=True)
            time.sleep(2)
    return False


def quantile(waits, share):
    return waits[int(share * (len(waits) - 1))] if waits else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("--rate", type=float, default=2.0, help="detections per second")
    parser.add_argument("--count", type=int, default=0, help="end after so many; 0: go on")
    parser.add_argument("--start", type=int, default=1, help="first running number")
    parser.add_argument("--fast", action="store_true", help="one connection, no pauses")
    options = parser.parse_args()

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    signal.signal(signal.SIGINT, lambda *_: stop.append(True))
    inserted = lost = 0
    waits = []
    connection = sqlite3.connect(options.database) if options.fast else None
    while not stop and (options.count == 0 or inserted + lost < options.count):
        row = detection(options.start + inserted + lost)
        begin = time.monotonic()
        if connection:
            connection.execute(INSERT, row)
            connection.commit()
            went_in = True
        else:
            went_in = insert_like_birdnet(options.database, row)
        waits.append(time.monotonic() - begin)
        inserted, lost = inserted + went_in, lost + (not went_in)
        if not options.fast:
            time.sleep(max(0.0, 1 / options.rate - (time.monotonic() - begin)))
    waits.sort()
    print(json.dumps({"inserted": inserted, "lost": lost, "longest_wait_seconds": round(waits[-1] if waits else 0, 3),
                      "p50_ms": round(1000 * quantile(waits, 0.5), 1), "p99_ms": round(1000 * quantile(waits, 0.99), 1)}),
          flush=True)


main()
