# SPDX-License-Identifier: Apache-2.0
"""Joint scenarios of what moves a book: price, vol, skew, term, venue spread, stablecoins, funding.

A scenario is W windows of the past or named moves; its points are the lowest and the highest price
of each coin within the first stages of the horizon, so that what a venue sees before money lands
and after it are points of one path. Option vols at a point become

    vol_i [1 + (level - 1) (30 / max(days, 1))^term]+ [1 + skew z]+        z = ln(K / F) / s

with s = vol sqrt(T) and z held to +-3: a shift of level that is larger for short expiries,
and a tilt of the smile per standard deviation. Prices are filtered historical: path extremes of
past windows over the vol that held, times today's (Barone-Adesi, Giannopoulos and Vosper 1999).
Level, skew and term are taken at the bar of the extreme where a history of surfaces is given, so
that their dependence on price is the data's own. Where there is none, they rise with the move,

    factor = stressed factor x min(1, |ln ratio| / ln stressed ratio)

which takes rank correlation of the tail as one, in both directions, as vol of coins rises with
rallies too. Where there is neither, the factor stays and only the mandate's named stress moves it;
a question without one is refused. Nothing is drawn at random: latencies and spreads go through
their quantiles by the golden ratio (Kronecker sequence; Niederreiter 1992, chapter 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from tidegate.model.errors import InputError
from tidegate.risk.scenarios import BarBlock, PathTables

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

WHERE = "factor paths"
# Coins of which every choice of ends is a point; of more, all are at one end.
MOST_COINS = 4
# Windows that a tail index is read from, as the largest share of all.
HILL_SHARE = 0.05
HILL_LEAST = 10
# Sides of a point: where its coins are lowest and highest.
SIDES = 2


@dataclass(frozen=True, slots=True, eq=False)
class FactorPaths:
    """W scenarios at P points for C coins, V venues, S stablecoins and E edges.

    Args: `price` [W, P, C] ratios above 0; `vol_level` [W, P, C] multipliers of 30-day vol, `skew`
        and `term` as the module says; `spread` [W, P, V], log of a venue's marks over the common
        price; `stable` [W, P, S] price in USD over now; `funding` [W, P, C], share of notional that
        a long has paid by then; `landed` [W, P, E]; `mass` as of a tail.
    """

    name: str
    coins: tuple[str, ...]
    venues: tuple[str, ...]
    stables: tuple[str, ...]
    price: FloatArray
    vol_level: FloatArray
    skew: FloatArray
    term: FloatArray
    spread: FloatArray
    stable: FloatArray
    funding: FloatArray
    landed: BoolArray
    mass: float

    def __post_init__(self) -> None:
        shape = self.price.shape[:2]
        wanted = {
            **dict.fromkeys(("price", "vol_level", "skew", "term", "funding"), len(self.coins)),
            "spread": len(self.venues),
            "stable": len(self.stables),
        }
        for each, width in wanted.items():
            values = getattr(self, each)
            if values.shape != (*shape, width) or not np.isfinite(values).all():
                expected = f"expected finite [{shape[0]}, {shape[1]}, {width}]"
                raise InputError(WHERE, f"{self.name} {each}", f"{expected}: {values.shape}")
        if self.landed.shape[:2] != shape:
            raise InputError(WHERE, f"{self.name} landed", f"expected {shape}: {self.landed.shape}")
        if not ((self.price > 0.0).all() and (self.stable >= 0.0).all()):
            raise InputError(WHERE, f"{self.name} price", "expected ratios above 0")
        if not (self.vol_level >= 0.0).all():
            raise InputError(WHERE, f"{self.name} vol_level", "expected at least 0")
        if not 1.0 <= self.mass <= shape[0]:
            raise InputError(WHERE, f"{self.name} mass", f"expected 1 to {shape[0]}: {self.mass}")

    @property
    def count(self) -> int:
        """Number of scenarios."""
        return len(self.price)

    @property
    def points(self) -> int:
        """Points of each."""
        return int(self.price.shape[1])

    def when_landed(self, landed: bool) -> FactorPaths:
        """The same with everything that is sent there already, or nothing."""
        return replace(self, landed=np.full_like(self.landed, landed))


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceHistory:
    """At-the-money level of 30 days, skew and term by bar and coin, [bars, C], as of `BarBlock`;
    skew and term in the module's units."""

    level: FloatArray
    skew: FloatArray
    term: FloatArray


@dataclass(frozen=True, slots=True)
class StressedFactors:
    """What a mandate states of a coin in a move to `down` or `up` (ratios): multipliers of vol,
    skews and terms there."""

    down: float
    up: float
    vol_down: float
    vol_up: float
    skew_down: float = 0.0
    skew_up: float = 0.0
    term: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.down < 1.0 < self.up:
            raise InputError(WHERE, "down, up", "expected ratios below and above 1")
        if min(self.vol_down, self.vol_up) < 1.0:
            raise InputError(WHERE, "vol_down, vol_up", "expected multipliers of at least 1")


@dataclass(frozen=True, slots=True)
class NamedStress:
    """Moves that a mandate names, by coin, venue and stablecoin; what is not named stays, but
    every coin must have a price. A range acts with both of its ends, a spread with both signs;
    coins all at one end of their ranges where they are `parallel`, else at every choice of ends."""

    name: str
    price: Mapping[str, tuple[float, float]]
    vol_level: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    skew: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    term: float = 0.0
    spread: Mapping[str, float] = field(default_factory=dict)
    stable: Mapping[str, float] = field(default_factory=dict)
    funding: Mapping[str, float] = field(default_factory=dict)
    parallel: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Coins, venues, stablecoins and the number of edges, in the order of the arrays."""

    coins: tuple[str, ...]
    venues: tuple[str, ...]
    stables: tuple[str, ...]
    edges: int


@dataclass(frozen=True, slots=True, eq=False)
class Latencies:
    """Bars until money has landed, by edge: sorted draws of its law [E, D]; inf where a route is
    frozen in that draw."""

    bars: FloatArray

    def at(self, count: int) -> FloatArray:
        """One latency an edge and scenario, [W, E], through the quantiles by the golden ratio."""
        edges, draws = self.bars.shape
        place = (quasi(count, edges) * draws).astype(np.int64)
        return np.asarray(self.bars[np.arange(edges), place])


def quasi(count: int, width: int) -> FloatArray:
    """A Kronecker sequence in the unit cube, [count, width]: multiples of powers of the golden
    ratio's generalisation x, the root of x^(width + 1) = x + 1."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (width + 1))
    steps = (1.0 / root) ** np.arange(1, width + 1)
    return np.asarray((0.5 + np.multiply.outer(np.arange(1, count + 1), steps)) % 1.0)


def neutral(names: Names, price: FloatArray, mass: float, name: str) -> FactorPaths:
    """Paths of price alone, [W, P, C], with nothing landed."""
    shape = price.shape[:2]
    one = np.ones_like(price)
    return FactorPaths(
        name,
        names.coins,
        names.venues,
        names.stables,
        price=price,
        vol_level=one,
        skew=0.0 * one,
        term=0.0 * one,
        spread=np.zeros((*shape, len(names.venues))),
        stable=np.ones((*shape, len(names.stables))),
        funding=0.0 * one,
        landed=np.zeros((*shape, names.edges), dtype=bool),
        mass=mass,
    )


def filtered_paths(
    names: Names,
    tables: PathTables,
    starts: IntArray,
    vol_daily: FloatArray,
    latencies: Latencies,
    mass: float,
) -> FactorPaths:
    """Prices of past windows at today's vol [C], the stages being the tables' lengths.

    Points are lowest then highest of each stage, shortest first. An edge's money counts from the
    first stage that begins after it has landed, as all that came before it is in earlier points.
    """
    order = np.argsort(np.asarray(tables.lengths), kind="stable")
    lengths = np.asarray(tables.lengths, dtype=float)[order]
    down, up = tables.down[order][:, starts], tables.up[order][:, starts]
    price = np.exp(np.stack([-down, up], axis=1) * vol_daily)
    price = price.reshape(-1, *price.shape[2:]).transpose(1, 0, 2)
    paths = neutral(names, price, mass, "history")
    begins = np.repeat(np.concatenate([[0.0], lengths[:-1]]), SIDES)
    landed = latencies.at(len(starts))[:, None, :] <= begins[None, :, None]
    return replace(paths, landed=np.asarray(landed))


def with_surfaces(
    paths: FactorPaths,
    history: SurfaceHistory,
    block: BarBlock,
    tables: PathTables,
    starts: IntArray,
) -> FactorPaths:
    """Level, skew and term of the same windows, each at the bar of its point's extreme."""
    level, skew = np.empty_like(paths.price), np.empty_like(paths.price)
    term = np.empty_like(paths.price)
    for k, length in enumerate(sorted(tables.lengths)):
        window = starts[:, None] + np.arange(1, length + 1)
        ends = (block.low[window].argmin(axis=1), block.high[window].argmax(axis=1))
        for side, offset in enumerate(ends):
            for c in range(len(paths.coins)):
                bar, p = starts + 1 + offset[:, c], SIDES * k + side
                level[:, p, c] = history.level[bar, c] / history.level[starts, c]
                skew[:, p, c] = history.skew[bar, c] - history.skew[starts, c]
                term[:, p, c] = history.term[bar, c] - history.term[starts, c]
    return replace(paths, vol_level=level, skew=skew, term=term)


def with_stated_vols(
    paths: FactorPaths, stressed: Mapping[str, StressedFactors | None], stresses: int
) -> FactorPaths:
    """Level, skew and term that rise with the price move, for coins without a history.

    Args: `stressed` by coin; None where the mandate states none, which needs at least one named
        stress (`stresses` counts them).
    Raises: `InputError` for a coin that is not there, and for one of which nothing is known.
    """
    level, skew, term = (np.array(x) for x in (paths.vol_level, paths.skew, paths.term))
    for c, coin in enumerate(paths.coins):
        if coin not in stressed or (stressed[coin] is None and not stresses):
            expected = "expected a history of vols, stressed factors or a named stress"
            raise InputError(WHERE, coin, expected)
        terms = stressed[coin]
        if terms is None:
            continue
        move = np.log(paths.price[:, :, c])
        fall = np.clip(move / np.log(terms.down), 0.0, 1.0)
        rise = np.clip(move / np.log(terms.up), 0.0, 1.0)
        level[:, :, c] = 1.0 + (terms.vol_down - 1.0) * fall + (terms.vol_up - 1.0) * rise
        skew[:, :, c] = terms.skew_down * fall + terms.skew_up * rise
        term[:, :, c] = terms.term
    return replace(paths, vol_level=level, skew=skew, term=term)


def with_others(
    paths: FactorPaths,
    spreads: Mapping[str, FloatArray],
    stables: Mapping[str, FloatArray],
    funding: Mapping[str, FloatArray],
) -> FactorPaths:
    """Venue spreads, stablecoin ratios and funding paid, each from draws of its law.

    Draws are sorted and gone through by the golden ratio, the worse of them with the larger price
    move where they are of a stablecoin or funding: a law without dependence would hedge itself.
    What is not given stays, and is moved by named stresses alone.
    """
    size = np.abs(np.log(paths.price)).max(axis=(1, 2))
    rank = np.empty(paths.count)
    rank[np.argsort(size, kind="stable")] = (np.arange(paths.count) + 0.5) / paths.count
    spread, stable, paid = (np.array(x) for x in (paths.spread, paths.stable, paths.funding))
    even = quasi(paths.count, max(1, len(paths.venues)))
    for v, venue in enumerate(paths.venues):
        if venue in spreads:
            spread[:, :, v] = _quantile(spreads[venue], even[:, v])[:, None]
    for s, coin in enumerate(paths.stables):
        if coin in stables:
            stable[:, :, s] = _quantile(stables[coin], 1.0 - rank)[:, None]
    for c, coin in enumerate(paths.coins):
        if coin in funding:
            paid[:, :, c] = _quantile(funding[coin], even[:, 0])[:, None]
    return replace(paths, spread=spread, stable=stable, funding=paid)


def _quantile(draws: FloatArray, share: FloatArray) -> FloatArray:
    ordered = np.sort(np.asarray(draws, dtype=float))
    return np.asarray(ordered[(share * len(ordered)).astype(np.int64)])


def tail_index(paths: FactorPaths) -> float:
    """Hill's estimate 1/a of the tail of the largest log move of each scenario (Hill 1975)."""
    size = np.sort(np.abs(np.log(paths.price)).max(axis=(1, 2)))[::-1]
    k = min(max(HILL_LEAST, int(HILL_SHARE * len(size))), len(size) - 1)
    if k < 1 or size[k] <= 0.0:
        raise InputError(WHERE, paths.name, "expected moves of two scenarios or more")
    return float(np.mean(np.log(size[:k] / size[k])))


def with_tail(paths: FactorPaths, count: int, multiple: float) -> FactorPaths:
    """Adds what a history of W scenarios has not seen.

    The `count` worst are added once more, their log moves scaled to the Pareto quantiles beyond
    1/W: (j + 1/2) / count of it, by `tail_index`. Then one jump of `multiple` of the largest move
    of each coin, both ways, in which nothing lands. Mass stays, so that they add to the tail.
    """
    worst = np.argsort(-np.abs(np.log(paths.price)).max(axis=(1, 2)), kind="stable")[:count]
    share = (np.arange(len(worst)) + 0.5) / max(len(worst), 1)
    scale = np.concatenate([share ** -tail_index(paths), [1.0]])
    pick = np.concatenate([worst, worst[:1]])
    more = {
        name: getattr(paths, name)[pick]
        for name in ("vol_level", "skew", "term", "spread", "stable", "funding")
    }
    price = paths.price[pick] ** scale[:, None, None]
    low, high = np.log(paths.price.min(axis=(0, 1))), np.log(paths.price.max(axis=(0, 1)))
    price[-1, 0::SIDES], price[-1, 1::SIDES] = np.exp(multiple * low), np.exp(multiple * high)
    landed = paths.landed[pick].copy()
    landed[-1] = False
    joined = {
        name: np.concatenate([getattr(paths, name), added])
        for name, added in {**more, "price": price}.items()
    }
    return replace(
        paths,
        price=joined["price"],
        vol_level=joined["vol_level"],
        skew=joined["skew"],
        term=joined["term"],
        spread=joined["spread"],
        stable=joined["stable"],
        funding=joined["funding"],
        landed=np.concatenate([paths.landed, landed]),
    )


def named_paths(names: Names, stress: NamedStress) -> FactorPaths:
    """A named stress as a set of mass one, at the ends of its ranges of price, vol and skew.

    Raises: `InputError` for a coin without a price: an unknown move is never taken as none.
    """
    for coin in names.coins:
        if coin not in stress.price:
            raise InputError(WHERE, f"{stress.name} {coin}", "expected a price range")
    count = len(names.coins)
    sides: list[tuple[int, ...]] = [(0,) * count, (1,) * count]
    if not stress.parallel and count <= MOST_COINS:
        sides = list(product(range(2), repeat=count))
    signs = (1.0, -1.0) if any(stress.spread.values()) else (1.0,)
    ends = list(product(sides, range(2), range(2), signs))
    price = [
        [stress.price[c][end] for c, end in zip(names.coins, p, strict=True)] for p, *_ in ends
    ]
    paths = neutral(names, np.array(price, dtype=float)[None], 1.0, stress.name)
    sign = np.array([sign for *_, sign in ends])[None, :, None]
    return replace(
        paths,
        vol_level=_ends(names.coins, stress.vol_level, [v for _, v, _, _ in ends], 1.0),
        skew=_ends(names.coins, stress.skew, [s for _, _, s, _ in ends], 0.0),
        term=np.full_like(paths.price, stress.term),
        spread=paths.spread + sign * [stress.spread.get(venue, 0.0) for venue in names.venues],
        stable=paths.stable * [stress.stable.get(coin, 1.0) for coin in names.stables],
        funding=paths.funding + [stress.funding.get(coin, 0.0) for coin in names.coins],
    )


def _ends(
    coins: Sequence[str], ranges: Mapping[str, tuple[float, float]], side: list[int], still: float
) -> FloatArray:
    found = [[ranges.get(coin, (still, still))[end] for coin in coins] for end in side]
    return np.array(found, dtype=float).reshape(1, len(side), len(coins))
