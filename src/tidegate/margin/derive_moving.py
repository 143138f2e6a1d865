# SPDX-License-Identifier: Apache-2.0
"""One PM2 account in many markets at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.market_values import (
    Key,
    MarketValues,
    dollar_of,
    index_of,
    mark_of,
    rate_of,
)
from tidegate.margin.scenario.moving import MovingOptions, Paths, moving_options
from tidegate.margin.scenario.prepared import BookStatements, Prepared
from tidegate.margin.scenario.quotes import years_left
from tidegate.margin.scenario.revaluation import Moves
from tidegate.margin.scenario.shocks import Scenario, VolMove
from tidegate.model.instruments import Instrument, Option, Perpetual

if TYPE_CHECKING:
    from tidegate.margin.derive_portfolio import DerivePortfolio

FloatArray = NDArray[np.float64]
HAIRCUT = "collateral haircut"


def table_scenarios(rule: DerivePortfolio) -> tuple[Scenario, ...]:
    """The scenarios, the basis up and down, and the present: the rows of the rule's table."""
    p = rule.parameters
    return (
        *p.scenarios,
        Scenario("basis up", p.basis_up, VolMove.NONE),
        Scenario("basis down", p.basis_down, VolMove.NONE),
        Scenario("now", 1.0, VolMove.NONE),
    )


@dataclass(frozen=True, eq=False)
class MovingDerive:
    """A book of sizes [n], prepared at `market`, whose prices and vols may be others."""

    rule: DerivePortfolio
    prepared: Prepared
    sizes: FloatArray
    instruments: Sequence[Instrument]
    market: MarketValues

    def statements(self, moved: Mapping[Key, ArrayLike]) -> BookStatements:
        """The book in M markets, in each of which the figures of `moved` [M] are these.

        Raises: `InputError` for a figure that does not value the book or is not in its range, and
        where only some of the coin's prices move. Equal to the rule's statement to 1e-9.
        """
        from tidegate.margin.scenario import _losses as kernels

        paths = Paths.of(self.market, moved)
        paths.require(*self.keys())
        sums = self._sums(paths)
        loss, binding = np.empty(paths.count), np.empty(paths.count, dtype=np.int64)
        kernels.worst(sums, kernels.terms(self.prepared.table), loss, binding)
        initial, maintenance = self._charged(paths)
        factors = self.prepared.factors
        return BookStatements(
            equity=sums[:, :, -1].sum(axis=0),
            initial=factors.initial * loss + initial,
            maintenance=factors.maintenance * loss + maintenance,
            loss=loss,
            binding=binding,
        )

    @cached_property
    def options(self) -> MovingOptions | None:
        """The book's options, laid out for the kernel."""
        options = [each for each in self.instruments if isinstance(each, Option)]
        if not options:
            return None
        sizes = {each.id: self.sizes[self.prepared.place[each.id]] for each in options}
        discounts = {each.expiry_ms: self._discount(each) for each in options}
        p = self.rule.parameters
        moves = Moves.of(table_scenarios(self.rule))
        shocks = (p.vol_shock, p.skew_shock)
        return moving_options(options, sizes, self.market, shocks, moves, discounts)

    def _discount(self, option: Option) -> float:
        rate = max(self.market.value(rate_of(self.rule.coin, option.expiry_ms)), 0.0)
        return float(np.exp(-rate * years_left(option, self.market)))

    @property
    def assets(self) -> list[str]:
        """Collateral beside cash."""
        return [name for name in self.prepared.columns if name in self.rule.collateral]

    @property
    def _perpetuals(self) -> list[Perpetual]:
        return [each for each in self.instruments if isinstance(each, Perpetual)]

    def keys(self) -> tuple[list[Key], list[Key]]:
        """Prices that move together, and all else that may."""
        prices = [index_of(self.rule.coin), *(mark_of(each.id) for each in self._perpetuals)]
        others: list[Key] = []
        for name in self.assets:
            cancels = self.rule.collateral[name].risk_cancelling
            (prices if cancels else others).append(index_of(name))
        if self.options is not None:
            more, vols = self.options.keys()
            prices, others = [*prices, *more], [*others, *vols]
        return list(dict.fromkeys(prices)), others

    def _sums(self, paths: Paths) -> FloatArray:
        scenarios = table_scenarios(self.rule)
        groups = len(self.prepared.table.groups)
        sums = np.empty((groups, paths.count, len(scenarios)))
        if self.options is not None:
            sums[:-1] = self.options.sums(paths)
        ratios = np.array([each.ratio for each in scenarios])
        # The basis moves options alone.
        ratios[-3:] = 1.0
        place = self.prepared.place
        linear = np.full((paths.count, 1), self.sizes[place[self.rule.cash]])
        moving = np.zeros((paths.count, 1))
        for each in self._perpetuals:
            moving[:, 0] += self.sizes[place[each.id]] * paths.positive(mark_of(each.id))
        stable = self.market.value(dollar_of(self.rule.cash))
        for name in self.assets:
            worth = self.sizes[place[name]] * paths.positive(index_of(name)) / stable
            (moving if self.rule.collateral[name].risk_cancelling else linear)[:, 0] += worth
        sums[-1] = linear + moving * ratios
        return sums

    def _charged(self, paths: Paths) -> tuple[FloatArray, FloatArray]:
        """Charges of the book in every market: each row grows with the price that it is of."""
        charges = self.prepared.charges
        flat = self.prepared.flat_column
        if flat is not None and self.sizes[flat] == 0.0 and self.prepared.flat_charges is not None:
            charges = self.prepared.flat_charges
        asked = charges.asked(charges.nets(self.sizes[None, :]))
        columns = [self.prepared.columns[place] for place in charges.columns[charges.starts[:-1]]]
        of_coin = index_of(self.rule.coin)
        keys = [
            index_of(name) if label == HAIRCUT else of_coin
            for label, name in zip(charges.labels, columns, strict=True)
        ]
        initial, maintenance = np.zeros(paths.count), np.zeros(paths.count)
        for key in dict.fromkeys(keys):
            same = np.array([each == key for each in keys])
            growth = paths.positive(key) / self.market.value(key)
            initial += asked[0][0, same].sum() * growth
            maintenance += asked[1][0, same].sum() * growth
        return initial, maintenance
