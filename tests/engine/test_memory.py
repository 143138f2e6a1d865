# SPDX-License-Identifier: Apache-2.0
"""The engine's memory: in its journal as it stands, and taken up from there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.engine.room import FUNDS, FixedOutlook, room
from tests.engine.test_cycle import BOLD, STORM, enlarging
from tests.risk import desk
from tidegate.engine.cycle import Tools
from tidegate.engine.memory import Memory
from tidegate.engine.restart import MemoryFold
from tidegate.journal.frames import Frame
from tidegate.model.events import Deposited
from tidegate.model.units import MICRO


def resumed(frames: list[tuple[str, dict[str, Any]]]) -> Memory:
    """The memory that a journal tells: the last decision's, and what came of it."""
    memory = Memory()
    for kind, payload in frames:
        if kind == "decision":
            memory = msgspec.convert(payload["memory"], Memory)
        if kind == "refused":
            memory = memory.refused(payload["ts_ms"], payload.get("curable", False))
    return memory


@pytest.mark.parametrize("tools", [Tools(), Tools(relieve=enlarging)], ids=["true", "refused"])
def test_memory_of_a_journal_is_that_of_the_engine_but_for_peaks_between_decisions(
    tools: Tools,
) -> None:
    built = room(STORM, tools, BOLD)
    built.play(9)
    own = built.cycle.memory
    told = resumed(built.frames())
    assert bool(own.tally.refusals) == (tools.relieve is enlarging)
    assert told.changed(peak_micro=own.peak_micro) == own
    assert told.peak_micro <= own.peak_micro


def told_of(frames: list[tuple[str, dict[str, Any]]]) -> list[object]:
    """Decisions and what happened: not the inputs, which a new engine writes again."""
    return [p.get("events", p) for kind, p in frames if kind in ("decision", "events")]


def test_engine_that_takes_up_a_memory_goes_on_as_the_one_that_had_it() -> None:
    """Two engines over one market: one is replaced by another in the middle."""
    whole, parted = room(STORM, mandate=BOLD), room(STORM, mandate=BOLD)
    for built in (whole, parted):
        built.play(4)
    cycle = parted.cycle
    fresh = type(cycle)(cycle._world, cycle._terms_at, cycle._forecaster, cycle._start_ms)
    fresh.memory = cycle.memory
    parted = replace(parted, cycle=fresh)
    for built in (whole, parted):
        built.play(6)
    told = [told_of(built.frames()) for built in (whole, parted)]
    assert told[0] == told[1]
    assert len(told[0]) > 100


@pytest.mark.parametrize("share", [-0.5, 1.0])
def test_capital_that_comes_or_leaves_moves_the_peak_and_a_restart_knows_it(share: float) -> None:
    built = room()
    built.play(2)
    flow = round(share * FUNDS["alpha"]) * MICRO
    before = built.cycle.memory.peak_micro
    built.record.take([Deposited(built.exchange.now_ms, "alpha", "USDT", flow)])
    outlook = FixedOutlook().at(built.exchange.now_ms)
    look = built.cycle._look(desk.terms(), outlook, built.exchange.now_ms)
    assert look is not None
    assert look.situation.peak_usd == pytest.approx((before + flow) / MICRO)
    assert look.situation.equity_usd == pytest.approx(look.situation.peak_usd, rel=1e-2)
    fold = MemoryFold()
    for kind, payload in built.frames():
        fold.take(Frame(0, 0, b"", kind, msgspec.json.encode(payload), b""))
    assert fold.restarted().peak_micro == before + flow


def test_refusal_of_what_passes_by_itself_begins_no_pause_and_any_other_does() -> None:
    known = Memory(awaits_growth=False).refused(5)
    assert (known.refused_ms, known.awaits_growth) == (5, False)
    again = known.refused(9, curable=True)
    assert (again.refused_ms, again.awaits_growth, again.tally.refusals) == (5, True, 2)


@pytest.mark.parametrize("flow", [5, -5])
def test_capital_that_comes_before_any_look_is_no_peak_yet(flow: int) -> None:
    assert Memory().moved(flow) == Memory()
    assert Memory(peak_micro=7).moved(flow).peak_micro == 7 + flow


def test_refusal_leaves_the_time_of_the_last_cut_as_it_was() -> None:
    known = Memory(cut_ms=3, reviewed_ms=4, peak_micro=5, unfinished=True)
    refused = known.refused(9)
    assert refused == known.changed(refused_ms=9, tally=refused.tally)
