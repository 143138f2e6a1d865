# SPDX-License-Identifier: Apache-2.0
"""Least collateral s of each account, and the level S that it is filled to once it is below.

What is counted is health, equity less maintenance by the exact rule, USD. With a route that lands
after L = a decision + a lognormal latency + the mandate's outage,

    s = max( fall of health at the worst outer move,  fall of health within L in the tail )

The tail is the mean of the worst `limits.solvency_tail` of the history's windows. Without a history
it is a diffusion's: the fall at +-b of all coins, P(|log move| reaches b before the money lands) =
`solvency_tail` (`risk.settlement`, first passage); prices gap, so that is the lesser proof. S comes
from what sending costs (`allocation.cash_band`) with

    a = sum over coins of |delta| x vol,  h = the mandate's hurdle less what money there earns,

coins as if they moved together, which is the most that a can be; never less than the least transfer
is sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import NormalDist

import numpy as np

from tidegate.allocation.cash_band import CashLevels, MovingCost, cash_levels
from tidegate.engine.observed_book import Unknown
from tidegate.engine.plan.after import nothing_done
from tidegate.engine.plan.asking import DAYS_YEAR, Asked
from tidegate.engine.plan.book import PlanAccount, Way
from tidegate.engine.plan.document import LevelLine
from tidegate.engine.plan.greeks import coin_delta_usd, size_greeks
from tidegate.engine.plan.history_proving import history_tail_of
from tidegate.engine.plan.levels import inner_moves, least_health
from tidegate.engine.plan.moves import moves_of
from tidegate.risk.settlement import DiscreteLatency, LogMotion, buffer_for

P95 = NormalDist().inv_cdf(0.95)
DRAWS = 64
# A stress moves no price to nought.
DEEPEST = 0.99
OUTER, HISTORY, DIFFUSION = "outer stress", "tail of the history", "tail of a diffusion"
NO_WAY = "no open route leads there: it can only be cut"


class Level(LevelLine, frozen=True):
    """The levels of an account as they are written, None where one is UNKNOWN or nothing is gained
    by it (`route`: where none leads there), and what the account is short of."""

    @property
    def short_usd(self) -> float:
        """What brings it to the level that it is filled to, where it is below the least."""
        if self.health_usd >= self.least_usd:
            return 0.0
        fill = self.least_usd if self.fill_usd is None else self.fill_usd
        return fill - self.health_usd


def levels(asked: Asked) -> tuple[tuple[Level, ...], tuple[Unknown, ...]]:
    """The levels of every account that has a requirement, and what of them is not known."""
    found, unknown = list[Level](), list[Unknown]()
    for account in asked.accounts:
        if any(each.size for each in account.book.holdings.positions):
            found.append(level_of(asked, account))
            unknown += list(_unknown(asked, account))
    return tuple(found), tuple(unknown)


def level_of(asked: Asked, account: PlanAccount) -> Level:
    """One account's; see the module's head."""
    stated = account.statement()
    health = stated.health * account.price(stated.unit)
    way = _way_in(asked, account.venue)
    least, set_by = _least(asked, account, health, way)
    bands = _bands(asked, account, way)
    lead = None if way is None else _lead_s(asked, way)
    name = None if way is None else way.name
    if bands is None:
        return Level(account.venue, health, least, set_by, None, None, None, name, lead)
    smallest = asked.terms.mandate.limits.minimum_transfer_usd
    fill = least + max(bands.fill, smallest)
    land = max(fill, least + bands.land)
    top = max(land + smallest, least + bands.top)
    return Level(account.venue, health, least, set_by, fill, land, top, name, lead)


def needed(asked: Asked, account: PlanAccount) -> tuple[float, ...]:
    """Health at the moves that it must stand to which an account is filled, shares of equity, the
    one to try first before the others; empty where it stands the outer moves. What has no equity
    must stand the inner moves once money has come, anything else the outer ones."""
    terms, total = asked.terms, asked.equity_usd
    outer, _ = least_health(terms, account, moves_of(account, terms.mandate.stress.outer))
    if outer >= 0.0:
        return ()
    level = level_of(asked, account)
    # Where all of the outer fall is stood, this is what is left of S.
    beyond = 0.0 if level.fill_usd is None else level.fill_usd - (level.health_usd - outer)
    if account.venue not in asked.broke:
        return (max(0.0, beyond) / total, 0.0)
    inner, _ = least_health(terms, account, moves_of(account, inner_moves(terms)))
    return ((max(0.0, beyond) + inner - outer) / total, (inner - outer) / total, 0.0)


def tail_fall_usd(asked: Asked, account: PlanAccount, health: float) -> tuple[float, str] | None:
    """How far health falls in the tail before money lands, USD, and whose tail that is; None where
    a coin's volatility is not known."""
    return _tail(asked, account, health, _way_in(asked, account.venue))


def _least(asked: Asked, account: PlanAccount, health: float, way: Way | None) -> tuple[float, str]:
    moves = moves_of(account, asked.terms.mandate.stress.outer)
    worst, move = least_health(asked.terms, account, moves)
    found = (0.0, OUTER) if move is None else (health - worst, f"{OUTER}: {move.name}")
    tail = _tail(asked, account, health, way)
    return found if tail is None else max(found, tail)


def _tail(
    asked: Asked, account: PlanAccount, health: float, way: Way | None
) -> tuple[float, str] | None:
    seen = history_tail_of(asked, account, nothing_done(asked))
    if seen is not None:
        return health + seen.shortfall_usd, HISTORY
    vols = vol_daily(asked, account.coins)
    if None in vols.values():
        return None
    moves = {coin: _buffer(asked, way, vol) for coin, vol in vols.items() if vol is not None}
    worst, move = least_health(asked.terms, account, moves_of(account, moves))
    return (0.0, DIFFUSION) if move is None else (health - worst, f"{DIFFUSION}: {move.name}")


def _buffer(asked: Asked, way: Way | None, vol: float) -> float:
    """Relative move that the tail reaches before money lands, at most `DEEPEST`; without a way
    before the next decision."""
    decision = float(asked.terms.mandate.mandate.decision_interval_s)
    seconds = np.full(DRAWS, decision)
    if way is not None:
        sigma = math.log(way.latency_p95_s / way.latency_median_s) / P95
        shares = (np.arange(DRAWS) + 0.5) / DRAWS
        normal = np.array([NormalDist().inv_cdf(each) for each in shares.tolist()])
        seconds += asked.terms.outage_s + way.latency_median_s * np.exp(sigma * normal)
    latency = DiscreteLatency(seconds, np.full(DRAWS, 1.0 / DRAWS))
    tail = asked.terms.mandate.limits.solvency_tail
    found = buffer_for(tail, LogMotion(vol * math.sqrt(DAYS_YEAR)), latency)
    return min(DEEPEST, math.expm1(found))


def vol_daily(asked: Asked, coins: tuple[str, ...]) -> dict[str, float | None]:
    """Volatility a day by coin: the history's of today, else the largest in its costs."""
    if asked.scenarios is not None:
        seen = asked.scenarios
        known = dict(zip(seen.paths.coins, seen.vol_daily, strict=True))
        return {coin: known[coin] for coin in coins}
    found: dict[str, float | None] = dict.fromkeys(coins)
    for _, each in asked.book.dealt():
        costs = asked.book.costs.get(each.id)
        if each.base in found and costs is not None:
            found[each.base] = max(found[each.base] or 0.0, costs.vol_daily)
    return found


def _unknown(asked: Asked, account: PlanAccount) -> Iterator[Unknown]:
    for coin, vol in vol_daily(asked, account.coins).items():
        if vol is None:
            what = f"how far {coin} moves: {account.venue} has no level but its outer stress"
            yield Unknown(f"costs of {coin}.vol_daily", what)


def _lead_s(asked: Asked, way: Way) -> float:
    """Seconds from now to when money has landed in 95 of 100 cases, a decision included."""
    decision = float(asked.terms.mandate.mandate.decision_interval_s)
    return decision + way.latency_p95_s + asked.terms.outage_s


def _way_in(asked: Asked, venue: str) -> Way | None:
    open_ways = [w for w in asked.book.ways if w.destination == venue and not w.frozen]
    return min(open_ways, key=lambda way: _price(asked, way), default=None)


def _way_out(asked: Asked, venue: str) -> Way | None:
    open_ways = [w for w in asked.book.ways if w.source == venue and not w.frozen]
    return min(open_ways, key=lambda way: _price(asked, way), default=None)


def _price(asked: Asked, way: Way) -> float:
    """What the least transfer costs, USD."""
    cost = _cost(asked, way)
    return cost.fixed_usd + cost.share * asked.terms.mandate.limits.minimum_transfer_usd


def _cost(asked: Asked, way: Way) -> MovingCost:
    source, destination = (asked.book.accounts[end] for end in (way.source, way.destination))
    price = source.price(source.asset)
    kept = 1.0
    if source.asset != destination.asset:
        kept = way.received_share * destination.price(destination.asset) / price
    return MovingCost(way.fee * price, max(0.0, 1.0 - kept))


def _bands(asked: Asked, account: PlanAccount, way: Way | None) -> CashLevels | None:
    """Levels above the least; None where no money can come, or what moves it is not known, or it
    costs nothing to leave money idle."""
    holding = asked.terms.hurdle_annual - asked.book.yields.get(account.venue, 0.0)
    vols = vol_daily(asked, account.coins)
    if way is None or holding <= 0.0 or None in vols.values():
        return None
    deviation = sum(abs(usd) * (vols[coin] or 0.0) for coin, usd in deltas_usd(account).items())
    if not deviation:
        return None
    incoming = _cost(asked, way)
    back = _way_out(asked, account.venue)
    # Where no way leads out, leaving is taken to cost what coming does.
    outgoing = incoming if back is None else _cost(asked, back)
    return cash_levels(deviation**2 * DAYS_YEAR, holding, incoming, outgoing)


def deltas_usd(account: PlanAccount) -> Mapping[str, float]:
    """Delta of an account by coin, coins that it owns included, USD."""
    by_size = size_greeks(account).delta.tolist()
    found = {coin: coin_delta_usd(account, coin) for coin in account.coins}
    for each, delta in zip(account.dealt, by_size, strict=True):
        found[each.base] += delta * account.held(each.id)
    return found
