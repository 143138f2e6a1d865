# SPDX-License-Identifier: Apache-2.0
"""Generated chains of 12 expiries and 60 strikes: one that is sound, one that is arbitrageable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from benchmarks.side_by_side.quotes import FORWARD_USD, FloatArray
from tidegate.model.times import DAY_MS
from tidegate.pricing.option_chain import OptionChain

DAYS = np.array([1, 2, 3, 7, 14, 21, 30, 60, 90, 120, 180, 270])
STRIKES, QUICK_EXPIRIES = 60, 4
TS_MS = 1_767_225_600_000
# Noise of the mid and half of the spread, in volatility.
NOISE, HALF_SPREAD = 0.0025, 0.005
# The arbitrageable chain: two expiries whose volatility is cut to this share, and this much noise.
CUT, CUT_EXPIRIES, HEAVY_NOISE = 0.75, (3, 7), 0.02


@dataclass(frozen=True, slots=True)
class Smiles:
    """Mid volatilities [expiries, strikes] with bid and ask, at log-strikes of the same shape."""

    years: FloatArray
    log_strike: FloatArray
    mid: FloatArray
    bid: FloatArray
    ask: FloatArray

    @property
    def expiries(self) -> int:
        return len(self.years)

    @property
    def strikes(self) -> FloatArray:
        return np.asarray(FORWARD_USD * np.exp(self.log_strike))

    def chain(self) -> OptionChain:
        """The out-of-the-money quotes in coin, as a venue lists them."""
        strike = self.strikes.reshape(-1)
        years = np.repeat(self.years, STRIKES)
        bid, ask = (_price_coin(strike, years, side.reshape(-1)) for side in (self.bid, self.ask))
        return OptionChain(
            TS_MS,
            "BTC",
            TS_MS + np.repeat(np.round(365.0 * self.years).astype(np.int64) * DAY_MS, STRIKES),
            strike,
            strike >= FORWARD_USD,
            bid,
            ask,
            np.full(strike.size, FORWARD_USD),
            np.full(strike.size, np.nan),
        )


def _price_coin(strike: FloatArray, years: FloatArray, vol: FloatArray) -> FloatArray:
    s = vol * np.sqrt(years)
    d1 = np.log(FORWARD_USD / strike) / s + s / 2.0
    sign = np.where(strike >= FORWARD_USD, 1.0, -1.0)
    return np.asarray(sign * (ndtr(sign * d1) - strike / FORWARD_USD * ndtr(sign * (d1 - s))))


def _true_vol(years: FloatArray, k: FloatArray) -> FloatArray:
    """An SSVI surface as crypto's: short expiries dearer, puts dearer than calls."""
    theta = (0.45 + 0.15 * np.exp(-8.0 * years)) ** 2 * years
    phi = 0.9 / (theta**0.45 * (1.0 + theta) ** 0.55)
    rho = -0.25
    root = np.sqrt((phi * k + rho) ** 2 + 1.0 - rho * rho)
    return np.asarray(np.sqrt(theta / 2.0 * (1.0 + rho * phi * k + root) / years))


def smiles(expiries: int, arbitrageable: bool) -> Smiles:
    """Quotes around the true surface, at strikes from three deviations below to two above."""
    random = np.random.default_rng(23)
    years = DAYS[:expiries, None] / 365.0
    reach = _true_vol(years, np.zeros(1)) * np.sqrt(years)
    k = reach * np.linspace(-3.0, 2.4, STRIKES)
    mid = _true_vol(years, k) + NOISE * random.standard_normal(k.shape)
    if arbitrageable:
        mid += HEAVY_NOISE * random.standard_normal(k.shape)
        mid[[place for place in CUT_EXPIRIES if place < expiries]] *= CUT
    return Smiles(years[:, 0], k, mid, mid - HALF_SPREAD, mid + HALF_SPREAD)
