# SPDX-License-Identifier: Apache-2.0
"""Health of one account over a grid of prices and vols, and along the price of each coin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.answer import Answer
from tidegate.engine.margin_book.distances import Distance, coins_of, moved_account
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

# Vols as multiples of now.
VOL_RATIOS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
STEPS = 20
WIDEST_FALL, WIDEST_RISE, LEAST = 0.95, 3.0, 0.5
BEYOND_BORDER = 1.25


@dataclass(frozen=True, slots=True)
class HealthMap:
    """`health` and `binding` by vol, then by move, where all coins move together; None and the
    reason where the rule cannot judge."""

    coins: tuple[str, ...]
    moves: tuple[float, ...]
    vol_ratios: tuple[float, ...]
    health: tuple[tuple[float | None, ...], ...]
    binding: tuple[tuple[str, ...], ...]
    has_options: bool


@dataclass(frozen=True, slots=True)
class HealthCurve:
    """Health along one coin's price, the others standing still, at present vols."""

    coin: str
    moves: tuple[float, ...]
    health: tuple[float | None, ...]
    binding: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HealthMaps:
    """The map, and a curve for each coin."""

    together: HealthMap
    curves: tuple[HealthCurve, ...]


def health_maps(account: AccountBook, said: Answer) -> HealthMaps:
    """The account over so wide a range that its borders are in it, as far as they are near."""
    coins = coins_of(account)
    known = said.distances if said.what_if is None else said.what_if.distances
    moves = price_moves(known)
    options = any(isinstance(held.instrument, Option) for held in account.holdings.positions)
    rows = [[_judged(account, coins, move, vol) for move in moves] for vol in VOL_RATIOS]
    together = HealthMap(
        tuple(coins),
        moves,
        VOL_RATIOS,
        tuple(tuple(health for health, _ in row) for row in rows),
        tuple(tuple(binding for _, binding in row) for row in rows),
        options,
    )
    return HealthMaps(together, tuple(_curve(account, coin, moves) for coin in coins))


def price_moves(known: Sequence[Distance]) -> tuple[float, ...]:
    """Relative moves that pass through 0 and reach beyond the border on either side."""
    falls = [-side.move for d in known for side in (d.below,) if side.move is not None]
    rises = [side.move for d in known for side in (d.above,) if side.move is not None]
    low = min(WIDEST_FALL, max([LEAST, *(BEYOND_BORDER * fall for fall in falls)]))
    high = min(WIDEST_RISE, max([LEAST, *(BEYOND_BORDER * rise for rise in rises)]))
    below = np.linspace(-low, 0.0, STEPS, endpoint=False)
    return tuple(float(move) for move in (*below, *np.linspace(0.0, high, STEPS + 1)))


def _curve(account: AccountBook, coin: str, moves: Sequence[float]) -> HealthCurve:
    judged = [_judged(account, [coin], move, 1.0) for move in moves]
    health, binding = zip(*judged, strict=True)
    return HealthCurve(coin, tuple(moves), tuple(health), tuple(binding))


def _judged(
    account: AccountBook, coins: Sequence[str], move: float, vol_ratio: float
) -> tuple[float | None, str]:
    try:
        market = moved_account(account, coins, 1.0 + move, vol_ratio)
        now: Statement = account.rule.statement(account.holdings, market)
    except InputError as error:
        return None, f"cannot be judged: {error.field}: {error.expected}"
    return now.health, account.symbol(now.binding)
