# SPDX-License-Identifier: Apache-2.0
"""Boxes of a question: delta about a target skew, gamma, vega by tenor, open short wings.

Per USD of the underlying's notional at its index S, long, with F the forward or a contract's mark,
b = F / S, and N' the normal density,

    settled in dollars   delta   b N(d1) of calls, -b N(-d1) of puts, b of contracts
                         gamma   b N'(d1) / (vol sqrt(T)), change of delta per 100 % move
                         vega    b N'(d1) sqrt(T), USD per 1.00 of vol
    settled in the coin  the same without b, delta less what the option is worth in coins; contracts
                         1 / b

in units of equity, as sizes are. Deltas are in USD: a coin in the account has one of its own, and
its amount now, with profit and the worth of options settled in it, moves from the rows to the
bounds. An option is paid from that amount, so what it adds is its premium-adjusted delta
(Alexander, Chen and Imeraj 2023). Flows between venues leave a coin's whole amount as it is; a
question that converts it must be asked anew. Greeks: Black (1976).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.joint.question import Boxes
from tidegate.margin.market_values import MarketValues, index_of, mark_of
from tidegate.margin.scenario.quotes import option_columns
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option
from tidegate.pricing import black76

FloatArray = NDArray[np.float64]

WHERE = "greek boxes"
DAYS_PER_YEAR = 365.0
# Open beyond so many standard deviations from the forward, a short is a wing.
WING_DEVIATIONS = 1.0


@dataclass(frozen=True, slots=True)
class CoinLimits:
    """What a mandate allows of one coin, in units of equity.

    `delta` is about `skew`, both of notional; `gamma` change of delta per 100 % move; `vega` by
    tenor bucket, per 1.00 of vol, in the order of the buckets; `wing` units of the underlying's
    notional that may be short net beyond `WING_DEVIATIONS`, on each side.
    """

    skew: float
    delta: float
    gamma: float
    vega: tuple[float, ...]
    wing: float


@dataclass(frozen=True, slots=True)
class BoxTerms:
    """Limits by coin and of the whole book's delta about its own skew; `tenor_days` are the upper
    ends of the buckets, the last open; `penalty` prices a breach, inf where it is never allowed."""

    coins: Mapping[str, CoinLimits]
    book_skew: float
    book_delta: float
    tenor_days: tuple[float, ...]
    penalty: float = np.inf

    def __post_init__(self) -> None:
        ends = self.tenor_days
        if not ends or any(a >= b for a, b in pairwise(ends)):
            raise InputError(WHERE, "tenor_days", f"expected rising ends, got {ends}")
        for coin, limits in self.coins.items():
            numbers = (limits.delta, limits.gamma, limits.wing, *limits.vega)
            if len(limits.vega) != len(ends) or min(numbers) < 0.0:
                expected = f"expected limits of at least 0, and {len(ends)} of vega"
                raise InputError(WHERE, coin, expected)


@dataclass(frozen=True, slots=True, eq=False)
class Greeks:
    """Per USD of notional, [n] each; `z` is ln(K / F) in standard deviations, nan of contracts, and
    `days` to expiry, nan where there is none."""

    coins: tuple[str, ...]
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    call: FloatArray
    z: FloatArray
    days: FloatArray


def greeks_of(instruments: Sequence[Instrument], market: MarketValues) -> Greeks:
    """Greeks at the venue's marks; raises `InputError` for a figure that is missing or stale."""
    count = len(instruments)
    spot = np.array([market.positive(index_of(each.base)) for each in instruments])
    out = Greeks(
        coins=tuple(each.base for each in instruments),
        delta=np.array([_contract(each, market) for each in instruments]),
        gamma=np.zeros(count),
        vega=np.zeros(count),
        call=np.zeros(count),
        z=np.full(count, np.nan),
        days=np.full(count, np.nan),
    )
    places = [i for i, each in enumerate(instruments) if isinstance(each, Option)]
    options = [each for each in instruments if isinstance(each, Option)]
    if options:
        c = option_columns(options, market)
        is_call = c.sign > 0.0
        found = black76.greeks(c.forward, c.strike, c.expiry_years, c.vol, is_call)
        width = c.vol * np.sqrt(c.expiry_years)
        in_coin = np.array([each.coin_settled for each in options])
        basis = np.where(in_coin, 1.0, c.forward / spot[places])
        out.delta[places] = basis * found.delta - in_coin * found.price / c.forward
        out.gamma[places] = basis * found.gamma * c.forward
        out.vega[places] = basis * found.vega / c.forward
        out.call[places] = is_call
        out.z[places] = c.log_strike / np.maximum(width, np.finfo(float).tiny)
        out.days[places] = c.expiry_years * DAYS_PER_YEAR
    return out


def _contract(each: Instrument, market: MarketValues) -> float:
    """Delta of a contract; of options, which have their own, nothing yet."""
    if isinstance(each, Option):
        return 0.0
    basis = market.positive(mark_of(each.id)) / market.positive(index_of(each.base))
    return 1.0 / basis if each.inverse else basis


def greek_boxes(greeks: Greeks, terms: BoxTerms, coin_equity: Mapping[str, float]) -> Boxes:
    """The limits as rows over positions.

    Args: `coin_equity` by coin, what the book holds in it over equity, profit and the worth of
        options settled in it included: its own delta.
    Raises: `InputError` for a coin without limits.
    """
    rows: list[tuple[str, FloatArray, float, float]] = []
    coins = sorted({*greeks.coins, *coin_equity})
    for coin in coins:
        if coin not in terms.coins:
            raise InputError(WHERE, coin, "expected limits of the coin")
        rows += _coin_rows(coin, greeks, terms, coin_equity.get(coin, 0.0))
    own = sum(coin_equity.values())
    low, high = terms.book_skew - terms.book_delta, terms.book_skew + terms.book_delta
    rows.append(("delta of book", greeks.delta, low - own, high - own))
    return Boxes(
        names=tuple(name for name, *_ in rows),
        rows=np.stack([row for _, row, _, _ in rows]),
        lower=np.array([low for _, _, low, _ in rows]),
        upper=np.array([high for *_, high in rows]),
        penalty=np.full(len(rows), terms.penalty),
    )


def _coin_rows(
    coin: str, greeks: Greeks, terms: BoxTerms, own: float
) -> list[tuple[str, FloatArray, float, float]]:
    limits = terms.coins[coin]
    here = np.array([each == coin for each in greeks.coins])
    low, high = limits.skew - limits.delta - own, limits.skew + limits.delta - own
    rows = [(f"delta of {coin}", np.where(here, greeks.delta, 0.0), low, high)]
    options = here & np.isfinite(greeks.z)
    if not options.any():
        return rows
    gamma = np.where(options, greeks.gamma, 0.0)
    rows.append((f"gamma of {coin}", gamma, -limits.gamma, limits.gamma))
    days = np.where(options, greeks.days, 0.0)
    bucket = np.minimum(np.searchsorted(terms.tenor_days, days), len(terms.tenor_days) - 1)
    for b, limit in enumerate(limits.vega):
        vega = np.where(options & (bucket == b), greeks.vega, 0.0)
        if vega.any():
            name = f"vega of {coin} to {terms.tenor_days[b]:g} days"
            rows.append((name, vega, -limit, limit))
    z = np.where(options, greeks.z, 0.0)
    for side, far in (("upper", z >= WING_DEVIATIONS), ("lower", z <= -WING_DEVIATIONS)):
        held = far & ((greeks.call == 1.0) == (side == "upper"))
        if held.any():
            name = f"{side} wing of {coin}"
            rows.append((name, np.where(held, 1.0, 0.0), -limits.wing, np.inf))
    return rows
