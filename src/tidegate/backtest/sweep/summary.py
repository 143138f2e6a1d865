# SPDX-License-Identifier: Apache-2.0
"""What a sweep has shown, and how likely that is luck: one summary for each of its windows.

A candidate is a point of the grid under a policy. It is judged at the first strain of the grid
and on the seed on which it did worst, so that no lucky seed is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np

from tidegate.backtest.honesty.frontier import FrontierPoint, envelope, expected_shortfall
from tidegate.backtest.honesty.overfitting import BLOCKS, Overfitting, overfitting
from tidegate.backtest.honesty.samples import FloatArray
from tidegate.backtest.honesty.sharpe import (
    deflated_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_sample,
)
from tidegate.backtest.honesty.stationary import stationary_interval
from tidegate.backtest.run_id import Strain
from tidegate.backtest.sweep.cells import Cell
from tidegate.backtest.sweep.task import Result
from tidegate.backtest.trials import Seen, Trial, seen, sharpe_of
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, format_time, parse_time_ms

LEVEL = 0.95
SEED = 1
PARTS = 3
BLOCKS_MIN = 4
# Most published edges of carry were found before; a window on both sides shows the later one apart.
RECENT_MS = parse_time_ms("2024-01-01", "sweep", "recent")
Row = tuple[Cell, Result]


class Candidate(msgspec.Struct, frozen=True):
    """A candidate on its worst seed: Sharpe ratio per day, mean excess return a day, expected
    shortfall of daily losses at 95 %, carry kept and return as shares of capital."""

    label: str
    seed: int
    sharpe_daily: float | None
    mean_daily: float | None
    shortfall_daily: float | None
    carry_kept: float
    return_on_capital: float
    liquidations: int


class Part(msgspec.Struct, frozen=True):
    """The best candidate within a part of the window."""

    start: str
    to: str
    days: int
    sharpe_daily: float | None
    total_excess: float
    worst_day: float


class Strained(msgspec.Struct, frozen=True):
    """The best candidate's worst seed at a strain; nothing where that run failed."""

    strain: str
    return_on_capital: float | None
    carry_kept: float | None
    liquidations: int | None


class Luck(msgspec.Struct, frozen=True):
    """How likely the best candidate is luck; None is unknown, for want of days or of trials.

    `probabilistic_sharpe` is against 0, `deflated_sharpe` against the best of all trials that
    the ledger knows on windows that overlap. The record needed is infinite, None, where the
    ratio is not above 0. Intervals are of 95 %, by the stationary bootstrap.
    """

    days: int
    probabilistic_sharpe: float | None
    deflated_sharpe: float | None
    record_needed_days: float | None
    mean_interval: tuple[float, float] | None
    sharpe_interval: tuple[float, float] | None


class Summary(msgspec.Struct, frozen=True):
    """One window of a sweep."""

    start: str
    to: str
    runs: int
    failed: int
    trials: Seen
    judged_at: str
    candidates: tuple[Candidate, ...]
    frontier: tuple[FrontierPoint, ...]
    overfitting: Overfitting | None
    best: str | None
    luck: Luck | None
    parts: tuple[Part, ...]
    strains: tuple[Strained, ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """A candidate and its row on the worst seed."""

    candidate: Candidate
    cell: Cell
    returns: FloatArray


def summarise(rows: Sequence[Row], trials: Sequence[Trial]) -> tuple[Summary, ...]:
    """A summary for each window, in the grid's order; `trials` are all that the ledger has."""
    windows = list(dict.fromkeys(cell.key.window for cell, _ in rows))
    return tuple(
        _summary(window, [row for row in rows if row[0].key.window == window], trials)
        for window in windows
    )


def _summary(window: Window, rows: Sequence[Row], trials: Sequence[Trial]) -> Summary:
    strain = rows[0][0].key.strain
    records = _records([row for row in rows if row[0].key.strain == strain])
    rated = [record for record in records if record.candidate.sharpe_daily is not None]
    best = max(rated, key=lambda record: record.candidate.sharpe_daily or 0.0, default=None)
    known = seen(trials, window)
    return Summary(
        start=format_time(window.start_ms),
        to=format_time(window.end_ms),
        runs=len(rows),
        failed=sum(result.failure is not None for _, result in rows),
        trials=known,
        judged_at=strain.label,
        candidates=tuple(record.candidate for record in records),
        frontier=_frontier(records),
        overfitting=_overfitting(rated),
        best=best.candidate.label if best else None,
        luck=_luck(best.returns, known) if best else None,
        parts=_parts(best.returns, window) if best else (),
        strains=_strains(best, rows) if best else (),
    )


def _name(cell: Cell) -> str:
    return ", ".join(part for part in (cell.key.spec.label, cell.label) if part)


def _records(rows: Sequence[Row]) -> list[_Record]:
    """Candidates of which every seed ended; one that failed on any shows only what others did."""
    by_name: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_name.setdefault((_name(row[0]), repr(row[0].point)), []).append(row)
    return [
        _record(name, seeds)
        for (name, _), seeds in by_name.items()
        if all(result.measures is not None for _, result in seeds)
    ]


def _record(name: str, seeds: Sequence[Row]) -> _Record:
    def standing(row: Row) -> tuple[float, float]:
        ratio, measures = sharpe_of(row[1].daily), row[1].measures
        assert measures is not None
        return (-math.inf if ratio is None else ratio), measures.return_on_capital

    cell, result = min(seeds, key=standing)
    measures, returns = result.measures, np.array(result.daily)
    assert measures is not None
    candidate = Candidate(
        label=name,
        seed=cell.key.seed,
        sharpe_daily=sharpe_of(result.daily),
        mean_daily=float(returns.mean()) if returns.size else None,
        shortfall_daily=expected_shortfall(-returns, LEVEL) if returns.size else None,
        carry_kept=measures.carry_kept,
        return_on_capital=measures.return_on_capital,
        liquidations=measures.liquidations,
    )
    return _Record(candidate, cell, returns)


def _frontier(records: Sequence[_Record]) -> tuple[FrontierPoint, ...]:
    """The most carry for each loss in the tail, over all that were tried."""
    points = [
        FrontierPoint(c.label, c.shortfall_daily, c.carry_kept)
        for c in (record.candidate for record in records)
        if c.shortfall_daily is not None
    ]
    return envelope(points) if points else ()


def _overfitting(rated: Sequence[_Record]) -> Overfitting | None:
    """In at most 16 blocks of two days or more; unknown below four."""
    days = min((record.returns.size for record in rated), default=0)
    blocks = min(BLOCKS, days // 4 * 2)
    if len(rated) < 2 or blocks < BLOCKS_MIN:
        return None
    return overfitting(np.column_stack([record.returns[-days:] for record in rated]), blocks)


def _luck(returns: FloatArray, known: Seen) -> Luck:
    sample = sharpe_sample(returns)
    needed = minimum_track_record(sample, level=LEVEL)
    variance = known.variance
    return Luck(
        days=sample.periods,
        probabilistic_sharpe=probabilistic_sharpe(sample),
        deflated_sharpe=None
        if variance is None
        else deflated_sharpe(sample, variance, known.overlapping),
        record_needed_days=needed if math.isfinite(needed) else None,
        mean_interval=_interval(returns, lambda drawn: float(drawn.mean())),
        sharpe_interval=_interval(returns, _ratio),
    )


def _ratio(drawn: FloatArray) -> float:
    deviation = float(drawn.std(ddof=1))
    return float(drawn.mean()) / deviation if deviation > 0.0 else math.nan


def _interval(
    returns: FloatArray, statistic: Callable[[FloatArray], float]
) -> tuple[float, float] | None:
    try:
        low, high = stationary_interval(returns, statistic, LEVEL, SEED)
    except InputError:
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _parts(returns: FloatArray, window: Window) -> tuple[Part, ...]:
    """Equal thirds, and what came from 2024 on where the window begins before."""
    count = returns.size
    cuts = [round(count * index / PARTS) for index in range(PARTS + 1)]
    spans = [(a, b) for a, b in pairwise(cuts) if b > a]
    recent = -(-(RECENT_MS - window.start_ms) // DAY_MS)
    if 0 < recent < count:
        spans.append((recent, count))
    return tuple(_part(returns[a:b], window.start_ms + a * DAY_MS) for a, b in spans)


def _part(returns: FloatArray, start_ms: int) -> Part:
    return Part(
        start=format_time(start_ms),
        to=format_time(start_ms + returns.size * DAY_MS),
        days=returns.size,
        sharpe_daily=sharpe_of(returns.tolist()),
        total_excess=float(np.prod(1.0 + returns)) - 1.0,
        worst_day=float(returns.min()),
    )


def _strains(best: _Record, rows: Sequence[Row]) -> tuple[Strained, ...]:
    """What the best candidate comes to as costs and waiting grow, on the same seed."""
    key = best.cell.key
    same = [
        (cell.key.strain, result)
        for cell, result in rows
        if (cell.point, cell.key.spec, cell.key.seed) == (best.cell.point, key.spec, key.seed)
    ]
    return tuple(_strained(strain, result) for strain, result in same)


def _strained(strain: Strain, result: Result) -> Strained:
    measures = result.measures
    if measures is None:
        return Strained(strain.label, None, None, None)
    return Strained(
        strain.label, measures.return_on_capital, measures.carry_kept, measures.liquidations
    )
