# SPDX-License-Identifier: Apache-2.0
"""One coin's positions as a book that is revalued under moves, for rules that scan scenarios.

SPAN, expected shortfall and OKX's portfolio margin need a coin's positions together, with time
that passes; `scenario.revaluation` instead values one unit of each option, for many books at once.

A contract that is worth n dollars gains n x under a relative move x of its coin, in dollars of
after the move; so does an inverse one, and a coin. Options are priced anew by Black-76 with their
venue's mark volatility; a coin-settled one in USD, index over forward being its discount.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidegate.margin.collateral import merged
from tidegate.margin.holding_values import WHERE, contract, profit, settled, worth
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.prices import Prices
from tidegate.margin.scenario.quotes import left_ms
from tidegate.model.errors import InputError
from tidegate.model.instruments import Future, Option, Spot
from tidegate.model.times import DAY_MS, YEAR_MS
from tidegate.pricing import black76
from tidegate.pricing.arrays import ArrayLike, FloatArray
from tidegate.pricing.scenarios import OptionBook, VolShock, revalue_paths


@dataclass(frozen=True, slots=True)
class Exposure:
    """A contract's dollars per relative move of its coin (long +), its currency and days left
    (0 of a perpetual)."""

    usd: float
    currency: str
    days: float


@dataclass(frozen=True, slots=True, eq=False)
class CoinBook:
    """One coin's positions: exposures of contracts, options with their days and currencies."""

    coin: str
    contracts: tuple[Exposure, ...]
    options: OptionBook | None
    option_days: FloatArray
    option_currencies: tuple[str, ...]

    @property
    def contracts_usd(self) -> float:
        """Dollars per relative move of all contracts."""
        return sum(each.usd for each in self.contracts)

    def option_exposures(self) -> tuple[Exposure, ...]:
        """Options as the contracts that hedge them: discounted delta times forward, USD."""
        if self.options is None:
            return ()
        book = self.options
        deltas = black76.greeks(
            book.forward,
            book.strike,
            book.expiry_years,
            book.vol_annual,
            book.is_call,
            book.discount,
        ).delta
        dollars = np.asarray(deltas * book.forward * book.quantity)
        rows = zip(dollars.tolist(), self.option_currencies, self.option_days.tolist(), strict=True)
        return tuple(Exposure(usd, currency, days) for usd, currency, days in rows)

    def pnl_usd(
        self,
        moves: ArrayLike,
        vol_shifts: ArrayLike = 0.0,
        vol_shock: VolShock = "additive",
        elapsed_years: float = 0.0,
    ) -> FloatArray:
        """USD gained under each relative move of the coin, float[P], with vol shifts as of
        `revalue_paths`; raises `InputError` as it does."""
        steps = np.atleast_1d(np.asarray(moves, dtype=np.float64))
        gained = self.contracts_usd * steps
        if self.options is None:
            return gained
        shifted = revalue_paths(
            self.options, 1.0 + steps, vol_shifts, elapsed_years, vol_shock
        ).pnl_usd
        return np.asarray(gained + shifted)


def coin_books(holdings: Holdings, prices: Prices) -> dict[str, CoinBook]:
    """The books of all coins in the positions; raises `InputError` for a figure that is missing
    and an option that has expired. Coins that are collateral are not in them."""
    coins = sorted({holding.instrument.base for holding in holdings.positions})
    return {coin: _coin_book(coin, holdings, prices) for coin in coins}


def _coin_book(coin: str, holdings: Holdings, prices: Prices) -> CoinBook:
    held = [h for h in holdings.positions if h.instrument.base == coin and h.size != 0.0]
    options = [holding for holding in held if isinstance(holding.instrument, Option)]
    others = [holding for holding in held if not isinstance(holding.instrument, Option)]
    return CoinBook(
        coin,
        tuple(_exposure(holding, prices) for holding in others),
        _option_book(options, prices) if options else None,
        np.array([_days(holding, prices) for holding in options]),
        tuple(_currency(holding) for holding in options),
    )


def _exposure(holding: Holding, prices: Prices) -> Exposure:
    if isinstance(holding.instrument, Spot):
        raise InputError(WHERE, holding.instrument.id, "expected coins as collateral")
    mark, price = (
        prices.mark(contract(holding).instrument.id),
        prices.usd(holding.instrument.settle),
    )
    sign = 1.0 if holding.size > 0 else -1.0
    dollars = sign * worth(holding, mark) * price
    return Exposure(dollars, _currency(holding), _days(holding, prices))


def _currency(holding: Holding) -> str:
    instrument = holding.instrument
    return "USD" if instrument.settle == instrument.base else instrument.settle


def _days(holding: Holding, prices: Prices) -> float:
    if not isinstance(holding.instrument, Option | Future):
        return 0.0
    return left_ms(holding.instrument, prices.market) / DAY_MS


def _option_book(options: list[Holding], prices: Prices) -> OptionBook:
    columns: dict[str, list[float]] = {}
    for holding in options:
        option = holding.instrument
        assert isinstance(option, Option)
        forward = prices.forward(option.base, option.expiry_ms)
        coin = option.coin_settled
        row = {
            "forward": forward,
            "strike": float(option.strike),
            "expiry_years": _days(holding, prices) * DAY_MS / YEAR_MS,
            "vol_annual": prices.vol(option.id),
            "is_call": float(option.is_call),
            "quantity": holding.size * (1.0 if coin else prices.usd(option.settle)),
            "inverse": float(coin),
            "discount": prices.index(option.base) / forward if coin else 1.0,
        }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return OptionBook(**{name: np.array(values) for name, values in columns.items()})


def balances_with_profit(holdings: Holdings, prices: Prices) -> dict[str, float]:
    """Collateral with unrealised profit of contracts and marks of options, by settlement asset."""
    gained: dict[str, float] = {}
    for holding in holdings.positions:
        instrument = holding.instrument
        if isinstance(instrument, Option):
            amount = holding.size * prices.option_mark(instrument.id)
        else:
            amount = profit(contract(holding), prices.mark(instrument.id))
        gained[instrument.settle] = gained.get(instrument.settle, 0.0) + amount
    return merged(settled(holdings), gained)


def equity_usd(balances: Mapping[str, float], prices: Prices) -> float:
    """USD of balances at their marks, without haircut."""
    return sum(amount * prices.usd(asset) for asset, amount in balances.items() if amount != 0.0)
