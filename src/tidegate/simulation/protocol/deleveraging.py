# SPDX-License-Identifier: Apache-2.0
"""Whom a venue closes when a loser's money and its fund are gone, and at which price."""

from __future__ import annotations

import numpy as np

from tidegate.margin.adl import rank_score
from tidegate.simulation.protocol.books import UNIT, Books, IntArray

RANKING = "price_leverage"


def worst_first(equity: IntArray, notional: IntArray) -> IntArray:
    """Order of accounts by equity over notional, the lowest first."""
    return np.asarray(np.argsort(equity / np.maximum(notional, 1), kind="stable"))


def bankruptcy_ticks(books: Books, row: int) -> int:
    """The price at which a row is worth nothing, to the tick on its own side: at least 1.

    balance + lots x p x UNIT = cost, so p = (cost - balance) / (lots x UNIT).
    """
    lots, owed = int(books.lots[row]), int(books.cost[row]) - int(books.balance[row])
    unit = lots * UNIT
    # Up for a long, down for a short: then nothing is missing.
    return max(1, -(-owed // unit) if lots > 0 else owed // unit)


def deleverage(books: Books, row: int, prices: tuple[int, int]) -> tuple[IntArray, IntArray] | None:
    """Winners against a row's lots in order of rank, and what each closes (of its own sign), at
    most all of the row; None where nobody has won. `prices` are mark and closing price: one who
    would be left with less than nothing by it is passed over."""
    mark, ticks = prices
    accounts = slice(0, books.accounts)
    lots, cost = books.lots[accounts], books.cost[accounts]
    against = -1 if books.lots[row] > 0 else 1
    won = (lots * against > 0) & (lots * (mark * UNIT) > cost)
    after = books.balance[accounts] + lots * (ticks * UNIT) - cost
    who = np.flatnonzero(won & (after >= 0) & (np.arange(books.accounts) != row))
    if not who.size:
        return None
    order = who[np.argsort(-_scores(books, who, against, mark), kind="stable")]
    wanted = abs(int(books.lots[row]))
    before = np.cumsum(np.abs(books.lots[order])) - np.abs(books.lots[order])
    closed = np.clip(wanted - before, 0, np.abs(books.lots[order]))
    named = closed > 0
    return order[named], against * closed[named]


def _scores(books: Books, who: IntArray, side: int, mark: int) -> np.ndarray:
    """Rank of winners: price ratio times leverage, as the venue publishes it."""
    lots, cost = books.lots[who], books.cost[who]
    entry = np.maximum(cost / lots / UNIT, 1.0)
    equity = np.maximum(books.balance[who] + lots * (mark * UNIT) - cost, 1)
    leverage = np.abs(lots) * (mark * UNIT) / equity
    return rank_score(RANKING, float(side), entry, float(mark), leverage)
