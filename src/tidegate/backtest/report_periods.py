# SPDX-License-Identifier: Apache-2.0
"""Losses over stretches of time, calendar parts of the window, and what crises left of a book.

All from hourly samples of equity and notional, and from margin at the adverse extremes inside bars.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.backtest.honesty.samples import FloatArray
from tidegate.backtest.measures import Measures, max_drawdown, worst_health_ratio
from tidegate.backtest.report_summary import minute, share
from tidegate.backtest.run import Outcome, Series
from tidegate.engine.page import Columns, table
from tidegate.model.times import DAY_MS, format_date, parse_time_ms
from tidegate.model.units import usd
from tidegate.simulation.tape import Freeze, Tape

Results = Sequence[tuple[Outcome, Measures]]
DAY_H, WEEK_H, MONTH_H = 24, 168, 720
TAIL = 0.05
TAIL_DAYS_MIN = 20
CRISES = 4


def daily_returns(series: Series) -> FloatArray:
    """Change of equity over each whole day from the start, on equity when it began, float64[n]; it
    ends before a day that would begin without equity."""
    equity = np.array(series.equity[::DAY_H], dtype=np.float64)
    ruined = np.flatnonzero(equity[:-1] <= 0.0)
    if ruined.size:
        equity = equity[: ruined[0] + 1]
    return np.asarray(equity[1:] / equity[:-1] - 1.0, dtype=np.float64)


def worst_stretch(series: Series, hours: int) -> float | None:
    """Least change of equity over any so many hours, on equity when they began; None where the
    window is shorter."""
    equity = np.array(series.equity, dtype=np.float64)
    if equity.size <= hours:
        return None
    began, ended = equity[:-hours], equity[hours:]
    whole = began > 0.0
    return float((ended[whole] / began[whole] - 1.0).min()) if whole.any() else None


def longest_below_peak_ms(series: Series) -> int:
    """Longest time that equity stayed below a peak, to its recovery or the end."""
    peak, since, longest = series.equity[0], series.ts_ms[0], 0
    for ts_ms, equity in zip(series.ts_ms, series.equity, strict=True):
        if equity >= peak:
            peak, since = equity, ts_ms
        longest = max(longest, ts_ms - since)
    return longest


def expected_shortfall(returns: FloatArray) -> float | None:
    """Mean of the worst twentieth of daily returns; None with fewer than twenty."""
    if returns.size < TAIL_DAYS_MIN:
        return None
    count = int(np.ceil(TAIL * returns.size))
    return float(np.sort(returns)[:count].mean())


def losses_table(results: Results) -> str:
    """Worst day, week and month, drawdown and its length, for every policy."""
    rows = []
    for outcome, measures in results:
        series = outcome.series
        worst = [worst_stretch(series, hours) for hours in (DAY_H, WEEK_H, MONTH_H)]
        tail = expected_shortfall(daily_returns(series))
        rows.append(
            [
                measures.label,
                *(_share(value) for value in worst),
                _share(tail),
                share(measures.max_drawdown),
                f"{longest_below_peak_ms(series) / DAY_MS:,.1f}",
                f"{measures.near_liquidations}",
                f"{measures.liquidations}",
            ]
        )
    caption = (
        "The least change of equity over any 24 hours, 7 and 30 days; the mean of the worst "
        "twentieth of days (from 20 days on); the largest drawdown; the longest time in days below "
        "a peak, to the end where it was not regained."
    )
    names = "policy|worst day|worst week|worst 30 days|worst twentieth|drawdown|days below a peak"
    columns = Columns((*names.split("|"), "near", "liquidated"), numeric=range(1, 9))
    return table(columns, rows, caption)


def _share(value: float | None) -> str:
    return "none" if value is None else share(value)


def parts(start_ms: int, end_ms: int) -> tuple[tuple[str, int, int], ...]:
    """Name, start and end of calendar months, of weeks where the window is under 60 days, of days
    where it is under 14; and what lies after 2023, where the window reaches across."""
    days = (end_ms - start_ms) / DAY_MS
    if days < 60:
        width = DAY_MS if days < 14 else 7 * DAY_MS
        cuts = list(range(start_ms, end_ms, width))
    else:
        cuts = [start_ms, *_months(start_ms, end_ms)]
    found = [(format_date(a), a, b) for a, b in zip(cuts, (*cuts[1:], end_ms), strict=True)]
    modern = parse_time_ms("2024-01-01", "", "")
    if start_ms < modern < end_ms:
        found.append(("from 2024 on", modern, end_ms))
    return tuple(found)


def _months(start_ms: int, end_ms: int) -> Iterator[int]:
    year, month = (int(word) for word in format_date(start_ms).split("-")[:2])
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        cut = parse_time_ms(f"{year:04d}-{month:02d}-01", "", "")
        if cut >= end_ms:
            return
        yield cut


def parts_table(subject: Outcome, others: Results) -> str:
    """Return of each part of the window: the subject's, its drawdown and least health, and what
    other policies returned."""
    series = subject.series
    rows = []
    for name, start, end in parts(series.ts_ms[0], series.ts_ms[-1]):
        inside = [e for e in subject.extremes if start <= e.ts_ms < end]
        health = worst_health_ratio(inside)
        rows.append(
            [
                name,
                _share(part_return(series, start, end)),
                share(max_drawdown(_between(series, start, end))),
                "none" if health is None else f"{health:,.2f}",
                *(_share(part_return(o.series, start, end)) for o, _ in others),
            ]
        )
    names = ("from", "return", "drawdown", "least health", *(m.label for _, m in others))
    caption = "Return on equity at each part's beginning, marks included; the others beside it."
    return table(Columns(names, numeric=range(1, len(names))), rows, caption)


def _between(series: Series, start: int, end: int) -> list[int]:
    return [e for ts, e in zip(series.ts_ms, series.equity, strict=True) if start <= ts <= end]


def part_return(series: Series, start_ms: int, end_ms: int) -> float | None:
    """Change of equity between two times, on the first; None without equity or samples then."""
    inside = _between(series, start_ms, end_ms)
    return inside[-1] / inside[0] - 1.0 if len(inside) > 1 and inside[0] > 0 else None


@dataclass(frozen=True, slots=True)
class Crisis:
    """A stretch that tested the book: a freeze, or a day on which the leading coin went far."""

    name: str
    start_ms: int
    end_ms: int


def crises(tape: Tape | None, freezes: Sequence[Freeze], leader: str | None) -> tuple[Crisis, ...]:
    """Every freeze, and the days on which the leading coin went furthest from where it began, the
    largest first, until there are four in all."""
    found = [
        Crisis(f"{f.venue} frozen from {minute(f.start_ms)}", f.start_ms, f.end_ms) for f in freezes
    ]
    if tape is None or leader is None:
        return tuple(found)
    per_day = DAY_MS // tape.step_ms
    track = tape.tracks[leader]
    days = []
    for first in range(0, tape.steps - per_day + 1, per_day):
        inside, opened = slice(first, first + per_day), track.open[first]
        ends = (min(track.mark_low[inside]), max(track.mark_high[inside]))
        change = max((end / opened - 1.0 for end in ends), key=abs)
        start = tape.start_ms + first * tape.step_ms
        name = f"{leader} by {change:+.1%} within {format_date(start)}"
        days.append((abs(change), Crisis(name, start, start + DAY_MS)))
    days.sort(key=lambda day: (-day[0], day[1].start_ms))
    return (*found, *(crisis for _, crisis in days[: max(1, CRISES - len(found))]))


def crises_table(
    results: Results, subject: tuple[Outcome, Measures], found: Sequence[Crisis]
) -> str:
    """What the first crisis left of every policy's positions and the others of the subject's, and
    what they cost."""
    rows = [
        [crisis.name, measures.label, *_crisis_cells(outcome, crisis)]
        for number, crisis in enumerate(found)
        for outcome, measures in (results if number == 0 else (subject,))
        if measures.avg_leverage > 0
    ]
    caption = (
        "Gross notional when the stretch began, at its least and when it ended, in USD; 'left' is "
        "the last over the first. A book that is flat has survived nothing. The change of equity "
        "is on equity when it began; health is the least inside it."
    )
    names = "crisis|policy|before|least|after|left|change of equity|least health|liquidated"
    return table(Columns(names.split("|"), numeric=range(2, 9), short=(1,)), rows, caption)


def _crisis_cells(outcome: Outcome, crisis: Crisis) -> list[str]:
    series = outcome.series
    inside = [
        gross
        for ts, gross in zip(series.ts_ms, series.gross, strict=True)
        if crisis.start_ms <= ts <= crisis.end_ms
    ]
    if not inside:
        return ["none"] * 7
    within = [e for e in outcome.extremes if crisis.start_ms <= e.ts_ms < crisis.end_ms]
    health = worst_health_ratio(within)
    killed = any(e.equity < e.maintenance for e in within)
    return [
        *(f"{round(usd(value)):,}" for value in (inside[0], min(inside), inside[-1])),
        f"{inside[-1] / inside[0]:.0%}" if inside[0] else "none",
        _share(part_return(series, crisis.start_ms, crisis.end_ms)),
        "none" if health is None else f"{health:,.2f}",
        "yes" if killed else "no",
    ]
