# SPDX-License-Identifier: Apache-2.0
"""The convex forms of Derive's two managers in many moved markets.

PM2 is exact but for three things, which are from above: a group's gain under a skew scenario, whose
concave half is a line; what a scenario has more expiries of than rows are allowed; and a basis of
such. Standard margin takes for each expiry the smaller of two requirements; the form takes the max
loss where the reference book needs less by it and rows are allowed, else the isolated one, either
of which bounds the rule. Formulas stand in `derive_portfolio` and `derive_standard`.

Confidence of feeds, rates, time and the dollar coin's peg stay as they are now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.derive_moving import HAIRCUT, MovingDerive, table_scenarios
from tidegate.margin.derive_portfolio import DerivePortfolio
from tidegate.margin.market_values import Key, MarketValues, dollar_of, index_of, mark_of
from tidegate.margin.scenario.charges import (
    LONG_INITIAL,
    LONG_MAINTENANCE,
    SHORT_INITIAL,
    SHORT_MAINTENANCE,
)
from tidegate.margin.scenario.moving import Paths
from tidegate.margin.scenario.path_form import FormBuilder, Layout, PathForm, Pieces, Scope
from tidegate.model.instruments import Instrument, Perpetual

FloatArray = NDArray[np.float64]


def derive_path_form(
    rule: DerivePortfolio,
    instruments: Sequence[Instrument],
    market: MarketValues,
    moved: Mapping[Key, ArrayLike],
    scope: Scope,
    assets: Sequence[str] = (),
) -> PathForm:
    """A PM2 account in M markets, in each of which the figures of `moved` [M] are these.

    Args: as of `DerivePortfolio.moving`; `scope` by instrument, in coins; `assets` beside cash.
    Raises: `InputError` as `MovingDerive.statements` does, and for a span not above zero.
    """
    prepared = rule.prepare(instruments, market, assets)
    ones = np.ones(len(prepared.columns))
    moving = MovingDerive(rule, prepared, ones, instruments, market.doubted())
    paths = Paths.of(moving.market, moved)
    paths.require(*moving.keys())
    return _Form(moving, paths, scope).build()


class _Form:
    """The columns of a PM2 account in every market: instruments, other assets, cash."""

    def __init__(self, moving: MovingDerive, paths: Paths, scope: Scope) -> None:
        self.moving, self.paths, self.scope = moving, paths, scope
        self.prepared, self.rule = moving.prepared, moving.rule
        self.instruments = tuple(moving.instruments)
        self.assets = (*moving.assets, self.rule.cash)
        names = (*(each.id for each in self.instruments), *self.assets)
        self.order = np.array([self.prepared.place[name] for name in names], dtype=int)
        count = len(self.instruments)
        self.layout = Layout(
            columns=names[:count],
            assets=self.assets,
            settle=np.full(count, len(self.assets) - 1),
            value_now=self.prepared.equity_per_unit[self.order[:count]],
            span=np.asarray(scope.span, dtype=float),
            reference=np.asarray(scope.reference, dtype=float),
            combinations=scope.combinations,
        )
        self.values = self._values()
        factors = self.prepared.factors
        factor = factors.initial if scope.initial else factors.maintenance
        equity = self.layout.from_now(self.values[:, -1])
        self.builder = FormBuilder(self.layout, equity, np.full(paths.count, factor))

    def _values(self) -> FloatArray:
        """Worth of a unit of each column in every row of the rule's table, [M, P + 3, n + a]."""
        scenarios = table_scenarios(self.rule)
        ratios = np.array([each.ratio for each in scenarios])
        # The basis moves options alone.
        ratios[-3:] = 1.0
        still = np.ones_like(ratios)
        out = np.empty((self.paths.count, len(ratios), len(self.order)))
        place = {name: i for i, name in enumerate((*self.layout.columns, *self.assets))}
        if self.moving.options is not None:
            alone = self.moving.options.by_option()
            for option, worth in zip(alone.options, alone.sums(self.paths), strict=True):
                out[:, :, place[option.id]] = worth
        for each in self.instruments:
            if isinstance(each, Perpetual):
                mark = self.paths.positive(mark_of(each.id))
                out[:, :, place[each.id]] = np.multiply.outer(mark, ratios)
        stable = self.moving.market.value(dollar_of(self.rule.cash))
        for name in self.moving.assets:
            price = self.paths.positive(index_of(name)) / stable
            cancels = self.rule.collateral[name].risk_cancelling
            out[:, :, place[name]] = np.multiply.outer(price, ratios if cancels else still)
        out[:, :, place[self.rule.cash]] = 1.0
        return out

    def build(self) -> PathForm:
        table = self.prepared.table
        for p in range(len(table.names)):
            self.builder.scenario([self._group(g, p) for g in range(len(table.groups))])
        falls = [self._basis(g) for g, group in enumerate(table.groups) if group.basis_factor]
        if falls:
            self.builder.scenario(falls)
        self._charges()
        return self.builder.build()

    def _row(self, g: int, row: int) -> FloatArray:
        """Worth of a group's columns in a row, [M, n + a], from now."""
        table = self.prepared.table
        member = (self.order >= table.starts[g]) & (self.order < table.starts[g + 1])
        return self.layout.from_now(np.where(member, self.values[:, row], 0.0))

    def _group(self, g: int, p: int) -> Pieces:
        """-w (s factor - m) by pieces, and its absolute value under a skew scenario."""
        table = self.prepared.table
        group, scale = table.groups[g], table.weights[g, p] / table.scale[p]
        worth, base = self._row(g, p), self._row(g, -1)
        both = list(dict.fromkeys((group.long_factor, group.short_factor)))
        held = np.concatenate([self.layout.reference, np.zeros(len(self.assets))])
        long = (worth @ held >= 0.0)[:, None]
        line = [np.where(long, group.long_factor, group.short_factor)]
        convex = group.long_factor <= group.short_factor
        losing = [base - factor * worth for factor in (both if convex else line)]
        if table.skews[p] and group.smiles:
            losing += [factor * worth - base for factor in (line if convex else both)]
        slopes = scale * np.stack(losing, axis=1)
        return Pieces(slopes, np.zeros(slopes.shape[:2]))

    def _basis(self, g: int) -> Pieces:
        """b max(m - m_up, m - m_down, 0)."""
        now = self._row(g, -1)
        falls = [now - self._row(g, -3), now - self._row(g, -2), np.zeros_like(now)]
        slopes = self.prepared.table.groups[g].basis_factor * np.stack(falls, axis=1)
        return Pieces(slopes, np.zeros(slopes.shape[:2]))

    def _charges(self) -> None:
        """Each row grows with the price that it is of; of collateral it is a share of its worth."""
        charges, n = self.prepared.charges, len(self.instruments)
        pair = (LONG_INITIAL, SHORT_INITIAL)
        if not self.scope.initial:
            pair = (LONG_MAINTENANCE, SHORT_MAINTENANCE)
        back = np.argsort(self.order)
        for k, label in enumerate(charges.labels):
            part = slice(charges.starts[k], charges.starts[k + 1])
            places = back[charges.columns[part]]
            net = np.zeros(len(self.order))
            net[places] = charges.weights[part]
            name = (*self.layout.columns, *self.assets)[places[0]]
            key = index_of(name if label == HAIRCUT else self.rule.coin)
            growth = self.paths.positive(key) / self.moving.market.value(key)
            long, short = (float(charges.rates[k, side]) for side in pair)
            if label == HAIRCUT:
                self.builder.linear += np.multiply.outer(growth, long * net)
            else:
                self.builder.charge(net[:n], (long, short), growth)
