# SPDX-License-Identifier: Apache-2.0
"""The box of markets that a certificate holds over, its cells, and the market at one of its points.

Of each coin three ratios move by themselves: that of its price (index, forwards, marks), that of
its venue's forwards and contract marks against the index, and that of the vols of all its options,
one for all. The largest box of ranges is covered, so a spread that is one for all coins is in it.
What a mark of an option has beyond Black-76 stays; rates, dollar coins and funding stay.

"Past an expiry" is the same box a millisecond after it: what has expired is cash, paid at the
delivery price of the point; forwards, rates and vols of what is left are as they are now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    fixed_of,
    fixed_share_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.scenario.quotes import AVERAGING_MS, option_columns
from tidegate.margin.scenario.revaluation import Moves, option_values
from tidegate.margin.scenario.shocks import Scenario, VolMove
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Option
from tidegate.risk.enclosure import PRICE, SPREAD, VARIABLES, VOL, Enclosure, product, variable

FloatArray = NDArray[np.float64]
Range = tuple[float, float]
# Ratios of price, spread and vol by coin.
Point = Mapping[str, tuple[float, float, float]]

WHERE = "certificate box"
STILL = Moves.of((Scenario("now", 1.0, VolMove.NONE),))
PRESENT = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CoinBox:
    """Ranges of ratios to now, (low, high), of a coin's price, its venue's spread and its vols."""

    price: Range
    spread: Range = (1.0, 1.0)
    vol: Range = (1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("price", "spread", "vol"):
            low, high = getattr(self, name)
            if not (isfinite(low) and isfinite(high) and 0.0 < low <= high):
                raise InputError(WHERE, name, f"expected 0 < low <= high, got {low} and {high}")

    @property
    def ends(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends in the order of the variables, [3] each."""
        ranges = np.array([self.price, self.spread, self.vol])
        return ranges[:, 0], ranges[:, 1]


@dataclass(frozen=True, slots=True)
class Box:
    """Ranges by coin; every expiry up to `horizon_ms` from now is looked past as well."""

    coins: Mapping[str, CoinBox]
    horizon_ms: int = 0

    def of(self, coin: str) -> CoinBox:
        """The ranges of a coin; an unknown move is never taken as none: `InputError`."""
        if coin not in self.coins:
            raise InputError(WHERE, coin, "expected ranges of a coin that the account moves with")
        return self.coins[coin]


@dataclass(frozen=True, eq=False)
class Cells:
    """Parts of one coin's ranges, ends [B, 3] each."""

    low: FloatArray
    high: FloatArray

    @cached_property
    def price(self) -> Enclosure:
        """Ratio of the coin's index, [B]."""
        return variable(self.low[:, PRICE], self.high[:, PRICE], PRICE)

    @cached_property
    def spread(self) -> Enclosure:
        """Ratio of the venue's marks to its index, [B]."""
        return variable(self.low[:, SPREAD], self.high[:, SPREAD], SPREAD)

    @cached_property
    def vol(self) -> Enclosure:
        """Ratio of vols, [B]."""
        return variable(self.low[:, VOL], self.high[:, VOL], VOL)

    @cached_property
    def contracts(self) -> Enclosure:
        """Ratio of forwards and of marks of contracts, [B]."""
        return product(self.price, self.spread)

    @cached_property
    def rows(self) -> FloatArray:
        """As the kernels take them, [B, 6]."""
        ends = [bound[:, PRICE] * bound[:, SPREAD] for bound in (self.low, self.high)]
        price = (ends[0], self.contracts.centre, ends[1])
        vol = (self.low[:, VOL], self.vol.centre, self.high[:, VOL])
        return np.ascontiguousarray(np.stack([*price, *vol], axis=1))


def cells_at(points: FloatArray) -> Cells:
    """Cells without width at points [B, 3]."""
    return Cells(points.reshape(-1, VARIABLES), points.reshape(-1, VARIABLES))


@dataclass(frozen=True, slots=True)
class Delivered:
    """A position that has expired, its coin's index now, and its delivery price: fixed + live x
    the ratio of the index."""

    holding: Holding
    index: float
    fixed: float
    live: float

    def paid(self, price_ratio: float) -> float:
        """What it pays in its settlement asset at a ratio of its coin's price."""
        price, each = self.fixed + self.live * price_ratio, self.holding.instrument
        if isinstance(each, Option):
            strike = float(each.strike)
            inside = max(price - strike if each.is_call else strike - price, 0.0)
            return self.holding.size * (inside / price if each.coin_settled else inside)
        entry = self.holding.entry
        earned = 1.0 / entry - 1.0 / price if each.inverse else price - entry
        return self.holding.size * earned + self.holding.funding


@dataclass(frozen=True, slots=True)
class Then:
    """An account at a later time: what is still held, the market's figures, what has expired."""

    at_ms: int
    holdings: Holdings
    market: MarketValues
    delivered: tuple[Delivered, ...] = ()

    def at(self, point: Point) -> tuple[Holdings, MarketValues]:
        """Account and market at a point."""
        collateral = dict(self.holdings.collateral)
        for each in self.delivered:
            settle, coin = each.holding.instrument.settle, each.holding.instrument.base
            paid = each.paid(point.get(coin, PRESENT)[PRICE])
            collateral[settle] = collateral.get(settle, 0.0) + paid
        holdings = replace(self.holdings, collateral=collateral)
        return holdings, market_at(self.market, self.holdings, point)


def times_of(holdings: Holdings, market: MarketValues, box: Box) -> list[Then]:
    """The account now and after each expiry within the horizon."""
    if holdings.orders:
        raise InputError(WHERE, "orders", "expected none: a box holds for what is held")
    now = market.now_ms
    ends = {
        each.instrument.expiry_ms
        for each in holdings.positions
        if isinstance(each.instrument, Future | Option) and each.size != 0.0
    }
    later = sorted(end for end in ends if now < end <= now + box.horizon_ms)
    return [Then(now, holdings, market), *(_past(holdings, market, end) for end in later)]


def _past(holdings: Holdings, market: MarketValues, expiry_ms: int) -> Then:
    at_ms = expiry_ms + 1
    gone = tuple(each for each in holdings.positions if _expires(each, at_ms))
    left = tuple(each for each in holdings.positions if not _expires(each, at_ms))
    later = at_ms - market.now_ms
    values = {
        key: replace(seen, as_of_ms=seen.as_of_ms + later) for key, seen in market.values.items()
    }
    return Then(
        at_ms,
        replace(holdings, positions=left),
        replace(market, now_ms=at_ms, values=values),
        tuple(_delivered(each, market) for each in gone if each.size != 0.0),
    )


def _expires(holding: Holding, at_ms: int) -> bool:
    return isinstance(holding.instrument, Future | Option) and holding.instrument.expiry_ms <= at_ms


def _delivered(holding: Holding, market: MarketValues) -> Delivered:
    """By the index, but for the part of the average that is fixed already."""
    each = holding.instrument
    index = market.positive(index_of(each.base))
    if not isinstance(each, Option) or each.expiry_ms - market.now_ms >= AVERAGING_MS:
        return Delivered(holding, index, 0.0, index)
    fixed = market.at_least_zero(fixed_of(each.base, each.expiry_ms))
    share = market.at_least_zero(fixed_share_of(each.base, each.expiry_ms))
    return Delivered(holding, index, fixed, (1.0 - share) * index)


def market_at(market: MarketValues, holdings: Holdings, point: Point) -> MarketValues:
    """The market's figures at a point, as far as they value these holdings.

    An option's mark moves by what Black-76 changes; raises `InputError` for one without a price.
    """
    values = dict(market.values)

    def move(key: Key, by: float) -> None:
        if key in values:
            values[key] = values[key].moved(values[key].value * by)

    for key in market.values:
        if len(key) > 1 and key[1] in point:
            price, spread, _ = point[key[1]]
            if key[0] in ("index", "forward"):
                move(key, price if key[0] == "index" else price * spread)
    held = [each.instrument for each in holdings.positions if each.instrument.base in point]
    for each in held:
        price, spread, vol = point[each.base]
        option = isinstance(each, Option)
        move(vol_of(each.id) if option else mark_of(each.id), vol if option else price * spread)
    moved = replace(market, values=values)
    options = [each for each in held if isinstance(each, Option) and mark_of(each.id) in values]
    changes = model_marks(options, moved) - model_marks(options, market)
    for each, change in zip(options, changes.tolist(), strict=True):
        mark = values[mark_of(each.id)]
        values[mark_of(each.id)] = mark.moved(max(0.0, mark.value + change))
    return moved


def model_marks(options: Sequence[Option], market: MarketValues) -> FloatArray:
    """Black-76 of options per coin in their settlement assets, undiscounted, [n]."""
    columns = option_columns(options, market.doubted())
    values = np.array(option_values(columns.rows(), columns.vol[None, :], STILL)[0])
    in_coin = np.array([each.coin_settled for each in options], dtype=bool)
    return np.where(in_coin, values / columns.forward, values)
