# SPDX-License-Identifier: Apache-2.0
"""Quotes of known volatility, and the exact volatility of any quote by mpmath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf
from scipy.special import erfcx, ndtr

FloatArray = npt.NDArray[np.float64]

FORWARD_USD = 60_000.0
HOUR_YEARS, MINUTE_YEARS = 1.0 / 8760.0, 1.0 / 525_600.0
EPS = 2.0**-52


def mills(y: FloatArray) -> FloatArray:
    """Mills' ratio of the normal distribution, here by scipy."""
    ratio: FloatArray = np.sqrt(np.pi / 2.0) * erfcx(y / np.sqrt(2.0))
    return ratio


def time_value(a: FloatArray, s: FloatArray) -> FloatArray:
    """Black-76 price of an out-of-the-money option in units of min(F, K), |ln(F / K)| = a."""
    h, t = -a / s, 0.5 * s
    z = h + t
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    below = density * (mills(-np.minimum(z, 0.0)) - mills(t - h))
    value: FloatArray = np.where(z < 0.0, below, ndtr(z) - density * mills(t - h))
    return value


@dataclass(frozen=True, slots=True)
class Quotes:
    """Columns of quotes, with the volatility that made them."""

    price: FloatArray
    forward: FloatArray
    strike: FloatArray
    expiry: FloatArray
    call: FloatArray
    vol: FloatArray

    @classmethod
    def out_of_the_money(cls, log_moneyness: Any, expiry: Any, vol: Any) -> Quotes:
        """Quotes at F = 60,000; what has a price below 1e-300 of the forward is left out."""
        x, expiry, vol = np.broadcast_arrays(log_moneyness, expiry, vol)
        forward = np.full(x.shape, FORWARD_USD)
        strike = forward * np.exp(x)
        p = time_value(np.abs(np.log(forward / strike)), vol * np.sqrt(expiry))
        quotes = cls(
            p * np.minimum(forward, strike), forward, strike, expiry, 1.0 * (x >= 0.0), vol
        )
        return quotes.where((p > 1e-300) & (p < 1.0 - 1e-15))

    def where(self, kept: Any) -> Quotes:
        """The rows that a mask or index names."""
        return Quotes(*(np.ascontiguousarray(column[kept]) for column in self.columns))

    @property
    def columns(self) -> tuple[FloatArray, ...]:
        return self.price, self.forward, self.strike, self.expiry, self.call, self.vol

    @property
    def quote(self) -> tuple[FloatArray, ...]:
        """What the kernel takes, read-only as the public functions give it."""
        columns = tuple(column.view() for column in (*self.columns[:5], np.ones(1)))
        for column in columns:
            column.flags.writeable = False
        return columns

    def in_the_money(self) -> Quotes:
        """The other option of the same strike, by parity, rounded as a quote is."""
        intrinsic = np.abs(self.forward - self.strike)
        price = self.price + intrinsic
        return Quotes(
            price, self.forward, self.strike, self.expiry, 1.0 - self.call, self.vol
        ).where(price > intrinsic)


def random_quotes(count: int, seed: int) -> Quotes:
    """Log-moneyness within 1.5, an hour to a year, vols of 20 to 250 %, p F >= 1e-30."""
    random = np.random.default_rng(seed)
    size = 2 * count
    expiry = np.exp(random.uniform(np.log(HOUR_YEARS), 0.0, size))
    quotes = Quotes.out_of_the_money(
        random.uniform(-1.5, 1.5, size), expiry, random.uniform(0.2, 2.5, size)
    )
    kept = np.flatnonzero(quotes.price >= 1e-30 * quotes.forward)[:count]
    return quotes.where(kept)


def _mp_mills(y: Any) -> Any:
    return mpmath.sqrt(mp.pi / 2) * mpmath.exp(y * y / 2) * mpmath.erfc(y / mpmath.sqrt(2))


def exact_deviation(row: tuple[float, ...], start: float) -> Any:
    """s = vol sqrt(T) of one quote as it stands, by Newton's method in 50 digits."""
    price, forward, strike, call = (mpf(float(value)) for value in row)
    bound, lower = (forward if call else strike), min(forward, strike)
    p = (price - max((forward - strike) * (1 if call else -1), 0)) / lower
    q = (bound - price) / lower
    a, s = abs(mpmath.log(forward / strike)), mpf(start)
    for _ in range(12):
        h, t = -a / s, s / 2
        z = h + t
        near, far = _mp_mills(-z if z < 0 else z), _mp_mills(t - h)
        reach, goal = (near - far, p) if z < 0 else (-near - far, q)
        move = -mpmath.log(abs(reach) * mpmath.npdf(z) / goal) * reach
        s = max(s + move, s / 2)
        if abs(move) < abs(s) * mpf(10) ** -30:
            return s
    raise AssertionError(f"no convergence for {row}")


def relative_errors(quotes: Quotes, vol: FloatArray) -> FloatArray:
    """Relative errors of volatilities against the exact ones of the quotes as they stand."""
    with mp.workdps(50):
        return np.array(
            [
                float(
                    abs(
                        mpf(float(got))
                        * mpmath.sqrt(mpf(float(expiry)))
                        / exact_deviation(row, float(got * np.sqrt(expiry)))
                        - 1
                    )
                )
                for got, expiry, *row in zip(
                    vol,
                    quotes.expiry,
                    quotes.price,
                    quotes.forward,
                    quotes.strike,
                    quotes.call,
                    strict=True,
                )
            ]
        )
