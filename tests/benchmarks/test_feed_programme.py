# SPDX-License-Identifier: Apache-2.0
"""The benchmark of feeds: its messages, and what its quick run prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.feed import Row, started, watched
from benchmarks.side_by_side.book_messages import BYTES, NOW, VENUES, feed
from tidegate.venues.order_books.book import Outcome

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("venue", VENUES)
def test_messages_of_the_benchmark_follow_each_other_and_are_of_the_stated_size(
    venue: str,
) -> None:
    messages = feed(venue, 300)
    keeper = started(messages)
    assert {keeper.take(update, NOW) for update in messages.updates} == {Outcome.FRESH}
    if not messages.whole:
        assert abs(messages.mean_bytes - BYTES) < 30
        assert min(map(len, keeper.book.levels(10_000))) > 300


def test_band_of_the_benchmark_is_not_left_by_its_messages() -> None:
    messages = feed("Bybit", 300)
    watch = watched(started(messages))
    assert [watch.take(update, NOW) for update in messages.updates] == [None] * 300


def test_percentiles_of_a_row_are_those_of_its_messages() -> None:
    row = Row("X", "Y", 1.0, [3.0, 1.0, 2.0], [float(n) for n in range(101)])
    assert (row.median_cpu_us, row.percentiles_us) == (2.0, (50.0, 99.0))


@pytest.mark.soak
def test_quick_run_prints_every_venue_and_the_peer_or_that_it_is_missing() -> None:
    printed = subprocess.run(
        [sys.executable, "benchmarks/feed.py", "--quick", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    found = json.loads(printed)
    assert {row["venue"] for row in found["rows"]} == set(VENUES)
    ours = {"Tidegate, decode and book", "Tidegate, to decision"}
    peer = set() if found["missing"] else {"ccxt.pro, to decision"}
    assert {row["name"] for row in found["rows"]} == ours | peer
    assert len(found["aims"]) == 1
