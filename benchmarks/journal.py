# SPDX-License-Identifier: Apache-2.0
"""Appending, reading again and verifying a journal, beside SQLite and hashed lines of JSON.

`python benchmarks/journal.py` prints a table, `--json` everything as JSON; `--quick` measures small
cases in seconds. One core; medians of interleaved rounds in processor time, with time on the wall
beside it. SQLite commits a batch in write-ahead mode with synchronous=FULL; the lines hold the hash
of the line before and are forced to disk once for each batch, as the journal is. Neither has a
Merkle tree, a checksum or a verifier of meaning: what they leave out is said in the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side.timing import Local, Run, Timing
from tidegate.audit import verify
from tidegate.journal import Journal, partial_path, read_frames
from tidegate.journal.reader import recover

BATCH, ROUNDS = 10_000, 5
FRAMES, QUICK_FRAMES = 1_000_000, 5_000
RECOVERED, QUICK_RECOVERED = 100_000, 2_000
APPENDS_AIM, VERIFY_AIM_S, RECOVER_AIM_S = 300_000, 20.0, 5.0


def record(number: int) -> dict[str, object]:
    """One input of a decision, as small as they come."""
    mid = 600_000 + number % 1000
    return {"ts_ms": 1_700_000_000_000 + number, "instrument": "alpha:BTC", "ticks": mid}


def appender(folder: Path, batch: int) -> Callable[[], object]:
    journal = Journal.create(folder / "journal", {"book": "benchmark"}, durable=True)
    entries = [("market", record(number)) for number in range(batch)]
    return lambda: journal.append_many(entries)


def hashed_lines(folder: Path, batch: int) -> Callable[[], object]:
    file, records = (folder / "lines").open("ab"), [record(number) for number in range(batch)]
    previous = bytes(32)

    def append() -> None:
        nonlocal previous
        for value in records:
            line = json.dumps(["market", value, previous.hex()], separators=(",", ":")).encode()
            previous = sha256(line).digest()
            file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())

    return append


def sqlite_rows(folder: Path, batch: int) -> Callable[[], object]:
    base, numbers = sqlite3.connect(folder / "base", isolation_level=None), count()
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE log (sequence INTEGER PRIMARY KEY, kind TEXT, payload TEXT)")
    records = [record(number) for number in range(batch)]

    def append() -> None:
        base.execute("BEGIN")
        rows = ((next(numbers), "market", json.dumps(value)) for value in records)
        base.executemany("INSERT INTO log VALUES (?, ?, ?)", rows)
        base.execute("COMMIT")

    return append


def appending(folder: Path, batch: int) -> list[Timing]:
    """Appends of batches, each on disk before the next, in turn."""
    makers = {
        "Tidegate": appender,
        "lines of JSON, hash chain": hashed_lines,
        "SQLite, WAL, FULL": sqlite_rows,
    }
    contestants = [Local(name, batch, make(folder, batch)) for name, make in makers.items()]
    runs: dict[str, list[Run]] = {name: [] for name in makers}
    for _ in range(ROUNDS):
        for contestant in contestants:
            runs[contestant.name].append(contestant.timed(1))
    return [Timing(name, batch, 1, tuple(runs[name])) for name in makers]


def written(path: Path, frames: int) -> Path:
    """A sealed journal of as many frames, and a copy of it without its seal."""
    journal = Journal.create(path, {"book": "benchmark"}, durable=False)
    for start in range(0, frames - 2, BATCH):
        last = min(start + BATCH, frames - 2)
        journal.append_many(("market", record(number)) for number in range(start, last))
    journal.seal()
    return path


def once(name: str, things: int, call: Callable[[], object]) -> Timing:
    return Timing(name, things, 1, (Local(name, things, call).timed(1),))


def verifying(folder: Path, frames: int, recovered: int) -> list[Timing]:
    """One pass of the verifier over a long journal; what a start reads of a shorter one."""
    long, short = written(folder / "long", frames), written(folder / "short", recovered)

    def verified() -> None:
        assert all(check.passed for check in verify(str(long)))

    def started() -> None:
        unsealed = partial_path(folder / "again")
        content = short.read_bytes()
        unsealed.write_bytes(content[: len(content) - 7])
        assert recover(unsealed)
        Journal.resume(folder / "again").close()

    def read() -> None:
        assert sum(1 for _ in read_frames(long)) == frames

    return [
        once("verifier, alone", frames, verified),
        once("reader, with every check", frames, read),
        once("recovery: torn tail cut, all read twice", recovered, started),
    ]


def aims(timings: Sequence[Timing]) -> list[tuple[str, str, bool]]:
    by_name = {timing.name: timing for timing in timings}
    rate = 1 / by_name["Tidegate"].median_s
    verified = by_name["verifier, alone"].median_s * FRAMES
    started = by_name["recovery: torn tail cut, all read twice"].median_s * RECOVERED
    return [
        ("append 300,000 records a second", f"{rate:,.0f} a second", rate >= APPENDS_AIM),
        ("1,000,000 entries verified in 20 s", f"{verified:.1f} s", verified <= VERIFY_AIM_S),
        ("recovery of 100,000 within 5 s", f"{started:.2f} s", started <= RECOVER_AIM_S),
    ]


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="small cases")
    options = parser.parse_args(given)
    frames, recovered = (QUICK_FRAMES, QUICK_RECOVERED) if options.quick else (FRAMES, RECOVERED)
    with tempfile.TemporaryDirectory() as name:
        timings = appending(Path(name), 500 if options.quick else BATCH)
        timings += verifying(Path(name), frames, recovered)
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }
    if options.json:
        rows = [{"name": t.name, "us": t.median_s * 1e6, "spread": t.spread} for t in timings]
        print(json.dumps({**about, "rows": rows, "aims": aims(timings)}))
        return
    print("; ".join(f"{key} {value}" for key, value in about.items()))
    for timing in timings:
        wall_us = min(run.wall_s for run in timing.runs) / timing.things * 1e6
        cost = f"{timing.median_s * 1e6:8.2f} us of processor, {wall_us:8.2f} us on the wall"
        print(f"{timing.name:42} {cost}, spread {timing.spread:.2f}")
    for aim, reached, met in aims(timings):
        print(f"{'met    ' if met else 'not met'} {aim}: {reached}")


if __name__ == "__main__":
    main(sys.argv[1:])
