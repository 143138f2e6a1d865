# SPDX-License-Identifier: Apache-2.0
"""Who holds what: sizes with a heavy tail, leverage, entries, and our own account among them.

Sizes of positions follow a Pareto law with exponent 3/2, which Gabaix, Gopikrishnan, Plerou and
Stanley (2003) found for sizes of trades; that positions follow it is assumed. Leverage is
lognormal between 0.2 and a bound: its median and spread are assumed. Of the accounts that were
deleveraged on 2025-10-10 half used less than 0.2 and one in twenty more than 5.1
(ConejoCapital/HyperMultiAssetedADL): winners of a fall are thinner levered than its losers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tidegate.margin.tiers import TierTable
from tidegate.model.errors import InputError
from tidegate.model.units import MICRO
from tidegate.simulation.protocol.books import (
    FUND,
    MAKERS,
    UNIT,
    Books,
    IntArray,
    maintenance,
)

INTEREST_MAX_USD = 5e10


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody but us: number of accounts, open interest of either side in USD, share of the
    shorts that makers hold, the law of sizes and of leverage, how far entries lie from the price
    (standard deviation, log), and the fund as a share of open interest."""

    accounts: int = 10_000
    interest_usd: float = 2e9
    makers_share: float = 0.3
    size_tail: float = 1.5
    leverage_median_long: float = 6.0
    leverage_median_short: float = 3.0
    leverage_sigma: float = 0.8
    leverage_max: float = 40.0
    entry_sigma: float = 0.05
    fund_share: float = 0.005

    def __post_init__(self) -> None:
        for name, least, most in (
            ("accounts", 10, 1_000_000),
            ("interest_usd", 1e6, INTEREST_MAX_USD),
            ("makers_share", 0.0, 1.0),
            ("size_tail", 1.01, 10.0),
            ("leverage_median_long", 0.2, self.leverage_max),
            ("leverage_median_short", 0.2, self.leverage_max),
            ("leverage_sigma", 0.0, 3.0),
            ("leverage_max", 1.0, 100.0),
            ("entry_sigma", 0.0, 0.5),
            ("fund_share", 0.0, 1.0),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                expected = f"expected {least:g} to {most:g}, got {value:g}"
                raise InputError("crowd", name, expected)


@dataclass(frozen=True, slots=True)
class Own:
    """Our account: its size as a share of open interest, side (+1 long), and leverage."""

    share: float = 0.0
    side: int = 1
    leverage: float = 5.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise InputError("own", "share", f"expected 0 to 1, got {self.share:g}")
        if self.side not in (-1, 1):
            raise InputError("own", "side", f"expected -1 or 1, got {self.side}")
        if not 0.1 <= self.leverage <= 100.0:
            raise InputError("own", "leverage", f"expected 0.1 to 100, got {self.leverage:g}")


def populate(crowd: Crowd, own: Own, table: TierTable, ticks: int, seed: int) -> Books:
    """The books before anything happens. The crowd of a seed is the same whatever our size is; the
    makers hold what is left over on either side."""
    rng = np.random.default_rng(seed)
    longs = crowd.accounts // 2
    sides = np.where(np.arange(crowd.accounts) < longs, 1, -1)
    sizes = rng.pareto(crowd.size_tail, crowd.accounts) + 1.0
    medians = np.where(sides > 0, crowd.leverage_median_long, crowd.leverage_median_short)
    spread = np.exp(crowd.leverage_sigma * rng.standard_normal(crowd.accounts))
    leverage = np.clip(medians * spread, 0.2, crowd.leverage_max)
    entries = np.exp(crowd.entry_sigma * rng.standard_normal(crowd.accounts))
    wanted = np.where(sides > 0, 1.0, 1.0 - crowd.makers_share) * crowd.interest_usd
    for side in (-1, 1):
        sizes[sides == side] /= sizes[sides == side].sum()
    sizes, leverage = (
        np.append(own.share, sizes * wanted / crowd.interest_usd),
        np.append(own.leverage, leverage),
    )
    sides, entries = np.append(own.side, sides), np.append(1.0, entries)
    lots = (sides * np.floor(sizes * crowd.interest_usd * MICRO / (ticks * UNIT))).astype(np.int64)
    fund = round(crowd.fund_share * crowd.interest_usd * MICRO)
    return _books((lots, leverage, np.rint(ticks * entries).astype(np.int64)), fund, table, ticks)


def _books(
    drawn: tuple[IntArray, np.ndarray, IntArray], fund: int, table: TierTable, ticks: int
) -> Books:
    """Rows with an equity of notional over leverage, at least half beyond maintenance."""
    lots, leverage, entries = drawn
    notional = np.abs(lots) * (ticks * UNIT)
    least = maintenance(table, notional) * 3 // 2
    equity = np.maximum((notional / leverage).astype(np.int64), least)
    cost = lots * entries * UNIT
    books = Books(np.append(lots, [0, 0]), np.append(cost, [0, 0]), np.zeros(lots.size + 2, int))
    books.balance[:-2] = equity - (lots * (ticks * UNIT) - cost)
    books.balance[FUND] = fund
    books.lots[MAKERS] = -int(lots.sum())
    books.cost[MAKERS] = books.lots[MAKERS] * ticks * UNIT
    return books
