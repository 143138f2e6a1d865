# SPDX-License-Identifier: Apache-2.0
"""How likely an account dies before money lands, and how much buffer makes that rare enough.

The closed forms hold for a diffusion and for flat maintenance; they check the scenario engine and
say how things scale. Real prices gap, so what a mandate's buffer uses is `empirical_buffer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import gammaln, log_ndtr, ndtr

from tidegate.forecast.errors import InsufficientHistory
from tidegate.model.errors import InputError

FloatArray = npt.NDArray[np.float64]

SECONDS_PER_YEAR = 365.0 * 86_400.0
# Nodes in log time of the latency mixtures; the integrand falls off faster than exponentially at
# both ends, where the trapezoidal rule is exact to rounding once it resolves the law's width.
_STEP, _LOW, _HIGH = 0.02, -37.0, 4.5
_NORMAL_REACH = 9.0
MAX_ERLANG_STAGES = 500
MIN_WINDOWS = 600
TAIL_SHARE = 0.05
# Below this many expected exceedances an order statistic alone is too noisy to be a buffer.
MIN_EXCEEDANCES = 10.0


class LogMotion(msgspec.Struct, frozen=True):
    """Log price as a diffusion: volatility, and drift towards the barrier, both annual."""

    vol_annual: float
    drift_annual: float = 0.0

    def __post_init__(self) -> None:
        _positive("vol_annual", self.vol_annual)
        if not math.isfinite(self.drift_annual):
            raise InputError("settlement", "drift_annual", "expected a finite number")


class FixedLatency(msgspec.Struct, frozen=True):
    """Money lands after exactly `mean_s` seconds."""

    mean_s: float


class ErlangLatency(msgspec.Struct, frozen=True):
    """Money passes `stages` equal exponential stages, `mean_s` in all; one is exponential."""

    mean_s: float
    stages: int = 1


class LognormalLatency(msgspec.Struct, frozen=True):
    """Lognormal time of mean `mean_s`; `sigma_log` is the deviation of its logarithm."""

    mean_s: float
    sigma_log: float


class DiscreteLatency(msgspec.Struct, frozen=True):
    """Money lands after `seconds` with the probabilities `weights`, float64[n]; what these lack of
    one never lands."""

    seconds: FloatArray
    weights: FloatArray

    @property
    def mean_s(self) -> float:
        """Mean of what lands; 0, which no latency may have, where nothing does."""
        landing = float(self.weights.sum())
        return float(self.weights @ self.seconds) / landing if landing else 0.0


Latency = FixedLatency | ErlangLatency | LognormalLatency | DiscreteLatency


def hit_probability(distance_log: float, motion: LogMotion, latency: Latency) -> float:
    """Probability that an adverse log move `distance_log` is hit before the money lands.

    Fixed t: Phi((-b + mu t)/(s sqrt t)) + exp(2 mu b/s^2) Phi((-b - mu t)/(s sqrt t)).
    Exponential of rate th: exp(-b (sqrt(mu^2 + 2 th s^2) - mu)/s^2). Erlang, lognormal and
    discrete: the fixed form integrated over the latency's law; what never lands counts as hit.

    Args: `distance_log` b >= 0. Returns: a probability. Raises: `InputError`.
    Source: Borodin and Salminen (2002), Brownian motion with drift, first hitting time.
    """
    if not (math.isfinite(distance_log) and distance_log >= 0.0):
        raise InputError("settlement", "distance_log", f"expected >= 0, got {distance_log}")
    mean_years = _mean_years(latency)
    match latency:
        case FixedLatency():
            times, weights = np.array([mean_years]), np.ones(1)
        case ErlangLatency(stages=1):
            return math.exp(-distance_log * _exponential_slope(motion, mean_years))
        case ErlangLatency(stages=stages):
            times, weights = _erlang_nodes(mean_years, stages)
        case LognormalLatency(sigma_log=sigma_log):
            times, weights = _lognormal_nodes(mean_years, sigma_log)
        case DiscreteLatency(seconds=seconds, weights=weights):
            never = max(0.0, 1.0 - float(weights.sum()))
            times = seconds / SECONDS_PER_YEAR
            landing = float(weights @ _fixed_probabilities(distance_log, motion, times))
            return min(1.0, landing + never)
    return min(1.0, float(weights @ _fixed_probabilities(distance_log, motion, times)))


def buffer_for(eps: float, motion: LogMotion, latency: Latency) -> float:
    """Least adverse log distance that is hit before landing with probability at most `eps`.

    Args: `eps` in (0, 1). Returns: log distance b with `hit_probability(b) <= eps`, found to a
    relative 1e-10 and rounded up by that. Raises: `InputError`.
    """
    _probability("eps", eps)
    mean_years = _mean_years(latency)
    if isinstance(latency, ErlangLatency) and latency.stages == 1:
        return -math.log(eps) / _exponential_slope(motion, mean_years)

    def excess(distance_log: float) -> float:
        return hit_probability(distance_log, motion, latency) - eps

    high = _first_negative(excess, motion.vol_annual * math.sqrt(mean_years))
    root = float(brentq(excess, 0.0, high, xtol=1e-12 * high, rtol=1e-12))
    return root * (1.0 + 1e-10)


class LinearPosition(msgspec.Struct, frozen=True):
    """A linear perpetual with USD collateral; quantity in coin, long +; flat maintenance rate."""

    quantity_coin: float
    entry_usd: float
    collateral_usd: float
    maintenance_rate: float

    def liquidation_price_usd(self) -> float | None:
        """Price at which equity C + q (S - S0) equals m |q| S; None where no price does.

        Long (q S0 - C)/(q (1 - m)), short (C + |q| S0)/(|q| (1 + m)).
        """
        q = self.quantity_coin
        slope = q - self.maintenance_rate * abs(q)
        return _price_or_none(q * self.entry_usd - self.collateral_usd, slope, abs(q))


class InversePosition(msgspec.Struct, frozen=True):
    """An inverse perpetual with coin collateral; notional in USD, long +; flat maintenance.

    Equity in coin is c + N (1/p0 - 1/p), with c the coin held before the profit or loss; a 1x
    position holds c = |N|/p0.
    """

    notional_usd: float
    entry_usd: float
    collateral_coin: float
    maintenance_rate: float

    def liquidation_price_usd(self) -> float | None:
        """Price at which coin equity equals m |N| / p; None where no price does.

        p = (N + m |N|)/(c + N/p0). A 1x long dies at p0 (1 + m)/2. A 1x short has the
        denominator zero and so no liquidation price: its equity is worth N USD at every price.
        """
        slope = self.delta_coin()
        margin = self.maintenance_rate * abs(self.notional_usd)
        return _price_or_none(self.notional_usd + margin, slope, self.collateral_coin)

    def delta_coin(self) -> float:
        """Derivative of USD equity p c + N (p/p0 - 1) in price: c + N/p0, in coin."""
        return self.collateral_coin + self.notional_usd / self.entry_usd


def adverse_path_maxima(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int
) -> tuple[FloatArray, FloatArray]:
    """Worst log moves up and down from each close over the next `window` bars' highs and lows.

    up_i = max(0, log(max(high_{i+1..i+w}) / close_i)), down_i = max(0, log(close_i / min(low))).
    Rows stand on a gapless grid, with NaN in holes: a window that meets one is NaN, and so are
    the last `window` rows, whose path is not over.

    Args: prices float64[n], USD, > 0 or NaN; `window` in bars, the decision interval plus the
    latency. Returns: (up, down) float64[n], log. Raises: `InputError`.
    """
    if not high.shape == low.shape == close.shape or window < 1:
        raise InputError("path maxima", "window", "expected arrays of one length, window >= 1")
    if np.any(low <= 0.0) or np.any(high < low):
        raise InputError("path maxima", "low", "expected prices above zero, low at most high")
    up, down = np.full((2, close.size), np.nan)
    if close.size > window:
        highs = np.lib.stride_tricks.sliding_window_view(high[1:], window).max(axis=1)
        lows = np.lib.stride_tricks.sliding_window_view(low[1:], window).min(axis=1)
        up[:-window] = np.maximum(np.log(highs / close[:-window]), 0.0)
        down[:-window] = np.maximum(np.log(close[:-window] / lows), 0.0)
    return up, down


def empirical_buffer(max_adverse_moves: FloatArray, eps: float, late_share: float = 0.0) -> float:
    """Log distance that real windows exceed with probability at most `eps`: gaps and all.

    The windows are as long as the decision interval plus a latency l. Where money may land later
    still, P(hit) <= P(latency > l) + P(move over l > b), so `late_share` = P(latency > l) is
    taken off eps first. With ten or more exceedances expected this is the sample's quantile,
    rounded up to a seen move; below, it is the greater of that and a generalised Pareto tail over
    the 5 % largest moves, fitted by probability-weighted moments with the shape held at zero or
    above, since a bounded tail would call moves impossible. So where eps n < 1 it is never below
    the largest move seen. Overlapping windows are dependent: they leave the quantile unbiased,
    but are worth fewer observations than they count.

    Args: `max_adverse_moves` float64[n], log, >= 0, NaN where a window met a hole (left out);
    `eps` in (0, 1). Returns: log distance. Raises: `InsufficientHistory` below 600 windows,
    `InputError`. Source: Hosking and Wallis (1987); McNeil and Frey (2000) for the tail quantile.
    """
    _probability("eps", eps)
    share = eps - late_share
    if not (late_share >= 0.0 and share > 0.0):
        raise InputError("settlement", "late_share", f"expected in [0, eps), got {late_share}")
    moves = np.sort(max_adverse_moves[~np.isnan(max_adverse_moves)])
    if moves.size < MIN_WINDOWS:
        expected = f"expected at least {MIN_WINDOWS} windows, got {moves.size}"
        raise InsufficientHistory("settlement", "max_adverse_moves", expected)
    if moves[0] < 0.0 or not math.isfinite(moves[-1]):
        raise InputError("settlement", "max_adverse_moves", "expected finite moves, >= 0")
    seen = float(moves[moves.size - 1 - math.floor(share * moves.size)])
    if share * moves.size >= MIN_EXCEEDANCES:
        return seen
    return max(seen, _pareto_quantile(moves, share))


def _pareto_quantile(sorted_moves: FloatArray, share: float) -> float:
    """Tail quantile u + (sigma/xi) ((share n / k)^-xi - 1) of the k largest moves over u."""
    count = math.ceil(TAIL_SHARE * sorted_moves.size)
    threshold = float(sorted_moves[-count - 1])
    excess = sorted_moves[-count:] - threshold
    mean = float(excess.mean())
    if mean == 0.0:
        return threshold
    above = 1.0 - (np.arange(1, count + 1) - 0.35) / count
    weighted = float(np.mean(above * excess))
    shape = max(2.0 - mean / (mean - 2.0 * weighted), 0.0)
    scale = mean * (1.0 - shape)
    log_rarity = math.log(count / (share * sorted_moves.size))
    return threshold + scale * (math.expm1(shape * log_rarity) / shape if shape else log_rarity)


def _price_or_none(numerator: float, denominator: float, scale: float) -> float | None:
    """The quotient, if it is a price; a denominator that is zero but for rounding gives none."""
    if abs(denominator) <= 1e-12 * scale or numerator / denominator <= 0.0:
        return None
    return numerator / denominator


def _fixed_probabilities(
    distance_log: float, motion: LogMotion, times_years: FloatArray
) -> FloatArray:
    """The fixed-latency form at each time, its exponential kept in logs against overflow."""
    mu, vol = motion.drift_annual, motion.vol_annual
    spread = vol * np.sqrt(times_years)
    direct = ndtr((-distance_log + mu * times_years) / spread)
    mirrored = log_ndtr((-distance_log - mu * times_years) / spread)
    return np.asarray(direct + np.exp(2.0 * mu * distance_log / vol**2 + mirrored))


def _exponential_slope(motion: LogMotion, mean_years: float) -> float:
    """Decay of the hit probability per unit of log distance under exponential latency."""
    mu, variance = motion.drift_annual, motion.vol_annual**2
    root = math.sqrt(mu * mu + 2.0 * variance / mean_years)
    # For a drift towards the barrier the difference would cancel; its conjugate does not.
    return (root - mu) / variance if mu <= 0.0 else 2.0 / (mean_years * (root + mu))


def _erlang_nodes(mean_years: float, stages: int) -> tuple[FloatArray, FloatArray]:
    """Times and weights of the Erlang law, density k^k/(k-1)! exp(k (x - e^x)) in x = log t."""
    if not 1 <= stages <= MAX_ERLANG_STAGES:
        raise InputError("settlement", "stages", f"expected 1 to {MAX_ERLANG_STAGES}, got {stages}")
    x = np.arange(_LOW, _HIGH, _STEP)
    log_density = stages * (math.log(stages) + x - np.exp(x)) - gammaln(stages)
    return mean_years * np.exp(x), _STEP * np.exp(log_density)


def _lognormal_nodes(mean_years: float, sigma_log: float) -> tuple[FloatArray, FloatArray]:
    """Times and weights of the lognormal law, over nine deviations each side."""
    _positive("sigma_log", sigma_log)
    z = np.arange(-_NORMAL_REACH, _NORMAL_REACH, _STEP)
    density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return mean_years * np.exp(sigma_log * z - 0.5 * sigma_log**2), _STEP * density


def _first_negative(function: Callable[[float], float], start: float) -> float:
    """A doubling of `start` at which the function is negative."""
    for doubling in range(200):
        if function(start * 2.0**doubling) < 0.0:
            return start * 2.0**doubling
    raise InputError("settlement", "eps", "expected a probability that some distance reaches")


def _mean_years(latency: Latency) -> float:
    """Mean latency in years of 365 days."""
    _positive("mean_s", latency.mean_s)
    return latency.mean_s / SECONDS_PER_YEAR


def _positive(field: str, value: float) -> None:
    """Refuse what is not a finite number above zero."""
    if not (math.isfinite(value) and value > 0.0):
        raise InputError("settlement", field, f"expected a finite number above zero, got {value}")


def _probability(field: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1."""
    if not 0.0 < value < 1.0:
        raise InputError("settlement", field, f"expected between 0 and 1, got {value}")
