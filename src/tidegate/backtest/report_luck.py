# SPDX-License-Identifier: Apache-2.0
"""How likely the result is luck: daily returns above the hurdle, against the trials behind them.

Nothing is annualised, and no ratio is made of funding prints: returns are changes of equity from
day to day with every mark, cost and loss in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.backtest.honesty.samples import FloatArray
from tidegate.backtest.honesty.sharpe import (
    SharpeSample,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_sample,
)
from tidegate.backtest.honesty.stationary import stationary_interval
from tidegate.backtest.measures import Measures
from tidegate.backtest.report_periods import Results, daily_returns
from tidegate.backtest.run import Outcome
from tidegate.backtest.trials import Seen
from tidegate.engine.page import Columns, table
from tidegate.model.errors import InputError

DAYS_MIN = 10
LEVEL = 0.95
YEAR_DAYS = 365
BP = 1e4


@dataclass(frozen=True, slots=True)
class Luck:
    """The record of one policy: days, mean excess a day with its interval, its Sharpe ratio a day,
    the chance that the true one is above 0, the same above the best of the trials by luck, what
    that best would be, and the days that a record must have."""

    days: int
    mean: float
    low: float
    high: float
    sample: SharpeSample
    probabilistic: float
    deflated: float
    by_luck: float
    days_needed: float


def excess(outcome: Outcome, hurdle_annual: float) -> FloatArray:
    """Daily returns above the hurdle's, float64[n]."""
    return np.asarray(daily_returns(outcome.series) - hurdle_annual / YEAR_DAYS, dtype=np.float64)


def luck(returns: FloatArray, variance: float, trials: int, seed: int) -> Luck | None:
    """What a record of daily excess returns shows; None with fewer than ten that vary."""
    if returns.size < DAYS_MIN:
        return None
    try:
        sample = sharpe_sample(returns)
        low, high = interval(returns, seed)
        return Luck(
            returns.size,
            float(returns.mean()),
            low,
            high,
            sample,
            probabilistic_sharpe(sample),
            deflated_sharpe(sample, variance, trials),
            expected_maximum_sharpe(variance, trials),
            minimum_track_record(sample),
        )
    except InputError:
        return None


def interval(values: FloatArray, seed: int) -> tuple[float, float]:
    """Of the mean, at 95 %, by the stationary bootstrap."""
    return stationary_interval(values, lambda drawn: float(drawn.mean()), LEVEL, seed)


def trial_variance(records: Sequence[FloatArray]) -> float:
    """Variance of the Sharpe ratios of trials, over those whose returns vary; 0 with fewer than
    two."""
    found = []
    for record in records:
        try:
            found.append(sharpe_sample(record).sharpe)
        except InputError:
            continue
    return float(np.var(found, ddof=1)) if len(found) > 1 else 0.0


def _tried(tried: tuple[int, Seen | None], records: Sequence[FloatArray]) -> tuple[int, float]:
    trials, known = tried
    if known is None or known.variance is None:
        return trials, trial_variance(records)
    return max(trials, known.overlapping), known.variance


def differences(
    subject: FloatArray, others: Sequence[tuple[str, FloatArray]], seed: int
) -> list[tuple[str, float, float, float]]:
    """Name, mean daily difference (subject less other) and its interval, where days vary."""
    found = []
    for name, record in others:
        days = min(subject.size, record.size)
        gaps = np.asarray(subject[:days] - record[:days], dtype=np.float64)
        if days >= DAYS_MIN and float(np.ptp(gaps)) > 0.0:
            found.append((name, float(gaps.mean()), *interval(gaps, seed)))
    return found


def luck_section(
    results: Results,
    subject: Measures,
    hurdle_annual: float,
    tried: tuple[int, Seen | None],
    seed: int,
) -> str:
    """The record of every levered policy, and the subject's days less each of the others'.

    `tried` is how many trials there were and what the ledger of trials knows: where it knows two
    ratios or more, its trials of overlapping windows and their variance are what luck is judged by.
    """
    title = '<h2 id="luck">How likely it is luck</h2>\n'
    records = {m.label: excess(o, hurdle_annual) for o, m in results if m.avg_leverage > 0}
    trials, variance = _tried(tried, list(records.values()))
    found = {name: luck(record, variance, trials, seed) for name, record in records.items()}
    told = [(name, record) for name, record in found.items() if record is not None]
    if not told:
        return title + f"<p>Fewer than {DAYS_MIN} days: nothing can be said.</p>"
    own = records.get(subject.label)
    everyone = {m.label: excess(o, hurdle_annual) for o, m in results}
    others = [(name, r) for name, r in everyone.items() if name != subject.label]
    gaps = [] if own is None else differences(own, others, seed)
    return (
        title
        + _verdict(found.get(subject.label), trials)
        + _records(told, variance, trials)
        + _gaps(gaps, subject.label)
    )


def _verdict(found: Luck | None, trials: int) -> str:
    if found is None:
        return ""
    shown = found.deflated >= LEVEL
    said = "shows an edge over the hurdle" if shown else "does not show an edge over the hurdle"
    return (
        f"<p>After {trials} trials this record {said}: the chance that its true Sharpe ratio is "
        "above what the best of them would show by luck is "
        f"{found.deflated:.0%}, where {LEVEL:.0%} is asked for. It has {found.days} days"
        f"{_needed(found)}.</p>\n"
    )


def _needed(found: Luck) -> str:
    if math.isinf(found.days_needed):
        return "; no length would do, since it did not beat the hurdle"
    return f" and, against no edge at all, would need {math.ceil(found.days_needed):,}"


def _records(told: Sequence[tuple[str, Luck]], variance: float, trials: int) -> str:
    rows = [
        [
            name,
            f"{r.days}",
            f"{BP * r.mean:+.2f}",
            f"{BP * r.low:+.2f} to {BP * r.high:+.2f}",
            f"{r.sample.sharpe:+.3f}",
            f"{r.sample.skewness:+.1f}",
            f"{r.sample.kurtosis:.1f}",
            f"{r.probabilistic:.3f}",
            f"{r.deflated:.3f}",
            "never" if math.isinf(r.days_needed) else f"{math.ceil(r.days_needed):,}",
        ]
        for name, r in told
    ]
    by_luck = told[0][1].by_luck
    caption = (
        "Daily changes of equity less the hurdle, in basis points, with the 95 % interval of their "
        "mean by the stationary bootstrap; Sharpe ratio a day, never a year; the probability that "
        f"the true ratio is above 0, and above {by_luck:.3f}, what the best of {trials} trials "
        f"would show by luck at the variance of those counted ({variance:.5f}); days that a record "
        "must have to be above 0 at 95 %. After a liquidation the days go on with what is left."
    )
    names = (
        "policy|days|mean, bp|interval, bp|Sharpe a day|skew|kurtosis|P(> 0)|deflated|days needed"
    )
    return table(Columns(names.split("|"), numeric=range(1, 10)), rows, caption)


def _gaps(gaps: Sequence[tuple[str, float, float, float]], label: str) -> str:
    if not gaps:
        return ""
    rows = [
        [
            name,
            f"{BP * mean:+.2f}",
            f"{BP * low:+.2f} to {BP * high:+.2f}",
            "above" if low > 0 else "below" if high < 0 else "not told apart",
        ]
        for name, mean, low, high in gaps
    ]
    caption = f"Days of {label} less days of each other policy, in basis points a day."
    columns = Columns(("less", "mean, bp", "95 % interval, bp", label), numeric=(1, 2), short=(3,))
    return table(columns, rows, caption)
