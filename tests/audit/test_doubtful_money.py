# SPDX-License-Identifier: Apache-2.0
"""Money that is overdue, or may be back, is in no decision's equity, and a replay holds to that."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.audit.replayable import (
    BOLD,
    FUNDS,
    changing,
    finished,
    forged,
    frames_of,
    places,
    replayed,
)
from tests.engine.room import Room, room
from tests.risk import desk
from tests.risk.floor import STEP_MS
from tidegate.audit.difference import Differs
from tidegate.audit.doubts import Doubts
from tidegate.execution.desk import Standing
from tidegate.execution.doubts import Settled
from tidegate.journal.frames import Frame
from tidegate.model.account import SETTLED, Unsettled
from tidegate.model.actions import Transfer
from tidegate.model.events import Deposited, TransferSent
from tidegate.model.times import DAY_MS
from tidegate.model.units import MICRO

SENT_USD = 1_000
STEPS = DAY_MS // STEP_MS + 12


def overdue() -> Room:
    """1,000 dollars leave alpha and are held back; the book is looked at before and after they
    count as lost."""
    built = room({"BTC": [1.0] * STEPS}, mandate=BOLD, steps=STEPS, funds=FUNDS)
    money = Transfer("1.t", "alpha", "beta", "USDT", SENT_USD * MICRO, "test")
    built.record.take(built.exchange.send(money))
    built.exchange.hold("1.t", built.exchange.end_ms + 1)
    start = built.tape.start_ms
    for at_ms in (start, start + DAY_MS, start + STEP_MS * (STEPS - 4)):
        built.record.take(built.exchange.advance(at_ms))
        built.cycle.step(at_ms)
    return built


@pytest.fixture(scope="module")
def content() -> bytes:
    return finished(overdue())


def test_shipment_overdue_for_a_day_is_named_and_is_no_part_of_equity(
    content: bytes, tmp_path: Path
) -> None:
    frames = frames_of(tmp_path, content)
    seen = [f.value() for f in frames if f.kind == "observed"]
    assert [frame.get("void", []) for frame in seen] == [[], [], ["1.t"]]
    worth = [f.value()["equity_micro"] for f in frames if f.kind == "decision"]
    fee = desk.PASSAGES["alpha", "beta"].fee_quanta
    assert worth[1] - worth[2] >= SENT_USD * MICRO - fee  # type: ignore[operator]
    assert replayed(tmp_path, content, resolves=False).difference is None


def test_replay_finds_a_decision_that_still_counts_what_is_overdue(
    content: bytes, tmp_path: Path
) -> None:
    frames = frames_of(tmp_path, content)
    last = places(frames, "observed")[-1]
    forgery = forged(frames, last, changing(("void",), lambda _: []))
    found = replayed(tmp_path, forgery, resolves=False).difference
    assert found is not None
    assert (found.frame, found.kind) == (last, "observed")


def test_decision_that_knew_nothing_of_money_that_may_be_back_is_found_beyond_a_restart() -> None:
    now, wanted = desk.NOW_MS, frozenset(("1.t",))
    sent = TransferSent(now, "1.t", "alpha", "beta", "USDT", 5 * MICRO, MICRO)
    back = Deposited(now, "alpha", "USDT", 4 * MICRO)
    told, doubts = {"ts_ms": now, "events": [sent, back], "postings": []}, Doubts(desk.INSTRUMENTS)
    doubts.take(frame("events", told))
    decided, locked = frame("observed", {}), Unsettled(unseen=frozenset(("alpha",)))
    with pytest.raises(Differs, match="returned"):
        doubts.hold(decided, Standing(False, False, locked, frozenset()))
    doubts.hold(decided, Standing(False, False, SETTLED, frozenset(), returned=wanted))
    doubts.take(frame("restarted", {}))
    with pytest.raises(Differs, match="unsettled"):
        doubts.hold(decided, Standing(False, False, SETTLED, frozenset(), returned=wanted))
    doubts.hold(decided, Standing(False, False, locked, frozenset(), returned=wanted))
    doubts.take(frame("settled", Settled(now, "1.t", "unfounded", "anna")))
    doubts.take(frame("restarted", {}))
    doubts.hold(decided, Standing(False, False, SETTLED, frozenset()))


def frame(kind: str, value: object) -> Frame:
    return Frame(0, 0, b"", kind, msgspec.json.encode(value), b"")
