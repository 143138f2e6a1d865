# SPDX-License-Identifier: Apache-2.0
"""What a replay demands of what was sent, and of what decisions knew to be unsettled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.audit.replayable import (
    Payload,
    changing,
    finished,
    forged,
    frames_of,
    places,
    replayed,
    stormy,
)
from tests.risk.desk import ALPHA_BTC
from tidegate.audit import verify
from tidegate.engine.restart import MemoryFold
from tidegate.journal.frames import Frame


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    return frames_of(tmp_path_factory.mktemp("honest"), finished(stormy()))


def another_frame(like: Frame, kind: str, value: object) -> Frame:
    return msgspec.structs.replace(like, sequence=-1, kind=kind, payload=msgspec.json.encode(value))


ENDED = {
    "stopped": lambda ts_ms, _: {"ts_ms": ts_ms, "why": "halted: the latch is set", "step": 0},
    "restarted": lambda ts_ms, memory: {"ts_ms": ts_ms, "memory": memory},
}


@pytest.mark.parametrize("kind", ENDED)
def test_order_sent_of_a_plan_that_had_ended_is_found(
    kind: str, frames: list[Frame], tmp_path: Path
) -> None:
    """The end stands before the last order of all: nothing after it is numbered anew."""
    place, fold = places(frames, "submitted")[-1], MemoryFold()
    for frame in frames[:place]:
        fold.take(frame)
    ended = ENDED[kind](frames[place].value()["ts_ms"], fold.restarted())
    content = forged(
        [*frames[:place], another_frame(frames[place], kind, ended), *frames[place:]],
        -2,
        lambda _: None,
    )
    assert [check for check in verify(content) if not check.passed] == []
    found = replayed(tmp_path, content, resolves=False).difference
    assert found is not None
    assert (found.frame, found.kind, found.derived) == (place + 1, "submitted", "nothing to send")


@pytest.mark.parametrize("at", [lambda ts: ts + 60_001, lambda ts: ts - 1, lambda _: None])
def test_order_sent_outside_the_times_of_its_approval_is_found(
    at: Callable[[int], object], frames: list[Frame], tmp_path: Path
) -> None:
    place = places(frames, "submitted")[-1]
    content = forged(frames, place, changing(("ts_ms",), at))
    found = replayed(tmp_path, content, resolves=False).difference
    assert found is not None
    assert (found.frame, found.field) == (place, "ts_ms")


@pytest.mark.parametrize(
    "doubt",
    [
        {"lots": {ALPHA_BTC: 5_000}},
        {"lots": {ALPHA_BTC: -5_000}},
        {"quanta": {"USDT": -90_000}},
        {"costs": {ALPHA_BTC: 1}},
        {"strangers": ["x"]},
    ],
)
def test_decision_that_knew_nothing_of_a_break_before_it_is_found(
    doubt: Payload, frames: list[Frame], tmp_path: Path
) -> None:
    place = places(frames, "observed")[-1]
    ts_ms = frames[place].value()["ts_ms"]
    nothing: Payload = {"lots": {}, "quanta": {}, "costs": {}}
    finding = {"ts_ms": ts_ms, "venue": "alpha", "differs": {**nothing, **doubt}}
    broken = another_frame(frames[place], "break", finding)
    agreed = another_frame(frames[place], "agreed", {**finding, "differs": nothing})
    for between, found_at in (([broken], place + 1), ([broken, agreed], None)):
        content = forged([*frames[:place], *between, *frames[place:]], -2, lambda _: None)
        found = replayed(tmp_path, content, resolves=False).difference
        assert (found and (found.frame, found.field)) == (found_at and (found_at, "unsettled"))


def test_decision_that_knew_nothing_of_an_order_under_way_is_found(
    frames: list[Frame], tmp_path: Path
) -> None:
    """The last order's fill and its venue's replies are left out."""
    last = places(frames, "submitted")[-1]
    after = next(n for n in places(frames, "observed") if n > last)
    kept = [
        f for f in frames if not (last < f.sequence < after and f.kind in ("replied", "events"))
    ]
    found = replayed(tmp_path, forged(kept, -2, lambda _: None), resolves=False).difference
    assert found is not None
    assert (found.kind, found.field) == ("observed", "unsettled")
