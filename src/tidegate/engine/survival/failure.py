# SPDX-License-Identifier: Apache-2.0
"""The most likely failure point of an account: price, vol level, spread and dollar coins moving
together, each in logs but the spread, with the daily figures and correlations of `terms`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import erfc, exp, expm1, log, sqrt

import numpy as np
from numpy.typing import NDArray

from tidegate.engine.margin_book.account_book import AccountBook
from tidegate.engine.margin_book.distances import coins_of
from tidegate.engine.survival.distances import (
    HIGHEST_VOL,
    LOWEST_VOL,
    SPREAD_END,
    STABLE_END,
    dollar_coins,
)
from tidegate.engine.survival.document import Factor, FailurePoint, Level
from tidegate.engine.survival.shifts import Shift, health
from tidegate.engine.survival.terms import KINDS, RiskTerms
from tidegate.margin.liquidation_distance import HIGHEST_RATIO, LOWEST_RATIO
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option
from tidegate.risk.failure_point import Factors, Search
from tidegate.risk.failure_point import FailurePoint as Found

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One factor of an account: what it is, its daily standard deviation, and its range."""

    kind: str
    of: str
    sd: float
    lower: float
    upper: float

    @property
    def name(self) -> str:
        """In words."""
        return {"price": self.of, "stable": f"depeg of {self.of}"}.get(self.kind, self.kind)


def axes_of(account: AccountBook, terms: RiskTerms) -> tuple[Axis, ...]:
    """The factors that an account may die by; raises `InputError` for a coin whose volatility is
    UNKNOWN."""
    return tuple(_axes(account, terms))


def _axes(account: AccountBook, terms: RiskTerms) -> Iterator[Axis]:
    for coin in coins_of(account):
        if coin not in terms.vol_daily:
            field = f"observe.vol_annual.{coin}"
            raise InputError(account.where, field, "expected it: how likely its moves are")
        sd = terms.vol_daily[coin].value
        yield Axis("price", coin, sd, log(LOWEST_RATIO), log(HIGHEST_RATIO))
    held = [each.instrument for each in account.holdings.positions]
    if any(isinstance(each, Option) for each in held):
        sd = terms.figure("vol_level_daily")
        yield Axis("vol", "level", sd, log(LOWEST_VOL), log(HIGHEST_VOL))
    if any(not isinstance(each, Option) for each in held):
        yield Axis("spread", "marks", terms.figure("spread_daily"), 0.0, SPREAD_END)
    for asset in dollar_coins(account, terms.quotes):
        yield Axis("stable", asset, terms.figure("stable_daily"), 0.0, -log(1.0 - STABLE_END))


def shift_of(axes: tuple[Axis, ...], z: FloatArray) -> Shift:
    """The shift at a point of the factors."""
    prices, dollars, vol, spread = {}, {}, 1.0, 0.0
    for axis, size in zip(axes, z.tolist(), strict=True):
        if axis.kind == "price":
            prices[axis.of] = exp(size)
        elif axis.kind == "stable":
            dollars[axis.of] = exp(-size)
        elif axis.kind == "vol":
            vol = exp(size)
        else:
            spread = size
    return Shift(prices=prices, vol=vol, spread=spread, dollars=dollars)


def failure_point(account: AccountBook, terms: RiskTerms, price_usd: float) -> FailurePoint:
    """The nearest death found; `price_usd` is what the account's unit is worth now."""
    try:
        axes = axes_of(account, terms)
        if not axes:
            return FailurePoint(account.venue, "never", why="nothing it holds can move")
        search = _search(account, terms, axes)
        found, levels = _levels(search, axes)
    except InputError as error:
        return FailurePoint(account.venue, "unknown", why=f"{error.field}: {error.expected}")
    if found.distance is None or found.at is None:
        near = found.unjudged_from
        if near is None:
            return FailurePoint(account.venue, "never", levels=levels)
        why = "the rule cannot judge farther out"
        return FailurePoint(account.venue, "unknown", unjudged_from=near, levels=levels, why=why)
    return FailurePoint(
        venue=account.venue,
        status="dies",
        distance=found.distance,
        chance_per_day=_chance(found.distance, 1.0),
        at=tuple(_factors(axes, found.at)),
        health_usd=search.health(found.at) * price_usd,
        unjudged_from=None if found.sure else found.unjudged_from,
        levels=levels,
    )


def _search(account: AccountBook, terms: RiskTerms, axes: tuple[Axis, ...]) -> Search:
    factors = Factors(
        names=tuple(axis.name for axis in axes),
        sd=np.array([axis.sd for axis in axes]),
        correlation=terms.correlation([axis.kind for axis in axes]),
        lower=np.array([axis.lower for axis in axes]),
        upper=np.array([axis.upper for axis in axes]),
    )
    return Search(lambda z: health(account, shift_of(axes, z), terms.quotes), factors)


def _levels(search: Search, axes: tuple[Axis, ...]) -> tuple[Found, tuple[Level, ...]]:
    """The search with one kind of factor more each time; the last is the answer."""
    active, levels = list[int](), list[Level]()
    found = Found(None, None, None)
    for kind in KINDS:
        more = [place for place, axis in enumerate(axes) if axis.kind == kind]
        if more:
            active += more
            found = search.point(active)
            names = tuple(axes[place].name for place in active)
            levels.append(Level(names, found.distance))
    return found, tuple(levels)


def _factors(axes: tuple[Axis, ...], z: FloatArray) -> Iterator[Factor]:
    for axis, size in zip(axes, z.tolist(), strict=True):
        move = {"spread": size, "stable": expm1(-size)}.get(axis.kind, expm1(size))
        yield Factor(axis.name, move + 0.0)


def _chance(distance: float, days: float) -> float:
    """That a diffusion reaches a distance within a time, by reflection: 2 Phi(-d / sqrt(t))."""
    if distance <= 0.0:
        return 1.0
    return erfc(distance / sqrt(2.0 * days)) if days > 0.0 else 0.0


def dies_before(found: FailurePoint, seconds: float) -> float | None:
    """The chance that an account dies within so long; None where that is UNKNOWN."""
    if found.status == "never":
        return 0.0
    if found.distance is None or found.unjudged_from is not None:
        return None
    return _chance(found.distance, seconds / 86_400.0)
