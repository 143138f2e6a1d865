# SPDX-License-Identifier: Apache-2.0
"""Scenarios of a book's own history, before and after money lands, with tail and jump.

Windows run from one decision to that decision plus the slowest route's 95 % latency and outage.
Each is scaled from the volatility that held then to today's (`risk.factor_paths`). Every start
whose window has no hole counts, so that mass = solvency_tail x windows; of these the worst are
scenarios, half by the sum of moves over coins and half by each coin's own falls and rises, as only
they can be in the tail. Of fewer than 1 / solvency_tail windows the worst counts, with the jump.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log, sqrt
from statistics import NormalDist

import numpy as np

from tidegate.engine.plan.book import PlanBook, Way
from tidegate.engine.plan.past import FloatArray, IntArray, Past
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.realised import realised_measures
from tidegate.forecast.volatility import forecast_volatility
from tidegate.model.errors import InputError
from tidegate.model.plan_terms import PlanTerms
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.risk.factor_paths import (
    FactorPaths,
    Latencies,
    Names,
    StressedFactors,
    SurfaceHistory,
    filtered_paths,
    with_others,
    with_stated_vols,
    with_surfaces,
    with_tail,
)
from tidegate.risk.scenarios import BarBlock, PathTables, path_tables, worst_first

# Scenarios kept at least, and as a multiple of the tail's mass.
SCENARIOS, SCENARIOS_OF_MASS = 160, 2
LEAST_WINDOWS = 50
# The latest windows alone count of a longer history, so that its tail has no larger mass.
MOST_MASS = 200
BEYOND = 1
VOL_BARS = 21
VOL_RANGE = 4.0
DRAWS = 64
DAYS_YEAR = 365.0
P95 = NormalDist().inv_cdf(0.95)
FORECAST, MEAN = "forecast", "mean of the history"


@dataclass(frozen=True, slots=True, eq=False)
class Scenarios:
    """Paths with the mass of their tail, of how many windows they are the worst, how long these
    are, today's vol by coin and where that is from."""

    paths: FactorPaths
    windows: int
    window_s: float
    vol_daily: tuple[float, ...]
    vol_from: str


def scenarios_of(book: PlanBook, terms: PlanTerms) -> Scenarios | None:
    """The scenarios of a book's history; None where it has none.

    Raises: `InputError` for too few windows without a hole, and for prices that never move.
    """
    past = book.history
    if past is None:
        return None
    past = _of_coins(past, book.coins)
    lengths = _lengths(book, terms, past.interval_ms / SECOND_MS)
    block = _block(past)
    tables = path_tables(block, lengths)
    share = terms.mandate.limits.solvency_tail
    whole = _whole(past, tables)[-int(MOST_MASS / share) :]
    if len(whole) < LEAST_WINDOWS:
        expected = f"expected at least {LEAST_WINDOWS} windows of {max(lengths)} bars without hole"
        raise InputError(past.where, "time", f"{expected}, got {len(whole)}")
    mass = max(1.0, share * len(whole))
    starts = _worst(tables, whole, max(SCENARIOS, ceil(SCENARIOS_OF_MASS * mass)))
    vol, source = _vol_daily(past)
    names = Names(past.coins, tuple(book.accounts), _stables(book), len(book.ways))
    latencies = Latencies(_bars_until_landed(book.ways, terms, past.interval_ms / SECOND_MS))
    paths = filtered_paths(names, tables, starts, vol, latencies, mass)
    paths = _with_vols(paths, past, (block, tables, starts), terms)
    paths = with_others(paths, past.spread, past.stable, past.funding)
    paths = with_tail(paths, BEYOND, terms.mandate.stress.jump_multiple)
    seconds = max(lengths) * past.interval_ms / SECOND_MS
    return Scenarios(paths, len(whole), seconds, tuple(vol.tolist()), source)


def _of_coins(past: Past, coins: tuple[str, ...]) -> Past:
    order = [past.coins.index(coin) for coin in coins]
    high, low, close = past.high[:, order], past.low[:, order], past.close[:, order]
    return replace(past, coins=coins, high=high, low=low, close=close)


def _stables(book: PlanBook) -> tuple[str, ...]:
    return tuple(sorted({asset for each in book.accounts.values() for asset in each.usd}))


def _lengths(book: PlanBook, terms: PlanTerms, bar_s: float) -> tuple[int, ...]:
    """Bars until the next decision, until the slowest money has landed, and both together."""
    decision_s = float(terms.mandate.mandate.decision_interval_s)
    slow_s = max((way.latency_p95_s + terms.outage_s for way in book.ways), default=0.0)
    stages = {decision_s, slow_s, decision_s + slow_s}
    return tuple(sorted({ceil(s / bar_s) for s in stages if s > 0.0}))


def _bars_until_landed(ways: tuple[Way, ...], terms: PlanTerms, bar_s: float) -> FloatArray:
    """Quantiles of each route's lognormal latency with the outage, [E, D]; inf while frozen."""
    shares = (np.arange(DRAWS) + 0.5) / DRAWS
    normal = np.array([NormalDist().inv_cdf(share) for share in shares.tolist()])
    rows = []
    for way in ways:
        sigma = log(way.latency_p95_s / way.latency_median_s) / P95
        seconds = way.latency_median_s * np.exp(sigma * normal) + terms.outage_s
        rows.append(np.full(DRAWS, np.inf) if way.frozen else seconds / bar_s)
    return np.array(rows).reshape(len(ways), DRAWS)


def _block(past: Past) -> BarBlock:
    """Bars with the volatility that held at each: root mean square of the returns of a day, or of
    as many bars as give a usable estimate, kept within a factor of the sample's median."""
    day = DAY_MS // past.interval_ms
    window = max(day, VOL_BARS)
    squares = np.diff(np.log(past.close), axis=0, prepend=np.nan) ** 2
    known = np.isfinite(squares)
    sums = _trailing(np.where(known, squares, 0.0), window)
    counts = _trailing(known.astype(float), window)
    enough = counts >= VOL_BARS - 1
    vol = np.full_like(sums, np.nan)
    vol[enough] = np.sqrt(np.maximum(sums[enough], 0.0) / counts[enough] * day)
    for c, coin in enumerate(past.coins):
        seen = vol[np.isfinite(vol[:, c]), c]
        if not len(seen):
            expected = f"expected {VOL_BARS} bars of {coin} within a day's window"
            raise InputError(past.where, "time", expected)
        middle = float(np.median(seen))
        if not middle > 0.0:
            raise InputError(past.where, "close", f"expected prices of {coin} that move")
        vol[:, c] = np.clip(vol[:, c], middle / VOL_RANGE, middle * VOL_RANGE)
    return BarBlock(past.high, past.low, past.close, vol)


def _trailing(values: FloatArray, window: int) -> FloatArray:
    sums = np.cumsum(values, axis=0)
    out = sums.copy()
    out[window:] -= sums[:-window]
    return out


def _whole(past: Past, tables: PathTables) -> IntArray:
    """Starts whose window has no hole, in prices or in what is known of vols."""
    starts = tables.down.shape[1]
    fine = np.isfinite(tables.down).all(axis=(0, 2)) & np.isfinite(tables.up).all(axis=(0, 2))
    longest = max(tables.lengths)
    for series in (past.vol_level, past.skew, past.term):
        for coin in sorted({*series} & {*past.coins}):
            gaps = np.concatenate([[0], np.cumsum(~np.isfinite(series[coin]))])
            fine &= gaps[longest + 1 : longest + 1 + starts] == gaps[:starts]
    return np.flatnonzero(fine).astype(np.int64)


def _worst(tables: PathTables, whole: IntArray, count: int) -> IntArray:
    """The starts of the worst windows, each once, worst of every order first."""
    down, up = tables.down[:, whole], tables.up[:, whole]
    among = PathTables(tables.lengths, down, up)
    longest = tables.lengths.index(max(tables.lengths))
    own = [side[longest, :, c] for c in range(down.shape[2]) for side in (down, up)]
    joint = worst_first(among, count)
    orders = [np.argsort(-size, kind="stable")[:count] for size in own]
    alone = np.stack(orders, axis=1).ravel()
    # One of the joint order, one of the others, in turn; each start once, where it comes first.
    mixed = np.stack([joint, alone[: len(joint)]], axis=1).ravel()
    _, first = np.unique(mixed, return_index=True)
    chosen = mixed[np.sort(first)][:count]
    return np.asarray(whole[chosen], dtype=np.int64)


def _vol_daily(past: Past) -> tuple[FloatArray, str]:
    """Forecast of the next day's vol by coin, or the mean of the history where one refuses."""
    try:
        return np.array([_forecast(past, c) for c in range(len(past.coins))]), FORECAST
    except InsufficientHistory:
        pass
    except InputError:
        # Bars of a day have no realised variance.
        if past.interval_ms != DAY_MS and DAY_MS % past.interval_ms == 0:
            raise
    squares = np.nanmean(np.diff(np.log(past.close), axis=0) ** 2, axis=0)
    return np.sqrt(squares * (DAY_MS / past.interval_ms)), MEAN


def _forecast(past: Past, c: int) -> float:
    seen = np.isfinite(past.close[:, c])
    measures = realised_measures(past.open_ms[seen], past.close[seen, c], past.interval_ms)
    whole = ~np.isnan(measures.variance)
    last = int(np.flatnonzero(whole)[-1]) + 1 if whole.any() else 0
    found = forecast_volatility(measures.variance[:last], measures.return_log[:last], 1)
    return float(found.vol_annual) / sqrt(DAYS_YEAR)


def _with_vols(
    paths: FactorPaths,
    past: Past,
    windows: tuple[BarBlock, PathTables, IntArray],
    terms: PlanTerms,
) -> FactorPaths:
    """Vols of the history where it has them, else rising with the move as the mandate states."""
    outer, vol = terms.mandate.stress.outer, terms.vol
    stated: dict[str, StressedFactors | None] = {}
    for coin in paths.coins:
        ends = (1.0 - outer[coin], 1.0 + outer[coin])
        stated[coin] = StressedFactors(*ends, 1.0 + vol.up, 1.0 + vol.up, term=vol.term)
    found = with_stated_vols(paths, stated, 1)
    if not past.vol_level:
        return found
    block, tables, starts = windows
    still = np.ones_like(block.close)
    level, skew, term = still.copy(), 0.0 * still, 0.0 * still
    arrays = ((level, past.vol_level), (skew, past.skew), (term, past.term))
    known = [c for c, coin in enumerate(paths.coins) if coin in past.vol_level]
    for array, series in arrays:
        for c in known:
            if paths.coins[c] in series:
                array[:, c] = series[paths.coins[c]]
    own = with_surfaces(paths, SurfaceHistory(level, skew, term), block, tables, starts)

    def joined(stated_: FloatArray, seen: FloatArray) -> FloatArray:
        whole = stated_.copy()
        whole[:, :, known] = seen[:, :, known]
        return whole

    return replace(
        found,
        vol_level=joined(found.vol_level, own.vol_level),
        skew=joined(found.skew, own.skew),
        term=joined(found.term, own.term),
    )
