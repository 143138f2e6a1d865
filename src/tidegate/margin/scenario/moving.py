# SPDX-License-Identifier: Apache-2.0
"""One book in many markets: which figures move, and what its options are worth where they do.

Time, rates and confidences stay as they are in the market that the book was prepared at; indices,
forwards, marks and vols are paths [M]. Where one price of a coin moves all must, so that nothing is
valued at a price of yesterday; an option's mark that is not given is Black-76's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.margin.market_values import (
    Key,
    MarketValues,
    fixed_share_of,
    forward_of,
    index_of,
    vol_of,
)
from tidegate.margin.scenario.quotes import AVERAGING_MS, option_columns
from tidegate.margin.scenario.revaluation import Moves, OptionColumns
from tidegate.margin.scenario.shocks import SkewShock, VolShock
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]

WHERE = "markets"


@dataclass(frozen=True, eq=False)
class Paths:
    """Figures in M markets; what is not among `moved` stays as in `market`."""

    market: MarketValues
    moved: Mapping[Key, FloatArray]
    count: int

    @classmethod
    def of(cls, market: MarketValues, moved: Mapping[Key, ArrayLike]) -> Paths:
        """Raises `InputError` unless all paths are of one length and finite."""
        arrays = {key: np.asarray(path, dtype=float) for key, path in moved.items()}
        lengths = {path.shape for path in arrays.values()}
        if len(lengths) != 1 or len(next(iter(lengths))) != 1:
            raise InputError(WHERE, "paths", f"expected one length, got {sorted(lengths)}")
        for key, path in arrays.items():
            if not np.isfinite(path).all():
                raise InputError(WHERE, " ".join(key), "expected finite figures")
        return cls(market, arrays, next(iter(lengths))[0])

    def value(self, key: Key) -> FloatArray:
        """A figure in every market, [M]."""
        if key in self.moved:
            return self.moved[key]
        return np.full(self.count, self.market.value(key))

    def positive(self, key: Key) -> FloatArray:
        """A figure above zero in every market; raises `InputError` naming it."""
        path = self.value(key)
        if not (path > 0.0).all():
            raise InputError(WHERE, " ".join(key), f"expected above 0, got {path.min()}")
        return path

    def require(self, prices: Sequence[Key], others: Sequence[Key]) -> None:
        """Raises `InputError` for a key that the book does not know, and where only some of
        `prices`, which move together, are given."""
        known = {*prices, *others}
        for key in self.moved:
            if key not in known:
                raise InputError(WHERE, " ".join(key), "expected a figure that values the book")
        if any(key in self.moved for key in prices):
            for key in prices:
                if key not in self.moved:
                    expected = "expected a path, as other prices of the book move"
                    raise InputError(WHERE, " ".join(key), expected)


@dataclass(frozen=True, eq=False)
class MovingOptions:
    """Options of one coin with their sizes, sorted by expiry, under one grid of moves.

    `rows` [n, 10] and `expiries` [4, E] as `_moving` names them; `starts` [E + 1].
    """

    options: tuple[Option, ...]
    expiries_ms: tuple[int, ...]
    starts: IndexArray
    rows: FloatArray
    expiries: FloatArray
    moves: Moves

    def forwards(self, paths: Paths) -> FloatArray:
        """Live forwards [M, E]."""
        coin = self.options[0].base
        keys = [forward_of(coin, expiry_ms) for expiry_ms in self.expiries_ms]
        return np.ascontiguousarray(np.stack([paths.positive(key) for key in keys], axis=1))

    def vols(self, paths: Paths) -> FloatArray:
        """Vols [M, n]; raises `InputError` for one below zero."""
        vols = np.stack([paths.value(vol_of(each.id)) for each in self.options], axis=1)
        if (vols < 0.0).any():
            raise InputError(WHERE, "vols", f"expected at least 0, got {vols.min()}")
        return np.ascontiguousarray(vols)

    def keys(self) -> tuple[list[Key], list[Key]]:
        """Prices that move together, and vols."""
        coin = self.options[0].base
        forwards = [forward_of(coin, expiry_ms) for expiry_ms in self.expiries_ms]
        return [index_of(coin), *forwards], [vol_of(each.id) for each in self.options]

    def sums(self, paths: Paths) -> FloatArray:
        """Worth of each expiry in every market and row of the moves, USD, [E, M, R]; compiled."""
        from tidegate.margin.scenario import _moving as kernels

        out = np.empty((len(self.expiries_ms), paths.count, len(self.moves.ratios)))
        prices = (self.forwards(paths), self.vols(paths))
        moves = (self.moves.ratios, self.moves.vols)
        kernels.expiry_sums(prices, self.expiries, self.rows, self.starts, moves, out)
        return out

    def present(self, paths: Paths) -> tuple[FloatArray, FloatArray]:
        """Value of one unit of each option, USD undiscounted, and its delta, [M, n] each."""
        from tidegate.margin.scenario import _moving as kernels

        out = np.empty((2, paths.count, len(self.options)))
        prices = (self.forwards(paths), self.vols(paths))
        kernels.present(prices, self.expiries, self.rows, self.starts, out)
        return out[0], out[1]

    def by_option(self) -> MovingOptions:
        """One unit of each option, each as if it were alone in its expiry."""
        from tidegate.margin.scenario import _moving as kernels

        labels = np.repeat(np.arange(len(self.expiries_ms)), np.diff(self.starts))
        rows = self.rows.copy()
        rows[:, kernels.SIZE] = 1.0
        return replace(
            self,
            expiries_ms=tuple(self.expiries_ms[e] for e in labels),
            starts=np.arange(len(labels) + 1, dtype=np.int64),
            rows=rows,
            expiries=np.ascontiguousarray(self.expiries[:, labels]),
        )

    def delivery(self, paths: Paths) -> FloatArray:
        """Forwards of the delivery average, [M, E]."""
        from tidegate.margin.scenario import _moving as kernels

        live = self.forwards(paths) * self.expiries[kernels.LIVE_SHARE]
        return np.asarray(live + self.expiries[kernels.FIXED])


def moving_options(
    options: Sequence[Option],
    sizes: Mapping[str, float],
    market: MarketValues,
    shocks: tuple[VolShock, SkewShock | None],
    moves: Moves,
    discounts: Mapping[int, float],
) -> MovingOptions:
    """Options of one coin as `MovingOptions`; `discounts` by expiry, 1 where there is none."""
    ordered = sorted(options, key=lambda each: (each.expiry_ms, each.id))
    expiries_ms = tuple(sorted({each.expiry_ms for each in ordered}))
    columns = option_columns(ordered, market)
    labels = [expiries_ms.index(each.expiry_ms) for each in ordered]
    starts = np.searchsorted(labels, np.arange(len(expiries_ms) + 1)).astype(np.int64)
    held = np.array([sizes[each.id] for each in ordered], dtype=float)
    first = [ordered[place] for place in starts[:-1]]
    fixed = columns.fixed[starts[:-1]]
    live = [_live_share(each, market) for each in first]
    discount = [discounts.get(each.expiry_ms, 1.0) for each in first]
    least = np.full(len(first), shocks[0].least_vol_up)
    return MovingOptions(
        options=tuple(ordered),
        expiries_ms=expiries_ms,
        starts=starts,
        rows=_rows(columns, held, shocks),
        expiries=np.stack([fixed, np.array(live), np.array(discount), least]),
        moves=moves,
    )


def _rows(
    columns: OptionColumns, held: FloatArray, shocks: tuple[VolShock, SkewShock | None]
) -> FloatArray:
    """Rows of the options as the kernel takes them, [n, 10]."""
    root = np.sqrt(columns.expiry_years)
    up, down = shocks[0].multipliers(columns.expiry_years)
    caps, width = np.zeros((2, len(root))), np.ones(len(root))
    if (skew := shocks[1]) is not None:
        caps, width = skew.caps(columns.expiry_years)
    strike = columns.strike
    rows = (strike, np.log(strike), root, columns.sign, held, up, down, *caps, width)
    return np.ascontiguousarray(np.stack(rows, axis=1))


def _live_share(option: Option, market: MarketValues) -> float:
    if option.expiry_ms - market.now_ms >= AVERAGING_MS:
        return 1.0
    return 1.0 - market.value(fixed_share_of(option.base, option.expiry_ms))
