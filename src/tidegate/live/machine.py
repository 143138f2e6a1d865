# SPDX-License-Identifier: Apache-2.0
"""The engine put together over running venues: recovered from its journal, then ticked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.backtest.arrangement import Arrangement
from tidegate.engine.cycle import Cycle, Executes, World
from tidegate.engine.outlook import Forecaster
from tidegate.engine.record_frames import open_record
from tidegate.engine.restart import resume_file
from tidegate.execution.brake import Weight
from tidegate.execution.desk import Desk, Senses, Standing, Steps
from tidegate.execution.transit import lost
from tidegate.journal import Journal
from tidegate.journal.writer import partial_path
from tidegate.model.actions import Action, Order
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO, usd
from tidegate.ports import Feed, Gateway
from tidegate.risk.gate import Approval, Gate, Note
from tidegate.risk.limits import Breach
from tidegate.risk.plan import Plan, Situation, Terms

Propose = Callable[[tuple[tuple[Action, ...], ...], int], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a machine is made of; `halted` says why nothing may be sent, `propose` is told plans
    where nothing is to be sent at all (None: they are carried out), `reduce_only` says which venues
    may only be reduced at a time."""

    arrangement: Arrangement
    feed: Feed
    gateway: Gateway
    gate: Gate
    journal: Path
    halted: Callable[[], str | None]
    propose: Propose | None = None
    reduce_only: Callable[[int], frozenset[str]] = lambda _: frozenset()


class Proposing:
    """A desk whose plans are told to somebody and not carried out; it hears and reconciles."""

    def __init__(self, desk: Desk, propose: Propose) -> None:
        self._desk, self._propose = desk, propose

    def standing(self, now_ms: int) -> Standing:
        """As the desk's."""
        return self._desk.standing(now_ms)

    def calls(self, now_ms: int) -> bool:
        """As the desk's."""
        return self._desk.calls(now_ms)

    def begin(self, steps: Steps, now_ms: int, offsets_ms: tuple[int, ...] = ()) -> None:
        """Tell the plan; nothing is sent."""
        self._propose(tuple(tuple(a.action for a in step) for step in steps), now_ms)

    def stop(self, now_ms: int, why: str) -> None:
        """Nothing is under way."""

    def heeded(self) -> None:
        """As the desk's."""
        self._desk.heeded()

    def mended(self, coins: frozenset[str]) -> None:
        """As the desk's."""
        self._desk.mended(coins)


class TellingGate(Gate):
    """A gate that tells plans that nothing but the mandate's level refuses."""

    def __init__(self, gate: Gate, propose: Propose) -> None:
        self._gate, self._propose = gate, propose

    def review(
        self,
        terms: Terms,
        situation: Situation,
        plan: Plan,
        sequence: int,
        note: Note | None = None,
    ) -> tuple[Approval, ...] | list[Breach]:
        """As the gate's."""
        verdict = self._gate.review(terms, situation, plan, sequence, note)
        if isinstance(verdict, list) and {breach.rule for breach in verdict} == {"authority"}:
            steps = tuple(tuple(step.actions) for step in plan.steps)
            self._propose(steps, situation.snapshot.ts_ms)
        return verdict

    def verify(self, approval: Approval, now_ms: int) -> None:
        """As the gate's."""
        self._gate.verify(approval, now_ms)


class Machine:
    """The engine while it lives; `tick` it every second or so."""

    def __init__(self, parts: Parts, now_ms: int) -> None:
        mandate, terms = parts.arrangement.mandate, parts.arrangement.terms
        resumed = None
        self._goes_on = partial_path(parts.journal).exists()
        if self._goes_on:
            resumed = resume_file(parts.journal, now_ms, mandate.version)
            self.record, past = resumed.record, resumed.past
        else:
            header = {"mandate": mandate.version, "level": mandate.authority.level}
            journal = Journal.create(parts.journal, header, durable=True)
            stable, marks = parts.arrangement.stable_price_micro, parts.arrangement.coin_marks
            instruments = terms.instruments
            self.record = open_record(instruments, stable, marks, journal, journal.run)
            past = None
        self._parts, self.began_ms = parts, now_ms
        limits = mandate.limits, terms.instruments
        told = self._senses(), past, tuple(mandate.venue)
        self.desk = Desk(parts.gateway, self.record, limits, *told)
        grid_ms = mandate.mandate.decision_interval_s * SECOND_MS
        # A grid time strikes at once, so that a start decides and need not wait for the next.
        grid_time_ms = now_ms // grid_ms * grid_ms
        self._stepped_ms = grid_time_ms - 1
        known_ms = resumed.start_ms if resumed is not None else None
        self._begin_ms = grid_time_ms if known_ms is None else known_ms
        self.cycle = self._cycle()
        if resumed is not None:
            self.cycle.recall(resumed.memory, resumed.quotes)

    def tick(self, now_ms: int, decides: bool = True) -> None:
        """Go on with what is under way, and decide where a time of the mandate's grid has passed;
        times that were slept through are not made up for, but those at which it may not decide."""
        self.desk.tick(now_ms)
        if decides:
            self.cycle.step(now_ms, self._stepped_ms)
            self._stepped_ms = now_ms

    @property
    def root(self) -> bytes:
        """The Merkle root of all that is journalled."""
        journal = self.record.journal
        assert isinstance(journal, Journal)
        return journal.root

    @property
    def ticked_ms(self) -> int:
        """The venues' time of the last tick."""
        return self._stepped_ms

    @property
    def level(self) -> str:
        """How far the mandate lets it go."""
        return self._parts.arrangement.mandate.authority.level

    @property
    def venues(self) -> tuple[str, ...]:
        """The mandate's venues."""
        return tuple(self._parts.arrangement.mandate.venue)

    def equity_usd(self) -> float | None:
        """What the book is worth at the prices now; None while a price is missing."""
        return self._equity_usd(self._stepped_ms)

    def stop(self) -> None:
        """End the plan that is under way, and ask that its working orders be cancelled. The journal
        stays unsealed: the next start goes on with it."""
        self.desk.stop(self._stepped_ms, "stopped by its operator")

    def withdraw(self) -> None:
        """As of a start that failed: write no more, and leave no journal that was not there."""
        if isinstance(self.record.journal, Journal):
            self.record.journal.close()
        if not self._goes_on:
            partial_path(self._parts.journal).unlink()

    def seal(self) -> str:
        """End the journal for good and return its head."""
        return self.record.journal.seal()

    def _cycle(self) -> Cycle:
        parts, terms = self._parts, self._parts.arrangement.terms
        desk: Executes = self.desk
        gate = parts.gate
        if parts.propose is not None:
            desk, gate = Proposing(self.desk, parts.propose), TellingGate(gate, parts.propose)
        world = World(parts.feed, parts.gateway, gate, self.record, desk)
        mandate = parts.arrangement.mandate
        forecaster = Forecaster(parts.feed, mandate, terms.instruments, terms.passages)
        return Cycle(world, self._terms_at, forecaster, self._begin_ms)

    def _terms_at(self, ts_ms: int) -> Terms:
        terms = self._parts.arrangement.terms
        rules = {venue: terms.rule(venue, ts_ms) for venue in terms.rules}
        mandate = self._parts.arrangement.mandate
        return Terms(mandate, terms.instruments, rules, terms.costs, terms.passages)

    def _senses(self) -> Senses:
        feed = self._parts.feed
        age_ms = round(self._parts.arrangement.mandate.limits.quote_age_s * SECOND_MS)
        return Senses(
            lambda ts_ms: feed.snapshot(ts_ms, ()).fresh_ticks(age_ms),
            halted=self._parts.halted,
            weigh=self._weigh,
            equity_usd=self._equity_usd,
            overdue=self._overdue,
            reduce_only=self._parts.reduce_only,
        )

    def _instruments(self) -> Mapping[InstrumentId, Instrument]:
        return self._parts.arrangement.terms.instruments

    def _weigh(self, order: Order, now_ms: int) -> Weight:
        """What the brake must know of an order; an order without a price weighs without bound."""
        instrument = self._instruments()[order.instrument]
        ticks = self._parts.feed.snapshot(now_ms, ()).ticks().get(order.instrument)
        size = instrument.notional(order.lots, ticks) / MICRO if ticks else float("inf")
        return Weight(instrument.venue, size, self._equity_usd(now_ms))

    def _equity_usd(self, now_ms: int) -> float | None:
        marks = self._parts.feed.snapshot(now_ms, ()).ticks()
        if marks.keys() != self._instruments().keys():
            return None
        void = self._overdue(now_ms) | self.desk.returned
        return usd(self.record.ledger.equity_at(marks, void))

    def _overdue(self, ts_ms: int) -> frozenset[str]:
        passages = self._parts.arrangement.terms.passages
        return lost(self.record.ledger.portfolio(()), passages, ts_ms)
