# SPDX-License-Identifier: Apache-2.0
"""Markets that an account must stand: prices by coin, implied vols by tenor and strike, and one
venue's prices apart from all others'.

A move multiplies a coin's index, forwards and marks; the vol of an option with T years left and
forward F on strike K becomes

    vol (1 + up f) + skew |ln(K / F)|        or vol (1 - down f),    f = (30 d / T)^term in [1, 2]

and beside that all vols go by `up` or `down` alone. No vol falls below a hundredth of itself. A
mark of an option moves by what Black-76 changes on its own forward (Black 1976, eq. 16). `spread`
moves every mark of a contract against the position held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from tidegate.engine.plan.book import PlanAccount
from tidegate.margin.holdings import Holdings
from tidegate.margin.market_moves import revalued
from tidegate.margin.market_values import Key, MarketValues, Seen, mark_of
from tidegate.margin.scenario.revaluation import FloatArray, OptionColumns
from tidegate.model.instruments import Option
from tidegate.model.plan_sections import VolStress

MONTH_YEARS = 30.0 / 365.0
LEAST_VOL_SHARE = 0.01
# Shares of the full move that a book with options is looked at, as it need not be worst at the end.
PARTS = (-1.0, -0.5, 0.0, 0.5, 1.0)
ENDS = (-1.0, 1.0)
VOLS = (0, 1, -1, 2, -2)
CORNER_COINS = 6
VOL_WORDS = {1: "vols up", -1: "vols down", 2: "vols up, bent", -2: "vols down, bent"}


@dataclass(frozen=True, slots=True)
class Move:
    """Price ratios by coin (1 where there is none), and the way that vols go: up 1, down -1, and 2
    or -2 where they bend with tenor and strike."""

    name: str
    ratios: Mapping[str, float]
    vols: int = 0

    def ratio(self, coin: str) -> float:
        """By how much prices of a coin are multiplied."""
        return self.ratios.get(coin, 1.0)


STILL = Move("now", {})


def moves_of(account: PlanAccount, outer: Mapping[str, float]) -> tuple[Move, ...]:
    """The moves of an account: all corners of its coins' ranges, for options also what lies
    between, and vols both ways. Raises `KeyError` for a coin without a move."""
    has_options = any(isinstance(each, Option) for each in account.dealt)
    shares = PARTS if has_options else ENDS
    vols = VOLS if has_options else (0,)
    found = []
    for ratios in _ratios(account.coins, outer, shares):
        for way in vols:
            if ratios or way:
                found.append(Move(_name(ratios, way), ratios, way))
    return tuple(found)


def _ratios(
    coins: Sequence[str], outer: Mapping[str, float], shares: Sequence[float]
) -> Iterator[dict[str, float]]:
    """Combinations of the coins' moves; beyond a few coins, all of them together and each alone."""
    if len(shares) ** len(coins) <= len(ENDS) ** CORNER_COINS:
        rows: Iterable[tuple[float, ...]] = product(shares, repeat=len(coins))
    else:
        together = [(share,) * len(coins) for share in shares]
        alone = [
            tuple(share if k == place else 0.0 for k in range(len(coins)))
            for place in range(len(coins))
            for share in shares
        ]
        rows = dict.fromkeys([*together, *alone])
    for row in rows:
        signs = zip(coins, row, strict=True)
        yield {coin: 1.0 + share * outer[coin] for coin, share in signs if share}


def _name(ratios: Mapping[str, float], way: int) -> str:
    words = [f"{coin} {ratio - 1.0:+.1%}" for coin, ratio in ratios.items()]
    words += [VOL_WORDS[way]] if way else []
    return ", ".join(words) or "now"


def moved(account: PlanAccount, move: Move, vol: VolStress) -> MarketValues:
    """The account's market after a move; raises `InputError` for an option that is not priced."""
    return revalued(
        account.book.market, account.dealt, move.ratio, lambda columns: _vols(columns, move, vol)
    )


def _multiply(values: dict[Key, Seen], key: Key, ratio: float) -> None:
    if key in values:
        values[key] = values[key].moved(values[key].value * ratio)


def _vols(columns: OptionColumns, move: Move, stress: VolStress) -> FloatArray:
    """Vols after the move, [n]."""
    if not move.vols or not len(columns.vol):
        return columns.vol
    bent = abs(move.vols) > 1
    exponent = stress.term if bent else 0.0
    tenor = np.clip((MONTH_YEARS / columns.expiry_years) ** exponent, 1.0, 2.0)
    if move.vols > 0:
        wings = stress.skew * np.abs(columns.log_strike) if bent else 0.0
        return np.asarray(columns.vol * (1.0 + stress.up * tenor) + wings)
    least = LEAST_VOL_SHARE * columns.vol
    return np.maximum(columns.vol * (1.0 - stress.down * tenor), least)


def spread_against(market: MarketValues, holdings: Holdings, spread: float) -> MarketValues:
    """Marks of contracts moved against the positions held by a share; indices stay."""
    values = dict(market.values)
    for each in holdings.positions:
        if not isinstance(each.instrument, Option) and each.size:
            way = -1.0 if each.size > 0.0 else 1.0
            _multiply(values, mark_of(each.instrument.id), 1.0 + way * spread)
    return replace(market, values=values)
