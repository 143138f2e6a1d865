# SPDX-License-Identifier: Apache-2.0
"""From a WebSocket message to a decision, beside ccxt.pro's own handlers of the same messages.

`python benchmarks/feed.py` prints a table, `--json` everything as JSON; `--quick` measures few
messages. Each venue's book has 500 levels a side and is changed by updates of some 650 bytes;
Hyperliquid sends its best 20 levels whole. For one message its bytes are decoded, the book is
changed by the venue's rule of sequence, its ages are checked, and the mid is held against a band,
which says whether a decision is due. ccxt is unmodified and gets each message as its client does
after reading the socket, without an event loop or a future, which a plain loop pays besides; it
keeps floats, and at Bybit, Deribit and Hyperliquid it checks no sequence. Processor time is that of
whole rounds, taken in turn; median and 99th percentile are of single messages on the wall.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.side_by_side.book_messages import NOW, VENUES, Feed, feed
from benchmarks.side_by_side.ccxt_books import CcxtBook
from tidegate.venues.order_books.book import Ages, Best
from tidegate.venues.order_books.keepers import BinanceKeeper, Keeper
from tidegate.venues.order_books.wake import Band, Watch

MESSAGES, ROUNDS = 4_000, 7
QUICK_MESSAGES, QUICK_ROUNDS = 200, 5
AIM_US, AIM_VENUE = 6.0, "Binance USD-M"
OURS_BOOK, OURS, PEER = (
    "Tidegate, decode and book",
    "Tidegate, to decision",
    "ccxt.pro, to decision",
)


@dataclass
class Row:
    """What one contestant took for one venue's messages."""

    venue: str
    name: str
    message_bytes: float
    cpu_us: list[float] = field(default_factory=list)
    wall_us: list[float] = field(default_factory=list)

    @property
    def median_cpu_us(self) -> float:
        return statistics.median(self.cpu_us)

    @property
    def percentiles_us(self) -> tuple[float, float]:
        """Median and 99th percentile of single messages."""
        ordered = sorted(self.wall_us)
        return statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]


def started(messages: Feed) -> Keeper:
    """A keeper with the venue's snapshot."""
    keeper = messages.keeper()
    if isinstance(keeper, BinanceKeeper):
        keeper.start(messages.snapshot, NOW, NOW)
    else:
        keeper.take(messages.snapshot, NOW)
    return keeper


def watched(keeper: Keeper) -> Watch:
    """The keeper with the band of a decision just made, a hundredth around the mid."""
    best = keeper.book.best(NOW, Ages())
    assert isinstance(best, Best)
    middle = best.bid_ticks + best.ask_ticks
    return Watch(keeper, Ages(), Band(middle * 99 // 100, middle * 101 // 100))


def played(row: Row, take: Callable[[bytes], object], messages: Sequence[bytes]) -> None:
    """One round for the processor time, message after message."""
    begun = time.process_time()
    for message in messages:
        take(message)
    row.cpu_us.append((time.process_time() - begun) / len(messages) * 1e6)


def stamped(row: Row, take: Callable[[bytes], object], messages: Sequence[bytes]) -> None:
    """One round in which each message is timed on the wall."""
    clock = time.perf_counter_ns
    for message in messages:
        begun = clock()
        take(message)
        row.wall_us.append((clock() - begun) / 1e3)


def measured(messages: Feed, rounds: int, peer: CcxtBook | None) -> list[Row]:
    """Rounds of every contestant in turn, each from the snapshot on."""
    rows = {name: Row(messages.venue, name, messages.mean_bytes) for name in (OURS_BOOK, OURS)}
    texts = [message.decode() for message in messages.updates]
    if peer:
        rows[PEER] = Row(messages.venue, PEER, messages.mean_bytes)
    for _ in range(rounds):
        for run in (played, stamped):
            keeper = started(messages)
            run(rows[OURS_BOOK], lambda m, k=keeper: k.take(m, NOW), messages.updates)  # type: ignore[misc]
            watch = watched(started(messages))
            run(rows[OURS], lambda m, w=watch: w.take(m, NOW), messages.updates)  # type: ignore[misc]
            if peer:
                peer.start(messages)
                run(rows[PEER], peer.decide, texts)  # type: ignore[arg-type]
                agree(watch.keeper, peer)
    return list(rows.values())


def agree(keeper: Keeper, peer: CcxtBook) -> None:
    """Both books end at the same best prices, or the run is worth nothing."""
    best = keeper.book.best(NOW, Ages())
    assert isinstance(best, Best), best
    tick = float(keeper.book.terms.tick)
    ours = [round(ticks * tick, 6) for ticks in (best.bid_ticks, best.ask_ticks)]
    assert ours == [round(price, 6) for price in peer.best()], keeper.book.terms.symbol


async def all_rows(count: int, rounds: int) -> tuple[list[Row], list[str]]:
    rows, missing = list[Row](), list[str]()
    for venue in VENUES:
        messages, peer = feed(venue, count), None
        try:
            peer = CcxtBook(messages)
        except ImportError:
            missing = ["ccxt"]
        gc.collect()
        gc.disable()
        try:
            rows += measured(messages, rounds, peer)
        finally:
            gc.enable()
            if peer:
                await peer.close()
    return rows, missing


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"


def main(given: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="few messages")
    options = parser.parse_args(given)
    count, rounds = (QUICK_MESSAGES, QUICK_ROUNDS) if options.quick else (MESSAGES, ROUNDS)
    rows, missing = asyncio.run(all_rows(count, rounds))
    ours = next(r for r in rows if (r.venue, r.name) == (AIM_VENUE, OURS)).median_cpu_us
    aims = [
        (f"{AIM_US:.0f} us of processor a message, {AIM_VENUE}", f"{ours:.2f} us", ours <= AIM_US)
    ]
    about = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{name: _version(name) for name in ("msgspec", "numba", "ccxt", "orjson")},
        "load_average": os.getloadavg(),
    }
    if options.json:
        table = [
            {
                "venue": r.venue,
                "name": r.name,
                "bytes": r.message_bytes,
                "cpu_us": r.median_cpu_us,
                "wall_us": r.percentiles_us,
            }
            for r in rows
        ]
        print(json.dumps({**about, "rows": table, "missing": missing, "aims": aims}))
        return
    print("; ".join(f"{key} {value}" for key, value in about.items()))
    for row in rows:
        median, late = row.percentiles_us
        head = f"{row.venue:14} {row.name:26} {row.message_bytes:5.0f} bytes"
        cost = f"{row.median_cpu_us:7.2f} us of processor"
        print(f"{head}: {cost}; on the wall {median:7.2f} median, {late:7.2f} p99")
    for name in missing:
        print(f"missing {name}")
    for aim, reached, met in aims:
        print(f"{'met    ' if met else 'not met'} {aim}: {reached}")


if __name__ == "__main__":
    main(sys.argv[1:])
