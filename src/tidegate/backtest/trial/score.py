# SPDX-License-Identifier: Apache-2.0
"""What one policy kept and lost in one contest, in numbers that can be averaged over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidegate.backtest.experiment import CLAIMS, Spec
from tidegate.backtest.measures import time_average, worst_health_ratio
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.model.errors import ensure
from tidegate.model.events import (
    Event,
    Filled,
    FundingPaid,
    LiquidationStarted,
    PenaltyCharged,
    TransferLanded,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.times import DAY_MS

# Opening a book costs the same in every week that it is held: the first day is shown apart.
OPENING_MS = DAY_MS
# What `calm_carry` is called wherever it is shown.
CARRY = "carry of the calm week from its second day, opening cost apart"


class Score(msgspec.Struct, frozen=True):
    """One policy in one contest; shares are of the starting capital unless said.

    `calm_carry` is the carry of the calm week from its second day, opening cost apart: funding and
    yield less all costs between the first day's end and the crisis. `opening_cost` is what trading
    and sending cost on that first day; nothing of it is in `calm_carry`. `crisis_return` is on
    equity at the crisis' begin; `loss` is what is lost from the opening to the end, of what the
    opening left (0 for a gain). `collateral` is the average equity of accounts that carry
    positions, until the crisis; `left` the gross notional at the end over that at the crisis'
    begin. `liquidated` says that a venue took over in the whole run, `calm_liquidated` before the
    crisis; `refused` that the book could not be opened.
    """

    world: str
    seed: int
    crisis: str
    policy: str
    leverage: float | None
    without: tuple[str, ...]
    refused: bool
    liquidated: bool
    calm_liquidated: bool
    calm_carry: float
    opening_cost: float
    crisis_return: float
    loss: float
    collateral: float
    calm_leverage: float
    left: float | None
    worst_health: float | None
    transfers: int
    turnover: float
    journal_head: str

    @property
    def label(self) -> str:
        """Name in tables."""
        sized = self.policy if self.leverage is None else f"{self.policy} {self.leverage:g}"
        return " without ".join((sized, *self.without))


class Kept(msgspec.Struct, frozen=True):
    """The fields of a score that the events alone determine."""

    liquidated: bool
    calm_liquidated: bool
    calm_carry: float
    opening_cost: float
    loss: float
    transfers: int


def kept(events: Sequence[Event], span: tuple[int, int], equity: tuple[int, int]) -> Kept:
    """What a run kept, from its events, the times of its start and its crisis (or end), and its
    equity at start and end in micro-dollars."""
    (start, crisis), (capital, end) = span, equity
    opening, calm = (start, start + OPENING_MS), (start + OPENING_MS, crisis)
    opened = capital - _costs(events, opening)
    liquidations = [e.ts_ms for e in events if isinstance(e, LiquidationStarted)]
    return Kept(
        liquidated=bool(liquidations),
        calm_liquidated=any(ts < crisis for ts in liquidations),
        calm_carry=(_received(events, calm) - _costs(events, calm)) / capital,
        opening_cost=(capital - opened) / capital,
        loss=max(0.0, 1 - end / opened),
        transfers=sum(isinstance(e, TransferSent) for e in events),
    )


def score(contest: Contest, outcome: Outcome, spec: Spec) -> Score:
    """Score a finished run of a policy."""
    tape = contest.experiment.tape
    start = tape.start_ms
    crisis = contest.crisis_start_ms or tape.end_ms
    capital = outcome.start_micro
    begin = max(i for i, ts in enumerate(outcome.series.ts_ms) if ts <= crisis)
    before, end = outcome.series.equity[begin], outcome.ledger.equity_micro
    change = (end - before) / before if before > 0 else 0.0
    gross = outcome.series.gross
    said = kept(outcome.events, (start, crisis), (capital, end))
    return Score(
        contest.world,
        contest.seed,
        contest.crisis,
        spec.policy,
        spec.leverage,
        spec.without,
        refused=spec.policy not in ("tidegate", CLAIMS) and outcome.refusals > 0,
        crisis_return=change,
        collateral=_collateral(outcome, crisis) / capital,
        calm_leverage=_leverage(outcome, start + OPENING_MS, crisis),
        left=gross[-1] / gross[begin] if gross[begin] else None,
        worst_health=worst_health_ratio(outcome.extremes),
        turnover=_traded(contest, outcome.events) / capital,
        journal_head=outcome.journal_head,
        **msgspec.structs.asdict(said),
    )


def _within(events: Iterable[Event], span: tuple[int, int]) -> Iterable[Event]:
    return (e for e in events if span[0] <= e.ts_ms < span[1])


def _received(events: Iterable[Event], span: tuple[int, int]) -> int:
    """Funding and yield in micro-dollars, dollar coins at par."""
    total = 0
    for event in _within(events, span):
        if isinstance(event, FundingPaid):
            total -= event.quanta
        elif isinstance(event, YieldAccrued):
            total += event.quanta
    return total


def _costs(events: Iterable[Event], span: tuple[int, int]) -> int:
    """Fees, spread, impact, penalties, transfer fees and conversion in micro-dollars, at par."""
    total = 0
    for event in _within(events, span):
        if isinstance(event, Filled):
            total += event.fee_quanta + event.spread_quanta + event.impact_quanta
        elif isinstance(event, PenaltyCharged):
            total += event.quanta
        elif isinstance(event, TransferSent):
            total += event.fee_quanta
        elif isinstance(event, TransferLanded):
            total += event.conversion_quanta
    return total


def _collateral(outcome: Outcome, until_ms: int) -> float:
    series = outcome.series
    totals = [0.0] * len(series.ts_ms)
    for venue, equities in series.venue_equity.items():
        carried = zip(equities, series.venue_maintenance[venue], strict=True)
        for index, (equity, maintenance) in enumerate(carried):
            totals[index] += equity if maintenance > 0 else 0
    return time_average(series.ts_ms, totals, until_ms)


def _leverage(outcome: Outcome, from_ms: int, until_ms: int) -> float:
    series = outcome.series
    first = next(i for i, ts in enumerate(series.ts_ms) if ts >= from_ms)
    rows = list(zip(series.gross[first:], series.equity[first:], strict=True))
    values = [gross / equity if equity > 0 else 0.0 for gross, equity in rows]
    ensure(len(values) > 0, "a contest without a calm part")
    return time_average(series.ts_ms[first:], values, until_ms)


def _traded(contest: Contest, events: Iterable[Event]) -> float:
    instruments = contest.experiment.arrangement.terms.instruments
    return float(
        sum(
            instruments[e.instrument].notional(e.lots, e.ticks)
            for e in events
            if isinstance(e, Filled)
        )
    )
