# SPDX-License-Identifier: Apache-2.0
"""One Deribit portfolio account in many markets at once; the formulas stand in `deribit_book`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.deribit_book import (
    DOLLARS,
    USD,
    DeribitBook,
    PoolKey,
    vol_moves,
    vol_shock,
)
from tidegate.margin.market_values import Key, forward_of, index_of, mark_of, vol_of
from tidegate.margin.scenario.moving import MovingOptions, Paths, moving_options
from tidegate.margin.scenario.prepared import BookStatements, Prepared
from tidegate.margin.scenario.quotes import AVERAGING_MS
from tidegate.margin.scenario.revaluation import Moves
from tidegate.margin.scenario.shocks import VolMove
from tidegate.margin.scenario.table import EXTRA_ROWS
from tidegate.model.instruments import Future, Instrument, Option, Perpetual

FloatArray = NDArray[np.float64]
ExpiryKey = tuple[PoolKey, int]
# A coin and the asset that options settle in.
OptionKey = tuple[str, str]


@dataclass(frozen=True, eq=False)
class MovingDeribit:
    """An account's instruments and assets, and its amounts by column."""

    book: DeribitBook
    amounts: Mapping[str, float]

    def statements(self, moved: Mapping[Key, ArrayLike]) -> BookStatements:
        """The account in M markets, in each of which the figures of `moved` [M] are these.

        Raises: `InputError` for a figure that does not value the book or is not in its range, and
        where only some of the prices move. Equal to the rule's statement to 1e-9 where the marks
        of options, if they are not among `moved`, are Black-76's.
        """
        from tidegate.margin.scenario import _losses as kernels

        paths = Paths.of(self.book.market, moved)
        paths.require(*self.keys())
        state = DeribitMarkets(self, paths)
        sums = np.zeros((len(self.book.pools), paths.count, self._count + EXTRA_ROWS))
        for g, pool in enumerate(self.book.pools):
            sums[g, :, : self._count] = state.gains(pool)
        loss, binding = np.empty(paths.count), np.empty(paths.count, dtype=np.int64)
        table = self.prepared.table
        kernels.worst(sums, kernels.terms(table), loss, binding)
        loss *= self.rescaled(paths)
        equity, haircut = state.equity()
        charges = state.roll_shock() + state.delta_shock()
        mm = self.book.terms.mm_factor
        protection = sum(side.initial for side in self.prepared.extra.values())
        return BookStatements(
            equity=equity,
            initial=loss + charges + haircut + protection,
            maintenance=mm * (loss + charges),
            loss=loss,
            binding=binding,
        )

    @cached_property
    def prepared(self) -> Prepared:
        """The rule at the market that the account was prepared at."""
        rule = self.book.rule
        return rule.prepare(self.book.instruments, self.book.market, self.book.assets)

    @cached_property
    def options(self) -> Mapping[OptionKey, MovingOptions]:
        """Options by coin and settlement, laid out for the kernel, their present as last row."""
        held: dict[OptionKey, list[Option]] = {}
        for each in self.book.instruments:
            if isinstance(each, Option):
                held.setdefault((each.base, each.settle), []).append(each)
        return {key: self._laid_out(options) for key, options in held.items()}

    def _laid_out(self, options: list[Option]) -> MovingOptions:
        coin = options[0].base
        moves = np.append(vol_moves(self.book.terms.buckets), int(VolMove.NONE))
        plan = Moves(np.append(self.book.ratios(coin), 1.0), moves)
        shock = vol_shock(self.book.terms.pairs[coin.lower()])
        return moving_options(options, self.amounts, self.book.market, (shock, None), plan, {})

    @property
    def _count(self) -> int:
        return len(self.prepared.table.names)

    def keys(self) -> tuple[list[Key], list[Key]]:
        """Prices that move together, and all else that may."""
        prices: list[Key] = []
        others: list[Key] = []
        for each in self.book.instruments:
            prices.append(index_of(each.base))
            if isinstance(each, Option):
                prices.append(forward_of(each.base, each.expiry_ms))
                others += [vol_of(each.id), mark_of(each.id)]
            else:
                prices.append(mark_of(each.id))
        if self.book.rule.cross:
            others += [index_of(asset) for asset in self.book.assets]
        return list(dict.fromkeys(prices)), others

    def rescaled(self, paths: Paths) -> FloatArray:
        """The index at which the table was scaled, over the index of each market."""
        coin = self.book.rule.currency
        if self.book.rule.cross or coin in DOLLARS or not self.book.instruments:
            return np.ones(paths.count)
        return np.asarray(self.book.index[coin] / paths.positive(index_of(coin)))


class DeribitMarkets:
    """The account's parts in every market of the paths."""

    def __init__(self, moving: MovingDeribit, paths: Paths) -> None:
        self.moving, self.book, self.paths = moving, moving.book, paths
        self.index = {coin: paths.positive(index_of(coin)) for coin in self.book.index}
        self.linear = {
            each.id: paths.positive(mark_of(each.id))
            for each in self.book.instruments
            if not isinstance(each, Option)
        }
        self.marks: dict[str, FloatArray] = {}
        # Coins of delta of one unit, by instrument.
        self.unit_deltas: dict[str, FloatArray] = {}
        self.deltas: dict[ExpiryKey, FloatArray] = {}
        for options in moving.options.values():
            self._add_options(self.book.pool(options.options[0]), options)
        for each in self.book.instruments:
            if isinstance(each, Perpetual | Future):
                self._add_linear(each)

    def _size(self, name: str) -> float:
        return self.moving.amounts.get(name, 0.0)

    def _add_linear(self, each: Perpetual | Future) -> None:
        key = (self.book.pool(each), each.expiry_ms if isinstance(each, Future) else 0)
        coins = 1.0 / self.linear[each.id] if each.inverse else np.ones(self.paths.count)
        self._add_delta(key, each.id, coins)

    def _add_delta(self, key: ExpiryKey, name: str, coins: FloatArray) -> None:
        self.unit_deltas[name] = coins
        held = self.deltas.get(key, np.zeros(self.paths.count))
        self.deltas[key] = held + self._size(name) * coins

    def _add_options(self, pool: PoolKey, options: MovingOptions) -> None:
        """Marks, and deltas by expiry, decayed over the last half hour."""
        value, delta = options.present(self.paths)
        forward = np.repeat(options.delivery(self.paths), np.diff(options.starts), axis=1)
        for i, each in enumerate(options.options):
            model = value[:, i] / forward[:, i] if each.coin_settled else value[:, i]
            self.marks[each.id] = self._option_mark(each, model)
            paid = self.marks[each.id] if each.coin_settled else 0.0
            left = min(1.0, (each.expiry_ms - self.book.market.now_ms) / AVERAGING_MS)
            self._add_delta((pool, each.expiry_ms), each.id, (delta[:, i] - paid) * left)

    def _option_mark(self, each: Option, model: FloatArray) -> FloatArray:
        moved = self.paths.moved
        price = forward_of(each.base, each.expiry_ms)
        if mark_of(each.id) in moved or not (price in moved or vol_of(each.id) in moved):
            return self.paths.value(mark_of(each.id))
        return model

    def gains(self, pool: PoolKey) -> FloatArray:
        """USD that a pool earns in every market and scenario, [M, P]."""
        ratios = self.book.ratios(pool[0])
        total = np.zeros((self.paths.count, len(ratios)))
        for each in self.book.instruments:
            if self.book.pool(each) == pool and not isinstance(each, Option):
                worth = self._size(each.id) * self.linear_worth(each)
                total += np.multiply.outer(worth, ratios - 1.0)
        for options in self.moving.options.values():
            if self.book.pool(options.options[0]) == pool:
                total += self.option_gains(options, ratios).sum(axis=0)
        for asset in self.book.assets:
            if self.book.asset_pool(asset) == pool and self.asset_moves(asset):
                worth = self._size(asset) * self.index[asset]
                total += np.multiply.outer(worth, ratios - 1.0)
        return total

    def linear_worth(self, each: Instrument) -> FloatArray:
        """What a relative move earns one unit of a contract, USD, [M]."""
        mark = self.linear[each.id]
        if not each.inverse:
            return np.asarray(self.unit(each.settle) * mark)
        if self.book.impacts(each):
            return np.zeros(self.paths.count)
        return np.asarray(self.index[each.base] / mark)

    def option_gains(self, options: MovingOptions, ratios: FloatArray) -> FloatArray:
        """USD that options earn in every scenario, by expiry as they are laid out, [E, M, P]."""
        worth, first = options.sums(self.paths), options.options[0]
        if not first.coin_settled:
            gains = worth[:, :, :-1] - worth[:, :, -1:]
            return np.asarray(self.unit(first.settle)[:, None] * gains)
        from tidegate.margin.scenario import _moving as kernels

        fixed = options.expiries[kernels.FIXED]
        now = options.delivery(self.paths).T[:, :, None]
        then = (now - fixed[:, None, None]) * ratios + fixed[:, None, None]
        coins = worth[:, :, :-1] / then
        held = worth[:, :, -1:] / now
        counted = 1.0 if self.book.impacts(first) else ratios
        return np.asarray(self.index[first.base][:, None] * (ratios * coins - counted * held))

    def asset_moves(self, asset: str) -> bool:
        """Whether an asset's own price is a position."""
        if not self.book.rule.cross or asset in DOLLARS:
            return False
        return self.book.currency(asset.lower(), asset).equity_side_impact == "both"

    def unit(self, asset: str) -> FloatArray:
        """The account's unit per unit of an asset, [M]."""
        cross = self.book.rule.cross
        return self.index[asset] if cross else np.ones(self.paths.count)

    def per_coin(self, coin: str) -> FloatArray:
        """The account's unit per coin of delta, [M]."""
        in_coins = not self.book.rule.cross and self.book.rule.currency == coin
        return np.ones(self.paths.count) if in_coins else self.index[coin]

    def equity(self) -> tuple[FloatArray, FloatArray]:
        """Equity, and what haircuts take of it for initial margin, [M] each."""
        total, haircuts = np.zeros(self.paths.count), np.zeros(self.paths.count)
        for asset in self.book.assets:
            held = np.full(self.paths.count, self._size(asset))
            for each in self.book.instruments:
                if each.settle == asset:
                    held = held + self._size(each.id) * self.mark_value(each)
            worth = held * self.unit(asset)
            total += worth
            if self.book.rule.cross:
                name = USD if asset in DOLLARS else asset.lower()
                haircuts += np.maximum(worth, 0.0) * self.book.currency(name, asset).haircut
        return total, haircuts

    def mark_value(self, each: Instrument) -> FloatArray:
        """What one unit is marked at, in its settlement asset, [M]."""
        if isinstance(each, Option):
            return self.marks[each.id]
        mark = self.linear[each.id]
        return np.asarray(-1.0 / mark) if each.inverse else mark

    def roll_shock(self) -> FloatArray:
        """The roll shock, [M]."""
        total = np.zeros(self.paths.count)
        for ((coin, currency), expiry_ms), coins in self.deltas.items():
            rate = self.book.roll_rate((coin, currency), expiry_ms)
            total += rate * np.abs(coins) * self.per_coin(coin)
        return total

    def delta_shock(self) -> FloatArray:
        """The delta shock, [M]."""
        total = np.zeros(self.paths.count)
        for coin in sorted({each.base for each in self.book.instruments}):
            pair = self.book.terms.pairs[coin.lower()]
            held = [coins for ((base, _), _), coins in self.deltas.items() if base == coin]
            size = np.abs(np.sum(held, axis=0))
            beyond = np.maximum(size - pair.delta_threshold_usd / self.index[coin], 0.0)
            rate = np.minimum(pair.m_inc * beyond, pair.max_delta_shock)
            total += size * rate * self.per_coin(coin)
        return total
