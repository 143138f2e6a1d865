# SPDX-License-Identifier: Apache-2.0
"""Moves that are not worth making now, and are left out unless a limit needs them.

A coin's trades stand or fall together, as its legs hedge each other. They are left out where

- every one is below the mandate's least trade;
- their deviation from target lies within the band h = (3 k a^2 / 2 R)^(1/3) of `allocation.bands`,
  with k what trading costs per unit, a^2 the variance rate of the target, which drifts with the
  coin's price, and R = carry / size, the risk aversion at which such a target is the best for its
  carry;
- they pay back later than the mandate's share of their edges' half-life.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.bands import Drift, proportional_band
from tidegate.engine.plan.after import Changes, trade_costs_usd
from tidegate.engine.plan.asking import DAYS_YEAR, Asked
from tidegate.engine.plan.proving import breaches

FloatArray = NDArray[np.float64]
UNDER_LEAST = "below the least trade of {least:,.0f} USD"
TOO_SMALL = "{usd:,.0f} USD is below the least transfer of {least:,.0f} USD"
IN_BAND = "within the no-trade band of {band:,.0f} USD"
PAYS_LATE = "pays back in {days:,.1f} days, later than the mandate's {limit:,.1f}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Positions whose trades were left out, and why."""

    coin: str
    names: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Economics:
    """Of a coin's trades: the notional traded, its cost, and what is earned more a year, USD."""

    traded_usd: float
    cost_usd: float
    gain_usd_annual: float

    @property
    def payback_days(self) -> float | None:
        """Days until the gain has paid the cost; None where it never does."""
        if self.gain_usd_annual <= 0.0:
            return None
        return self.cost_usd / self.gain_usd_annual * DAYS_YEAR


def economics(asked: Asked, changed: Changes, places: Iterable[int]) -> Economics:
    """Cost and gain of the trades at some places."""
    rows = list(places)
    usd = changed.lots.traded[rows] * np.array([asked.bounds[i].lot_usd for i in rows])
    edges = [asked.book.edges.get(asked.bounds[i].instrument.id) for i in rows]
    carry = np.array([0.0 if edge is None else edge.carry_annual for edge in edges])
    cost = float(changed.costs_usd[rows].sum())
    return Economics(float(np.abs(usd).sum()), cost, float(carry @ usd))


def left_out(
    asked: Asked, changed: Changes, *, reduces: bool
) -> tuple[tuple[LeftOut, ...], Changes]:
    """What is left out, and the changes without it. Of a book that only reduces nothing is, but
    what is below the least trade; nor is anything that a limit needs."""
    outs = list[LeftOut](_small_transfers(asked, changed))
    for coin in asked.book.coins:
        traded = np.flatnonzero(changed.lots.traded).tolist()
        rows = [i for i in traded if _is_of(asked, i, coin)]
        if not rows:
            continue
        why = _why(asked, changed, rows, reduces=reduces)
        without = changed.lots.without(rows)
        if why is None or not _still_within(asked, changed, without.target):
            continue
        costs = trade_costs_usd(asked, without)
        less = replace(changed, lots=without, costs_usd=costs)
        if not _refused(asked, less, rows) or _refused(asked, changed, rows):
            names = tuple(asked.bounds[i].instrument.id for i in rows)
            outs.append(LeftOut(coin, names, why))
            changed = less
    return tuple(outs), changed


def _refused(asked: Asked, changed: Changes, rows: Iterable[int]) -> bool:
    """Whether the exact rule of an account of these positions refuses the changes."""
    venues = {asked.bounds[i].account.venue: asked.bounds[i].account for i in rows}
    return any(breaches(asked, account, changed) for account in venues.values())


def _small_transfers(asked: Asked, changed: Changes) -> Iterator[LeftOut]:
    """Money that the programme would send and that is below the least transfer."""
    ways = {way.name: way for way in asked.book.ways}
    for name, usd in changed.too_small:
        least = asked.terms.mandate.limits.minimum_transfer_usd
        if usd >= least:
            account = asked.book.accounts[ways[name].source]
            least = max(ways[name].minimum, ways[name].fee) * account.price(account.asset)
        yield LeftOut("money", (name,), TOO_SMALL.format(usd=usd, least=least))


def _is_of(asked: Asked, place: int, coin: str) -> bool:
    return asked.bounds[place].instrument.base == coin


def _why(asked: Asked, changed: Changes, rows: list[int], *, reduces: bool) -> str | None:
    limits, edge = asked.terms.mandate.limits, asked.terms.mandate.edge
    usd = np.abs(changed.lots.traded[rows] * np.array([asked.bounds[i].lot_usd for i in rows]))
    if float(usd.max()) < limits.minimum_trade_usd:
        return UNDER_LEAST.format(least=limits.minimum_trade_usd)
    if reduces:
        return None
    of = economics(asked, changed, rows)
    days, limit = of.payback_days, min(asked.horizon_years * DAYS_YEAR, edge.payback_days)
    if days is not None and days > limit:
        return PAYS_LATE.format(days=days, limit=limit)
    band = band_usd(asked, changed, rows)
    if band is not None and float(usd.max()) <= band:
        return IN_BAND.format(band=band)
    return None


def band_usd(asked: Asked, changed: Changes, rows: list[int]) -> float | None:
    """Half-width of the band of the largest leg among some trades; None where it has none."""
    lots_usd = np.array([asked.bounds[i].lot_usd for i in rows])
    target = float(np.abs(changed.lots.target[rows] * lots_usd).max())
    of = economics(asked, changed, rows)
    costs = [asked.book.costs.get(asked.bounds[i].instrument.id) for i in rows]
    vols = [each.vol_daily for each in costs if each is not None]
    if target <= 0.0 or of.gain_usd_annual <= 0.0 or not vols or of.cost_usd <= 0.0:
        return None
    variance = (max(vols) * target) ** 2 * DAYS_YEAR
    risk = of.gain_usd_annual / of.traded_usd / target
    return proportional_band(Drift(variance, risk), of.cost_usd / of.traded_usd).trigger


def _still_within(asked: Asked, changed: Changes, target: NDArray[np.int64]) -> bool:
    """Whether every linear limit and gross limit holds without these trades, or is no further
    broken than with them."""
    lots_usd = np.array([bound.lot_usd for bound in asked.bounds])
    with_them, without = changed.lots.target * lots_usd, target * lots_usd
    for box in asked.boxes:
        if box.broken(without) > box.broken(with_them):
            return False
    for gross in asked.question.gross:
        over = [
            float(gross.weights @ np.abs(usd)) / asked.equity_usd - gross.cap
            for usd in (without, with_them)
        ]
        if not gross.claim.any() and over[0] > max(0.0, over[1]):
            return False
    return True
