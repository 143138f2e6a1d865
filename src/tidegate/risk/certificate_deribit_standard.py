# SPDX-License-Identifier: Apache-2.0
"""Health of a Deribit standard account with options over cells; the rule is `deribit_options`'.

    health = wallet + contracts' value and cost - premiums
             - contracts' worth (b + s size) - shorts' (m W + P), of puts m max(W, P) + P

in USD, the account's coins at its index. Marks of options move as Black-76 does at the market's
vols and forwards, and keep what they have beyond it; an option's underlying moves as the index.
Ticks are not in the cells: what the nearest tick of a mark and a quantum may take is an allowance.
An account of contracts alone is one without options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.deribit_options import DeribitOptions
from tidegate.margin.market_values import MarketValues, forward_of, index_of, vol_of
from tidegate.margin.rule import Marks
from tidegate.margin.scenario.moving import moving_options
from tidegate.margin.scenario.shocks import VolShock
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Instrument, InstrumentId, Option, Perpetual
from tidegate.model.units import MICRO, unit_quanta
from tidegate.risk.certificate_box import Box, Cells, Point, model_marks
from tidegate.risk.certificate_options import NOW, BoundedOptions
from tidegate.risk.enclosure import PRICE, SPREAD, Enclosure, kinked, product, reciprocal

FloatArray = NDArray[np.float64]
WHERE = "certificate"
NO_SHOCK = VolShock(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
ROUNDED_QUANTA = 4


@dataclass(frozen=True, eq=False)
class DeribitAccount:
    """What a certificate of standard margin is about: marks in ticks, and in `market` indices of
    coins, forwards of expiries and vols of options."""

    rule: DeribitOptions
    account: Account
    marks: Marks
    market: MarketValues

    def __post_init__(self) -> None:
        for asset, quanta in self.account.balances.items():
            if asset != self.rule.collateral and quanta != 0:
                raise InputError(WHERE, asset, f"expected {self.rule.collateral} alone")
        # The rule names every position or mark that is missing.
        self.rule.health_at(self.account, self.marks)
        for name in self.held:
            if not isinstance(self.instrument(name), Perpetual | Future | Option):
                raise InputError(WHERE, name, "expected a perpetual, future or option")

    @property
    def held(self) -> dict[InstrumentId, Position]:
        """Positions that are any."""
        return {name: each for name, each in self.account.positions.items() if each.lots != 0}

    def instrument(self, name: InstrumentId) -> Instrument:
        """An option or a contract of the account."""
        return self.rule.options.get(name) or self.rule.contracts.instruments[name]

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Options held."""
        return tuple(self.rule.options[name] for name in self.held if name in self.rule.options)

    @cached_property
    def beyond_model(self) -> Mapping[str, float]:
        """What each option's mark has beyond Black-76, per coin in the settlement asset."""
        models = model_marks(self.options, self.market).tolist() if self.options else []
        marks = [float(self.marks[each.id] * each.tick) for each in self.options]
        return {e.id: m - v for e, m, v in zip(self.options, marks, models, strict=True)}


@dataclass(frozen=True, eq=False)
class DeribitStandardHealth:
    """An account now over a box; see `certificate_bounds.HealthForm`."""

    of: DeribitAccount
    box: Box

    @property
    def in_coin(self) -> bool:
        """Whether the account is in a coin and not in dollars."""
        return unit_quanta(self.of.rule.collateral) != MICRO

    @property
    def _quanta(self) -> int:
        return unit_quanta(self.of.rule.collateral)

    @cached_property
    def coins(self) -> tuple[str, ...]:
        """Coins of the positions, and the account's own."""
        held = {self.of.instrument(name).base for name in self.of.held}
        return tuple(sorted(held | ({self.of.rule.collateral} if self.in_coin else set())))

    @property
    def _wallet(self) -> float:
        return self.of.account.balances.get(self.of.rule.collateral, 0) / self._quanta

    @property
    def constant_usd(self) -> float:
        """The wallet of an account in dollars."""
        return 0.0 if self.in_coin else self._wallet

    @property
    def names(self) -> tuple[str, ...]:
        """One formula, without scenarios."""
        return ("standard",)

    def _index(self, coin: str) -> float:
        return self.of.market.positive(index_of(coin))

    def exact(self, point: Point) -> float:
        """Health by the rule's own integers, at the nearest ticks."""
        marks = dict(self.of.marks)
        moved = self._market_at(point)
        for name in self.of.held:
            each = self.of.instrument(name)
            price, spread, _ = point[each.base]
            if isinstance(each, Option):
                underlying = self.of.rule.underlyings[name].id
                marks[underlying] = max(1, round(self.of.marks[underlying] * price))
                model = float(model_marks((each,), moved)[0])
                marks[name] = round(max(0.0, model + self.of.beyond_model[name]) / float(each.tick))
            else:
                marks[name] = max(1, round(self.of.marks[name] * price * spread))
        equity, maintenance = self.of.rule.health_at(self.of.account, marks)
        health = (equity - maintenance) / self._quanta
        coin = self.of.rule.collateral
        return health * self._index(coin) * point[coin][PRICE] if self.in_coin else health

    def _market_at(self, point: Point) -> MarketValues:
        values = dict(self.of.market.values)
        for each in self.of.options:
            price, spread, vol = point[each.base]
            for key, by in (
                (forward_of(each.base, each.expiry_ms), price * spread),
                (vol_of(each.id), vol),
            ):
                seen = self.of.market.seen(key)
                values[key] = seen.moved(seen.value * by)
        return replace(self.of.market, values=values)

    def _size(self, each: Instrument) -> float:
        return float(self.of.held[each.id].lots * each.lot)

    def scale_usd(self, coin: str) -> float:
        """Gross amounts of a coin now: what rounding is relative to."""
        index = self._index(coin)
        unit = index if self.in_coin else 1.0
        total = abs(self._wallet) * unit if self.in_coin else 0.0
        for name, position in self.of.held.items():
            each = self.of.instrument(name)
            if each.base == coin:
                total += abs(position.cost) / self._quanta * unit
                strike = float(each.strike) if isinstance(each, Option) else 0.0
                coins = self._coins(each) if each.inverse else abs(self._size(each))
                total += coins * max(index, strike)
        return total

    def _coins(self, each: Instrument) -> float:
        """Coins that an inverse position is worth at its mark."""
        lots, ticks = abs(self.of.held[each.id].lots), self.of.marks[each.id]
        return lots * each.unit_numerator / (ticks * each.unit_denominator) / self._quanta

    def rounding_usd(self, coin: str) -> float:
        """What quanta and the nearest ticks may take, USD."""
        low, high = self.box.of(coin).ends
        unit = self._index(coin) * float(high[PRICE]) if self.in_coin else 1.0
        total = 0.0
        for name in self.of.held:
            each = self.of.instrument(name)
            if each.base != coin:
                continue
            total += ROUNDED_QUANTA / self._quanta * unit
            if isinstance(each, Option):
                tick = abs(self._size(each)) * float(each.tick) * unit
                of_underlying = abs(self._size(each)) * float(self.of.rule.underlyings[name].tick)
                total += 2.0 * tick + of_underlying
            elif each.inverse:
                least_ticks = self.of.marks[name] * float(low[PRICE] * low[SPREAD])
                moved = self._coins(each) * self.of.marks[name] / least_ticks
                total += 2.0 * moved / least_ticks * unit
            else:
                total += 2.0 * abs(self._size(each)) * float(each.tick)
        return total

    def health(self, coin: str, cells: Cells) -> Enclosure:
        """A coin's addends of health, USD, [B, 1]."""
        index = cells.price.times(self._index(coin))
        still = Enclosure.constant(np.ones(len(cells.low)))
        unit = index if self.in_coin else still
        total = index.times(self._wallet) if self.in_coin else still.times(0.0)
        for name, position in self.of.held.items():
            each = self.of.instrument(name)
            if each.base == coin:
                total = total - unit.times(position.cost / self._quanta)
                if not isinstance(each, Option):
                    total = total + self._contract(each, cells)
        shorts = [e for e in self.of.options if e.base == coin and self.of.held[e.id].lots < 0]
        if shorts:
            total = total - self._shorts(shorts, cells, unit)
        allowance = self.rounding_usd(coin)
        return total.widened(-allowance, allowance).column()

    def _contract(self, each: Instrument, cells: Cells) -> Enclosure:
        """Value less requirement of a perpetual or future, USD, [B]."""
        rate = self.of.rule.contracts.margins[each.id].maintenance
        at_zero, slope = float(rate.at_zero), float(rate.per_base)
        size = self._size(each)
        if not each.inverse:
            worth = size * float(self.of.marks[each.id] * each.tick)
            return cells.contracts.times(worth - abs(worth) * (at_zero + slope * abs(size)))
        # A coin's price over the mark is the inverse spread: the price itself cancels.
        coins, index = self._coins(each), self._index(each.base)
        over = reciprocal(cells.spread)
        held = over.times(index * coins * ((-1.0 if size > 0.0 else 1.0) - at_zero))
        grown = product(over, reciprocal(cells.contracts)).times(slope * coins**2 * index)
        return held - grown if slope else held

    def _shorts(self, shorts: list[Option], cells: Cells, unit: Enclosure) -> Enclosure:
        """m W + P of calls, m max(W, P) + P of puts, USD, [B]."""
        doubted, sizes = self.of.market, {each.id: 1.0 for each in shorts}
        moving = moving_options(shorts, sizes, doubted, (NO_SHOCK, None), NOW, {})
        every = BoundedOptions.of(moving, doubted).singly(np.ones(len(shorts), dtype=bool))
        worth = every.worth(cells)
        if moving.options[0].coin_settled:
            index = self._index(moving.options[0].base)
            worth = product(worth, every.index_over(cells, index, np.ones(1)))
        total = Enclosure.constant(np.zeros(len(cells.low)))
        for place, each in enumerate(moving.options):
            beyond = unit.times(self.of.beyond_model[each.id])
            premium = kinked(worth.at((place, slice(None), 0)) + beyond, 0.0, 0.0, 1.0)
            larger = unit
            if not each.coin_settled:
                index_of_it = self.of.rule.underlyings[each.id]
                larger = cells.price.times(float(self.of.marks[index_of_it.id] * index_of_it.tick))
            if not each.is_call:
                larger = larger + kinked(premium - larger, 0.0, 0.0, 1.0)
            share = float(self.of.rule.rates[each.base].maintenance)
            total = total + (larger.times(share) + premium).times(-self._size(each))
        return total
