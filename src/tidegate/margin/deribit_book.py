# SPDX-License-Identifier: Apache-2.0
"""The columns of a Deribit portfolio account at one market: what each is worth in each bucket.

In dollars a unit of an instrument earns, when its coin's prices are multiplied by r,

    linear contract    u mark (r - 1)             option in dollars  u (V(F r) - V(F))
    inverse, per USD   S (r - 1) / mark           option in coins    S r (V(F r) / (F r) - V(F) / F)

with S the index and u, across currencies, that of the dollar coin, else 1. Across currencies equity
in a coin is itself a position there: a coin earns S (r - 1), and what is settled in it
S r c(r) - S c(1), c being its worth in coins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.margin.deribit_parameters import CurrencyTerms, PairTerms
from tidegate.margin.market_values import MarketValues, index_of, mark_of
from tidegate.margin.scenario.charges import Charge, Growth, Side, stacked_charges
from tidegate.margin.scenario.prepared import Prepared
from tidegate.margin.scenario.quotes import (
    AVERAGING_MS,
    option_columns,
    years_left,
)
from tidegate.margin.scenario.revaluation import (
    FloatArray,
    Moves,
    black_deltas,
    option_values,
)
from tidegate.margin.scenario.shocks import (
    VolMove,
    VolShock,
    least_vols,
    vol_multipliers,
)
from tidegate.margin.scenario.table import (
    EXTRA_ROWS,
    Group,
    IndexArray,
    Pool,
    ScenarioTable,
    stacked,
)
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Instrument, Option, Perpetual
from tidegate.model.times import YEAR_MS

if TYPE_CHECKING:
    from tidegate.margin.deribit_portfolio import DeribitPortfolio

WHERE = "deribit portfolio margin"
FAR_MOVES = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
STANDARD_VOLS = (VolMove.DOWN, VolMove.NONE, VolMove.UP)
DOLLARS = frozenset({"USDC", "USDT", "USDE"})
USD = "usd"
# A coin and what it is settled in: the terms that apply and whose gains offset what.
PoolKey = tuple[str, str]


class DeribitBook:
    """The account's instruments and assets at one market, while they are put together."""

    def __init__(
        self,
        rule: DeribitPortfolio,
        instruments: tuple[Instrument, ...],
        assets: tuple[str, ...],
        market: MarketValues,
    ) -> None:
        self.rule, self.terms, self.market = rule, rule.terms, market
        self.instruments, self.assets = instruments, assets
        for each in instruments:
            self._require_known(each)
        self.index = {coin: self._index(coin) for coin in self._coins()}
        self.pools: list[PoolKey] = sorted(
            {*map(self.pool, instruments), *map(self.asset_pool, assets)}
        )
        self.marks = {each.id: self._mark(each) for each in instruments}
        self.deltas: dict[str, float] = {}
        self.rows = {each.id: self._linear_row(each) for each in instruments if _linear(each)}
        for pool in self.pools:
            self._add_options(pool)

    def prepared(self) -> Prepared:
        """Table, charges and equity over the columns, sorted by pool."""
        names = [*(each.id for each in self.instruments), *self.assets]
        rows = [self.rows[each.id] for each in self.instruments]
        rows += [self._asset_row(asset) for asset in self.assets]
        pools = [*map(self.pool, self.instruments), *map(self.asset_pool, self.assets)]
        labels = [self.pools.index(pool) for pool in pools]
        padded = np.concatenate([np.stack(rows, axis=1), np.zeros((EXTRA_ROWS, len(rows)))])
        values, order, starts = stacked([padded], labels, len(self.pools))
        columns = tuple(names[place] for place in order)
        equity = {name: self._equity(name) for name in columns}
        mm = self.terms.mm_factor
        return Prepared(
            rule=self.rule.name,
            unit=self.rule.currency,
            columns=columns,
            table=self._table(values, starts),
            charges=stacked_charges(self._charges(), columns),
            equity_per_unit=np.array([equity[name] for name in columns]),
            factors=Side(1.0, mm),
        )

    def _require_known(self, each: Instrument) -> None:
        if not isinstance(each, Perpetual | Future | Option):
            raise InputError(WHERE, each.id, "expected a perpetual, future or option")
        in_coin = each.settle == each.base
        if not in_coin and each.settle not in DOLLARS:
            raise InputError(WHERE, each.id, "expected to be settled in its coin or in dollars")
        if _linear(each) and each.inverse != in_coin:
            raise InputError(WHERE, each.id, "expected inverse if and only if settled in its coin")
        for known, name in ((self.terms.pairs, each.base), (self.terms.currencies, _of(each))):
            if name.lower() not in known:
                raise InputError(WHERE, each.id, f"expected terms of {name}")
        if isinstance(each, Future | Option):
            years_left(each, self.market)

    def _coins(self) -> list[str]:
        coins = {each.base for each in self.instruments}
        return sorted(coins | (set(self.assets) if self.rule.cross else set()))

    def _index(self, coin: str) -> float:
        return self.market.positive(index_of(coin))

    def pool(self, each: Instrument) -> PoolKey:
        """The coin of an instrument and the currency whose terms apply to it."""
        return each.base, _of(each)

    def asset_pool(self, asset: str) -> PoolKey:
        """Where a coin's own moves count; dollars, and a segregated account's cash, do not move."""
        if asset in DOLLARS:
            return USD, USD
        return asset, asset.lower()

    def currency(self, name: str, where: str) -> CurrencyTerms:
        """Terms of a currency; raises `InputError` at `where` for one without."""
        if name not in self.terms.currencies:
            raise InputError(WHERE, where, f"expected terms of {name}")
        return self.terms.currencies[name]

    def _pair(self, coin: str) -> PairTerms | None:
        """Terms of a coin; None of a dollar coin, which has no moves of its own."""
        if coin == USD or coin in DOLLARS:
            return None
        if coin.lower() not in self.terms.pairs:
            raise InputError(WHERE, coin, "expected terms of the coin's pair")
        return self.terms.pairs[coin.lower()]

    def _mark(self, each: Instrument) -> float:
        if isinstance(each, Option):
            value = self.market.value(mark_of(each.id))
            if value < 0.0:
                raise InputError("market", f"mark {each.id}", f"expected at least 0, got {value}")
            return value
        return self.market.positive(mark_of(each.id))

    def impacts(self, each: Instrument) -> bool:
        """Whether what is settled in a coin also moves with it: across currencies."""
        if not self.rule.cross or each.settle in DOLLARS:
            return False
        return self.currency(_of(each), each.id).equity_side_impact == "both"

    def _linear_row(self, each: Instrument) -> FloatArray:
        ratios = self.ratios(each.base)
        mark, index = self.marks[each.id], self.index[each.base]
        self.deltas[each.id] = 1.0 / mark if each.inverse else 1.0
        if not each.inverse:
            return np.asarray(self._unit(each.settle) * mark * (ratios - 1.0))
        # Worth -1 / mark coins per dollar of face, which is worth the same in dollars at any price.
        return np.zeros_like(ratios) if self.impacts(each) else index * (ratios - 1.0) / mark

    def _add_options(self, pool: PoolKey) -> None:
        """Rows and deltas of a pool's options."""
        options = [
            each
            for each in self.instruments
            if isinstance(each, Option) and self.pool(each) == pool
        ]
        if not options:
            return
        columns = option_columns(options, self.market)
        pair = self.terms.pairs[pool[0].lower()]
        shock = vol_shock(pair)
        by = vol_multipliers(shock, None, columns.log_strike, columns.expiry_years)
        vols = np.maximum(by * columns.vol, least_vols(shock))
        ratios, moves = self.ratios(pool[0]), vol_moves(self.terms.buckets)
        priced = Moves(np.append(ratios, 1.0), np.append(moves, VolMove.NONE))
        values = option_values(columns.rows(), vols, priced)
        forward = (columns.forward - columns.fixed) * ratios[:, None] + columns.fixed
        deltas = black_deltas(columns)
        for place, each in enumerate(options):
            now, then = values[-1, place], values[:-1, place]
            self.rows[each.id] = self._unit(each.settle) * (then - now)
            if each.settle == each.base:
                held = (now / columns.forward[place], then / forward[:, place])
                self.rows[each.id] = self._coin_row(each, held, ratios)
            self.deltas[each.id] = self._net_delta(each, deltas[place])

    def _coin_row(
        self, option: Option, coins: tuple[float, FloatArray], ratios: FloatArray
    ) -> FloatArray:
        index, (now, then) = self.index[option.base], coins
        counted = 1.0 if self.impacts(option) else ratios
        return np.asarray(index * (ratios * then - counted * now))

    def _net_delta(self, option: Option, delta: float) -> float:
        """Decayed over the last half hour; of options in coins less the mark, decayed alike."""
        left = (option.expiry_ms - self.market.now_ms) / AVERAGING_MS
        paid = self.marks[option.id] if option.settle == option.base else 0.0
        return (delta - paid) * min(1.0, left)

    def _asset_row(self, asset: str) -> FloatArray:
        still = np.zeros(len(vol_moves(self.terms.buckets)))
        if not self.rule.cross or asset in DOLLARS:
            return still
        if self.currency(asset.lower(), asset).equity_side_impact == "none":
            return still
        return np.asarray(self.index[asset] * (self.ratios(asset) - 1.0))

    def _moves(self, coin: str) -> FloatArray:
        """Relative moves of a coin in every scenario, [P]."""
        pair = self._pair(coin)
        count = self.terms.buckets
        reach = 0.0 if pair is None else pair.price_range
        standard = [k * reach / count for k in range(-count, count + 1) for _ in STANDARD_VOLS]
        far = [0.0] * len(FAR_MOVES) if pair is None else FAR_MOVES
        return np.array([*standard, *far])

    def ratios(self, coin: str) -> FloatArray:
        """What a coin's prices are multiplied with in every scenario, [P]."""
        return 1.0 + self._moves(coin)

    def limited(self, coin: str) -> FloatArray:
        """The moves, those beyond the range at its edge."""
        pair = self._pair(coin)
        reach = 0.0 if pair is None else pair.price_range
        return np.clip(self._moves(coin), -reach, reach)

    def _table(self, values: FloatArray, starts: IndexArray) -> ScenarioTable:
        names = _names(self.terms.buckets)
        count = len(names)
        scale = np.ones(count)
        if not self.rule.cross and self.rule.currency not in DOLLARS and self.instruments:
            coin = self.rule.currency
            scale = self.index[coin] * (1.0 + self.limited(coin))
        return ScenarioTable(
            names=names,
            skews=np.zeros(count, dtype=bool),
            values=values,
            starts=starts,
            groups=tuple(Group("/".join(pool), place) for place, pool in enumerate(self.pools)),
            pools=tuple(self._pool_terms(pool) for pool in self.pools),
            weights=np.stack([self._weights(coin) for coin, _ in self.pools]),
            shrink_usd=np.stack([self._shrink(*pool) for pool in self.pools]),
            scale=scale,
        )

    def _pool_terms(self, pool: PoolKey) -> Pool:
        terms = self.currency(pool[1], pool[0])
        return Pool("/".join(pool), terms.pnl_offset, terms.max_offsetable_usd)

    def _weights(self, coin: str) -> FloatArray:
        pair, moves = self._pair(coin), np.abs(self._moves(coin))
        if pair is None:
            return np.ones_like(moves)
        far = pair.extended_table_factor * pair.price_range / np.maximum(moves, pair.price_range)
        standard = len(moves) - len(FAR_MOVES)
        return np.where(np.arange(len(moves)) < standard, 1.0, far)

    def _shrink(self, coin: str, currency: str) -> FloatArray:
        pair, moves = self._pair(coin), np.abs(self._moves(coin))
        if pair is None:
            return np.zeros_like(moves)
        dampener = self.currency(currency, coin).extended_dampener_usd
        beyond = np.maximum(moves / pair.price_range, 1.0) - 1.0
        standard = len(moves) - len(FAR_MOVES)
        return np.where(np.arange(len(moves)) < standard, 0.0, beyond * dampener)

    def _equity(self, name: str) -> float:
        """What one unit counts in equity, in the account's unit."""
        if name in self.assets:
            return self._unit(name)
        each = next(one for one in self.instruments if one.id == name)
        mark = self.marks[name]
        return (-1.0 / mark if each.inverse else mark) * self._unit(each.settle)

    def _unit(self, asset: str) -> float:
        """The account's unit per unit of an asset."""
        return self.index[asset] if self.rule.cross else 1.0

    def _charges(self) -> list[Charge]:
        rows = [*self._roll_charges(), *self._delta_charges()]
        return [*rows, *self._haircuts()] if self.rule.cross else rows

    def _roll_charges(self) -> list[Charge]:
        expiries: dict[tuple[PoolKey, int], dict[str, float]] = {}
        for each in self.instruments:
            expiry = each.expiry_ms if isinstance(each, Future | Option) else 0
            weights = expiries.setdefault((self.pool(each), expiry), {})
            weights[each.id] = self.deltas[each.id]
        rows = []
        for ((coin, currency), expiry), weights in expiries.items():
            rate = self.roll_rate((coin, currency), expiry)
            side = self._both(rate * self._per_coin(coin))
            rows.append(Charge("roll shock", weights, side, side))
        return rows

    def roll_rate(self, pool: PoolKey, expiry_ms: int) -> float:
        """max(least move, exp(risk T) - 1) of an expiry; perpetuals, of expiry 0, the least."""
        terms = self.currency(pool[1], pool[0])
        if expiry_ms == 0:
            return terms.min_annualised_move
        years = (expiry_ms - self.market.now_ms) / YEAR_MS
        return max(terms.min_annualised_move, float(np.expm1(terms.annualised_move_risk * years)))

    def _delta_charges(self) -> list[Charge]:
        rows = []
        for coin in sorted({each.base for each in self.instruments}):
            pair, per_coin = self.terms.pairs[coin.lower()], self._per_coin(coin)
            weights = {
                each.id: self.deltas[each.id] for each in self.instruments if each.base == coin
            }
            threshold = pair.delta_threshold_usd / self.index[coin]
            growth = Growth(self._both(per_coin), pair.m_inc, threshold, pair.max_delta_shock)
            rows.append(Charge("delta shock", weights, growth=growth))
        return rows

    def _haircuts(self) -> list[Charge]:
        rows = []
        for asset in self.assets:
            name = USD if asset in DOLLARS else asset.lower()
            haircut = self.currency(name, asset).haircut
            settled = [each.id for each in self.instruments if each.settle == asset]
            weights = {column: self._equity(column) for column in (*settled, asset)}
            if haircut:
                rows.append(Charge("haircut", weights, long=Side(haircut)))
        return rows

    def _both(self, rate: float) -> Side:
        return Side(rate, rate * self.terms.mm_factor)

    def _per_coin(self, coin: str) -> float:
        """The account's unit per coin of delta."""
        in_coins = not self.rule.cross and self.rule.currency == coin
        return 1.0 if in_coins else self.index[coin]


def _linear(each: Instrument) -> bool:
    return isinstance(each, Perpetual | Future)


def _of(each: Instrument) -> str:
    """The currency whose terms apply to what is settled in it."""
    return USD if each.settle in DOLLARS else each.settle.lower()


def vol_shock(pair: PairTerms) -> VolShock:
    """The pair's shocks of volatility, which have no floor of days."""
    return VolShock(
        pair.volatility_range_up,
        pair.volatility_range_down,
        pair.short_term_vega_power,
        pair.long_term_vega_power,
        0.0,
        pair.min_volatility_for_shock_up,
    )


def vol_moves(buckets: int) -> IndexArray:
    """Vol move of every scenario, [P]: three in each bucket, then up in the far moves."""
    standard = [int(vol) for _ in range(2 * buckets + 1) for vol in STANDARD_VOLS]
    return np.array([*standard, *([int(VolMove.UP)] * len(FAR_MOVES))])


def _names(buckets: int) -> tuple[str, ...]:
    standard = tuple(
        f"price {k:+d}/{buckets} of range, vol {vol.name.lower()}"
        for k in range(-buckets, buckets + 1)
        for vol in STANDARD_VOLS
    )
    return (*standard, *(f"price {move:+.0%}, vol up" for move in FAR_MOVES))
