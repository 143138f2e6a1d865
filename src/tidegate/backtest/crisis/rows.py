# SPDX-License-Identifier: Apache-2.0
"""What one policy did in one crisis, in numbers that can be averaged over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tidegate.backtest.experiment import Spec
from tidegate.backtest.measures import COSTS, FUNDING, LIQUIDATION_LOSSES, measure
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.nearest_death import marks_at
from tidegate.backtest.trial.score import score
from tidegate.model.events import Filled

# Groups of causes of the waterfall; what is in none of them is a change of price.
TRADING = ("fees", "spread", "impact", "rounding")
MOVING = tuple(cause for cause in COSTS if cause not in TRADING)
CAUSES = ("price", "funding", "trading", "moving", "liquidation", "covered", "stranded")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in one crisis of one seed; shares are of the starting capital unless said.

    `liquidations` counts episodes, `calm_liquidated` says that one came before the crisis,
    `deleveraged` is the notional that venues closed of winners.
    `result` is the change of equity from the opening to the end, of what the opening left, less
    what is `stranded`: equity that lies at a venue which never pays again; `loss` is its negative
    part. `orphaned` is the notional that other venues hold against that venue. `closest` is the
    least health ratio, `near_misses` how often one fell below 1.5. `collateral` is the average
    equity of accounts with positions until the crisis, `held` their gross notional over equity,
    `left` the gross notional at the end over that at the crisis' begin. `causes` sums to the change
    of equity over the run, what is stranded taken off; `covered` is what accounts owed when they
    were liquidated and a venue's fund paid, a gain of whoever owed it. A run that failed has
    `failed` and nothing.
    """

    crisis: str
    market: str
    seed: int
    policy: str
    failed: str | None = None
    struck: str | None = None
    refused: bool = False
    liquidations: int = 0
    calm_liquidated: bool = False
    deleveraged: float = 0.0
    result: float = 0.0
    stranded: float = 0.0
    orphaned: float = 0.0
    carry_kept: float = 0.0
    calm_carry: float = 0.0
    collateral: float = 0.0
    held: float = 0.0
    near_misses: int = 0
    closest: float | None = None
    left: float | None = None
    turnover: float = 0.0
    transfers: int = 0
    causes: dict[str, float] = {}

    @property
    def loss(self) -> float:
        """What was lost, 0 for a gain."""
        return max(0.0, -self.result)

    @property
    def opened(self) -> bool:
        """Whether there is a book to speak of."""
        return self.failed is None and not self.refused


def row_of(name: str, contest: Contest, outcome: Outcome, spec: Spec, loses_money: bool) -> Row:
    """The row of a finished run; `loses_money` says that the struck venue never pays again."""
    scored, measured = (
        score(contest, outcome, spec),
        measure(outcome, contest.experiment.arrangement),
    )
    capital = outcome.start_micro
    venue = contest.crisis_venue if loses_money else None
    stranded = _stranded_micro(outcome, venue)
    opened = capital * (1.0 - scored.opening_cost)
    return Row(
        crisis=name,
        market=contest.world,
        seed=contest.seed,
        policy=spec.label,
        struck=contest.crisis_venue,
        refused=scored.refused,
        liquidations=measured.liquidations,
        calm_liquidated=scored.calm_liquidated,
        deleveraged=_deleveraged_micro(contest, outcome) / capital,
        result=(outcome.ledger.equity_micro - stranded) / opened - 1.0,
        stranded=stranded / capital,
        orphaned=_orphaned_micro(contest, outcome, venue) / capital,
        carry_kept=measured.carry_kept,
        calm_carry=scored.calm_carry,
        collateral=scored.collateral,
        held=scored.calm_leverage,
        near_misses=measured.near_liquidations,
        closest=measured.worst_health_ratio,
        left=scored.left,
        turnover=scored.turnover,
        transfers=measured.transfers,
        causes=causes(outcome.ledger.waterfall, capital, stranded),
    )


def causes(waterfall: Mapping[str, int], capital: int, stranded: int) -> dict[str, float]:
    """The waterfall in few groups, as shares of capital; they sum to the change of equity."""
    found = dict.fromkeys(CAUSES, 0.0)
    for cause, micro in waterfall.items():
        if cause != "capital":
            found[_group(cause)] += micro / capital
    found["stranded"] -= stranded / capital
    return found


def _group(cause: str) -> str:
    if cause in TRADING:
        return "trading"
    if cause in MOVING:
        return "moving"
    if cause in LIQUIDATION_LOSSES:
        return "liquidation"
    if cause == "deficit covered":
        return "covered"
    return "funding" if cause.startswith(FUNDING) or cause == "yield" else "price"


def _stranded_micro(outcome: Outcome, venue: str | None) -> int:
    """Equity at a venue at the end, unrealised profit included, dollar coins at par."""
    if venue is None:
        return 0
    return max(0, outcome.series.venue_equity[venue][-1])


def _orphaned_micro(contest: Contest, outcome: Outcome, venue: str | None) -> int:
    """Per coin the net notional at all other venues at the end, without its sign, summed."""
    if venue is None:
        return 0
    experiment = contest.experiment
    instruments = experiment.arrangement.terms.instruments
    marks = marks_at(contest, experiment.tape.end_ms)
    net: dict[str, int] = {}
    for other in experiment.arrangement.mandate.venue:
        if other == venue:
            continue
        for name, position in outcome.ledger.account(other).positions.items():
            coin = instruments[name].base
            value = instruments[name].value(position.lots, marks[name])
            net[coin] = net.get(coin, 0) + value
    return sum(map(abs, net.values()))


def _deleveraged_micro(contest: Contest, outcome: Outcome) -> int:
    instruments = contest.experiment.arrangement.terms.instruments
    return sum(
        instruments[e.instrument].notional(e.lots, e.ticks)
        for e in outcome.events
        if isinstance(e, Filled) and e.reason == "deleveraging"
    )
