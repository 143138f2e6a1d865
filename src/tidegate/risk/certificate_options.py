# SPDX-License-Identifier: Apache-2.0
"""Options and deliveries of one coin as enclosures over cells; kernels in `_option_bounds`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.market_values import MarketValues, forward_of, vol_of
from tidegate.margin.scenario.moving import MovingOptions
from tidegate.margin.scenario.revaluation import Moves
from tidegate.margin.scenario.shocks import VolMove
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.risk.certificate_box import Cells, Delivered
from tidegate.risk.enclosure import Enclosure, kinked, product, reciprocal

FloatArray = NDArray[np.float64]
NOW = Moves(np.ones(1), np.array([int(VolMove.NONE)]))


@dataclass(frozen=True, eq=False)
class BoundedOptions:
    """Options of one coin laid out for many markets, and the forwards [E] and vols [n] now."""

    moving: MovingOptions
    forwards: FloatArray
    vols: FloatArray

    @classmethod
    def of(cls, moving: MovingOptions, market: MarketValues) -> BoundedOptions:
        """Raises `InputError` for a figure that is missing, and for a skew that is no cap."""
        coin, doubted = moving.options[0].base, market.doubted()
        caps = moving.rows[:, 7:9]
        if (caps < 0.0).any():
            raise InputError("certificate", "skew", "expected caps of at least 0 at every expiry")
        forwards = [doubted.positive(forward_of(coin, each)) for each in moving.expiries_ms]
        vols = [doubted.at_least_zero(vol_of(each.id)) for each in moving.options]
        return cls(moving, np.array(forwards), np.array(vols))

    @cached_property
    def largest_usd(self) -> float:
        """Sum of sizes times the larger of strike and forward: the scale of rounding."""
        forward = np.repeat(self.forwards, np.diff(self.moving.starts))
        sizes, strikes = self.moving.rows[:, 4], self.moving.rows[:, 0]
        return float((np.abs(sizes) * np.maximum(forward, strikes)).sum())

    def worth(self, cells: Cells) -> Enclosure:
        """Worth of each expiry in every row of the moves, USD, [E, B, R]."""
        from tidegate.risk import _option_bounds as kernels

        moves = (self.moving.moves.ratios, self.moving.moves.vols)
        shape = (len(self.forwards), len(cells.low), len(moves[0]))
        out = np.empty((kernels.ROWS, *shape))
        book = (self.moving.rows, self.moving.starts)
        market = (self.forwards, self.vols)
        kernels.expiry_bounds(cells.rows, market, self.moving.expiries, book, moves, out)
        return _enclosed(out, cells.contracts.column().row(), cells.vol.column().row())

    def deltas(self, cells: Cells) -> Enclosure:
        """Delta of each expiry at the present vols, coins, [E, B]."""
        from tidegate.risk import _option_bounds as kernels

        out = np.empty((kernels.ROWS, len(self.forwards), len(cells.low)))
        book = (self.moving.rows, self.moving.starts)
        market = (self.forwards, self.vols)
        kernels.delta_bounds(cells.rows, market, self.moving.expiries, book, out)
        return _enclosed(out, cells.contracts.row(), cells.vol.row())

    def delivery(self, cells: Cells, ratio: FloatArray) -> Enclosure:
        """Forwards of the delivery average at these ratios [R] of price, [E, B, R]."""
        live = (self.forwards * self.moving.expiries[1])[:, None, None] * ratio
        moved = cells.contracts.column().row()
        return moved.times(live).plus(self.moving.expiries[0][:, None, None])

    def index_over(self, cells: Cells, index_usd: float, ratios: FloatArray) -> Enclosure:
        """The coin's index over the forward of the delivery average at these ratios, [E, B, R]."""
        if not self.averaged:
            # The price cancels: what is left is the spread.
            over = reciprocal(cells.spread).column().row()
            return over.times((index_usd / self.forwards)[:, None, None] / ratios)
        index = cells.price.times(index_usd).column().row()
        return product(index, reciprocal(self.delivery(cells, ratios)))

    @property
    def averaged(self) -> bool:
        """Whether a part of any forward is fixed already."""
        return bool((self.moving.expiries[0] != 0.0).any())

    def singly(self, chosen: NDArray[np.bool_]) -> BoundedOptions:
        """Some of the options, one of each, as expiries of their own; only the present row."""
        expiry = np.repeat(np.arange(len(self.forwards)), np.diff(self.moving.starts))[chosen]
        rows = np.ascontiguousarray(self.moving.rows[chosen])
        rows[:, 4] = 1.0
        options: tuple[Option, ...] = tuple(
            each for each, keep in zip(self.moving.options, chosen, strict=True) if keep
        )
        moving = replace(
            self.moving,
            options=options,
            starts=np.arange(len(options) + 1),
            rows=rows,
            expiries=np.ascontiguousarray(self.moving.expiries[:, expiry]),
            moves=NOW,
        )
        return BoundedOptions(moving, self.forwards[expiry], self.vols[chosen])


def _enclosed(out: FloatArray, contracts: Enclosure, vol: Enclosure) -> Enclosure:
    """The kernel's answer: value + slope (price - middle) + slope (vol - middle)."""
    value, by_price, by_vol, low, high = out
    moved = contracts.plus(-contracts.centre).times(by_price)
    shifted = vol.plus(-vol.centre).times(by_vol)
    return (moved + shifted).plus(value).widened(low, high)


def delivered_usd(delivered: Delivered, cells: Cells) -> Enclosure:
    """What an expired position has paid, in USD at the coin's price, a dollar coin at 1, [B]."""
    each, size = delivered.holding.instrument, delivered.holding.size
    price = cells.price.times(delivered.live).plus(delivered.fixed)
    # What one coin is worth over the delivery price: 1 unless a part of it was fixed before.
    index = cells.price.times(delivered.index)
    coins_per = (
        Enclosure.constant(np.ones(len(cells.low)))
        if delivered.fixed == 0.0 and delivered.live == delivered.index
        else product(index, reciprocal(price))
    )
    if isinstance(each, Option):
        strike, sign = float(each.strike), 1.0 if each.is_call else -1.0
        inside = kinked(price.times(sign).plus(-sign * strike), 0.0, 0.0, 1.0).times(size)
        return product(inside, coins_per) if each.coin_settled else inside
    entry, funding = delivered.holding.entry, delivered.holding.funding
    if each.inverse:
        return index.times(size / entry + funding) - coins_per.times(size)
    return price.times(size).plus(funding - size * entry)


def gross_usd(delivered: Delivered) -> float:
    """The larger of what an expired position was on and its strike or entry, USD."""
    each, size = delivered.holding.instrument, abs(delivered.holding.size)
    if isinstance(each, Option):
        return size * max(float(each.strike), delivered.index)
    if each.inverse:
        return size * max(1.0, delivered.index / delivered.holding.entry)
    return size * max(delivered.index, delivered.holding.entry)
