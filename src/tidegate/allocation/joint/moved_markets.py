# SPDX-License-Identifier: Apache-2.0
"""A venue's figures in the markets of factor paths, for forms of margin and for the book's worth.

A coin's index, forwards and marks move by its ratio, marks of linear contracts at the venue by its
spread as well; vols as `risk.factor_paths` says, strikes keeping theirs (sticky strike) before the
shift. Markets are scenarios by points, scenario after scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.margin.market_values import (
    Key,
    MarketValues,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.scenario.quotes import option_columns
from tidegate.model.errors import InputError
from tidegate.model.instruments import Instrument, Option, Perpetual
from tidegate.pricing.scenarios import OptionBook, revalue_paths
from tidegate.risk.factor_paths import FactorPaths

FloatArray = NDArray[np.float64]

WHERE = "moved markets"
TENOR_DAYS = 30.0
LEAST_DAYS = 1.0
DAYS_PER_YEAR = 365.0
Z_MOST = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class MovedMarkets:
    """One venue's M = W P markets; `market` holds its figures now, and says how sure of them the
    venue must be."""

    paths: FactorPaths
    venue: str
    market: MarketValues

    @property
    def count(self) -> int:
        """Number of markets."""
        return self.paths.count * self.paths.points

    def _now(self, key: Key) -> float:
        return self.market.positive(key)

    def _of_coin(self, factor: FloatArray, coin: str) -> FloatArray:
        if coin not in self.paths.coins:
            raise InputError(WHERE, coin, f"expected one of {self.paths.coins}")
        return factor[:, :, self.paths.coins.index(coin)].reshape(-1)

    def price(self, coin: str) -> FloatArray:
        """Ratio of a coin's prices, [M]."""
        return self._of_coin(self.paths.price, coin)

    def funding(self, coin: str) -> FloatArray:
        """Share of notional that a long has paid, [M]."""
        return self._of_coin(self.paths.funding, coin)

    def marks(self, each: Instrument) -> FloatArray:
        """Ratio of a linear or inverse contract's mark, [M]."""
        if self.venue not in self.paths.venues:
            raise InputError(WHERE, self.venue, f"expected one of {self.paths.venues}")
        spread = self.paths.spread[:, :, self.paths.venues.index(self.venue)].reshape(-1)
        return np.asarray(self.price(each.base) * np.exp(spread))

    def usd(self, asset: str) -> FloatArray:
        """Ratio of an asset's price in USD: a coin's, or a stablecoin's, [M]."""
        if asset in self.paths.stables:
            place = self.paths.stables.index(asset)
            return self.paths.stable[:, :, place].reshape(-1)
        return self.price(asset)

    def vols(self, options: Sequence[Option]) -> FloatArray:
        """Ratios of vols, [M, n]."""
        columns = option_columns(options, self.market)
        days = columns.expiry_years * DAYS_PER_YEAR
        width = np.maximum(columns.vol * np.sqrt(columns.expiry_years), 1e-9)
        z = np.clip(columns.log_strike / width, -Z_MOST, Z_MOST)
        out = np.empty((self.count, len(options)))
        for i, each in enumerate(options):
            level, term = (
                self._of_coin(factor, each.base)
                for factor in (self.paths.vol_level, self.paths.term)
            )
            nearer = (TENOR_DAYS / max(days[i], LEAST_DAYS)) ** term
            shifted = np.maximum(1.0 + (level - 1.0) * nearer, 0.0)
            skew = self._of_coin(self.paths.skew, each.base)
            out[:, i] = shifted * np.maximum(1.0 + skew * z[i], 0.0)
        return out

    def values(
        self, instruments: Sequence[Instrument], collateral: Sequence[str] = ()
    ) -> dict[Key, FloatArray]:
        """Every price and vol of these instruments, by key [M], as forms of scenario margin take
        them, and indices of what is collateral beside cash; options' marks are left to the
        rule."""
        options = [each for each in instruments if isinstance(each, Option)]
        moved = {index_of(name): self._now(index_of(name)) * self.usd(name) for name in collateral}
        for each in instruments:
            ratio = self.price(each.base)
            moved[index_of(each.base)] = self._now(index_of(each.base)) * ratio
            if isinstance(each, Option):
                key = forward_of(each.base, each.expiry_ms)
                moved[key] = self._now(key) * ratio
            else:
                key = mark_of(each.id)
                moved[key] = self._now(key) * self.marks(each)
        if options:
            for each, ratio in zip(options, self.vols(options).T, strict=True):
                moved[vol_of(each.id)] = self.market.value(vol_of(each.id)) * ratio
        return moved

    def ratios(self, instruments: Sequence[Instrument]) -> FloatArray:
        """Marks over those of now, [M, n], as forms of tiered margin take them; no options."""
        return np.stack([self.marks(each) for each in instruments], axis=1)

    def gains(self, instruments: Sequence[Instrument]) -> FloatArray:
        """USD earned per USD of the underlying's notional, long, funding paid, [M, n].

        Options are priced anew by Black-76. What is settled in a coin is changed into USD at the
        moved price; its worth of now is in the collateral, which moves by itself.
        """
        out = np.empty((self.count, len(instruments)))
        for i, each in enumerate(instruments):
            if isinstance(each, Option):
                continue
            ratio = self.marks(each)
            coins = self.price(each.base)
            basis = self._now(mark_of(each.id)) / self._now(index_of(each.base))
            if each.inverse:
                out[:, i] = (coins - coins / ratio) / basis
            else:
                out[:, i] = basis * (ratio - 1.0) * self.usd(each.settle)
            if isinstance(each, Perpetual):
                out[:, i] -= self.funding(each.base)
        options = [each for each in instruments if isinstance(each, Option)]
        if options:
            places = [i for i, each in enumerate(instruments) if isinstance(each, Option)]
            out[:, places] = self._option_gains(options)
        return out

    def _option_gains(self, options: Sequence[Option]) -> FloatArray:
        columns = option_columns(options, self.market)
        book = OptionBook(
            forward=columns.forward,
            strike=columns.strike,
            expiry_years=columns.expiry_years,
            vol_annual=columns.vol,
            is_call=columns.sign > 0.0,
            quantity=1.0,
            inverse=True,
        )
        ratios = np.stack([self.price(each.base) for each in options], axis=1)
        found = revalue_paths(book, ratios, self.vols(options) - 1.0, 0.0, "relative", True)
        assert found.option_pnl_usd is not None
        assert found.option_pnl_coin is not None
        out = np.empty_like(ratios)
        for i, each in enumerate(options):
            spot = self._now(index_of(each.base))
            dollars = found.option_pnl_usd[:, i] / spot * self.usd(each.settle)
            coins = found.option_pnl_coin[:, i] * self.price(each.base)
            out[:, i] = coins if each.coin_settled else dollars
        return out
