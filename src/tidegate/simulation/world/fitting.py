# SPDX-License-Identifier: Apache-2.0
"""Parameters of the world that a history determines, with errors; arrays in, estimates out.
Jumps and betas to them stand in `fit_jumps`.

Volatility is read from sums of squares over two hours, whose logarithm is Gaussian about the calm
level but for the rare blocks in stress or with a jump; so medians, median deviations and signs are
used throughout, which a few per cent of such blocks move little. Each error is the jackknife's
over ten stretches of time left out one at a time (Kunsch 1989).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from tidegate.model.errors import InputError
from tidegate.simulation.world.arrays import FloatArray, kept_share
from tidegate.simulation.world.fit_jumps import (
    CALM_SHARE,
    LAWS,
    PER_MAD,
    crash_betas,
    jump_point,
    world_coin,
)
from tidegate.simulation.world.funding import RULES
from tidegate.simulation.world.parameters import Premium, Regimes, WorldParameters
from tidegate.simulation.world.prices import HOURS_PER_YEAR

STRETCHES = 10
DAYS_MIN = 60
_BLOCK_HOURS = 2
_QUARTERS = 4 * _BLOCK_HOURS
# By how much estimates missed the parameters of worlds beyond the error of sampling, as a share of
# the value and as a number: stress and forced closing are in the prices and not in the formulas.
_METHOD_ERRORS = {
    "vol_annual": (0.05, 0.0),
    "slow_deviation": (0.0, 0.03),
    "fast_deviation": (0.0, 0.04),
    "correlation_calm": (0.0, 0.015),
    "deviation": (0.05, 0.0),
    "premium_8h": (0.0, 3e-5),
    "common_deviation": (0.1, 0.0),
    "half_life_hours": (0.15, 0.0),
    "jump_beta": (0.06, 0.0),
    "common_per_day": (0.4, 0.0),
    "down_share": (0.0, 0.1),
    "common_down": (0.3, 0.0),
    "common_up": (0.3, 0.0),
    "coin_per_day": (0.4, 0.0),
    "coin_size": (0.25, 0.0),
}
_LAGS_HOURS = (2, 4, 6, 12, 24, 36, 48, 72, 96, 120)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What is fitted to: whole days of one grid, without a hole.

    `closes` (coins, quarter-hours) of one venue; `other` (coins, hours) of a second one at the
    same hours' ends; `rates_8h` (coins, prints), what `venue` settled every `every_h` hours of a
    clamped premium, as rates of eight hours.
    """

    coins: tuple[str, ...]
    closes: FloatArray
    other: FloatArray
    rates_8h: FloatArray
    venue: str = "hyperliquid"
    every_h: int = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """One parameter by its path in the world's parameters, its value and standard error; `joined`
    is false where another parameter of the same law is not determined."""

    name: str
    value: float
    error: float
    joined: bool = True

    @property
    def determined(self) -> bool:
        """Whether the history says more than that it is there: an error below half the value. A
        mean premium may be zero, so that any error says something; no error at all says that some
        nine tenths of the history had too few jumps."""
        known = self.name.endswith("premium_8h") or self.error < abs(self.value) / 2.0
        return self.joined and known


def fit_world(sample: Sample) -> tuple[Estimate, ...]:
    """Estimates of volatility, its clustering, correlation, basis, funding, jumps and betas.

    Raises `InputError` for fewer than 60 days, prices that are not finite and above zero, and a
    coin that the world has not.
    """
    for coin in sample.coins:
        world_coin(coin)
    days = sample.closes.shape[1] // 96
    if days < DAYS_MIN:
        raise InputError("world fit", "history", f"expected {DAYS_MIN} whole days, got {days}")
    for prices in (sample.closes, sample.other):
        if not (np.isfinite(prices).all() and (prices > 0).all()):
            raise InputError("world fit", "prices", "expected them finite and above zero")
    whole = _point(sample)
    edges = np.linspace(0, days, STRETCHES + 1).astype(int)
    left_out = [_point(_without(sample, a, b)) for a, b in pairwise(edges)]
    fitted = tuple(
        Estimate(name, value, _error(name, value, [part[name] for part in left_out]))
        for name, value in whole.items()
        if np.isfinite(value)
    )
    crashes = crash_betas(sample.coins, np.diff(np.log(sample.closes), axis=1))
    found = fitted + tuple(Estimate(name, *both) for name, both in crashes.items())
    for law in LAWS:
        found = _whole(found, frozenset(f"jumps.{name}" for name in law))
    return found


def _whole(estimates: tuple[Estimate, ...], law: frozenset[str]) -> tuple[Estimate, ...]:
    """The estimates with a law's either all of them fit to be taken or none."""
    if law <= {one.name for one in estimates if one.determined}:
        return estimates
    return tuple(replace(one, joined=False) if one.name in law else one for one in estimates)


def _error(name: str, value: float, left_out: list[float]) -> float:
    """The jackknife's error and the method's own, independent of one another."""
    relative, absolute = _METHOD_ERRORS[name.rpartition(".")[2]]
    return float(np.hypot(_jackknife(left_out), relative * abs(value) + absolute))


def _jackknife(values: list[float]) -> float:
    spread = np.array(values) - np.mean(values)
    return float(np.sqrt((len(values) - 1) / len(values) * (spread**2).sum()))


def _without(sample: Sample, first_day: int, end_day: int) -> Sample:
    """The sample less some days; prices are joined so that no return spans the cut."""

    def cut(prices: FloatArray, per_day: int) -> FloatArray:
        moves = np.diff(np.log(prices), axis=1, prepend=np.log(prices[:, :1]))
        kept = np.delete(moves, np.s_[first_day * per_day : end_day * per_day], axis=1)
        return np.asarray(np.exp(np.log(prices[:, :1]) + np.cumsum(kept, axis=1)))

    closes = cut(sample.closes, 96)
    hours = sample.closes[:, 3::4]
    gap = np.log(sample.other) - np.log(hours)
    gap = np.delete(gap, np.s_[first_day * 24 : end_day * 24], axis=1)
    per_day = 24 // sample.every_h
    rates = np.delete(sample.rates_8h, np.s_[first_day * per_day : end_day * per_day], axis=1)
    other = np.asarray(np.exp(np.log(closes[:, 3::4]) + gap))
    return replace(sample, closes=closes, other=other, rates_8h=rates)


def _point(sample: Sample) -> dict[str, float]:
    moves = np.diff(np.log(sample.closes), axis=1)
    logs = _log_variances(moves)
    slow, fast = _clustering(logs)
    found = dict(_volatility(sample.coins, logs, slow**2 + fast**2))
    found |= {"regimes.slow_deviation": slow, "regimes.fast_deviation": fast}
    calm = _calm_hours(logs, sample.other.shape[1])
    basis = _basis(sample, calm)
    found["regimes.correlation_calm"] = _correlation(sample.closes, calm, basis)
    found["basis.deviation"] = basis
    mean, deviation = _premium(sample.rates_8h)
    found[f"venues.{sample.venue}.premium_8h"] = mean
    found["premium.common_deviation"] = _common_deviation(sample.venue, deviation)
    found["premium.half_life_hours"] = _half_life(sample)
    return found | jump_point(sample.coins, moves)


def _log_variances(moves: FloatArray) -> FloatArray:
    """Logs of annual realised variance (coins, blocks); the median bias of few squares is off."""
    whole = moves.shape[1] // _QUARTERS * _QUARTERS
    blocks = moves[:, :whole].reshape(moves.shape[0], -1, _QUARTERS)
    variance = (blocks**2).mean(axis=2) * 4 * HOURS_PER_YEAR
    bias = 3 * np.log1p(-2.0 / (9.0 * _QUARTERS))
    return np.asarray(np.log(np.maximum(variance, 1e-12)) - bias)


def _volatility(coins: tuple[str, ...], logs: FloatArray, spread: float) -> list[tuple[str, float]]:
    """vol = exp(median / 2 + var h): in calm, log variance is 2 log vol + 2 (h - var h).

    The share of time in stress lifts the median, so its place is moved down by half of it.
    """
    r = Regimes()
    stressed = r.stress_hours / (r.stress_hours + r.calm_hours)
    levels = np.quantile(logs, 0.5 * (1.0 - stressed), axis=1)
    return [
        (f"coins.{coin}.vol_annual", float(np.exp(level / 2.0 + spread)))
        for coin, level in zip(coins, levels, strict=True)
    ]


def _clustering(logs: FloatArray) -> tuple[float, float]:
    """Deviations of the slow and the fast part of log volatility, at the half-lives assumed.

    cov(k) of log variance = 4 (slow^2 kept_s^k + fast^2 kept_f^k) for k > 0, from the covariance
    of signs about the median: corr = sin(pi / 2 * E[sign sign]) for Gaussian pairs.
    """
    r = Regimes()
    common = np.median(logs - np.median(logs, axis=1, keepdims=True), axis=0)
    common = common - np.median(common)
    variance = (PER_MAD * np.median(np.abs(common))) ** 2
    signs = np.sign(common)
    lags = np.array(_LAGS_HOURS) // _BLOCK_HOURS
    agree = np.array([np.mean(signs[lag:] * signs[:-lag]) for lag in lags])
    cov = variance * np.sin(np.pi / 2.0 * agree)
    hours = lags * _BLOCK_HOURS
    shapes = [
        [kept_share(float(hour), life) for hour in hours]
        for life in (r.slow_half_life_hours, r.fast_half_life_hours)
    ]
    parts, *_ = np.linalg.lstsq(4.0 * np.array(shapes).T, cov, rcond=None)
    slow, fast = np.sqrt(np.maximum(parts, 0.0))
    return float(slow), float(fast)


def _calm_hours(logs: FloatArray, hours: int) -> np.ndarray:
    """Which hours are not among those of highest volatility."""
    level = np.median(logs - np.median(logs, axis=1, keepdims=True), axis=0)
    calm = np.repeat(level <= np.quantile(level, CALM_SHARE), _BLOCK_HOURS)
    return np.asarray(np.append(calm, np.zeros(hours, dtype=bool))[:hours])


def _correlation(closes: FloatArray, calm: np.ndarray, basis: float) -> float:
    """Correlation of hourly returns between coins in calm, by signs, the mean over pairs.

    The venue's own noise, two basis deviations an hour, thins it and is put back.
    """
    hourly = np.diff(np.log(closes[:, ::4]), axis=1)
    hourly = hourly[:, calm[: hourly.shape[1]]]
    signs = np.sign(hourly)
    deviation = PER_MAD * np.median(np.abs(hourly), axis=1)
    own = np.sqrt(np.maximum(1.0 - 2.0 * (basis / deviation) ** 2, 0.5))
    pairs = [(i, j) for i in range(len(signs)) for j in range(i)]
    if not pairs:
        return float("nan")
    found = [np.sin(np.pi / 2 * np.mean(signs[i] * signs[j])) / own[i] / own[j] for i, j in pairs]
    return float(np.mean(found))


def _basis(sample: Sample, calm: np.ndarray) -> float:
    """Deviation of one venue's price from the index: its half-life is minutes, so that hourly
    gaps of two venues are independent and their change has four times its variance."""
    gap = np.log(sample.other) - np.log(sample.closes[:, 3::4])
    change = np.diff(gap, axis=1)[:, calm[1:] & calm[:-1]]
    middle = np.median(change, axis=1, keepdims=True)
    return float(np.median(PER_MAD * np.median(np.abs(change - middle), axis=1)) / 2.0)


def _premium(rates_8h: FloatArray) -> tuple[float, float]:
    """Mean and deviation of the premium behind clamped funding, by likelihood.

    A rate is P + clamp(I - P, -band, band): where it is I, P is only known within the band, and
    counts by its probability; elsewhere P is the rate plus or minus the band.
    """
    interest, band = RULES.interest_8h, RULES.band_8h
    rates = rates_8h.ravel()
    inside = np.abs(rates - interest) < 1e-9
    outside = rates[~inside] + band * np.sign(rates[~inside] - interest)

    def loss(guess: FloatArray) -> float:
        mean, deviation = guess[0] * 1e-4, np.exp(guess[1]) * 1e-4
        ends = (np.array([interest - band, interest + band]) - mean) / deviation
        mass = np.log(max(float(norm.cdf(ends[1]) - norm.cdf(ends[0])), 1e-300))
        densities = norm.logpdf((outside - mean) / deviation) - np.log(deviation)
        return float(-(inside.sum() * mass + densities.sum()) / rates.size)

    best = minimize(loss, np.array([1.0, 1.0]), method="Nelder-Mead")
    return float(best.x[0] * 1e-4), float(np.exp(best.x[1]) * 1e-4)


def _common_deviation(venue: str, deviation: float) -> float:
    """The common part of a premium's deviation, the other parts at their defaults:
    deviation^2 = load^2 (common^2 + coin^2) + pair^2 + level^2; NaN where they leave nothing."""
    p = Premium()
    loads = {one.name: one.premium_load for one in WorldParameters().venues}
    rest = (deviation**2 - p.pair_deviation**2 - p.pair_level**2) / loads[venue] ** 2
    left = rest - p.coin_deviation**2
    return float(np.sqrt(left)) if left > 0 else float("nan")


def _half_life(sample: Sample) -> float:
    """Half-life of the premium from how long it stays above the band of interest.

    P(above now and later) is that of two Gaussians of correlation rho beyond one threshold, whose
    orthant grows with rho and is inverted. What fades within a day is taken out by the ratio of two
    lags: half-life = 48 ln 2 / ln(rho_24 / rho_72).
    """
    above = sample.rates_8h > RULES.interest_8h + 1e-9
    share = float(above.mean())
    if not 0.02 < share < 0.98:
        return float("nan")
    rho = []
    for hours in (24, 72):
        lag = hours // sample.every_h
        both = float((above[:, lag:] & above[:, :-lag]).mean())
        rho.append(_correlation_of(float(norm.isf(share)), both))
    return float(48.0 * np.log(2.0) / np.log(max(rho[0] / rho[1], 1.01)))


def _orthant(threshold: float, rho: float) -> float:
    """P(x > t, y > t) of standard Gaussians: the integral over correlation (Plackett 1954)."""
    points = np.linspace(0.0, rho, 400)
    density = np.exp(-(threshold**2) / (1.0 + points)) / (2 * np.pi * np.sqrt(1.0 - points**2))
    return float(norm.sf(threshold) ** 2 + np.trapezoid(density, points))


def _correlation_of(threshold: float, both: float) -> float:
    """The correlation, between 0 and 1, whose orthant has a probability; by halving."""
    low, high = 1e-3, 1.0 - 1e-6
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _orthant(threshold, middle) < both else (low, middle)
    return (low + high) / 2.0
