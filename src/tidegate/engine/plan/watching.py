# SPDX-License-Identifier: Apache-2.0
"""When to act: what of a book triggers a new plan, and how far the rest is from doing so.

    mandate, last plan  another version than the last plan's; the last answer was a negative one
    stress 1, 2         an account does not stand the outer, or the inner, moves of the mandate
    proof               no certificate holds over the stress box though named moves are stood
    collateral          health below s: fill to S (`collateral_levels`)
    surplus             health above the top of its band, where money may leave for a better yield
    limit               the book lies outside a limit of the mandate
    drift               the largest leg of a coin is further from its target than the no-trade band
                        h = (3 k a^2 / 2 R)^(1/3) (`allocation.bands`) and the least trade
    edge                |change of carry| x H >= k: the change alone pays a deal at cost k within
                        the time H in which a move of that edge must pay back
    expiry              something held expires before the next look and the time to unwind it
    settlement          profit of a session becomes cash before the next look, as much as the least
                        transfer
    route               it closes before the next look, or carries money no longer

Targets are those of the last plan, at its prices; without one they are the present programme's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.allocation.bands import Drift, proportional_band
from tidegate.engine.observed_book import Unknown
from tidegate.engine.plan.asking import DAYS_YEAR, Asked, half_life_days
from tidegate.engine.plan.book import PlanAccount
from tidegate.engine.plan.collateral_levels import Level, levels, vol_daily
from tidegate.engine.plan.last_plan import LastPlan
from tidegate.engine.plan.levels import inner_moves, worst_move
from tidegate.engine.plan.lots import broken_limits, held_lots
from tidegate.engine.plan.proving import Proof
from tidegate.margin.holding_values import value_between
from tidegate.margin.market_values import mark_of
from tidegate.model.instruments import Expiring, Option
from tidegate.model.times import DAY_MS, HOUR_MS, SECOND_MS, format_time

FloatArray = NDArray[np.float64]
# Deribit pays a session's profit out at 08:00 UTC; all that `settles_daily` is of its kind.
SETTLEMENT_MS = 8 * HOUR_MS
NOISE_USD = 1.0


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why to act now: its kind, where, in words, and USD where it has an amount."""

    kind: str
    where: str
    what: str
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """A figure that is watched: what it is now, where it triggers, and how much room is left, in
    `unit`; None is UNKNOWN, or that nothing within what is looked at triggers it. `coin` is empty
    where it is of a whole venue."""

    kind: str
    where: str
    coin: str
    now: float
    at: float | None
    unit: str

    @property
    def room(self) -> float | None:
        """How far it is from its trigger; at most nought where it has reached it."""
        if self.at is None:
            return None
        way = -1.0 if self.kind in FALLING else 1.0
        return way * (self.at - self.now)


# What triggers by falling to its level.
FALLING = frozenset({"collateral", "price down"})


@dataclass(frozen=True, slots=True)
class Seen:
    """Triggers, watched figures, the levels of collateral, and what of them is not known."""

    triggers: tuple[Trigger, ...]
    watches: tuple[Watch, ...]
    levels: tuple[Level, ...]
    unknown: tuple[Unknown, ...]


def watched(asked: Asked, before: Mapping[str, Proof], last: LastPlan | None) -> Seen:
    """What triggers in the present book; without a last plan neither drift nor edges do."""
    found, unknown = levels(asked)
    triggers, watches = list[Trigger](), list[Watch]()
    for each in found:
        triggers += _collateral(asked, each)
        watches.append(_health(each))
    triggers += [*_stress(asked, before), *_limits(asked)]
    times = [*_expiries(asked), *_settlements(asked), *_routes(asked, last)]
    triggers += [each for each in times if isinstance(each, Trigger)]
    watches += [each for each in times if isinstance(each, Watch)]
    if last is not None:
        triggers += [*_last(asked, last), *_drifted(asked, last)]
        watches += _drift_watches(asked, target_usd(asked, last))
        triggers += _edges(asked, last)
        watches += _edge_watches(asked, last)
    return Seen(tuple(triggers), tuple(watches), found, unknown)


# Accounts.


def _stress(asked: Asked, before: Mapping[str, Proof]) -> Iterator[Trigger]:
    terms = asked.terms
    for account in asked.accounts:
        outer, name = worst_move(terms, account, terms.mandate.stress.outer)
        inner, deep = worst_move(terms, account, inner_moves(terms))
        if deep:
            what = f"the inner stress is not stood ({deep}): positions are cut"
            yield Trigger("stress 2", account.venue, what, -inner)
        elif name:
            what = f"the outer stress is not stood ({name}): money is sent"
            yield Trigger("stress 1", account.venue, what, -outer)
        found = before[account.venue]
        if not name and found.certificate is not None and not found.holds:
            what = f"no certificate over the stress box: {found.verdict} at {found.worst}"
            yield Trigger("proof", account.venue, what, found.short_usd)


def _collateral(asked: Asked, level: Level) -> Iterator[Trigger]:
    if level.short_usd:
        fill = level.least_usd if level.fill_usd is None else level.fill_usd
        route = f"by {level.route}" if level.route else "and no open route leads there"
        what = (
            f"health {level.health_usd:,.0f} USD is below {level.least_usd:,.0f} "
            f"({level.set_by}): fill to {fill:,.0f} USD {route}"
        )
        yield Trigger("collateral", level.venue, what, level.short_usd)
    if level.top_usd is None or level.land_usd is None or level.health_usd < level.top_usd:
        return
    if _earns_elsewhere(asked, level.venue):
        what = f"health above {level.top_usd:,.0f} USD lies idle, and earns more elsewhere"
        yield Trigger("surplus", level.venue, what, level.health_usd - level.land_usd)


def _earns_elsewhere(asked: Asked, venue: str) -> bool:
    """Whether money may leave for an account where it earns more."""
    yields, own = asked.book.yields, asked.book.yields.get(venue, 0.0)
    ways = [w for w in asked.book.ways if w.source == venue and not w.frozen]
    return any(yields.get(way.destination, 0.0) > own for way in ways)


def _health(level: Level) -> Watch:
    return Watch("collateral", level.venue, "", level.health_usd, level.least_usd, "USD")


# The book.


def _limits(asked: Asked) -> Iterator[Trigger]:
    found = dict(broken_limits(asked, held_lots(asked)))
    question = asked.question
    for gross in question.gross:
        used = gross.weights @ np.abs(asked.held) + gross.claim @ question.nodes.amount
        over = (float(used) + gross.constant - gross.cap) * asked.equity_usd
        if over > NOISE_USD:
            found[gross.name] = over
    for name, usd in found.items():
        yield Trigger("limit", name, f"the book lies beyond it by {usd:,.0f} USD", usd)


def _last(asked: Asked, last: LastPlan) -> Iterator[Trigger]:
    if last.mandate_version != asked.terms.mandate.version:
        yield Trigger("mandate", last.where, "the mandate has changed since the last plan")
    if last.negative:
        yield Trigger("last plan", last.where, "the last answer was a negative one")


def target_usd(asked: Asked, last: LastPlan) -> FloatArray:
    """What the last plan aimed at, by position (n); nought for what it did not know."""
    names = [bound.instrument.id for bound in asked.bounds]
    return np.array([last.target_usd.get(name, 0.0) for name in names])


@dataclass(frozen=True, slots=True)
class CoinDrift:
    """The largest deviation of a coin's legs from their targets, where it triggers, USD; `band` is
    None where the target earns nothing, so that the least trade alone keeps it."""

    coin: str
    usd: float
    at_usd: float
    band_usd: float | None


def drifts(asked: Asked, target: FloatArray) -> tuple[CoinDrift, ...]:
    """Every coin that something is held or aimed at of; targets are USD by position (n)."""
    held = np.array([bound.held_usd for bound in asked.bounds])
    found = []
    for coin in asked.book.coins:
        rows = [i for i, b in enumerate(asked.bounds) if b.instrument.base == coin]
        if not rows or not (np.abs(held[rows]) + np.abs(target[rows])).any():
            continue
        band = coin_band_usd(asked, coin, target)
        least = max(asked.terms.mandate.limits.minimum_trade_usd, band or 0.0)
        moved = float(np.abs(held[rows] - target[rows]).max())
        found.append(CoinDrift(coin, moved, least, band))
    return tuple(found)


def coin_band_usd(asked: Asked, coin: str, target: FloatArray) -> float | None:
    """Half-width of the no-trade band of a coin's largest leg, USD; None where what is aimed at
    earns nothing, costs nothing, or moves by an unknown vol.

    h = (3 k a^2 / 2 R)^(1/3) with k the cost of a dollar traded of its legs, a = vol x size a year
    and R = carry of a dollar / size: what aversion makes that size the best for its carry.
    """
    rows = [i for i, b in enumerate(asked.bounds) if b.instrument.base == coin and target[i]]
    vol = vol_daily(asked, (coin,))[coin]
    if not rows or vol is None:
        return None
    names = [asked.bounds[i].instrument.id for i in rows]
    edges = [asked.book.edges.get(name) for name in names]
    carry = np.array([0.0 if each is None else each.carry_annual for each in edges])
    cost = np.array([asked.book.dealing_rate(name) for name in names])
    sizes, size = np.abs(target[rows]), float(np.abs(target[rows]).max())
    earned = float(carry @ target[rows]) / float(sizes.sum())
    paid = float(cost @ sizes) / float(sizes.sum())
    if earned <= 0.0 or paid <= 0.0:
        return None
    variance = (vol * size) ** 2 * DAYS_YEAR
    return proportional_band(Drift(variance, earned / size), paid).trigger


def _drifted(asked: Asked, last: LastPlan) -> Iterator[Trigger]:
    for each in drifts(asked, target_usd(asked, last)):
        if each.usd > each.at_usd:
            what = (
                f"its largest leg is {each.usd:,.0f} USD from what the last plan aimed at, "
                f"outside the band of {each.at_usd:,.0f}"
            )
            yield Trigger("drift", each.coin, what, each.usd)


def _drift_watches(asked: Asked, target: FloatArray) -> list[Watch]:
    return [Watch("drift", "", d.coin, d.usd, d.at_usd, "USD") for d in drifts(asked, target)]


# Edges.


def _edge_moves(asked: Asked, last: LastPlan) -> Iterator[tuple[str, str, float | None, float]]:
    """Instrument, coin, how much its carry has changed a year (None: known only once), and the
    change that pays for a deal."""
    longest = half_life_days(asked.book, asked.terms)
    for bound in asked.bounds:
        name = bound.instrument.id
        now, was = asked.book.edges.get(name), last.carry_annual.get(name)
        if now is None and was is None:
            continue
        if now is None or was is None:
            yield name, bound.instrument.base, None, 0.0
            continue
        years = asked.horizon_years * now.half_life_days / longest
        least = asked.book.dealing_rate(name) / years
        yield name, bound.instrument.base, now.carry_annual - was, least


def _edges(asked: Asked, last: LastPlan) -> Iterator[Trigger]:
    for name, _, change, least in _edge_moves(asked, last):
        if change is None:
            yield Trigger("edge", name, "what it earns is known at one of the two looks alone")
        elif abs(change) >= least:
            what = f"its carry has moved by {change:+.2%} a year; {least:.2%} pay for a deal"
            yield Trigger("edge", name, what)


def _edge_watches(asked: Asked, last: LastPlan) -> list[Watch]:
    moves = _edge_moves(asked, last)
    return [
        Watch("edge", name, coin, abs(change), least, "a year")
        for name, coin, change, least in moves
        if change is not None
    ]


# Times.


def _next_look_ms(asked: Asked) -> int:
    return asked.book.ts_ms + asked.terms.mandate.mandate.decision_interval_s * SECOND_MS


def _expiries(asked: Asked) -> Iterator[Trigger | Watch]:
    ahead = int(asked.terms.option.unwind_before_expiry_s * SECOND_MS)
    for bound in asked.bounds:
        each = bound.instrument
        if not bound.held_usd or not isinstance(each, Expiring):
            continue
        acts_ms = each.expiry_ms - ahead
        yield Watch("expiry", each.id, each.base, 0.0, _seconds(asked, acts_ms), "s")
        if acts_ms <= _next_look_ms(asked):
            yield Trigger("expiry", each.id, f"it expires at {format_time(each.expiry_ms)}")


def _settlements(asked: Asked) -> Iterator[Trigger | Watch]:
    now = asked.book.ts_ms
    next_ms = (now - SETTLEMENT_MS) // DAY_MS * DAY_MS + SETTLEMENT_MS + DAY_MS
    for account in asked.accounts:
        if not account.book.settles_daily:
            continue
        waiting = session_usd(account)
        if abs(waiting) < max(asked.terms.mandate.limits.minimum_transfer_usd, 1.0):
            continue
        yield Watch("settlement", account.venue, "", 0.0, _seconds(asked, next_ms), "s")
        if next_ms <= _next_look_ms(asked):
            what = f"{waiting:,.0f} USD of the session become cash at {format_time(next_ms)}"
            yield Trigger("settlement", account.venue, what, abs(waiting))


def _routes(asked: Asked, last: LastPlan | None) -> Iterator[Trigger | Watch]:
    for way in asked.book.ways:
        if way.closes_ms is not None and not way.frozen:
            yield Watch("route", way.name, "", 0.0, _seconds(asked, way.closes_ms), "s")
            if way.closes_ms <= _next_look_ms(asked):
                what = f"it closes at {format_time(way.closes_ms)}, before the next look"
                yield Trigger("route", way.name, what)
        if last is not None and way.frozen != (way.name in last.closed):
            what = "it has closed since the last plan" if way.frozen else "it has opened again"
            yield Trigger("route", way.name, what)


def session_usd(account: PlanAccount) -> float:
    """What the settlement of a session would add to cash, USD: gains that wait, and what contracts
    have earned since; below nought what it would take."""
    holdings, market = account.book.holdings, account.book.market.doubted()
    waiting = dict(holdings.realised)
    for each in holdings.positions:
        if not isinstance(each.instrument, Option):
            mark = market.positive(mark_of(each.instrument.id))
            gain = value_between(each, each.entry, mark) + each.funding
            settle = each.instrument.settle
            waiting[settle] = waiting.get(settle, 0.0) + gain
    return sum(amount * account.price(asset) for asset, amount in waiting.items() if amount)


def _seconds(asked: Asked, at_ms: int) -> float:
    """How long until the look that comes last before a time."""
    decision = asked.terms.mandate.mandate.decision_interval_s
    return (at_ms - asked.book.ts_ms) / SECOND_MS - decision
