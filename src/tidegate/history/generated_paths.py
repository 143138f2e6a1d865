# SPDX-License-Identifier: Apache-2.0
"""Random price, volume and funding paths with clustered volatility, jumps, a crash and a rally.

Minute log-returns of coin i: r = exp(h / 2) * sigma_i * sqrt(dt) * (L z)_i, where h follows
h' = phi h + eta e over quarters (a log-normal stochastic volatility: Taylor 1986), z is standard
normal and L L' the correlation of the coins. Common jumps arrive as a Poisson process (Merton
1976). The numbers below are illustrative and fitted to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from tidegate.history.parquet import FloatArray

COINS = ("BTC", "ETH", "SOL")
MINUTES_PER_QUARTER = 15
QUARTERS_PER_HOUR = 4
QUARTERS_PER_DAY = 96
HOURS_PER_DAY = 24
CRASH_DAYS_MIN = 20
# Premiums begin this much before the prices, so that the first print has hours behind it.
LEAD_HOURS = 8

_MINUTES_PER_YEAR = 365 * 24 * 60
_HOURS_PER_YEAR = 365 * 24
_START_USD = np.array([42_000.0, 2_300.0, 100.0])
_VOL_ANNUAL = np.array([0.45, 0.58, 0.80])
_CORRELATION = np.array([[1.0, 0.82, 0.72], [0.82, 1.0, 0.75], [0.72, 0.75, 1.0]])
_VOLUME_PER_QUARTER = np.array([2_500.0, 35_000.0, 250_000.0])
_LOG_VARIANCE_KEPT = 0.992
_LOG_VARIANCE_SHOCK = 0.14
_JUMPS_PER_DAY = 0.10
_JUMP_SIZE = 0.012
_COIN_JUMP = np.array([1.0, 1.3, 1.6])
_CRASH = np.log(np.array([0.88, 0.80, 0.77]))
_RALLY = np.log(np.array([1.07, 1.09, 1.12]))
_EVENT_NOISE = 0.35
_AFTERSHOCK = 2.2
# Hourly premium of the perpetual, annualised: half-life about two days.
_PREMIUM_MEAN_ANNUAL = 0.08
_PREMIUM_KEPT = 0.986
_PREMIUM_SHOCK_ANNUAL = 0.016
_PREMIUM_TREND = 0.25
_SECOND_VENUE_EXTRA_ANNUAL = 0.12
_SECOND_VENUE_NOISE_ANNUAL = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class PathBars:
    """Open, high, low, close (each n by coins, quote per unit of base)."""

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedPaths:
    """Quarters of two venues, hourly marks, volumes per quarter, hourly premiums with a lead."""

    first: PathBars
    second: PathBars
    mark_hours: PathBars
    volume: FloatArray
    premium_annual: FloatArray
    second_premium_annual: FloatArray


def generate_paths(rng: np.random.Generator, days: int) -> GeneratedPaths:
    """Draw a world of `days` whole days; from 20 days on it holds one crash and one rally."""
    quarters = days * QUARTERS_PER_DAY
    log_variance = _log_variance(rng, quarters)
    events = _events(rng, days)
    for at, _ in events:
        fade = 0.98 ** np.arange(quarters - at)
        log_variance[at:] += _AFTERSHOCK * fade
    returns = _minute_returns(rng, log_variance)
    for at, moves in events:
        _impose(returns, at * MINUTES_PER_QUARTER, moves)
    minutes = _START_USD * np.exp(np.cumsum(returns, axis=0))
    first = _quarter_bars(minutes)
    premium = _premium_annual(rng, returns)
    return GeneratedPaths(
        first=first,
        second=_quarter_bars(minutes * np.exp(_basis(rng, minutes.shape, 2e-4, 3e-4))),
        mark_hours=hours_of(_quarter_bars(minutes * np.exp(_basis(rng, minutes.shape, 0.0, 5e-5)))),
        volume=_volume(rng, log_variance, first),
        premium_annual=premium,
        second_premium_annual=premium
        + _SECOND_VENUE_EXTRA_ANNUAL
        + _autoregressive(rng, premium.shape, 0.9, _SECOND_VENUE_NOISE_ANNUAL),
    )


def hours_of(quarters: PathBars) -> PathBars:
    """Join each four quarters to the hour that contains their whole path."""
    shape = (-1, QUARTERS_PER_HOUR, quarters.open.shape[1])
    return PathBars(
        open=quarters.open.reshape(shape)[:, 0],
        high=quarters.high.reshape(shape).max(axis=1),
        low=quarters.low.reshape(shape).min(axis=1),
        close=quarters.close.reshape(shape)[:, -1],
    )


def funding_rate(premium_annual: FloatArray, interval_h: int) -> FloatArray:
    """Rate per interval: the mean premium of the hours *before* each settlement stamp.

    rate = mean(premium over the interval) * interval_h / 8760, stamps from the world's begin on.
    `premium_annual` (lead + hours, coins) begins `LEAD_HOURS` earlier; `interval_h` divides them.
    Returns (hours / interval_h, coins).
    """
    before = premium_annual[LEAD_HOURS - interval_h : -interval_h]
    means = before.reshape(-1, interval_h, premium_annual.shape[1]).mean(axis=1)
    return np.asarray(np.round(means * interval_h / _HOURS_PER_YEAR, 8))


def _autoregressive(
    rng: np.random.Generator, shape: tuple[int, ...], kept: float, shock: float
) -> FloatArray:
    """Rows x' = kept * x + shock * z from x = 0."""
    return np.asarray(lfilter([shock], [1.0, -kept], rng.standard_normal(shape), axis=0))


def _log_variance(rng: np.random.Generator, quarters: int) -> FloatArray:
    drawn = _autoregressive(rng, (quarters,), _LOG_VARIANCE_KEPT, _LOG_VARIANCE_SHOCK)
    return np.asarray(drawn - np.var(drawn) / 2.0)


def _events(rng: np.random.Generator, days: int) -> list[tuple[int, FloatArray]]:
    """The quarter at which each event begins and its log-move per coin over one hour."""
    if days < CRASH_DAYS_MIN:
        return []
    placed = ((0.35, _RALLY), (0.70, _CRASH))
    return [
        (
            int(days * share) * QUARTERS_PER_DAY
            + int(rng.integers(HOURS_PER_DAY)) * QUARTERS_PER_HOUR,
            np.asarray(moves * rng.uniform(0.95, 1.05)),
        )
        for share, moves in placed
    ]


def _minute_returns(rng: np.random.Generator, log_variance: FloatArray) -> FloatArray:
    minutes = log_variance.size * MINUTES_PER_QUARTER
    scale = np.repeat(np.exp(log_variance / 2.0), MINUTES_PER_QUARTER)[:, None]
    shocks = rng.standard_normal((minutes, len(COINS))) @ np.linalg.cholesky(_CORRELATION).T
    diffusion = scale * shocks * _VOL_ANNUAL / np.sqrt(_MINUTES_PER_YEAR)
    per_minute = _JUMPS_PER_DAY / (24 * 60)
    jumps = rng.poisson(per_minute, minutes) * rng.normal(0.0, _JUMP_SIZE, minutes)
    return np.asarray(diffusion + jumps[:, None] * _COIN_JUMP)


def _impose(returns: FloatArray, at: int, moves: FloatArray) -> None:
    """Make one hour of minute returns sum to the event's moves, its own noise kept in part."""
    hour = slice(at, at + MINUTES_PER_QUARTER * QUARTERS_PER_HOUR)
    noise = returns[hour] - returns[hour].mean(axis=0)
    returns[hour] = _EVENT_NOISE * noise + moves / noise.shape[0]


def _quarter_bars(minutes: FloatArray) -> PathBars:
    """Bars of a path of minute closes; a bar opens where the one before closed."""
    paths = minutes.reshape(-1, MINUTES_PER_QUARTER, minutes.shape[1])
    close = paths[:, -1]
    opened = np.vstack([paths[:1, 0], close[:-1]])
    return PathBars(
        open=opened,
        high=np.maximum(paths.max(axis=1), opened),
        low=np.minimum(paths.min(axis=1), opened),
        close=close,
    )


def _basis(
    rng: np.random.Generator, shape: tuple[int, ...], mean: float, spread: float
) -> FloatArray:
    """Log distance of another venue's price: mean plus noise of stationary deviation `spread`."""
    kept = 0.97
    return mean + _autoregressive(rng, shape, kept, spread * np.sqrt(1.0 - kept**2))


def _volume(rng: np.random.Generator, log_variance: FloatArray, bars: PathBars) -> FloatArray:
    """Volume (base units) grows with volatility and with the range of the bar itself."""
    span = np.log(bars.high / bars.low)
    busy = np.exp(log_variance / 4.0)[:, None] * (0.3 + span / span.mean(axis=0))
    noise: NDArray[np.float64] = rng.lognormal(0.0, 0.3, span.shape)
    return np.asarray(np.round(_VOLUME_PER_QUARTER * busy * noise, 3))


def _premium_annual(rng: np.random.Generator, returns: FloatArray) -> FloatArray:
    """Mean-reverting hourly premium (annual) that leans with the hour's own return."""
    hourly = returns.reshape(-1, MINUTES_PER_QUARTER * QUARTERS_PER_HOUR, len(COINS)).sum(axis=1)
    hourly = np.vstack([np.zeros((LEAD_HOURS, len(COINS))), hourly])
    shocks = _PREMIUM_SHOCK_ANNUAL * rng.standard_normal(hourly.shape) + _PREMIUM_TREND * hourly
    return np.asarray(_PREMIUM_MEAN_ANNUAL + lfilter([1.0], [1.0, -_PREMIUM_KEPT], shocks, axis=0))
