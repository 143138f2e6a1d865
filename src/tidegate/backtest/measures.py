# SPDX-License-Identifier: Apache-2.0
"""What a finished run is worth, in numbers; docs/terminology.md defines each.

Money comes from the ledger's waterfall, risk from margin at the adverse extremes inside bars, and
averages from hourly samples, each of which counts until the next one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from tidegate.backtest.arrangement import Arrangement
from tidegate.backtest.run import Outcome, Series
from tidegate.model.errors import ensure
from tidegate.model.events import Event, Filled, LiquidationStarted, TransferSent
from tidegate.model.times import YEAR_MS
from tidegate.model.units import MICRO, unit_quanta, usd
from tidegate.simulation.books import Extreme

WITHOUT = " without "
NEAR_RATIO = 1.5
SAFE_RATIO = 2.0
CAPITAL = "capital"
FUNDING = "funding:"
PRICE = "price:"
STABLE = "stable:"
COSTS = (
    *("fees", "spread", "impact", "rounding"),
    *("transfer fees", "conversion", "lost in transit"),
)
LIQUIDATION_LOSSES = ("clearance fee", "margin forfeited")
FAILED = "venue failed"
# The fund that takes a deficit gives back a loss of price; a failed venue's claim was capital and
# price before it was lost; the last three move value within the
# book and leave only the rounding of its valuation.
NOT_CARRY = (
    *(CAPITAL, "deficit covered", FAILED, "delivery"),
    *("trade", "transfer", "realised"),
)


class Measures(msgspec.Struct, frozen=True):
    """One policy's run in numbers; field names are the keys of the JSON document."""

    policy: str
    leverage: float | None
    liquidations: int
    near_liquidations: int
    return_on_capital: float
    return_annual: float | None
    carry_kept_usd: float
    carry_kept: float
    avg_leverage: float
    avg_collateral_usd: float
    max_drawdown: float
    worst_health_ratio: float | None
    turnover: float | None
    transfers: int
    fees_usd: float
    funding_usd: float
    solves: int
    decisions: int
    refusals: int
    journal_head: str
    waterfall_usd: dict[str, float]
    death_ms: int | None

    @property
    def label(self) -> str:
        """Name in tables: the policy with its nominal leverage."""
        return self.policy if self.leverage is None else f"{self.policy} {self.leverage:g}"


def measure(outcome: Outcome, arrangement: Arrangement) -> Measures:
    """Every measure of one run; a waterfall that does not explain equity raises
    `InvariantError`."""
    waterfall_check(outcome)
    policy, leverage = policy_of(outcome.name)
    ledger, series = outcome.ledger, outcome.series
    death = death_ms(outcome.events)
    until = ledger.ts_ms if death is None else death
    kept = carry_kept_micro(ledger.waterfall)
    elapsed = ledger.ts_ms - series.ts_ms[0]
    return Measures(
        policy=policy,
        leverage=leverage,
        liquidations=_count(outcome.events, LiquidationStarted),
        near_liquidations=near_liquidations(outcome.extremes),
        return_on_capital=ledger.equity_micro / outcome.start_micro - 1,
        return_annual=return_annual(ledger.equity_micro / outcome.start_micro, elapsed),
        carry_kept_usd=usd(kept),
        carry_kept=kept / outcome.start_micro,
        avg_leverage=avg_leverage(series, until),
        avg_collateral_usd=avg_collateral_usd(series, arrangement, until),
        max_drawdown=max_drawdown([outcome.start_micro, *series.equity, ledger.equity_micro]),
        worst_health_ratio=worst_health_ratio(outcome.extremes),
        turnover=turnover(outcome, arrangement, until),
        transfers=_count(outcome.events, TransferSent),
        fees_usd=usd(-ledger.waterfall.get("fees", 0)),
        funding_usd=usd(_sum_of(ledger.waterfall, lambda cause: cause.startswith(FUNDING))),
        solves=outcome.solves,
        decisions=outcome.decisions,
        refusals=outcome.refusals,
        journal_head=outcome.journal_head,
        waterfall_usd={cause: usd(micro) for cause, micro in ledger.waterfall.items()},
        death_ms=death,
    )


def waterfall_check(outcome: Outcome) -> None:
    """Causes other than capital sum to the change of equity, to the micro-dollar."""
    explained = _sum_of(outcome.ledger.waterfall, lambda cause: cause != CAPITAL)
    change = outcome.ledger.equity_micro - outcome.start_micro
    ensure(
        explained == change,
        f"{outcome.name}: the waterfall explains {explained} of {change} micro-dollars",
    )


def policy_of(name: str) -> tuple[str, float | None]:
    """Policy and nominal leverage of a run's name: `threshold 3`, `tidegate`, or of what is without
    some part the whole name."""
    policy, space, leverage = name.rpartition(" ")
    return (policy, float(leverage)) if space and WITHOUT not in name else (name, None)


def death_ms(events: Iterable[Event]) -> int | None:
    """Time of the first liquidation, if there was one."""
    return next((e.ts_ms for e in events if isinstance(e, LiquidationStarted)), None)


def carry_kept_micro(waterfall: Mapping[str, int]) -> int:
    """Funding and yield less every cost and liquidation losses; a cause that nobody has placed
    raises `InvariantError`, since it could be either."""
    kept = (*COSTS, *LIQUIDATION_LOSSES, "yield")
    for cause in waterfall:
        known = cause in kept or cause in NOT_CARRY or cause.startswith((FUNDING, PRICE, STABLE))
        ensure(known, f"the waterfall has a cause that no measure places: {cause}")
    return _sum_of(waterfall, lambda cause: cause in kept or cause.startswith(FUNDING))


def return_annual(growth: float, elapsed_ms: int) -> float | None:
    """End over start equity to the power of a year over the window's length, less 1; None where a
    short window makes it more than a number can hold."""
    ensure(elapsed_ms > 0, "a run without length has no annual return")
    try:
        return float(max(0.0, growth) ** (YEAR_MS / elapsed_ms)) - 1
    except OverflowError:
        return None


def time_average(ts_ms: Sequence[int], values: Sequence[float], until_ms: int) -> float:
    """Mean over time of samples (n) that each hold until the next one, the last until `until_ms`.

    Later samples do not count; where no time passes, the first sample is the answer.
    """
    ensure(len(ts_ms) == len(values) > 0, "an average needs a time for each of its samples")
    ends = [*ts_ms[1:], max(until_ms, ts_ms[-1])]
    weights = [max(0, min(end, until_ms) - at) for at, end in zip(ts_ms, ends, strict=True)]
    total = sum(weights)
    if total == 0:
        return values[0]
    return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / total


def avg_leverage(series: Series, until_ms: int) -> float:
    """Average of gross notional over equity until a time; without equity there is none."""
    alive = sum(at <= until_ms for at in series.ts_ms)
    samples = list(zip(series.gross[:alive], series.equity[:alive], strict=True))
    ensure(all(equity > 0 for _, equity in samples), "a living book without equity")
    leverage = [gross / equity for gross, equity in samples]
    return time_average(series.ts_ms[:alive], leverage, until_ms)


def avg_collateral_usd(series: Series, arrangement: Arrangement, until_ms: int) -> float:
    """Average until a time of the equity of accounts that carried positions, in USD."""
    totals = [0.0] * len(series.ts_ms)
    for venue, equities in series.venue_equity.items():
        asset = arrangement.mandate.venue[venue].collateral
        carried = zip(equities, series.venue_maintenance[venue], strict=True)
        for index, (equity, maintenance) in enumerate(carried):
            if maintenance > 0:
                totals[index] += quanta_usd(equity, asset, arrangement)
    return time_average(series.ts_ms, totals, until_ms)


def max_drawdown(equities: Sequence[int]) -> float:
    """Largest fall from the highest value so far, as a share of it."""
    peak, worst = 0, 0.0
    for equity in equities:
        peak = max(peak, equity)
        if peak > 0:
            worst = max(worst, 1 - equity / peak)
    return worst


def worst_health_ratio(extremes: Iterable[Extreme]) -> float | None:
    """Least equity over maintenance at adverse extremes; None if nothing was ever margined."""
    ratios = (e.equity / e.maintenance for e in extremes if e.maintenance > 0)
    return min(ratios, default=None)


def near_liquidations(extremes: Iterable[Extreme]) -> int:
    """Falls of an account's health ratio below 1.5, counted again only after it was above 2."""
    count, alarmed = 0, set[str]()
    for extreme in extremes:
        if extreme.maintenance <= 0:
            continue
        ratio = extreme.equity / extreme.maintenance
        if ratio > SAFE_RATIO:
            alarmed.discard(extreme.venue)
        elif ratio < NEAR_RATIO and extreme.venue not in alarmed:
            alarmed.add(extreme.venue)
            count += 1
    return count


def turnover(outcome: Outcome, arrangement: Arrangement, until_ms: int) -> float | None:
    """Notional traded a year before death over average equity; None where death came at once."""
    series = outcome.series
    elapsed = until_ms - series.ts_ms[0]
    if elapsed == 0:
        return None
    traded = math.fsum(
        fill_usd(event, arrangement)
        for event in _before_death(outcome.events)
        if isinstance(event, Filled)
    )
    equity = time_average(series.ts_ms, series.equity, until_ms) / MICRO
    ensure(equity > 0, f"{outcome.name}: a living book without equity")
    return traded / equity * YEAR_MS / elapsed


def fill_usd(fill: Filled, arrangement: Arrangement) -> float:
    """Notional of a fill in USD, without sign."""
    instrument = arrangement.terms.instruments[fill.instrument]
    return quanta_usd(instrument.notional(fill.lots, fill.ticks), instrument.settle, arrangement)


def quanta_usd(quanta: int, asset: str, arrangement: Arrangement) -> float:
    """USD value of quanta of a dollar coin."""
    price_micro = arrangement.stable_price_micro.get(asset)
    ensure(price_micro is not None, f"no price for {asset}")
    return quanta * (price_micro or 0) / unit_quanta(asset) / MICRO


def _before_death(events: Iterable[Event]) -> Iterable[Event]:
    for event in events:
        if isinstance(event, LiquidationStarted):
            return
        yield event


def _sum_of(waterfall: Mapping[str, int], chosen: Callable[[str], bool]) -> int:
    return sum(micro for cause, micro in waterfall.items() if chosen(cause))


def _count(events: Iterable[Event], kind: type[Event]) -> int:
    return sum(isinstance(event, kind) for event in events)
