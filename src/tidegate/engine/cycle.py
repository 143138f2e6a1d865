# SPDX-License-Identifier: Apache-2.0
"""The decision cycle: observe, judge, and only when a trigger calls for it solve, check and act.

A cycle runs on the mandate's time grid, and between grid times whenever an account falls below the
inner stress level. Its only memory beyond the ledger is small and journalled with each decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import msgspec

from tidegate.allocation.bands import Drift, proportional_band
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Answer, Question
from tidegate.allocation.solve import SolveError
from tidegate.engine.alarm import Alarm, Level, assess, naked_coins
from tidegate.engine.defence import threat
from tidegate.engine.inputs import ALLOCATE, JOIN, RELIEVE, Inputs
from tidegate.engine.inquiry import ask, targets
from tidegate.engine.joint import Grounds, Join, join
from tidegate.engine.memory import Memory, Tally
from tidegate.engine.outlook import Outlook
from tidegate.execution.desk import Standing, Steps
from tidegate.execution.planning import Targets, plan_targets
from tidegate.execution.record import Record
from tidegate.execution.transit import lost, sent_day_usd
from tidegate.model.actions import Transfer
from tidegate.model.instruments import InstrumentId
from tidegate.model.market import Quote, carried
from tidegate.model.times import DAY_MS, HOUR_MS, SECOND_MS
from tidegate.model.units import usd
from tidegate.ports import Announcements, Quotes
from tidegate.risk.gate import Approval, Gate
from tidegate.risk.limits import Breach
from tidegate.risk.plan import Plan, Situation, Terms, held_lots

LADDER = "ladder"
CALL = "legs apart"
BLIND = "blind"
REVIEW = "review"
LADDER_CUT = 0.3
# What time cures: a plan that breaks these rules alone may pass at the next look.
PASSING = frozenset(
    ("fresh quotes", "quotes agree", "unsettled", "open route", "route hours", "daily cap")
)
# A book that was refused is not asked for again at once.
REFUSED_PAUSE_MS = HOUR_MS


@dataclass(frozen=True, slots=True)
class Tools:
    """What a cycle decides with: programmes for a better book, of which the mandate names one, and
    for distress; and whether it may cut at all (a switch for measuring what cutting is worth)."""

    allocate: Callable[[Question], Answer] = allocate
    relieve: Callable[[Question, Threat], Answer] = relieve
    reduces: bool = True
    join: Join = join


class Decision(msgspec.Struct, frozen=True):
    """One cycle's outcome, as journalled; `shadow` is what a dollar more at each venue is worth
    over the payback time, `binding` names limits with a price, `memory` is what the engine
    remembers once it has decided."""

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
    memory: Memory = Memory()


class Refused(msgspec.Struct, frozen=True, omit_defaults=True):
    """A plan that the gate refused, as journalled; `curable` where it may pass at the next look."""

    ts_ms: int
    breaches: tuple[Breach, ...]
    curable: bool = False


class Executes(Protocol):
    """What carries out plans; see `Desk`."""

    def standing(self, now_ms: int) -> Standing:
        """How execution stands, after everything that was told has been taken in."""

    def calls(self, now_ms: int) -> bool:
        """Whether a look is called for between the times of the grid."""

    def begin(self, steps: Steps, now_ms: int, offsets_ms: tuple[int, ...] = ()) -> None:
        """Start to carry out approved steps, each not before its offset."""

    def stop(self, now_ms: int, why: str) -> None:
        """Send nothing more of the plan."""

    def heeded(self) -> None:
        """That the last plan ended before its end is known."""

    def mended(self, coins: frozenset[str]) -> None:
        """Legs of coins are together again."""


@dataclass(frozen=True, slots=True)
class World:
    """What a cycle acts through: the feed, the session with the venues, the gate that they ask, the
    record, and the desk that carries out plans over the session."""

    feed: Quotes
    gateway: Announcements
    gate: Gate
    record: Record
    desk: Executes


@dataclass(frozen=True, slots=True)
class Look:
    """The book and the market as they were found at a time, and how near the accounts are."""

    standing: Standing
    situation: Situation
    alarm: Alarm

    @property
    def must_cut(self) -> bool:
        """Whether an account or a hedge calls for cutting now."""
        return self.alarm.level is Level.REDUCE


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
        self._inputs = Inputs(world.record, start_ms, tools.reduces)
        self._outlook: Outlook | None = None
        self._quotes: Mapping[InstrumentId, Quote] = {}
        self._missing: list[InstrumentId] = []
        self._is_cutting, self._capital_micro = False, self._capital()
        self.memory = Memory()

    def recall(self, memory: Memory, quotes: Mapping[InstrumentId, Quote]) -> None:
        """Go on with what a journal remembers: the memory, and quotes as old as they are."""
        self.memory, self._quotes = memory, quotes

    @property
    def tally(self) -> Tally:
        """How often the engine decided and solved."""
        return self.memory.tally

    def step(self, ts_ms: int, since_ms: int | None = None) -> None:
        """Decide at a time, if it is on the grid or an account calls for it, and nothing is being
        carried out; an account that must be cut ends a plan that was made before that was known.
        A grid time that has passed since `since_ms`, the step before, counts as now."""
        terms, self._inputs.since_ms = self._terms_at(ts_ms), since_ms
        purpose = terms.mandate.mandate
        on_grid = self._strikes(purpose.decision_interval_s, ts_ms, since_ms)
        on_watch = on_grid or self._strikes(purpose.watch_interval_s, ts_ms, since_ms)
        if not on_watch and not self._world.desk.calls(ts_ms):
            return
        outlook = self._expect(ts_ms)
        look = self._look(terms, outlook, ts_ms)
        if look is not None and look.must_cut and look.standing.busy and not self._is_cutting:
            self._world.desk.stop(ts_ms, "an account must be cut")
            look = self._look(terms, outlook, ts_ms)
        if look is None or look.standing.halted or (look.standing.busy and not look.must_cut):
            return
        if on_grid or look.must_cut:
            trigger = "grid" if on_grid else "margin" if on_watch else CALL
            self._decide(terms, outlook, look, trigger)

    def _strikes(self, interval_s: int, ts_ms: int, since_ms: int | None) -> bool:
        interval_ms, elapsed_ms = interval_s * SECOND_MS, ts_ms - self._start_ms
        if since_ms is None:
            return elapsed_ms % interval_ms == 0
        return elapsed_ms // interval_ms > (since_ms - self._start_ms) // interval_ms

    def _expect(self, ts_ms: int) -> Outlook:
        if self._outlook is None or ts_ms // DAY_MS > self._outlook.ts_ms // DAY_MS:
            self._outlook = self._forecaster.at(ts_ms)
        return self._outlook

    def _look(self, terms: Terms, outlook: Outlook, ts_ms: int) -> Look | None:
        """The book and the market now; None while some contract has never been quoted, as nothing
        can be judged then, which is journalled."""
        gateway, ledger = self._world.gateway, self._world.record.ledger
        standing = self._world.desk.standing(ts_ms)
        seen = self._world.feed.snapshot(ts_ms, gateway.frozen_venues())
        self._quotes = carried(seen.quotes, self._quotes)
        missing = sorted(terms.instruments.keys() - self._quotes.keys())
        if missing != self._missing:
            self._missing = missing
            self._world.record.note(BLIND, {"ts_ms": ts_ms, "without_quote": missing})
        if missing:
            return None
        snapshot = msgspec.structs.replace(
            seen,
            quotes=self._quotes,
            out_venues=gateway.out_venues(),
            stable_micro=gateway.stable_micro(),
        )
        portfolio = ledger.portfolio(tuple(terms.rules))
        void = lost(portfolio, terms.passages, ts_ms) | standing.returned
        equity = ledger.equity_at(snapshot.ticks(), void)
        self._remember(equity)
        situation = Situation(
            portfolio,
            snapshot,
            outlook.outer,
            outlook.inner,
            usd(equity),
            usd(self.memory.peak_micro),
            unsettled=standing.unsettled,
            loose=standing.loose,
            sent_day_usd=self._sent_day_usd(terms, ts_ms),
            void=void,
            failed=ledger.failed,
        )
        self._world.desk.mended(standing.loose - naked_coins(terms, situation))
        return Look(standing, situation, assess(terms, situation))

    def follow_capital(self) -> None:
        """What is paid in makes no new peak, and what is taken out is no loss from one."""
        before, self._capital_micro = self._capital_micro, self._capital()
        self.memory = self.memory.moved(self._capital_micro - before)

    def _remember(self, equity_micro: int) -> None:
        self.follow_capital()
        self.memory = self.memory.seen(equity_micro)

    def _capital(self) -> int:
        return self._world.record.ledger.waterfall.get("capital", 0)

    def _sent_day_usd(self, terms: Terms, ts_ms: int) -> Mapping[tuple[str, str], float] | None:
        """What left over each route within a day, where the mandate caps any. A sending of which
        nothing is known is not among it; its source lets no money go until that is settled."""
        if all(passage.cap_usd_day is None for passage in terms.passages.values()):
            return None
        latest_first = reversed(self._world.record.events)
        return sent_day_usd(takewhile(lambda e: e.ts_ms > ts_ms - DAY_MS, latest_first), ts_ms)

    def _with_ranks(self, situation: Situation) -> Situation:
        """The situation with our places in the venues' queues, which only a defence looks at."""
        held = [n for a in situation.portfolio.accounts.values() for n in a.positions]
        ranks = {name: self._world.gateway.adl_rank(name) for name in held}
        known = {name: rank for name, rank in ranks.items() if rank is not None}
        return msgspec.structs.replace(situation, adl_ranks=known)

    def _decide(self, terms: Terms, outlook: Outlook, look: Look, trigger: str) -> None:
        situation, alarm = look.situation, look.alarm
        if alarm.level is not Level.CALM:
            situation = self._with_ranks(situation)
        standing = msgspec.structs.replace(look.standing, called=trigger == CALL)
        self._inputs.note(terms, outlook, (situation, standing), self.memory.peak_micro)
        if look.standing.unfinished:
            self.memory = self.memory.stopped()
            self._world.desk.heeded()
        self.memory = self.memory.counted("decisions")
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
            self.memory = self.memory.changed(cut_ms=situation.snapshot.ts_ms)
        self.memory = self.memory.changed(awaits_growth=True)
        question = ask(terms, situation, outlook, may_grow=False)
        pressing = threat(terms, situation, question, reduces=self._tools.reduces)
        answer = self._solve(RELIEVE, situation, lambda: self._tools.relieve(question, pressing))
        if answer is None:
            self._act(terms, situation, self._ladder(terms, situation), alarm, trigger, None)
            return
        wanted = targets(terms, situation, question, answer, alarm.level.value)
        self._act(terms, situation, wanted, alarm, trigger, (question, answer))

    def _review_due(self, terms: Terms, situation: Situation) -> bool:
        now = situation.snapshot.ts_ms
        awaited = {shipment.id for shipment in situation.portfolio.shipments} - situation.void
        blocked = set(situation.snapshot.frozen_venues) - situation.failed or awaited
        memory = self.memory
        due = now - memory.reviewed_ms >= terms.mandate.edge.review_s * SECOND_MS
        delay_ms = terms.mandate.authority.delay_before_raising_s * SECOND_MS
        paused = now - memory.refused_ms < REFUSED_PAUSE_MS or now - memory.cut_ms < delay_ms
        return not blocked and not paused and (due or memory.awaits_growth)

    def _review(
        self, terms: Terms, situation: Situation, outlook: Outlook, alarm: Alarm, trigger: str
    ) -> None:
        """Look for a better book; move only where it leaves the no-trade band."""
        now = situation.snapshot.ts_ms
        self.memory = self.memory.changed(reviewed_ms=now, awaits_growth=False)
        question = ask(terms, situation, outlook, may_grow=True)
        answer = self._better(terms, situation, outlook, question)
        if answer is None:
            self._conclude(situation, alarm, trigger, "hold: no agreed solution")
            return
        moving = (
            # A joint plan has left out what is not worth moving.
            terms.mandate.is_joint
            or self.memory.unfinished
            or self._outside_band(terms, outlook, question, answer)
        )
        if not moving:
            self._conclude(situation, alarm, trigger, "hold: inside the band", answer, question)
            return
        wanted = targets(terms, situation, question, answer, REVIEW)
        self._act(terms, situation, wanted, alarm, trigger, (question, answer))

    def _better(
        self, terms: Terms, situation: Situation, outlook: Outlook, question: Question
    ) -> Answer | None:
        """A better book by the programme that the mandate names; None where there is none."""
        if terms.mandate.is_joint:
            grounds = Grounds(terms, situation, outlook)
            return self._solve(JOIN, situation, lambda: self._tools.join(question, grounds))
        return self._solve(ALLOCATE, situation, lambda: self._tools.allocate(question))

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

    def _solve(
        self, name: str, situation: Situation, programme: Callable[[], Answer]
    ) -> Answer | None:
        now = situation.snapshot.ts_ms
        self.memory = self.memory.counted("solves")
        try:
            answer = programme()
        except SolveError as error:
            self.memory = self.memory.counted("failures")
            self._inputs.note_solved(now, name, str(error))
            return None
        self._inputs.note_solved(now, name, answer)
        return answer

    def _ladder(self, terms: Terms, situation: Situation) -> Targets:
        """Without an allowed answer: the same share off every position, hedged legs together."""
        amounts = {}
        for name, instrument in terms.instruments.items():
            lots = held_lots(situation.portfolio.accounts[instrument.venue], instrument)
            amounts[name] = (1 - LADDER_CUT) * lots * float(instrument.lot)
        return Targets(amounts, {}, {}, LADDER, urgent=True)

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
        decision = f"{self._world.record.run}{self.tally.decisions}"
        plan = plan_targets(terms, situation, wanted, decision)
        if not plan.steps:
            self._conclude(
                situation, alarm, trigger, "hold: nothing worth moving", answer, question
            )
            return
        unfinished = question is not None and answer is not None and _capped(question, answer)
        awaits = self.memory.awaits_growth or not plan.raises or unfinished
        self.memory = self.memory.changed(unfinished=unfinished, awaits_growth=awaits)
        sequence = self._conclude(situation, alarm, trigger, wanted.reason, answer, question)
        verdict = self._world.gate.review(terms, situation, plan, sequence, self._world.record.note)
        if not isinstance(verdict, list):
            self._execute(plan, verdict, situation.snapshot.ts_ms)
            return
        curable = wanted.reason == REVIEW and _is_curable(terms, wanted, plan, verdict)
        self.memory = self.memory.refused(situation.snapshot.ts_ms, curable)
        refused = Refused(situation.snapshot.ts_ms, tuple(verdict), curable)
        self._world.record.note("refused", refused)
        if alarm.level is Level.REDUCE and wanted.reason != LADDER:
            ladder = self._ladder(terms, situation)
            self._act(terms, situation, ladder, alarm, trigger, None)

    def _execute(self, plan: Plan, approvals: tuple[Approval, ...], now: int) -> None:
        """Journal every approval, then let the desk carry the plan out."""
        for approval in approvals:
            self._world.record.note("approved", _approved(approval, now))
        left = iter(approvals)
        steps = tuple(tuple(next(left) for _ in step.actions) for step in plan.steps)
        self._is_cutting = not plan.raises
        self._world.desk.begin(steps, now, tuple(step.offset_ms for step in plan.steps))

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
            self.memory,
        )
        return self._world.record.note("decision", decision)


def _is_curable(terms: Terms, wanted: Targets, plan: Plan, breaches: list[Breach]) -> bool:
    """Whether a plan was refused for what passes by itself: what is stale, in doubt or closed now,
    or growth for which a transfer was meant that could not leave."""
    sent = {(a.source, a.destination) for a in plan.actions if isinstance(a, Transfer)}
    least_usd = terms.mandate.limits.minimum_transfer_usd
    meant = {route for route, usd in wanted.transfers_usd.items() if usd >= least_usd}
    left_out = not meant <= sent
    return left_out or all(breach.rule in PASSING for breach in breaches)


def _capped(question: Question, answer: Answer) -> bool:
    """Whether some leg trades all that its market takes at once, and so has further to go."""
    traded = abs(answer.target - question.legs.held)
    return bool((traded > 0.99 * question.legs.trade_cap).any())


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
