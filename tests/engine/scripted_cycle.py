# SPDX-License-Identifier: Apache-2.0
"""A cycle over a ledger alone: what it sees, how execution stands and what solvers answer is said
by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from tests.engine.room import FixedOutlook
from tests.risk import desk
from tidegate.allocation.question import Answer, Question
from tidegate.engine.cycle import Cycle, Tools, World
from tidegate.engine.outlook import Outlook
from tidegate.engine.record_frames import open_record
from tidegate.execution.desk import Standing, Steps
from tidegate.execution.record import Record
from tidegate.journal.reader import read_content
from tidegate.journal.writer import Journal
from tidegate.model.account import SETTLED
from tidegate.model.events import Deposited, Filled
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import MarketSnapshot, Quote
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO
from tidegate.risk.gate import Gate
from tidegate.risk.plan import Terms

QUIET = Standing(False, False, SETTLED, frozenset())


@dataclass
class Market:
    """Quotes as the test sets them, and what venues announce."""

    quotes: dict[InstrumentId, Quote] = field(
        default_factory=lambda: {name: desk.quote(name) for name in desk.INSTRUMENTS}
    )
    frozen: tuple[str, ...] = ()
    out: tuple[str, ...] = ()
    stable: Mapping[str, int] = field(default_factory=dict)
    ranks: Mapping[InstrumentId, float] = field(default_factory=dict)
    age_ms: int = 0

    def snapshot(self, ts_ms: int, frozen: tuple[str, ...]) -> MarketSnapshot:
        at_ms = ts_ms - self.age_ms
        seen = {n: msgspec.structs.replace(q, as_of_ms=at_ms) for n, q in self.quotes.items()}
        return MarketSnapshot(ts_ms, seen, frozen)

    def price(self, coin: str, multiple: float) -> None:
        for name, instrument in desk.INSTRUMENTS.items():
            if instrument.base == coin:
                self.quotes[name] = desk.quote(name, round(desk.MARKS[name] * multiple))

    def frozen_venues(self) -> tuple[str, ...]:
        return self.frozen

    def out_venues(self) -> tuple[str, ...]:
        return self.out

    def stable_micro(self) -> Mapping[str, int]:
        return self.stable

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        return self.ranks.get(instrument)


@dataclass
class Hands:
    """Execution that stands as it is said, and remembers what it was told."""

    stands: Standing = QUIET
    called: bool = False
    stopped: Standing = QUIET
    told: list[str] = field(default_factory=list)
    begun: list[tuple[Steps, tuple[int, ...]]] = field(default_factory=list)
    first: Callable[[], object] = lambda: None

    def standing(self, now_ms: int) -> Standing:
        self.first()
        return self.stands

    def calls(self, now_ms: int) -> bool:
        return self.called

    def begin(self, steps: Steps, now_ms: int, offsets_ms: tuple[int, ...] = ()) -> None:
        self.told.append("begin")
        self.begun.append((steps, offsets_ms))
        self.stands = msgspec.structs.replace(self.stands, busy=True)

    def stop(self, now_ms: int, why: str) -> None:
        self.told.append("stop")
        self.stands = self.stopped

    def heeded(self) -> None:
        self.told.append("heeded")
        self.stands = msgspec.structs.replace(self.stands, unfinished=False)

    def mended(self, coins: frozenset[str]) -> None:
        """Nothing is kept of it here."""


@dataclass
class Outlooks(FixedOutlook):
    """The fixed outlook, and when it was asked for."""

    asked: list[int] = field(default_factory=list)

    def at(self, ts_ms: int) -> Outlook:
        self.asked.append(ts_ms)
        return super().at(ts_ms)


@dataclass
class Scene:
    """Everything of one cycle."""

    cycle: Cycle
    market: Market
    hands: Hands
    outlooks: Outlooks
    record: Record

    def at(self, seconds: float) -> None:
        """Let the cycle step that long after its start."""
        self.cycle.step(desk.NOW_MS + round(seconds * SECOND_MS))

    def fill(self, name: InstrumentId, lots: int) -> None:
        """Lots come into the ledger at the usual price."""
        ticks, now_ms = desk.MARKS[name], max(self.record.ledger.ts_ms, desk.NOW_MS)
        numbers = (lots, ticks, ticks, 0, 0, 0)
        self.record.take([Filled(now_ms, name, *numbers, f"{name}.{lots}", "order")])

    def frames(self, *kinds: str) -> list[dict[str, Any]]:
        """Payloads of kinds so far, in order."""
        content = self.record.journal.content()  # type: ignore[attr-defined]
        return [frame.value() for frame in read_content(content) if frame.kind in kinds]

    def decided(self) -> list[tuple[str, str]]:
        """Trigger and action of every decision."""
        return [(d["trigger"], d["action"]) for d in self.frames("decision")]


def scene(
    terms: Terms | None = None,
    tools: Tools | None = None,
    positions: Mapping[InstrumentId, int] | None = None,
    funds: Mapping[str, float] | None = None,
    pause: bool = True,
) -> Scene:
    """A cycle over a book of these lots; `pause` takes a review for made just now."""
    journal = Journal.in_memory({"book": "test"})
    prices, coin_marks = {"USDT": MICRO, "USDC": MICRO}, {"BTC": desk.VAULT_BTC}
    record = open_record(desk.INSTRUMENTS, prices, coin_marks, journal)
    rich = {"alpha": 500_000.0, "beta": 500_000.0}
    for venue, usd in (rich if funds is None else funds).items():
        quanta = round(usd * MICRO)
        record.take([Deposited(desk.NOW_MS, venue, desk.COLLATERAL[venue], quanta)])
    held_to, market, hands = terms or desk.terms(), Market(), Hands()
    world = World(market, market, Gate(b"k"), record, hands)
    outlooks = Outlooks()
    said = tools or Tools(toward({}), lambda question, _: toward({})(question))
    cycle = Cycle(world, lambda _: held_to, outlooks, desk.NOW_MS, said)
    made = Scene(cycle, market, hands, outlooks, record)
    for name, lots in (positions or {}).items():
        made.fill(name, lots)
    if pause:
        cycle.memory = cycle.memory.changed(reviewed_ms=desk.NOW_MS, awaits_growth=False)
    return made


def toward(
    targets_usd: Mapping[InstrumentId, float], sent_usd: Mapping[int, float] | None = None
) -> Callable[[Question], Answer]:
    """A programme whose answer is what is held but for these targets, and sends over routes."""

    def answer(question: Question) -> Answer:
        target = question.legs.held.copy()
        for name, usd in targets_usd.items():
            target[question.legs.names.index(name)] = usd / question.equity_usd
        transfer = np.zeros(question.edges.source.size)
        for route, usd in (sent_usd or {}).items():
            transfer[route] = usd / question.equity_usd
        nothing = np.zeros(question.wallets.equity.size)
        return Answer(target, transfer, nothing, nothing, nothing, 0.0, nothing, (), 0.0)

    return answer
