# SPDX-License-Identifier: Apache-2.0
"""What is booked late is dated, refused or taken; ledger, journal and memory agree on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk.desk import INSTRUMENTS, NOW_MS
from tidegate.execution.record import Record
from tidegate.journal.reader import read_frames
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.errors import InputError, InvariantError
from tidegate.model.events import Deposited, Event

REFUSALS = [
    InvariantError("no"),
    InputError("venue", "lots", "expected a number"),
    KeyError("DOGE"),
    IndexError("no"),
    ZeroDivisionError("no"),
    OverflowError("no"),
    ValueError("no"),
    TypeError("no"),
]


def empty() -> Record:
    ledger = Ledger(INSTRUMENTS, {"USDT": 1_000_000, "USDC": 1_000_000})
    return Record(ledger, Journal.in_memory({"book": "test"}))


def came(ts_ms: int, quanta: int = 1, asset: str = "USDT") -> Deposited:
    return Deposited(ts_ms, "alpha", asset, quanta)


def fits(_: Event) -> None:
    """Nothing contradicts anything."""


def events_frames(record: Record, folder: Path) -> list[dict[str, object]]:
    record.journal.seal()
    path = folder / "journal"
    path.write_bytes(record.journal.content())  # type: ignore[attr-defined]
    return [frame.value() for frame in read_frames(path) if frame.kind == "events"]


@given(booked=st.integers(-5, 0), told=st.lists(st.integers(-9, 9), min_size=1, max_size=6))
def test_line_is_booked_when_it_happened_but_not_before_what_is_booked_nor_later_than_now(
    booked: int, told: list[int]
) -> None:
    record = empty()
    record.take([came(NOW_MS + booked)])
    lines = [came(NOW_MS + ms) for ms in told]
    assert record.take_late(lines, NOW_MS, ("alpha", 0), fits) == (len(told), "")
    times = [event.ts_ms - NOW_MS for event in record.events[1:]]
    for index, (ms, at_ms) in enumerate(zip(told, times, strict=True)):
        before = times[index - 1] if index else booked
        assert at_ms == max(before, min(ms, 0))
    assert record.ledger.ts_ms == NOW_MS + times[-1]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda error: type(error).__name__)
def test_line_that_is_refused_in_whatever_way_ends_the_taking_and_says_why(
    refusal: Exception, tmp_path: Path
) -> None:
    record = empty()

    def check(event: Event) -> None:
        if isinstance(event, Deposited) and event.quanta == 7:
            raise refusal

    lines = [came(NOW_MS, 5), came(NOW_MS, 6), came(NOW_MS, 7), came(NOW_MS, 8)]
    taken = record.take_late(lines, NOW_MS, ("alpha", 3), check)
    assert taken == (2, f"{type(refusal).__name__}: {refusal}")
    assert record.ledger.wallet("alpha", "USDT") == 11
    assert record.events == lines[:2]
    (frame,) = events_frames(record, tmp_path)
    assert (frame["lines"], frame["ts_ms"]) == ({"alpha": 5}, NOW_MS)


def test_fault_that_is_no_refusal_is_not_taken_for_one() -> None:
    record = empty()

    def check(_: Event) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        record.take_late([came(NOW_MS)], NOW_MS, ("alpha", 0), check)


def test_first_line_that_cannot_be_posted_leaves_no_trace(tmp_path: Path) -> None:
    record = empty()
    count, why = record.take_late([came(NOW_MS, 1, "BNB")], NOW_MS, ("alpha", 0), fits)
    assert (count, record.events) == (0, [])
    assert "BNB" in why
    record.take([])
    assert events_frames(record, tmp_path) == []


@pytest.mark.parametrize(("now_ms", "at_ms"), [(None, NOW_MS + 2), (NOW_MS + 9, NOW_MS + 9)])
def test_frame_is_of_the_time_it_was_taken_or_else_of_its_last_event(
    now_ms: int | None, at_ms: int, tmp_path: Path
) -> None:
    record = empty()
    record.take([came(NOW_MS), came(NOW_MS + 2)], {"alpha": 2} if now_ms else None, now_ms)
    (frame,) = events_frames(record, tmp_path)
    assert frame["ts_ms"] == at_ms
    assert frame.get("lines") == ({"alpha": 2} if now_ms else None)
    assert len(frame["postings"]) == 4  # type: ignore[arg-type]
