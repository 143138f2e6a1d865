# SPDX-License-Identifier: Apache-2.0
"""Black-76 implied volatility for arrays: every valid quote solved, every other one refused.

A refused quote has the volatility NaN and a code that says why, never a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegate.model.errors import InputError
from tidegate.pricing.arrays import ArrayLike, Batch

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.uint8]


class Refusal(IntEnum):
    """Why a quote has no implied volatility; the first that applies, in this order."""

    NONE = 0
    NOT_A_NUMBER = 1
    FORWARD_NOT_POSITIVE = 2
    STRIKE_NOT_POSITIVE = 3
    EXPIRY_NOT_POSITIVE = 4
    DISCOUNT_NOT_POSITIVE = 5
    OUT_OF_RANGE = 6
    NEITHER_CALL_NOR_PUT = 7
    BELOW_INTRINSIC = 8
    NO_TIME_VALUE = 9
    ABOVE_BOUND = 10


_REASONS = {
    Refusal.NONE: "solved",
    Refusal.NOT_A_NUMBER: "an input is missing or not a number",
    Refusal.FORWARD_NOT_POSITIVE: "the forward is not positive",
    Refusal.STRIKE_NOT_POSITIVE: "the strike is not positive",
    Refusal.EXPIRY_NOT_POSITIVE: "the time to expiry is not positive",
    Refusal.DISCOUNT_NOT_POSITIVE: "the discount factor is not positive",
    Refusal.OUT_OF_RANGE: "forward, strike, expiry or discount is not within 1e-100 and 1e100",
    Refusal.NEITHER_CALL_NOR_PUT: "is_call is neither true nor false",
    Refusal.BELOW_INTRINSIC: "the price is below the intrinsic value",
    Refusal.NO_TIME_VALUE: "the price is the intrinsic value, which determines no volatility",
    Refusal.ABOVE_BOUND: "the price is not below its bound, the forward of a call, strike of a put",
}


def refusal_reason(code: int) -> str:
    """What a refusal code means, as part of a sentence.

    Args: code: of `Refusal`. Raises: `InputError` for a number that is no code.
    """
    try:
        return _REASONS[Refusal(code)]
    except ValueError:
        expected = f"expected a code of 0 to {max(Refusal)}, got {code}"
        raise InputError("implied_vol", "code", expected) from None


@dataclass(frozen=True, slots=True, eq=False)
class ImpliedVols:
    """Volatilities per year as fractions, NaN where refused, and the code of each refusal.

    Both are a number, an array or a Series, as the quotes were; codes are those of `Refusal`.
    """

    vol_annual: Any
    refusal: Any


def implied_vol(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> ImpliedVols:
    """The volatility at which Black-76 gives the price.

    discount * (w F N(w d1) - w K N(w d2)) = price, w = 1 for a call and -1 for a put,
    d1 = (ln(F / K) + vol**2 T / 2) / (vol sqrt(T)), d2 = d1 - vol sqrt(T).

    Exact to what float64 holds: with eps = 2**-52 the error is at most
    10 eps vol + eps (price / discount) / vega, vega being dollars per 1.0 of vol, undiscounted.
    Out of the money the second part is the smaller one. In the money it is what the time value
    allows, which is the small difference of the price and the intrinsic value: it is known to
    eps * price, and with it the volatility. A price equal to the intrinsic value determines none
    and is refused, as is one above it by less than 2.3e-308 of min(F, K).

    Args:
        price: in the unit of the forward, paid now; any broadcast shape, like all inputs.
        forward: of the expiry (USD per coin), positive.
        strike: (USD per coin), positive.
        expiry_years: time to expiry in years, positive.
        is_call: true for a call, false for a put.
        discount: value now of 1 paid at expiry, positive.

    Returns: `ImpliedVols` of the broadcast shape. Raises: `InputError` for what is not numbers,
    and for shapes or series that do not go together; a bad number is refused by its code.
    Source: Black 1976; for the method see `tidegate.pricing._implied_vol`.
    """
    batch = Batch.of(
        price=price,
        forward=forward,
        strike=strike,
        expiry_years=expiry_years,
        is_call=is_call,
        discount=discount,
    )
    return _solved(batch, batch.columns)


def implied_vol_coin(
    price_coin: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    is_call: ArrayLike,
) -> ImpliedVols:
    """The volatility at which a coin-settled (inverse) option has this price in coin.

    The price in coin times the forward is Black-76 without discounting: for a call
    N(d1) - (K / F) N(d2) = price_coin.

    Args:
        price_coin: (coin per coin of notional); any broadcast shape, like all inputs.
        forward: of the expiry (USD per coin), positive.
        strike: (USD per coin), positive.
        expiry_years: time to expiry in years, positive.
        is_call: true for a call, false for a put.

    Returns: `ImpliedVols`, exact and refused as by `implied_vol`. Raises: `InputError` likewise.
    Source: Alexander, Chen and Imeraj 2023, for coin-settled options.
    """
    batch = Batch.of(
        price_coin=price_coin,
        forward=forward,
        strike=strike,
        expiry_years=expiry_years,
        is_call=is_call,
    )
    coin, *rest = batch.columns
    with np.errstate(all="ignore"):
        price = coin * rest[0]
    return _solved(batch, (price, *rest, np.ones(1)))


def _solved(batch: Batch, quote: tuple[FloatArray, ...]) -> ImpliedVols:
    """The kernel first; what it leaves is refused, or bisected."""
    from tidegate.pricing import _implied_vol

    vol, codes = np.empty(batch.size), np.zeros(batch.size, dtype=np.uint8)
    _implied_vol.solve(_read_only(quote), vol)
    left = np.flatnonzero(np.isnan(vol))
    if left.size:
        rows = tuple(np.broadcast_to(column, vol.shape)[left] for column in quote)
        codes[left] = _refusals(rows)
        valid = codes[left] == Refusal.NONE
        vol[left[valid]] = _implied_vol.bisected(tuple(column[valid] for column in rows))
    return ImpliedVols(batch.wrap(vol), batch.wrap(codes))


def _read_only(quote: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    """The kernel is compiled once, for columns that it may not write to."""
    for column in quote:
        column.flags.writeable = False
    return quote


def _refusals(quote: tuple[FloatArray, ...]) -> CodeArray:
    """The code of each quote, `Refusal.NONE` for a valid one."""
    from tidegate.pricing import _implied_vol

    _, forward, strike, expiry, call, discount = quote
    with np.errstate(all="ignore"):
        p, q, _, _ = _implied_vol.normalised_(quote)
    amounts = (forward, strike, expiry, discount)
    outside = [~_implied_vol.in_range_(amount) for amount in amounts]
    tests = {
        Refusal.NOT_A_NUMBER: np.logical_or.reduce([np.isnan(column) for column in quote]),
        Refusal.FORWARD_NOT_POSITIVE: forward <= 0.0,
        Refusal.STRIKE_NOT_POSITIVE: strike <= 0.0,
        Refusal.EXPIRY_NOT_POSITIVE: expiry <= 0.0,
        Refusal.DISCOUNT_NOT_POSITIVE: discount <= 0.0,
        Refusal.OUT_OF_RANGE: np.logical_or.reduce(outside),
        Refusal.NEITHER_CALL_NOR_PUT: (call != 0.0) & (call != 1.0),
        Refusal.BELOW_INTRINSIC: p < 0.0,
        Refusal.NO_TIME_VALUE: p < _implied_vol.TIME_VALUE_LEAST,
        Refusal.ABOVE_BOUND: q <= 0.0,
    }
    codes = [np.uint8(code) for code in tests]
    return np.select(list(tests.values()), codes, default=np.uint8(Refusal.NONE)).astype(np.uint8)
