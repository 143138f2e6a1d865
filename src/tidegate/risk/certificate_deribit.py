# SPDX-License-Identifier: Apache-2.0
"""Health of a Deribit portfolio account over cells, coin by coin; the rule is `deribit_book`'s.

    health = min_s [E + mm t_s / (1 + m_s) - mm C]     and E - mm C where no scenario loses

in USD, with E equity, t_s what scenario s earns after offsets, m_s its move where the account is in
coins (the index cancels), C the roll and delta shocks. E, t_s and C are sums over coins, each of
its own prices and vols alone, so that coins are bounded apart. A dollar coin counts as in the
account: 1 where segregated, its index across currencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.deribit_book import DOLLARS, PoolKey
from tidegate.margin.deribit_moving import MovingDeribit
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.market_values import index_of
from tidegate.margin.scenario.quotes import AVERAGING_MS
from tidegate.margin.scenario.table import Pool
from tidegate.model.instruments import Future, Option, Perpetual
from tidegate.risk.certificate_box import Cells, Delivered, Point, Then, model_marks
from tidegate.risk.certificate_options import BoundedOptions, delivered_usd, gross_usd
from tidegate.risk.enclosure import Enclosure, kinked, product, reciprocal

FloatArray = NDArray[np.float64]
ExpiryKey = tuple[PoolKey, int]
Delta = tuple[ExpiryKey, Enclosure]


@dataclass(frozen=True, eq=False)
class DeribitHealth:
    """One account at one time; see `certificate_bounds.HealthForm`."""

    rule: DeribitPortfolio
    then: Then

    @cached_property
    def moving(self) -> MovingDeribit:
        """The account under the rule now."""
        settles = {each.holding.instrument.settle: 0.0 for each in self.then.delivered}
        collateral = {**settles, **self.then.holdings.collateral}
        held = replace(self.then.holdings, collateral=collateral)
        return self.rule.moving(held, self.then.market)

    @cached_property
    def coins(self) -> tuple[str, ...]:
        """Coins whose prices the account moves with."""
        book = self.moving.book
        held = {each.base for each in book.instruments}
        held |= {each.holding.instrument.base for each in self.then.delivered}
        amounts = self.moving.amounts
        moved = {a for a in book.assets if a not in DOLLARS and amounts.get(a, 0.0) != 0.0}
        return tuple(sorted(held | moved))

    @property
    def constant_usd(self) -> float:
        """Dollar coins held."""
        assets = [each for each in self.moving.book.assets if each in DOLLARS]
        return sum(self.moving.amounts.get(each, 0.0) * self.unit(each) for each in assets)

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios, and that nothing is at risk."""
        return (*self.moving.prepared.table.names, "nothing at risk")

    def unit(self, asset: str) -> float:
        """USD per dollar coin, as the account counts it."""
        return self.moving.book.index[asset] if self.rule.cross else 1.0

    def exact(self, point: Point) -> float:
        """Health in USD by the rule's own statement at a point."""
        holdings, market = self.then.at(point)
        health = self.rule.statement(holdings, market).health
        in_coin = not self.rule.cross and self.rule.currency not in DOLLARS
        return health * market.positive(index_of(self.rule.currency)) if in_coin else health

    def scale_usd(self, coin: str) -> float:
        """Gross amounts of a coin now: what rounding is relative to."""
        total = 0.0
        for each in self.moving.book.instruments:
            if each.base == coin and not isinstance(each, Option):
                size, mark = abs(self.moving.amounts[each.id]), self.moving.book.marks[each.id]
                total += size if each.inverse else size * mark
        options = [each.largest_usd for key, each in self._options.items() if key[0] == coin]
        index = self.then.market.positive(index_of(coin))
        held = abs(self.moving.amounts.get(coin, 0.0)) * index
        gone = [e for e in self.then.delivered if e.holding.instrument.base == coin]
        return total + sum(options) + held + sum(map(gross_usd, gone))

    def health(self, coin: str, cells: Cells) -> Enclosure:
        """A coin's addends of each scenario's health, USD, [B, P + 1]."""
        return _Coin(self, coin, cells).health()

    @cached_property
    def _options(self) -> dict[PoolKey, BoundedOptions]:
        return {
            self.moving.book.pool(each.options[0]): BoundedOptions.of(each, self.then.market)
            for each in self.moving.options.values()
        }

    def options(self, pool: PoolKey) -> BoundedOptions | None:
        """Options of a pool, if it has any."""
        return self._options.get(pool)

    @cached_property
    def beyond_model(self) -> dict[str, float]:
        """What each option's mark has beyond Black-76, in its settlement asset."""
        book = self.moving.book
        held = [each for each in book.instruments if isinstance(each, Option)]
        models = model_marks(held, self.then.market)
        return {e.id: book.marks[e.id] - m for e, m in zip(held, models.tolist(), strict=True)}


class _Coin:
    """One coin's part of the account over cells, while it is put together."""

    def __init__(self, form: DeribitHealth, coin: str, cells: Cells) -> None:
        self.form, self.coin, self.cells, self.book = form, coin, cells, form.moving.book
        self.market_index = form.then.market.positive(index_of(coin))
        self.index = cells.price.times(self.market_index)
        self.inverse_spread = reciprocal(cells.spread)
        self.pools = [pool for pool in self.book.pools if pool[0] == coin]
        self.worth = {
            pool: options.worth(cells)
            for pool in self.pools
            if (options := form.options(pool)) is not None
        }

    def health(self) -> Enclosure:
        """Addends by scenario, [B, P + 1]."""
        table, mm = self.form.moving.prepared.table, self.book.terms.mm_factor
        gained = self._nothing(len(table.names))
        for pool in self.pools:
            g = self.book.pools.index(pool)
            gains = self._gains(pool).times(table.weights[g])
            gained = gained + _pooled(gains, table.pools[g], table.shrink_usd[g])
        at_index = self.book.index[self.form.rule.currency] if self._in_coin else 1.0
        gained = gained.times(mm * at_index / table.scale)
        marks = {pool: self._option_marks(pool) for pool in self.worth}
        equity, charges = self._equity(marks), self._charges(marks)
        alone = (equity - charges.times(mm)).column()
        return alone + _with_zero_column(gained)

    @property
    def _in_coin(self) -> bool:
        return bool((self.form.moving.prepared.table.scale != 1.0).any())

    def _nothing(self, rows: int) -> Enclosure:
        return Enclosure.constant(np.zeros((len(self.cells.low), rows)))

    def _size(self, name: str) -> float:
        return self.form.moving.amounts.get(name, 0.0)

    def _linear_usd(self, each: Perpetual | Future) -> Enclosure:
        """Coins of a contract times the coin's price: what its delta and its equity are, USD."""
        size, mark = self._size(each.id), self.book.marks[each.id]
        if each.inverse:
            return self.inverse_spread.times(size * self.market_index / mark)
        return self.cells.contracts.times(size * mark)

    def _linear(self, pool: PoolKey) -> list[Perpetual | Future]:
        return [
            each
            for each in self.book.instruments
            if isinstance(each, Perpetual | Future) and self.book.pool(each) == pool
        ]

    def _asset_usd(self) -> Enclosure:
        """Equity in the coin itself without its positions: cash and what was delivered."""
        held = self.index.times(self._size(self.coin))
        for each in self._delivered(self.coin):
            held = held + delivered_usd(each, self.cells)
        return held

    def _delivered(self, settle: str) -> list[Delivered]:
        return [
            each
            for each in self.form.then.delivered
            if each.holding.instrument.base == self.coin
            and each.holding.instrument.settle == settle
        ]

    def _gains(self, pool: PoolKey) -> Enclosure:
        """USD that a pool earns in every scenario, [B, P]."""
        ratios = self.book.ratios(self.coin)
        total = self._nothing(len(ratios))
        for each in self._linear(pool):
            if not (each.inverse and self.book.impacts(each)):
                unit = 1.0 if each.inverse else self.form.unit(each.settle)
                total = total + self._linear_usd(each).column().times(unit * (ratios - 1.0))
        options = self.form.options(pool)
        if options is not None:
            total = total + self._option_gains(pool, options, ratios)
        moves = pool[1] == self.coin.lower() and self.form.rule.cross
        if moves and self.coin in self.book.assets:
            terms = self.book.currency(self.coin.lower(), self.coin)
            if terms.equity_side_impact != "none":
                total = total + self._asset_usd().column().times(ratios - 1.0)
        return total

    def _option_gains(
        self, pool: PoolKey, options: BoundedOptions, ratios: FloatArray
    ) -> Enclosure:
        worth, first = self.worth[pool], options.moving.options[0]
        then, now = worth.at((..., slice(None, -1))), worth.at((..., slice(-1, None)))
        if not first.coin_settled:
            return (then - now).over(0).times(self.form.unit(first.settle))
        counted = np.ones(1) if self.book.impacts(first) else ratios
        held = product(now, self._index_over(options, np.ones(1)))
        moved = product(then, self._index_over(options, ratios).times(ratios))
        return (moved - held.times(counted)).over(0)

    def _index_over(self, options: BoundedOptions, ratios: FloatArray) -> Enclosure:
        return options.index_over(self.cells, self.market_index, ratios)

    def _option_marks(self, pool: PoolKey) -> Enclosure:
        """Sizes times marks of a pool's options by expiry, dollars or USD of coins, [E, B]."""
        options, worth = self.form.options(pool), self.worth[pool].at((..., slice(-1, None)))
        assert options is not None
        moving, in_coin = options.moving, options.moving.options[0].coin_settled
        if in_coin:
            worth = product(worth, self._index_over(options, np.ones(1)))
        marks = worth.at((..., 0))
        beyond = np.array([self.form.beyond_model[each.id] for each in moving.options])
        sums = np.add.reduceat(moving.rows[:, 4] * beyond, moving.starts[:-1])[:, None]
        unit = self.index if in_coin else Enclosure.constant(np.ones(len(self.cells.low)))
        marks = marks + unit.row().times(sums)
        if (below := beyond < 0.0).any():
            marks = marks + self._held_at_zero(options, below, beyond[below])
        return marks

    def _held_at_zero(
        self, options: BoundedOptions, chosen: NDArray[np.bool_], beyond: FloatArray
    ) -> Enclosure:
        """What marks below their model gain by never being less than nothing, [E, B]."""
        singly = options.singly(chosen)
        worth = singly.worth(self.cells)
        in_coin = singly.moving.options[0].coin_settled
        unit = Enclosure.constant(np.ones(len(self.cells.low)))
        if in_coin:
            worth, unit = product(worth, self._index_over(singly, np.ones(1))), self.index
        each = worth.at((..., 0)) + unit.row().times(beyond[:, None])
        lifted = kinked(each, 0.0, -1.0, 0.0).times(options.moving.rows[chosen, 4][:, None])
        expiry = np.repeat(np.arange(len(options.forwards)), np.diff(options.moving.starts))
        place = expiry[chosen]
        rows = [lifted.at(np.flatnonzero(place == e)).over(0) for e in range(len(options.forwards))]
        return _stacked(rows)

    def _equity(self, marks: dict[PoolKey, Enclosure]) -> Enclosure:
        total = self._asset_usd()
        for settle in {each.holding.instrument.settle for each in self.form.then.delivered}:
            if settle in DOLLARS:
                for gone in self._delivered(settle):
                    total = total + delivered_usd(gone, self.cells).times(self.form.unit(settle))
        for each in self.book.instruments:
            if each.base == self.coin and isinstance(each, Perpetual | Future):
                unit = -1.0 if each.inverse else self.form.unit(each.settle)
                total = total + self._linear_usd(each).times(unit)
        for pool, by_expiry in marks.items():
            total = total + by_expiry.over(0).times(self._dollar(pool))
        return total

    def _dollar(self, pool: PoolKey) -> float:
        options = self.form.options(pool)
        first = None if options is None else options.moving.options[0]
        return 1.0 if first is None or first.coin_settled else self.form.unit(first.settle)

    def _charges(self, marks: dict[PoolKey, Enclosure]) -> Enclosure:
        """Roll and delta shock, USD, [B]."""
        by_expiry: dict[ExpiryKey, Enclosure] = {}
        for key, delta in self._deltas(marks):
            by_expiry[key] = by_expiry[key] + delta if key in by_expiry else delta
        total = Enclosure.constant(np.zeros(len(self.cells.low)))
        net = total
        for (pool, expiry_ms), delta in by_expiry.items():
            rate = self.book.roll_rate(pool, expiry_ms)
            total = total + kinked(delta, 0.0, -rate, rate)
            net = net + delta
        return total + self._delta_shock(net) if by_expiry else total

    def _deltas(self, marks: dict[PoolKey, Enclosure]) -> list[Delta]:
        """Deltas times the index, by pool and expiry, USD."""
        found: list[Delta] = []
        for pool in self.pools:
            found += [(_expiry(pool, each), self._delta_usd(each)) for each in self._linear(pool)]
        for pool, by_expiry in marks.items():
            options = self.form.options(pool)
            assert options is not None
            net = product(options.deltas(self.cells), self.index.row())
            if options.moving.options[0].coin_settled:
                net = net - by_expiry
            for e, expiry_ms in enumerate(options.moving.expiries_ms):
                left = min(1.0, (expiry_ms - self.book.market.now_ms) / AVERAGING_MS)
                found.append(((pool, expiry_ms), net.at(e).times(left)))
        return found

    def _delta_usd(self, each: Perpetual | Future) -> Enclosure:
        return self._linear_usd(each) if each.inverse else self.index.times(self._size(each.id))

    def _delta_shock(self, net: Enclosure) -> Enclosure:
        """|d| min(most, m_inc max(|d| - threshold, 0) / index), with d in USD."""
        pair = self.book.terms.pairs[self.coin.lower()]
        size = kinked(net, 0.0, -1.0, 1.0)
        if (size.upper <= pair.delta_threshold_usd).all():
            return Enclosure.constant(np.zeros(len(self.cells.low)))
        grown = kinked(size, pair.delta_threshold_usd, 0.0, pair.m_inc)
        rate = product(grown, reciprocal(self.index))
        capped = rate + kinked(rate, pair.max_delta_shock, 0.0, -1.0)
        return product(size, capped)


def _expiry(pool: PoolKey, each: Perpetual | Future) -> ExpiryKey:
    return pool, each.expiry_ms if isinstance(each, Future) else 0


def _pooled(gains: Enclosure, pool: Pool, shrink: FloatArray) -> Enclosure:
    """What counts of a pool: losses less the dampener; gains less it in part, up to the cap."""
    counted = kinked(gains, -shrink, 1.0, 0.0)
    if pool.keep > 0.0 and pool.cap_usd > 0.0:
        counted = counted + kinked(gains, shrink, 0.0, pool.keep)
        if np.isfinite(pool.cap_usd):
            full = shrink + pool.cap_usd / pool.keep
            counted = counted + kinked(gains, full, 0.0, -pool.keep)
    return counted


def _stacked(rows: Sequence[Enclosure]) -> Enclosure:
    return Enclosure(
        np.stack([each.centre for each in rows]),
        np.stack([each.slopes for each in rows], axis=1),
        np.stack([each.low for each in rows]),
        np.stack([each.high for each in rows]),
    )


def _with_zero_column(x: Enclosure) -> Enclosure:
    """One more scenario, in which nothing is earned."""
    last = np.zeros((len(x.centre), 1))
    return Enclosure(
        np.concatenate([x.centre, last], axis=1),
        np.concatenate([x.slopes, np.zeros((len(x.slopes), *last.shape))], axis=2),
        np.concatenate([x.low, last], axis=1),
        np.concatenate([x.high, last], axis=1),
    )
