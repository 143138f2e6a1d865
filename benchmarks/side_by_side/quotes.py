# SPDX-License-Identifier: Apache-2.0
"""Quotes of known volatility: the main set of crypto's range, and sets that solvers fail on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
from mpmath import mp, mpf
from scipy.special import erfcx

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FORWARD_USD = 60_000.0
HOUR_YEARS, MINUTE_YEARS = 1.0 / 8760.0, 1.0 / 525_600.0
DIGITS = 50
# Share of the main set whose price is at least `PRICE_PLAIN` of the forward; the rest goes down to
# `PRICE_LEAST` of it.
PLAIN_SHARE, PRICE_PLAIN, PRICE_LEAST = 0.8, 1e-6, 1e-30


@dataclass(frozen=True, slots=True)
class Quotes:
    """Columns of undiscounted quotes, with the volatility that made them."""

    price: FloatArray
    forward: FloatArray
    strike: FloatArray
    expiry_years: FloatArray
    is_call: BoolArray
    vol_annual: FloatArray

    def __len__(self) -> int:
        return len(self.price)

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        return (
            self.price,
            self.forward,
            self.strike,
            self.expiry_years,
            self.is_call,
            self.vol_annual,
        )

    def rows(self, kept: Any) -> Quotes:
        """The rows of a mask, index or slice."""
        return Quotes(*(np.ascontiguousarray(column[kept]) for column in self.columns))

    def head(self, count: int) -> Quotes:
        return self.rows(slice(count))


def out_of_the_money_prices(
    forward: FloatArray, strike: FloatArray, deviation: FloatArray
) -> FloatArray:
    """Black-76 prices of out-of-the-money options by scipy, scaled so that nothing underflows.

    The difference of two scaled complementary error functions cancels where the deviation is
    small: an error of eps / deviation of the price, and so of the volatility.
    """
    a = np.abs(np.log(forward / strike))
    near, far = (a / deviation + sign * deviation / 2.0 for sign in (-1.0, 1.0))
    scaled = erfcx(near / np.sqrt(2.0)) - erfcx(far / np.sqrt(2.0))
    return np.asarray(np.minimum(forward, strike) * 0.5 * np.exp(-0.5 * near * near) * scaled)


def main_set(count: int, seed: int) -> Quotes:
    """Out-of-the-money quotes: log-moneyness within 1.5, an hour to a year, vols of 20 to 250 %.

    Four in five are worth at least 1e-6 of the forward, the others at least 1e-30 of it.
    """
    random = np.random.default_rng(seed)
    size = 8 * count
    strike = FORWARD_USD * np.exp(random.uniform(-1.5, 1.5, size))
    years = np.exp(random.uniform(np.log(HOUR_YEARS), 0.0, size))
    vol = random.uniform(0.2, 2.5, size)
    forward = np.full(size, FORWARD_USD)
    price = out_of_the_money_prices(forward, strike, vol * np.sqrt(years))
    quotes = Quotes(price, forward, strike, years, strike >= forward, vol)
    plain = np.flatnonzero(price >= PRICE_PLAIN * FORWARD_USD)[: round(PLAIN_SHARE * count)]
    tiny = (price < PRICE_PLAIN * FORWARD_USD) & (price >= PRICE_LEAST * FORWARD_USD)
    chosen = np.concatenate([plain, np.flatnonzero(tiny)[: count - len(plain)]])
    return quotes.rows(random.permutation(chosen))


def exact_price(forward: Any, strike: Any, deviation: Any, is_call: bool) -> Any:
    """Black-76 undiscounted in mpmath's present precision."""
    d1 = mpmath.log(forward / strike) / deviation + deviation / 2
    d2, sign = d1 - deviation, 1 if is_call else -1
    return sign * (forward * mpmath.ncdf(sign * d1) - strike * mpmath.ncdf(sign * d2))


def exact_vol(quotes: Quotes, row: int) -> float:
    """The volatility of one quote as it stands, by Newton's method on ln price, from its own."""
    forward, strike = mpf(quotes.forward[row]), mpf(quotes.strike[row])
    root = mpmath.sqrt(mpf(quotes.expiry_years[row]))
    goal, s = mpmath.log(mpf(quotes.price[row])), mpf(quotes.vol_annual[row]) * root
    for _ in range(20):
        value = exact_price(forward, strike, s, bool(quotes.is_call[row]))
        d1 = mpmath.log(forward / strike) / s + s / 2
        step = (goal - mpmath.log(value)) * value / (forward * mpmath.npdf(d1))
        s += step
        if abs(step) < s * mpf(10) ** -25:
            return float(s / root)
    raise ArithmeticError(f"no volatility found for quote {row}")


def exact_vols(quotes: Quotes) -> FloatArray:
    """The volatility of each quote as it stands, in 50 digits and then rounded."""
    with mp.workdps(DIGITS):
        return np.array([exact_vol(quotes, row) for row in range(len(quotes))])


def _priced(quotes: Quotes) -> Quotes:
    """The same options with prices computed in 50 digits and then rounded."""
    with mp.workdps(DIGITS):
        prices = [
            float(exact_price(mpf(forward), mpf(strike), mpf(vol) * mpmath.sqrt(mpf(years)), call))
            for _, forward, strike, years, call, vol in zip(
                *(column.tolist() for column in quotes.columns), strict=True
            )
        ]
    return replace(quotes, price=np.array(prices))


def _options(log_moneyness: FloatArray, years: FloatArray, vol: FloatArray) -> Quotes:
    """Out-of-the-money options without their prices."""
    forward = np.full(len(vol), FORWARD_USD)
    strike = FORWARD_USD * np.exp(log_moneyness)
    return Quotes(np.full(len(vol), np.nan), forward, strike, years, strike >= forward, vol)


def deep_in_the_money(count: int, random: np.random.Generator) -> Quotes:
    """Prices by parity that hold a time value of at least 1e-9 of themselves."""
    side = random.choice([-1.0, 1.0], 4 * count)
    k = side * random.uniform(0.3, 1.5, 4 * count)
    years = np.exp(random.uniform(np.log(HOUR_YEARS), 0.0, 4 * count))
    other = _options(k, years, random.uniform(0.2, 2.5, 4 * count))
    deviation = other.vol_annual * np.sqrt(years)
    worth = out_of_the_money_prices(other.forward, other.strike, deviation)
    kept = other.rows(np.flatnonzero(worth > 1e-9 * np.abs(other.forward - other.strike))[:count])
    return _priced(replace(kept, is_call=~kept.is_call))


def hardly_worth_anything(count: int, random: np.random.Generator) -> Quotes:
    """Prices of 1e-290 to 1e-24 of the forward."""
    k = random.choice([-1.0, 1.0], 40 * count) * random.uniform(0.3, 1.5, 40 * count)
    years = np.exp(random.uniform(np.log(HOUR_YEARS), 0.0, 40 * count))
    options = _options(k, years, random.uniform(0.2, 2.5, 40 * count))
    deviation = options.vol_annual * np.sqrt(years)
    worth = out_of_the_money_prices(options.forward, options.strike, deviation) / FORWARD_USD
    return _priced(options.rows(np.flatnonzero((worth > 1e-290) & (worth < 1e-24))[:count]))


def very_volatile(count: int, random: np.random.Generator) -> Quotes:
    """Volatilities of 500 to 1,000 %, a day to a year."""
    k, vol = random.uniform(-1.5, 1.5, count), random.uniform(5.0, 10.0, count)
    return _priced(_options(k, random.uniform(1.0 / 365.0, 1.0, count), vol))


def about_to_expire(count: int, random: np.random.Generator) -> Quotes:
    """At the money, a minute to a day before expiry."""
    years = np.exp(random.uniform(np.log(MINUTE_YEARS), np.log(1.0 / 365.0), count))
    return _priced(_options(np.zeros(count), years, random.uniform(0.2, 2.5, count)))


def hard_sets(quick: bool) -> dict[str, Quotes]:
    """Valid quotes that solvers fail on, by name."""
    random = np.random.default_rng(11)
    makers = {
        "deep in the money": (deep_in_the_money, 1066),
        "1e-290 to 1e-24": (hardly_worth_anything, 462),
        "500 to 1000 % vol": (very_volatile, 1000),
        "a minute to a day": (about_to_expire, 500),
    }
    return {
        name: make(count // 25 if quick else count, random)
        for name, (make, count) in makers.items()
    }


def invalid_quotes() -> Quotes:
    """Calls at F = 100 that have no volatility, each for a reason of its own: below intrinsic,
    at the bound, no price, forward, strike and expiry not positive, price below zero."""
    rows = [
        (49.0, 100.0, 50.0, 0.1),
        (100.0, 100.0, 100.0, 0.1),
        (np.nan, 100.0, 100.0, 0.1),
        (5.0, -100.0, 100.0, 0.1),
        (5.0, 100.0, 0.0, 0.1),
        (5.0, 100.0, 100.0, 0.0),
        (-1.0, 100.0, 100.0, 0.1),
    ]
    columns = np.array(rows).T
    calls, unknown = np.full(len(rows), True), np.full(len(rows), np.nan)
    return Quotes(*(np.ascontiguousarray(column) for column in columns), calls, unknown)


def allowed_error(quotes: Quotes) -> FloatArray:
    """A volatility further off than this is wrong: 1e-6 of it, and beyond that ten times what half
    a unit in the last place of the price is worth in volatility."""
    root = np.sqrt(quotes.expiry_years)
    s = quotes.vol_annual * root
    d1 = np.log(quotes.forward / quotes.strike) / s + s / 2.0
    vega = quotes.forward * root * np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    with np.errstate(divide="ignore", over="ignore"):
        rounding = 10.0 * 2.0**-53 * quotes.price / vega
    return np.asarray(1e-6 * quotes.vol_annual + rounding)
