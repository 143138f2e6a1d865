# SPDX-License-Identifier: Apache-2.0
"""The decision cycle: observe, judge, and only when a trigger calls for it solve, check and act.

A cycle runs on the mandate's time grid, and between grid times whenever an account falls below the
inner stress level. Its only memory beyond the ledger is small and journalled with each decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from tidegate.allocation.bands import Drift, proportional_band
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.alarm import Alarm, Level, assess
from tidegate.engine.defence import threat
from tidegate.engine.inquiry import ask, targets
from tidegate.engine.outlook import Outlook
from tidegate.engine.record import Record
from tidegate.execution.planning import Targets, plan_targets
from tidegate.model.actions import Order
from tidegate.model.errors import ensure
from tidegate.model.events import Event, OrderRefused, TransferRefused
from tidegate.model.times import DAY_MS, HOUR_MS, SECOND_MS
from tidegate.model.units import usd
from tidegate.ports import Feed, Venues
from tidegate.risk.gate import Approval, Gate
from tidegate.risk.plan import Situation, Terms, held_lots

LADDER = "ladder"
LADDER_CUT = 0.3
# A book that was refused is not asked for again at once.
REFUSED_PAUSE_MS = HOUR_MS


@dataclass(frozen=True, slots=True)
class Tools:
    """What a cycle decides with: the two programmes, and whether it may cut positions at all (a
    switch for measuring what cutting is worth)."""

    allocate: Callable[[Question], Answer] = allocate
    relieve: Callable[[Question, Threat], Answer] = relieve
    reduces: bool = True


class Decision(msgspec.Struct, frozen=True):
    """One cycle's outcome, as journalled; `shadow` is what a dollar more at each venue is worth
    over the payback time, `binding` names limits with a price."""

    ts_ms: int
    number: int
    trigger: str
    action: str
    snapshot: str
    equity_micro: int
    alarm: str
    venue: str | None = None
    objective: float | None = None
    bound: float | None = None
    shadow: dict[str, float] | None = None
    binding: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class Tally:
    """How often the engine decided and solved."""

    decisions: int = 0
    solves: int = 0
    refusals: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class World:
    """What a cycle acts through: the feed, the venues, the gate that they ask, and the record."""

    feed: Feed
    venues: Venues
    gate: Gate
    record: Record


class Expects(Protocol):
    """What makes outlooks."""

    def at(self, ts_ms: int) -> Outlook:
        """The outlook at a time, from what was known then."""


class Cycle:
    """The engine of one mandate; `terms_at` gives contracts, rules and costs in force at a time."""

    def __init__(
        self,
        world: World,
        terms_at: Callable[[int], Terms],
        forecaster: Expects,
        start_ms: int,
        tools: Tools = Tools(),
    ) -> None:
        self._world, self._terms_at, self._forecaster = world, terms_at, forecaster
        self._start_ms, self._tools = start_ms, tools
        self._outlook: Outlook | None = None
        self._peak_micro = 0
        self._reviewed_ms = -1
        self._awaits_growth, self._unfinished = True, False
        self._refused_ms = self._cut_ms = -DAY_MS * 365
        self.tally = Tally()

    def step(self, ts_ms: int) -> None:
        """Decide at a time, if it is on the grid or an account calls for it."""
        terms = self._terms_at(ts_ms)
        purpose, elapsed_ms = terms.mandate.mandate, ts_ms - self._start_ms
        on_grid = elapsed_ms % (purpose.decision_interval_s * SECOND_MS) == 0
        if not on_grid and elapsed_ms % (purpose.watch_interval_s * SECOND_MS):
            return
        outlook = self._expect(ts_ms)
        situation = self._observe(terms, outlook, ts_ms)
        alarm = assess(terms, situation)
        if on_grid or alarm.level is Level.REDUCE:
            self.tally.decisions += 1
            trigger = "grid" if on_grid else "margin"
            self._decide(terms, situation, outlook, alarm, trigger)

    def _expect(self, ts_ms: int) -> Outlook:
        if self._outlook is None or ts_ms // DAY_MS > self._outlook.ts_ms // DAY_MS:
            self._outlook = self._forecaster.at(ts_ms)
        return self._outlook

    def _observe(self, terms: Terms, outlook: Outlook, ts_ms: int) -> Situation:
        venues = self._world.venues
        snapshot = msgspec.structs.replace(
            self._world.feed.snapshot(ts_ms, venues.frozen_venues()),
            out_venues=venues.out_venues(),
            stable_micro=venues.stable_micro(),
        )
        ledger = self._world.record.ledger
        portfolio = ledger.portfolio(tuple(terms.rules))
        for venue, account in portfolio.accounts.items():
            theirs = self._world.venues.account(venue)
            ensure(
                _same(account.balances, theirs.balances),
                f"{venue}: ledger and venue disagree on balances",
            )
            ensure(
                account.positions == theirs.positions,
                f"{venue}: ledger and venue disagree on positions",
            )
        equity = ledger.equity_at(snapshot.ticks())
        self._peak_micro = max(self._peak_micro, equity)
        moves = (outlook.outer, outlook.inner)
        worth = (usd(equity), usd(self._peak_micro))
        return Situation(portfolio, snapshot, *moves, *worth)

    def _with_ranks(self, situation: Situation) -> Situation:
        """The situation with our places in the venues' queues, which only a defence looks at."""
        held = [n for a in situation.portfolio.accounts.values() for n in a.positions]
        ranks = {name: self._world.venues.adl_rank(name) for name in held}
        known = {name: rank for name, rank in ranks.items() if rank is not None}
        return msgspec.structs.replace(situation, adl_ranks=known)

    def _decide(
        self, terms: Terms, situation: Situation, outlook: Outlook, alarm: Alarm, trigger: str
    ) -> None:
        if situation.equity_usd <= 0:
            self._conclude(situation, alarm, trigger, "nothing left")
        elif alarm.level is not Level.CALM:
            self._defend(terms, situation, outlook, alarm, trigger)
        elif self._review_due(terms, situation):
            self._review(terms, situation, outlook, alarm, trigger)
        else:
            self._conclude(situation, alarm, trigger, "hold")

    def _defend(
        self, terms: Terms, situation: Situation, outlook: Outlook, alarm: Alarm, trigger: str
    ) -> None:
        """Send money or cut; nothing may grow."""
        if alarm.level is Level.REDUCE:
            self._cut_ms = situation.snapshot.ts_ms
        self._awaits_growth = True
        situation = self._with_ranks(situation)
        question = ask(terms, situation, outlook, may_grow=False)
        pressing = threat(terms, situation, question, reduces=self._tools.reduces)
        answer = self._solve(lambda: self._tools.relieve(question, pressing))
        if answer is None:
            self._act(terms, situation, self._ladder(terms, situation), alarm, trigger, None)
            return
        wanted = targets(terms, situation, question, answer, alarm.level.value)
        self._act(terms, situation, wanted, alarm, trigger, (question, answer))

    def _review_due(self, terms: Terms, situation: Situation) -> bool:
        now = situation.snapshot.ts_ms
        blocked = situation.portfolio.shipments or situation.snapshot.frozen_venues
        due = now - self._reviewed_ms >= terms.mandate.edge.review_s * SECOND_MS
        delay_ms = terms.mandate.authority.delay_before_raising_s * SECOND_MS
        paused = now - self._refused_ms < REFUSED_PAUSE_MS or now - self._cut_ms < delay_ms
        return not blocked and not paused and (due or self._awaits_growth)

    def _review(
        self, terms: Terms, situation: Situation, outlook: Outlook, alarm: Alarm, trigger: str
    ) -> None:
        """Look for a better book; move only where it leaves the no-trade band."""
        self._reviewed_ms = situation.snapshot.ts_ms
        self._awaits_growth = False
        question = ask(terms, situation, outlook, may_grow=True)
        answer = self._solve(lambda: self._tools.allocate(question))
        if answer is None:
            self._conclude(situation, alarm, trigger, "hold: no agreed solution")
            return
        if not self._unfinished and not self._outside_band(terms, outlook, question, answer):
            self._conclude(situation, alarm, trigger, "hold: inside the band", answer, question)
            return
        wanted = targets(terms, situation, question, answer, "review")
        self._act(terms, situation, wanted, alarm, trigger, (question, answer))

    def _outside_band(
        self, terms: Terms, outlook: Outlook, question: Question, answer: Answer
    ) -> bool:
        """Whether any coin's size is further from its target than its no-trade band.

        The deviation drifts with the price, a^2 = (target x volatility)^2 a year; being off costs
        R/2 x^2 with R the variance of the carry's error (log utility); trading costs both legs.
        """
        legs = question.legs
        errors = {edge.coin: edge.standard_error_annual for edge in outlook.edges}
        for index, coin in enumerate(terms.mandate.coins):
            own = legs.coin == index
            deviation = float(abs(answer.target[own] - legs.held[own]).max())
            size = float(abs(answer.target[own]).max())
            if deviation * question.equity_usd < terms.mandate.limits.minimum_trade_usd:
                continue
            if coin not in errors or size == 0.0 or not legs.held[own].any():
                return True
            drift = Drift((size * outlook.vol_daily[coin]) ** 2 * 365, errors[coin] ** 2)
            cost = float(legs.cost_rate[own].sum())
            if deviation > min(proportional_band(drift, cost).trigger, size / 2):
                return True
        return False

    def _solve(self, programme: Callable[[], Answer]) -> Answer | None:
        self.tally.solves += 1
        try:
            return programme()
        except SolveError:
            self.tally.failures += 1
            return None

    def _ladder(self, terms: Terms, situation: Situation) -> Targets:
        """Without an allowed answer: the same share off every position, hedged legs together."""
        amounts = {}
        for name, instrument in terms.instruments.items():
            lots = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
            amounts[name] = (1 - LADDER_CUT) * lots * float(instrument.lot)
        return Targets(amounts, {}, {}, LADDER)

    def _act(
        self,
        terms: Terms,
        situation: Situation,
        wanted: Targets,
        alarm: Alarm,
        trigger: str,
        solved: tuple[Question, Answer] | None,
    ) -> None:
        question, answer = solved if solved else (None, None)
        plan = plan_targets(terms, situation, wanted, self.tally.decisions)
        if not plan.steps:
            self._conclude(
                situation, alarm, trigger, "hold: nothing worth moving", answer, question
            )
            return
        self._unfinished = question is not None and answer is not None and _capped(question, answer)
        if not plan.raises or self._unfinished:
            self._awaits_growth = True
        sequence = self._conclude(situation, alarm, trigger, wanted.reason, answer, question)
        verdict = self._world.gate.review(terms, situation, plan, sequence, self._world.record.note)
        if not isinstance(verdict, list):
            self._execute(verdict, situation.snapshot.ts_ms)
            return
        self.tally.refusals += 1
        self._refused_ms = situation.snapshot.ts_ms
        payload = {"ts_ms": situation.snapshot.ts_ms, "breaches": verdict}
        self._world.record.note("refused", payload)
        if alarm.level is Level.REDUCE and wanted.reason != LADDER:
            ladder = self._ladder(terms, situation)
            self._act(terms, situation, ladder, alarm, trigger, None)

    def _execute(self, approvals: tuple[Approval, ...], now: int) -> None:
        """Journal every approval, then send one by one; a refusal stops everything after it."""
        record = self._world.record
        for approval in approvals:
            record.note("approved", _approved(approval, now))
        for approval in approvals:
            results = self._send(approval, now)
            if any(isinstance(event, OrderRefused | TransferRefused) for event in results):
                self._awaits_growth = True
                return

    def _send(self, approval: Approval, now: int) -> list[Event]:
        record, venues = self._world.record, self._world.venues
        submission = {"ts_ms": now, "approval": approval.id, "content": approval.content}
        order = isinstance(approval.action, Order)
        record.note("submitted" if order else "sent", submission)
        events = venues.submit(approval) if order else venues.transfer(approval)
        record.take(events)
        return events

    def _conclude(
        self,
        situation: Situation,
        alarm: Alarm,
        trigger: str,
        action: str,
        answer: Answer | None = None,
        question: Question | None = None,
    ) -> int:
        snapshot = situation.snapshot
        shadow = None
        if answer is not None and question is not None:
            values = (round(float(v), 9) for v in answer.dollar_value)
            shadow = dict(zip(question.wallets.names, values, strict=True))
        decision = Decision(
            snapshot.ts_ms,
            self.tally.decisions,
            trigger,
            action,
            snapshot.id,
            round(situation.equity_usd * 1e6),
            alarm.level.value,
            alarm.venue,
            answer.objective if answer else None,
            answer.bound if answer else None,
            shadow,
            answer.binding[:5] if answer else (),
        )
        return self._world.record.note("decision", decision)


def _capped(question: Question, answer: Answer) -> bool:
    """Whether some leg trades all that its market takes at once, and so has further to go."""
    traded = abs(answer.target - question.legs.held)
    return bool((traded > 0.99 * question.legs.trade_cap).any())


def _same(ours: Mapping[str, int], theirs: Mapping[str, int]) -> bool:
    return all(ours.get(a, 0) == theirs.get(a, 0) for a in {*ours, *theirs})


def _approved(approval: Approval, now_ms: int) -> dict[str, object]:
    return {
        "ts_ms": now_ms,
        "id": approval.id,
        "decision": approval.sequence,
        "content": approval.content,
        "action": approval.action,
        "snapshot": approval.snapshot,
        "mandate": approval.mandate_version,
        "expires_ms": approval.expires_ms,
    }
