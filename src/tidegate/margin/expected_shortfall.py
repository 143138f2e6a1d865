# SPDX-License-Identifier: Apache-2.0
"""Expected shortfall over given scenarios, scaled by how long each coin takes to close.

    ES_a      mean of the worst (1 - a) of all outcomes, the last one counted in part
    scaled    sqrt( sum_j (ES_T(P_j) sqrt((LH_j - LH_{j-1}) / T))**2 )
    IMCC      ES_{R,S} ES_{F,C} / ES_{R,C}

P_j are the coins that take at least LH_j, the others held still. The source has a = 97.5 %, T = 10
days and LH = 10, 20, 40, 60, 120; for a crypto book T is better the time that money needs to
arrive, which is an inference and the caller's to choose.

Source: Basel Committee, Minimum capital requirements for market risk (d457, January 2019), MAR33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np

from tidegate.margin.coin_books import CoinBook, balances_with_profit, coin_books, equity_usd
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_values import MarketValues
from tidegate.margin.open_orders import with_orders
from tidegate.margin.prices import Prices
from tidegate.margin.rule_card import RuleCard
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.pricing.arrays import FloatArray

WHERE = "expected_shortfall"
FRTB_LEVEL = Fraction(975, 1000)
FRTB_HORIZONS_DAYS = (10.0, 20.0, 40.0, 60.0, 120.0)

CARD = RuleCard(
    name=WHERE,
    subject="Expected shortfall over given scenarios with liquidity horizons, in USD",
    answers="expected_shortfall.ExpectedShortfall",
    source=("Basel Committee, d457, January 2019, MAR33",),
    not_pinned=(
        "scenarios and horizons are the user's",
        "stressed calibration is the caller's",
        "what may be withdrawn, as it is no venue's rule: None is answered",
    ),
    user_gives=("scenarios of the base horizon, horizon by coin, initial factor",),
    closes_first="nothing: a measure, no venue",
    convex_form="exact at given scenarios: ES is convex in positions, and so is the scaled sum",
)


@dataclass(frozen=True, slots=True)
class MarketMove:
    """One scenario over the base horizon: relative moves of prices and shifts of vol, by coin; a
    coin that is not named stands still."""

    prices: Mapping[str, float]
    vol_points: Mapping[str, float]


def expected_shortfall(profits: Sequence[float] | FloatArray, level: Fraction) -> float:
    """Mean loss in the worst 1 - level of equally likely outcomes, positive where it is a loss.

    Args: `profits` of n scenarios, USD; `level` in 0..1, exact, so that the tail of n (1 - level)
    outcomes is. Raises `InputError` for none, one that is not finite, or another level.
    """
    losses = -np.sort(np.asarray(profits, dtype=np.float64))
    if losses.size == 0 or not np.isfinite(losses).all() or not 0 <= level < 1:
        raise InputError(WHERE, "profits", "expected finite outcomes and a level of 0 to below 1")
    tail = losses.size * (1 - level)
    whole = int(tail)
    part = float(tail - whole)
    partly = part * float(losses[whole]) if part else 0.0
    return (float(losses[:whole].sum()) + partly) / float(tail)


def scaled_by_liquidity(
    shortfalls: Sequence[float], horizons_days: Sequence[float], base_days: float
) -> float:
    """sqrt(sum_j (ES_j sqrt((LH_j - LH_{j-1}) / T))**2), gains counted as nothing.

    Args: `shortfalls` of the nested sets at the base horizon, USD; `horizons_days` rising, of the
    same length; `base_days` > 0. Raises `InputError`.
    """
    steps = np.diff([0.0, *horizons_days])
    if len(shortfalls) != len(horizons_days) or base_days <= 0 or (steps <= 0).any():
        raise InputError(WHERE, "horizons", "expected rising horizons, one for each shortfall")
    return sqrt(
        sum(
            max(0.0, es) ** 2 * step / base_days for es, step in zip(shortfalls, steps, strict=True)
        )
    )


def capital_measure(reduced_stressed: float, full_now: float, reduced_now: float) -> float:
    """IMCC = ES_{R,S} x ES_{F,C} / ES_{R,C}: stressed shortfall of the reduced set, scaled to the
    full one; the ratio is at least 1. Raises `InputError` where the reduced one is nothing."""
    if reduced_now <= 0:
        raise InputError(WHERE, "reduced_now", "expected above 0")
    return reduced_stressed * max(1.0, full_now / reduced_now)


@dataclass(frozen=True, slots=True)
class ExpectedShortfall:
    """The rule: equally likely scenarios over `base_days`, and days to close by coin."""

    scenarios: tuple[MarketMove, ...]
    horizon_days: Mapping[str, float]
    base_days: float
    ladder_days: tuple[float, ...] = FRTB_HORIZONS_DAYS
    level: Fraction = FRTB_LEVEL
    initial_factor: float = 1.0
    least_confidence: float = 1.0

    @property
    def name(self) -> str:
        """As in the registry."""
        return CARD.name

    def statement(self, holdings: Holdings, market: MarketValues) -> Statement:
        """Requirements in USD, working orders in both; see `AccountRule`."""
        prices = Prices(market, self.least_confidence)
        return with_orders(self._plain, holdings, prices, in_maintenance=True)

    def _plain(self, holdings: Holdings, prices: Prices) -> Statement:
        balances = balances_with_profit(holdings, prices)
        books = coin_books(holdings, prices)
        held = {c: n for c, n in balances.items() if n and not prices.is_dollar(c)}
        gained = {
            coin: self._profits(coin, books.get(coin), _usd(held, coin, prices))
            for coin in sorted({*held, *books})
        }
        shortfalls = {
            f"{days:g} days": max(0.0, self._shortfall(gained, days if number else 0.0))
            for number, days in enumerate(self.ladder_days)
        }
        ladder = tuple(shortfalls.values())
        required = scaled_by_liquidity(ladder, self.ladder_days, self.base_days)
        return Statement(
            rule=self.name,
            unit="USD",
            equity=equity_usd(balances, prices),
            initial=self.initial_factor * required,
            maintenance=required,
            withdrawable=None,
            binding=max(shortfalls, key=lambda name: shortfalls[name]),
            parts=shortfalls,
        )

    def _profits(self, coin: str, book: CoinBook | None, coins_usd: float) -> FloatArray:
        moves = np.array([scenario.prices.get(coin, 0.0) for scenario in self.scenarios])
        gained = coins_usd * moves
        if book is None:
            return gained
        shifts = np.array([scenario.vol_points.get(coin, 0.0) for scenario in self.scenarios])
        return np.asarray(gained + book.pnl_usd(moves, shifts))

    def _shortfall(self, gained: Mapping[str, FloatArray], least_days: float) -> float:
        """Shortfall of the coins that take at least so long, 0 where there are none. The first rung
        is of all coins, so that one that closes sooner is not forgotten."""
        chosen = [profits for coin, profits in gained.items() if self._days(coin) >= least_days]
        return expected_shortfall(sum(chosen[1:], chosen[0]), self.level) if chosen else 0.0

    def _days(self, coin: str) -> float:
        if coin not in self.horizon_days:
            raise InputError(WHERE, coin, "expected its days to close")
        return self.horizon_days[coin]


def _usd(held: Mapping[str, float], coin: str, prices: Prices) -> float:
    return held[coin] * prices.usd(coin) if coin in held else 0.0
