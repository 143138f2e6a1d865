# SPDX-License-Identifier: Apache-2.0
"""Health of Derive accounts over cells: PM2 of one coin, and the standard manager across coins.

    PM2        health = min_s [E + f sum_g x_gs - C],  the basis and "nothing" among the s
    standard   health = E - sum_expiries min(isolated, max loss) - perpetuals

in dollar coins, with E what the account is worth, x_gs what group g gains in scenario s, f the
maintenance factor and C contingencies that grow with the coin's index. The formulas are
`derive_portfolio`'s and `derive_standard`'s; the standard manager's coins are bounded apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.derive_moving import HAIRCUT, MovingDerive, table_scenarios
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.derive_standard import DeriveStandard
from tidegate.margin.derive_standard_book import ExpiryOptions, PreparedStandard
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import dollar_of, forward_of, index_of, mark_of
from tidegate.margin.prices import Prices
from tidegate.margin.scenario.moving import moving_options
from tidegate.margin.scenario.shocks import VolShock
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.risk.certificate_box import Cells, Point, Then
from tidegate.risk.certificate_options import NOW, BoundedOptions, delivered_usd, gross_usd
from tidegate.risk.enclosure import Enclosure, kinked, least

FloatArray = NDArray[np.float64]
WHERE = "certificate"
NO_SHOCK = VolShock(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
MAINTENANCE = 1


def _held(then: Then) -> Holdings:
    """Holdings without positions of nothing."""
    return replace(
        then.holdings, positions=tuple(e for e in then.holdings.positions if e.size != 0.0)
    )


@dataclass(frozen=True, eq=False)
class DerivePortfolioHealth:
    """A PM2 account at one time; see `certificate_bounds.HealthForm`."""

    rule: DerivePortfolio
    then: Then

    def __post_init__(self) -> None:
        for name, amount in self.then.holdings.collateral.items():
            other = name not in (self.rule.cash, self.rule.coin)
            if amount != 0.0 and other and not Prices(self.then.market).is_dollar(name):
                expected = f"expected collateral of {self.rule.coin} or of dollar coins"
                raise InputError(WHERE, name, expected)
            if other and amount != 0.0 and self.rule.collateral[name].risk_cancelling:
                raise InputError(WHERE, name, "expected dollar coins not to cancel risk")

    @cached_property
    def moving(self) -> MovingDerive:
        """The account under the rule now."""
        return self.rule.moving(_held(self.then), self.then.market)

    @property
    def coins(self) -> tuple[str, ...]:
        """The account's coin."""
        return (self.rule.coin,)

    @property
    def constant_usd(self) -> float:
        """Nothing: all is in the coin's addends."""
        return 0.0

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios, the basis, and that nothing is at risk."""
        return self.moving.prepared.table.binding_names

    def exact(self, point: Point) -> float:
        """Health by the rule's own statement at a point."""
        return self.rule.statement(*self.then.at(point)).health

    @cached_property
    def options(self) -> BoundedOptions | None:
        """The account's options."""
        moving = self.moving.options
        return None if moving is None else BoundedOptions.of(moving, self.then.market)

    def scale_usd(self, coin: str) -> float:
        """Gross amounts now: what rounding is relative to."""
        prepared = self.moving.prepared
        linear = np.abs(self.moving.sizes * prepared.equity_per_unit).sum()
        options = 0.0 if self.options is None else self.options.largest_usd
        return float(linear) + options + sum(map(gross_usd, self.then.delivered))

    def health(self, coin: str, cells: Cells) -> Enclosure:
        """Each scenario's health, USD, [B, P + 2]."""
        prepared, table = self.moving.prepared, self.moving.prepared.table
        count = len(table.names)
        still, moved = self._linear(cells)
        scenarios = table_scenarios(self.rule)
        ratios = np.array([each.ratio for each in scenarios])[:count]
        gained = moved.column().times((ratios - 1.0) * table.weights[-1])
        equity = still + moved
        basis = Enclosure.constant(np.zeros(len(cells.low)))
        if self.options is not None:
            worth = self.options.worth(cells)
            for g in range(len(self.options.forwards)):
                group = worth.at(g)
                equity = equity + group.at((slice(None), -1))
                gained = gained + self._gains(g, group)
                basis = basis + self._basis(g, group)
        alone = equity - self._charges(cells)
        factor = prepared.factors.maintenance
        parts = [gained.times(factor), basis.times(factor).column()]
        parts.append(Enclosure.constant(np.zeros((len(cells.low), 1))))
        return _joined(parts) + alone.column()

    def _linear(self, cells: Cells) -> tuple[Enclosure, Enclosure]:
        """What does not move with the scenarios, and what does."""
        place, sizes = self.moving.prepared.place, self.moving.sizes
        held = float(sizes[place[self.rule.cash]])
        still = Enclosure.constant(np.full(len(cells.low), held))
        for gone in self.then.delivered:
            still = still + delivered_usd(gone, cells)
        moved = Enclosure.constant(np.zeros(len(cells.low)))
        doubted = self.then.market.doubted()
        for each in self.moving.instruments:
            if not isinstance(each, Option):
                worth = float(sizes[place[each.id]]) * doubted.positive(mark_of(each.id))
                moved = moved + cells.contracts.times(worth)
        stable = self.then.market.positive(dollar_of(self.rule.cash))
        for name, terms in self.rule.collateral.items():
            if name in place:
                worth = float(sizes[place[name]]) * doubted.positive(index_of(name)) / stable
                price = cells.price if name == self.rule.coin else None
                part = Enclosure.constant(np.full(len(cells.low), worth))
                part = part if price is None else price.times(worth)
                still, moved = (
                    (still, moved + part) if terms.risk_cancelling else (still + part, moved)
                )
        return still, moved

    def _gains(self, g: int, worth: Enclosure) -> Enclosure:
        """x_g by scenario, [B, P]."""
        table = self.moving.prepared.table
        group, count = table.groups[g], len(table.names)
        then, now = worth.at((slice(None), slice(count))), worth.at((slice(None), slice(-1, None)))
        counted = kinked(then, 0.0, group.short_factor, group.long_factor) - now
        gains = counted.times(table.weights[g])
        smiles = table.skews & group.smiles
        return kinked(gains, 0.0, 1.0, np.where(smiles, -1.0, 1.0))

    def _basis(self, g: int, worth: Enclosure) -> Enclosure:
        """b min(up - now, down - now, 0), [B]."""
        up, down, now = (worth.at((slice(None), place)) for place in (-3, -2, -1))
        fall = kinked(least(up, down) - now, 0.0, 1.0, 0.0)
        return fall.times(self.moving.prepared.table.groups[g].basis_factor)

    def _charges(self, cells: Cells) -> Enclosure:
        prepared, sizes = self.moving.prepared, self.moving.sizes
        charges, flat = prepared.charges, prepared.flat_column
        if flat is not None and sizes[flat] == 0.0 and prepared.flat_charges is not None:
            charges = prepared.flat_charges
        asked = charges.asked(charges.nets(sizes[None, :]))[MAINTENANCE][0]
        columns = [prepared.columns[place] for place in charges.columns[charges.starts[:-1]]]
        with_dollars = np.array(
            [
                label == HAIRCUT and name != self.rule.coin
                for label, name in zip(charges.labels, columns, strict=True)
            ],
            dtype=bool,
        )
        growing = float(asked[~with_dollars].sum())
        return cells.price.times(growing).plus(float(asked[with_dollars].sum()))


def _joined(parts: list[Enclosure]) -> Enclosure:
    """Scenarios side by side, [B, R] each."""
    return Enclosure(
        np.concatenate([each.centre for each in parts], axis=-1),
        np.concatenate([each.slopes for each in parts], axis=-1),
        np.concatenate([each.low for each in parts], axis=-1),
        np.concatenate([each.high for each in parts], axis=-1),
    )


@dataclass(frozen=True, eq=False)
class DeriveStandardHealth:
    """An account of the standard manager at one time; see `certificate_bounds.HealthForm`."""

    rule: DeriveStandard
    then: Then

    @cached_property
    def prepared(self) -> PreparedStandard:
        """The rule at the market now."""
        held = self._positions
        assets = [name for name, amount in self.then.holdings.collateral.items() if amount != 0.0]
        # The statement refuses what the columns would take: loans of coins, profit that waits.
        self.rule.statement(_held(self.then), self.then.market)
        return self.rule.prepare([each.instrument for each in held], self.then.market, assets)

    @property
    def _positions(self) -> list[Holding]:
        return [each for each in self.then.holdings.positions if each.size != 0.0]

    @cached_property
    def coins(self) -> tuple[str, ...]:
        """Coins whose prices the account moves with; dollar coins as collateral do not."""
        held = {each.instrument.base for each in self._positions}
        held |= {each.holding.instrument.base for each in self.then.delivered}
        prices = Prices(self.then.market)
        amounts = self.then.holdings.collateral
        held |= {name for name in self._collateral if amounts[name] and not prices.is_dollar(name)}
        return tuple(sorted(held))

    @property
    def _collateral(self) -> list[str]:
        return [name for name in self.then.holdings.collateral if name != self.rule.cash]

    @cached_property
    def constant_usd(self) -> float:
        """Cash with what perpetuals have cost, and dollar coins by their factor."""
        total = self.then.holdings.collateral.get(self.rule.cash, 0.0)
        for each in self._positions:
            entry = 0.0 if isinstance(each.instrument, Option) else each.size * each.entry
            total += each.funding - entry
        for name in self._collateral:
            if name not in self.coins and self.then.holdings.collateral[name] != 0.0:
                worth = self.prepared.equity_per_unit[self.prepared.place[name]]
                total += self.then.holdings.collateral[name] * float(worth)
        return total

    @property
    def names(self) -> tuple[str, ...]:
        """One formula, without scenarios."""
        return ("standard",)

    def exact(self, point: Point) -> float:
        """Health by the rule's own statement at a point."""
        return self.rule.statement(*self.then.at(point)).health

    def _laid_out(self, options: list[Option], sizes: dict[str, float]) -> BoundedOptions:
        doubted = self.then.market.doubted()
        moving = moving_options(options, sizes, doubted, (NO_SHOCK, None), NOW, {})
        return BoundedOptions.of(moving, self.then.market)

    def scale_usd(self, coin: str) -> float:
        """Gross amounts of a coin now: what rounding is relative to."""
        index, total = self.then.market.doubted().positive(index_of(coin)), 0.0
        for each in self._positions:
            if each.instrument.base == coin:
                strike = isinstance(each.instrument, Option) and float(each.instrument.strike)
                total += abs(each.size) * max(index, each.entry, strike)
        gone = [e for e in self.then.delivered if e.holding.instrument.base == coin]
        held = abs(self.then.holdings.collateral.get(coin, 0.0)) * index
        return total + held + sum(map(gross_usd, gone))

    def health(self, coin: str, cells: Cells) -> Enclosure:
        """A coin's addends of health, USD, [B, 1]."""
        total = Enclosure.constant(np.zeros(len(cells.low)))
        for gone in self.then.delivered:
            if gone.holding.instrument.base == coin:
                total = total + delivered_usd(gone, cells)
        amount = self.then.holdings.collateral.get(coin, 0.0)
        if amount != 0.0:
            worth = self.prepared.equity_per_unit[self.prepared.place[coin]]
            total = total + cells.price.times(amount * float(worth))
        doubted, rate = self.then.market.doubted(), self.rule.parameters.perpetual_maintenance
        for each in self._positions:
            if each.instrument.base == coin and not isinstance(each.instrument, Option):
                worth = each.size * doubted.positive(mark_of(each.instrument.id))
                total = total + cells.contracts.times(worth - rate * abs(worth))
        for expiry_ms in sorted({e.expiry_ms for e in self._options(coin)}):
            total = total - self._expiry(coin, expiry_ms, cells)
        return total.column()

    def _options(self, coin: str) -> list[Option]:
        held = [each.instrument for each in self._positions]
        return [each for each in held if isinstance(each, Option) and each.base == coin]

    def _expiry(self, coin: str, expiry_ms: int, cells: Cells) -> Enclosure:
        """min(isolated, max loss) of an expiry, [B]."""
        key = forward_of(coin, expiry_ms)
        terms = next(e for e in self.prepared.expiries if e.name == " ".join(key[1:]))
        isolated = self._isolated(coin, expiry_ms, cells)
        sizes = np.array([self._sizes[self.prepared.columns[place]] for place in terms.columns])
        loss, naked = _most_loss(terms, sizes)
        return least(isolated, cells.contracts.times(naked).plus(loss))

    @cached_property
    def _sizes(self) -> dict[str, float]:
        return {each.instrument.id: each.size for each in self._positions}

    def _isolated(self, coin: str, expiry_ms: int, cells: Cells) -> Enclosure:
        p = self.rule.parameters
        index = cells.price.times(self.then.market.doubted().positive(index_of(coin)))
        total = Enclosure.constant(np.zeros(len(cells.low)))
        shorts = [
            each
            for each in self._options(coin)
            if each.expiry_ms == expiry_ms and self._sizes[each.id] < 0.0
        ]
        if not shorts:
            return total
        laid = self._laid_out(shorts, {each.id: 1.0 for each in shorts})
        prices = laid.singly(np.ones(len(shorts), dtype=bool)).worth(cells).at((..., 0))
        for place, each in enumerate(laid.moving.options):
            price = prices.at(place)
            more = index.times(p.call_maintenance)
            if not each.is_call:
                more = index.times(p.put_maintenance)
                share = price.times(p.put_mark_maintenance)
                more = more + kinked(share - more, 0.0, 0.0, 1.0)
            total = total + (price + more).times(-self._sizes[each.id])
        return total


def _most_loss(terms: ExpiryOptions, sizes: FloatArray) -> tuple[float, float]:
    """The largest loss at a strike or zero, and what net short calls need per contracts' ratio."""
    loss = -min(float((terms.payoffs @ sizes).min()), 0.0)
    naked = max(-float(sizes @ terms.calls), 0.0)
    return loss, naked * float(terms.unpaired[MAINTENANCE])
