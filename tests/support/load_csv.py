#!/usr/bin/python3
"""Loads a CSV export of detections into a birds.db: load_csv.py CSV DATABASE

Takes 11 columns (without File_Name) or 12; dates as 2022/02/07 or 2022-02-07. A line that cannot be a detection
is rejected by name: its number and the reason go to standard error. Prints loaded and rejected as JSON.
"""
import csv
import datetime
import json
import pathlib
import sqlite3
import sys

COLUMNS = 12


def parse(line):
    """The row of one line; ValueError with the reason."""
    if "\0" in line:
        raise ValueError("contains NUL bytes")
    fields = next(csv.reader([line]))
    if len(fields) not in (COLUMNS - 1, COLUMNS):
        raise ValueError(f"{len(fields)} columns instead of 11 or 12")
    fields += [""] * (COLUMNS - len(fields))
    day = datetime.date.fromisoformat(fields[0].replace("/", "-"))
    clock = datetime.time.fromisoformat(fields[1])
    numbers = [float(text) for text in fields[4:11]]
    return [day.isoformat(), clock.isoformat(), fields[2], fields[3], *numbers, fields[11]]


def main():
    source, target = sys.argv[1:]
    schema = pathlib.Path(__file__).parents[2] / "sql" / "birds_schema.sql"
    rows, rejected = [], 0
    with open(source, encoding="utf-8", newline="\n") as lines:
        next(lines)  # the header
        for number, line in enumerate(lines, start=2):
            try:
                rows.append(parse(line.rstrip("\r\n")))
            except ValueError as reason:
                rejected += 1
                print(f"{source}: line {number}: rejected: {reason}", file=sys.stderr)
    with sqlite3.connect(target) as connection:
        connection.executescript(schema.read_text())
        connection.executemany(f"INSERT INTO detections VALUES ({', '.join('?' * COLUMNS)})", rows)
    print(json.dumps({"loaded": len(rows), "rejected": rejected}))


main()
