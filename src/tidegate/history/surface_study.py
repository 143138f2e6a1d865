# SPDX-License-Identifier: Apache-2.0
"""A fitted surface in the words of an options desk: at-the-money volatility, risk reversal and
butterfly of each expiry, what the quotes were worth, and what arbitrage they hold.

At the money is K = F. The delta is N(d1), undiscounted and in USD, of a call and N(d1) - 1 of a
put, at the surface's own volatility. A 25-delta risk reversal is vol(call) - vol(put), the
butterfly (vol(call) + vol(put)) / 2 - vol(at the money).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.history.parquet import FloatArray
from tidegate.model.errors import InvariantError
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.pricing.calibration import calibrate
from tidegate.pricing.option_chain import Exclusion, OptionChain, Quotes, quotes
from tidegate.pricing.parity import ExpiryParity, parity
from tidegate.pricing.static_arbitrage import ArbitrageReport, check, expiries_between
from tidegate.pricing.surface import ExpiryQuality, Quality, Surface

# Call deltas from the put wing to the call wing; a put's is its call's less one.
SMILE_DELTAS = (0.95, 0.9, 0.75, 0.6, 0.5, 0.4, 0.25, 0.1, 0.05)
_QUARTER = (0.75, 0.5, 0.25)
# A 1-delta strike of the steepest smiles lies within this many deviations at the money.
_DEVIATIONS = 20.0
_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class SmileSummary:
    """Volatilities of an expiry: at K = F, and where the put's and the call's delta is 25 %."""

    atm_vol_annual: float
    put_vol_annual: float
    call_vol_annual: float

    @property
    def risk_reversal(self) -> float:
        """Call over put, annual."""
        return self.call_vol_annual - self.put_vol_annual

    @property
    def butterfly(self) -> float:
        """Mean of the wings over at the money, annual."""
        return (self.call_vol_annual + self.put_vol_annual) / 2.0 - self.atm_vol_annual


@dataclass(frozen=True, slots=True)
class ExpiryStudy:
    """One fitted expiry.

    Attributes:
        expiry_ms, days, forward_usd: which, how far away, and its forward.
        smile: volatilities at the money and at 25 delta.
        deltas_vol_annual: the surface at `SMILE_DELTAS`.
        mark_atm_vol_annual: the venue's marks interpolated to K = F; NaN without marks around it.
        quality: quotes used, share inside bid and ask, median error.
        in_the_money, dropped: quotes left out, for being in the money and for any other reason.
    """

    expiry_ms: int
    days: float
    forward_usd: float
    smile: SmileSummary
    deltas_vol_annual: tuple[float, ...]
    mark_atm_vol_annual: float
    quality: ExpiryQuality
    in_the_money: int
    dropped: int


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceStudy:
    """A chain, its surface, and what is said of both."""

    chain: OptionChain
    every: Quotes
    surface: Surface
    quality: Quality
    expiries: tuple[ExpiryStudy, ...]
    arbitrage: ArbitrageReport
    parity: tuple[ExpiryParity, ...]

    @property
    def in_the_money(self) -> int:
        """Quotes that are left out because the other option of the strike says more."""
        return int(np.sum(self.every.exclusion == Exclusion.IN_THE_MONEY))

    @property
    def dropped(self) -> int:
        """Quotes left out for any other reason."""
        return self.every.exclusion.size - self.quality.quotes - self.in_the_money

    @property
    def clean(self) -> bool:
        """Whether no arbitrage was found in the surface."""
        return self.arbitrage.clean


def study_chain(chain: OptionChain) -> SurfaceStudy:
    """Fits a surface to a chain and describes it; `InputError` where no expiry can be fitted."""
    surface, every = calibrate(chain), quotes(chain)
    quality = surface.quality
    if quality is None:
        raise InvariantError("a fitted surface does not know its quality")
    return SurfaceStudy(
        chain,
        every,
        surface,
        quality,
        tuple(
            _of_expiry(chain, every, surface, part, float(forward))
            for part, forward in zip(quality.expiries, surface.forward_usd, strict=True)
        ),
        check(surface, expiries_between(surface.expiry_years)),
        parity(chain),
    )


def summary_at(surface: Surface, expiry_years: float) -> SmileSummary:
    """At-the-money and 25-delta volatilities at any expiry, quoted or not."""
    k = log_strike_at_delta(surface, np.full(3, expiry_years), np.array(_QUARTER))
    k[1] = 0.0
    put, atm, call = vol_at(surface, k, np.full(3, expiry_years))
    return SmileSummary(float(atm), float(put), float(call))


def vol_at(surface: Surface, log_strike: FloatArray, years: FloatArray) -> FloatArray:
    """Volatility at k = ln(K / F) and T in years, arrays of one shape."""
    return np.asarray(np.sqrt(surface.total_variance(log_strike, years) / years))


def call_delta(surface: Surface, log_strike: FloatArray, years: FloatArray) -> FloatArray:
    """N(d1) with d1 = -k / s + s / 2 and s = sqrt(w(k, T)); arrays of one shape."""
    from scipy.special import ndtr

    return np.asarray(ndtr(_d1(surface, log_strike, years)))


def log_strike_at_delta(surface: Surface, years: FloatArray, delta: FloatArray) -> FloatArray:
    """k where a call's N(d1) is a delta; NaN where there is none within 20 deviations.

    Bisection: d1 falls with k on every smile without butterflies (Fukasawa 2012).

    Args: a surface; T in years and deltas between 0 and 1, arrays of one shape.
    """
    from scipy.special import ndtri

    target = ndtri(delta)
    deviation = np.sqrt(surface.total_variance(np.zeros(years.shape), years))
    high = _DEVIATIONS * deviation + deviation**2
    low = -high
    held = (_d1(surface, low, years) > target) & (_d1(surface, high, years) < target)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        above = _d1(surface, middle, years) > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.asarray(np.where(held, (low + high) / 2.0, np.nan))


def _d1(surface: Surface, log_strike: FloatArray, years: FloatArray) -> FloatArray:
    deviation = np.sqrt(surface.total_variance(log_strike, years))
    return np.asarray(-log_strike / deviation + deviation / 2.0)


def _of_expiry(
    chain: OptionChain, every: Quotes, surface: Surface, quality: ExpiryQuality, forward_usd: float
) -> ExpiryStudy:
    rows = chain.expiry_ms == quality.expiry_ms
    years = (quality.expiry_ms - chain.ts_ms) / YEAR_MS
    in_the_money = int(np.sum(every.exclusion[rows] == Exclusion.IN_THE_MONEY))
    across = np.full(len(SMILE_DELTAS), years)
    k = log_strike_at_delta(surface, across, np.array(SMILE_DELTAS))
    return ExpiryStudy(
        quality.expiry_ms,
        (quality.expiry_ms - chain.ts_ms) / DAY_MS,
        forward_usd,
        summary_at(surface, years),
        tuple(float(vol) for vol in vol_at(surface, k, across)),
        _mark_at_forward(chain, every, quality.expiry_ms),
        quality,
        in_the_money,
        int(rows.sum()) - quality.quotes - in_the_money,
    )


def marked(chain: OptionChain, every: Quotes, expiry_ms: int) -> tuple[FloatArray, FloatArray]:
    """k and the venue's mark volatility of the out-of-the-money options of an expiry, by k."""
    k, mark = every.log_strike, chain.mark_vol_annual
    outside = np.where(chain.is_call, k >= 0.0, k < 0.0)
    rows = np.flatnonzero((chain.expiry_ms == expiry_ms) & outside & np.isfinite(k) & (mark > 0.0))
    rows = rows[np.argsort(k[rows], kind="stable")]
    return k[rows], mark[rows]


def _mark_at_forward(chain: OptionChain, every: Quotes, expiry_ms: int) -> float:
    k, mark = marked(chain, every, expiry_ms)
    return float(np.interp(0.0, k, mark, np.nan, np.nan)) if k.size else np.nan
