# SPDX-License-Identifier: Apache-2.0
"""The convex form of a Deribit portfolio account in many moved markets.

Exact are scenario losses of all pools where a scenario has rows enough, gains kept in part and up
to their cap, and the roll shock of an expiry with one instrument. From above are: the dampener of
far moves, which is left out of losses and covers nothing; the roll shock of several instruments and
the delta shock between the price knots, whose threshold is that of the highest index; a delta
shock whose rate is capped, which goes on growing; and a haircut, which counts a loss of what is
settled in a coin for nothing. Formulas stand in `deribit_book`, what bounds them in
`scenario.path_form`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tidegate.margin.deribit_book import DOLLARS, USD, DeribitBook, PoolKey
from tidegate.margin.deribit_moving import DeribitMarkets, FloatArray, MovingDeribit
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.market_values import Key, MarketValues, index_of
from tidegate.margin.scenario.charges import CEILING, RATES, SLOPE, THRESHOLD
from tidegate.margin.scenario.convex import bends
from tidegate.margin.scenario.moving import Paths
from tidegate.margin.scenario.path_form import (
    FormBuilder,
    Knots,
    Layout,
    MovedGrowth,
    PathForm,
    Pieces,
    Scope,
)
from tidegate.margin.scenario.table import Pool
from tidegate.model.instruments import Future, Instrument, Option


def deribit_path_form(
    rule: DeribitPortfolio,
    instruments: Sequence[Instrument],
    market: MarketValues,
    moved: Mapping[Key, ArrayLike],
    scope: Scope,
    assets: Sequence[str] = (),
) -> PathForm:
    """The account in M markets, in each of which the figures of `moved` [M] are these.

    Args: as of `DeribitPortfolio.moving`; `scope` in contracts' units by instrument. Marks of
        options now are the venue's, in moved markets Black-76's unless they are given.
    Raises: `InputError` as `MovingDeribit.statements` does, and for a span not above zero.
    """
    book = DeribitBook(rule, tuple(instruments), rule.assets_of(instruments, assets), market)
    ones = dict.fromkeys([*(each.id for each in instruments), *book.assets], 1.0)
    moving = MovingDeribit(book, ones)
    paths = Paths.of(market, moved)
    paths.require(*moving.keys())
    return _Form(moving, DeribitMarkets(moving, paths), scope).build()


class _Form:
    """The columns of an account in every market."""

    def __init__(self, moving: MovingDeribit, state: DeribitMarkets, scope: Scope) -> None:
        self.book: DeribitBook = moving.book
        self.moving, self.state, self.scope = moving, state, scope
        self.instruments, self.assets = self.book.instruments, self.book.assets
        self.layout = Layout(
            columns=tuple(each.id for each in self.instruments),
            assets=self.assets,
            settle=np.array([self.assets.index(e.settle) for e in self.instruments], dtype=int),
            value_now=np.array([self._now(each) for each in self.instruments]),
            span=np.asarray(scope.span, dtype=float),
            reference=np.asarray(scope.reference, dtype=float),
            combinations=scope.combinations,
        )
        factor = 1.0 if scope.initial else self.book.terms.mm_factor
        self.factor = np.full(state.paths.count, factor)
        extra = self.book.rule.protection if scope.initial else 0.0
        equity = self.layout.from_now(self._equity())
        self.builder = FormBuilder(self.layout, equity, self.factor, extra)

    def _now(self, each: Instrument) -> float:
        mark = self.book.marks[each.id]
        return -1.0 / mark if each.inverse else mark

    def _equity(self) -> FloatArray:
        """What one unit of each column counts in every market, [M, n + a]."""
        held = [
            self.state.mark_value(each) * self.state.unit(each.settle) for each in self.instruments
        ]
        return np.stack([*held, *(self.state.unit(asset) for asset in self.assets)], axis=1)

    def build(self) -> PathForm:
        self._scenarios()
        self._roll_shocks()
        self._delta_shocks()
        if self.scope.initial and self.book.rule.cross:
            self._haircuts()
        return self.builder.build()

    def _pool_rows(self) -> list[FloatArray]:
        """What a unit of each column gains in every scenario, USD, by pool [M, P, n + a]."""
        count = len(self.moving.prepared.table.names)
        shape = (self.state.paths.count, count, len(self.instruments) + len(self.assets))
        pools = {pool: np.zeros(shape) for pool in self.book.pools}
        place = {each.id: i for i, each in enumerate(self.instruments)}
        for each in self.instruments:
            if not isinstance(each, Option):
                moves = self.book.ratios(each.base) - 1.0
                worth = np.multiply.outer(self.state.linear_worth(each), moves)
                pools[self.book.pool(each)][:, :, place[each.id]] = worth
        for (coin, _), options in self.moving.options.items():
            alone = options.by_option()
            pool = pools[self.book.pool(alone.options[0])]
            gains = self.state.option_gains(alone, self.book.ratios(coin))
            for i, option in enumerate(alone.options):
                pool[:, :, place[option.id]] = gains[i]
        for a, asset in enumerate(self.assets):
            if self.state.asset_moves(asset):
                moves = self.book.ratios(asset) - 1.0
                worth = np.multiply.outer(self.state.index[asset], moves)
                pools[self.book.asset_pool(asset)][:, :, len(place) + a] = worth
        return [self.layout.from_now(pools[pool]) for pool in self.book.pools]

    def _scenarios(self) -> None:
        table = self.moving.prepared.table
        rows = self._pool_rows()
        active = [c for c, pool in enumerate(rows) if pool.any()]
        per_usd = np.multiply.outer(self.moving.rescaled(self.state.paths), 1.0 / table.scale)
        for p in range(len(table.names)):
            terms = [self._pool(rows[c], c, p, per_usd[:, p], len(active)) for c in active]
            if terms:
                # With a cap there is a third piece, which may be above both.
                pairs = all(term.offsets.shape[1] == 2 for term in terms)
                self.builder.scenario(terms, gaining=pairs)

    def _pool(self, rows: FloatArray, c: int, p: int, per_usd: FloatArray, pools: int) -> Pieces:
        """A pool's loss; of gains the share kept or the cap, nothing where they are shrunk. Of one
        pool alone no gain counts, as the worst scenario is not below nothing."""
        table = self.moving.prepared.table
        pool, zero = table.pools[c], np.zeros(len(rows))
        gains = table.weights[c, p] * rows[:, p] * per_usd[:, None]
        capped = self._reaches(rows[:, p], pool)
        linear = pool.keep == 1.0 and not capped and not table.shrink_usd[c, p]
        if pools == 1 or linear:
            return Pieces(-gains[:, None], zero[:, None])
        if table.shrink_usd[c, p] > 0.0 or pool.keep == 0.0:
            return Pieces(np.stack([-gains, 0.0 * gains], axis=1), np.stack([zero, zero], axis=1))
        slopes, offsets = [-gains, -pool.keep * gains], [zero, zero]
        if capped:
            slopes, offsets = [*slopes, 0.0 * gains], [*offsets, -pool.cap_usd * per_usd]
        return Pieces(np.stack(slopes, axis=1), np.stack(offsets, axis=1))

    def _reaches(self, rows: FloatArray, pool: Pool) -> bool:
        """Whether what counts of a pool's gains, USD by unit [M, n + a], may come to its cap; of
        collateral there may be any amount."""
        if rows[:, self.layout.count :].any():
            return bool(np.isfinite(pool.cap_usd))
        most = np.abs(rows[:, : self.layout.count]) @ self.layout.span
        return bool(pool.keep * most.max() > pool.cap_usd)

    def _nets(self, members: Sequence[Instrument]) -> FloatArray:
        """Coins of delta of the members alone, [M, n]."""
        out = np.zeros((self.state.paths.count, len(self.instruments)))
        for i, each in enumerate(self.instruments):
            if each in members:
                out[:, i] = self.state.unit_deltas[each.id]
        return out

    def _knots(self, coin: str) -> Knots:
        return Knots.of(self.state.index[coin] / self.book.market.value(index_of(coin)))

    def _roll_shocks(self) -> None:
        expiries: dict[tuple[PoolKey, int], list[Instrument]] = {}
        for each in self.instruments:
            expiry_ms = each.expiry_ms if isinstance(each, Future | Option) else 0
            expiries.setdefault((self.book.pool(each), expiry_ms), []).append(each)
        for (pool, expiry_ms), members in expiries.items():
            rate = self.book.roll_rate(pool, expiry_ms) * self.factor
            weights = rate * self.state.per_coin(pool[0])
            growth = MovedGrowth(np.ones(1), np.zeros(1), weights)
            self.builder.charge_net(self._nets(members), self._knots(pool[0]), growth)

    def _delta_shocks(self) -> None:
        for coin in sorted({each.base for each in self.instruments}):
            pair, index = self.book.terms.pairs[coin.lower()], self.state.index[coin]
            rates = np.zeros(RATES)
            threshold = pair.delta_threshold_usd / float(index.max())
            rates[[SLOPE, THRESHOLD, CEILING]] = (pair.m_inc, threshold, pair.max_delta_shock)
            nets = self._nets([each for each in self.instruments if each.base == coin])
            pieces = bends(rates, float((np.abs(nets) @ self.layout.span).max()))
            if pieces.any():
                weights = self.factor * self.state.per_coin(coin)
                growth = MovedGrowth(pieces[:, 0], pieces[:, 1], weights)
                self.builder.charge_net(nets, self._knots(coin), growth)

    def _haircuts(self) -> None:
        n = len(self.instruments)
        change = self.builder.equity[:, :n]
        for a, asset in enumerate(self.assets):
            name = USD if asset in DOLLARS else asset.lower()
            haircut = self.book.currency(name, asset).haircut
            settled = self.layout.settle == a
            self.builder.linear[:, n + a] += haircut * self.state.unit(asset)
            self.builder.long += haircut * np.where(settled, np.maximum(change, 0.0), 0.0)
            self.builder.short += haircut * np.where(settled, np.maximum(-change, 0.0), 0.0)
