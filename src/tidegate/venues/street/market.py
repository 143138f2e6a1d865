# SPDX-License-Identifier: Apache-2.0
"""The street's market: a generated world, made finer tick by tick, with options beside it.

The world says each step's first, last and extreme prices, volume and funding; what happens within a
step is drawn from a random stream of the step's own, so that the same seed is the same market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np

from tidegate.model.errors import InputError
from tidegate.model.instruments import Index, Instrument, InstrumentId
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS
from tidegate.model.units import nearest_ticks
from tidegate.simulation.delivery import AVERAGED_MS
from tidegate.simulation.kernel.resting import unknown_track
from tidegate.simulation.tape import (
    Deleveraging,
    DeliveryPrice,
    Freeze,
    FundingStamp,
    Queue,
    Tape,
)
from tidegate.simulation.world.arrays import FloatArray
from tidegate.simulation.world.crises import CRISES
from tidegate.simulation.world.liquidity import day_volume
from tidegate.simulation.world.making import DAYS_MAX, make_world
from tidegate.simulation.world.option_market import (
    IndexPath,
    OptionMarket,
    index_path,
    make_option_market,
)
from tidegate.simulation.world.option_parameters import OptionParameters
from tidegate.simulation.world.parameters import WorldParameters
from tidegate.simulation.world.paths import WorldPaths
from tidegate.venues.street.listings import Listed, Listing, OptionOffer, offered

PAST_DAYS = 2
LEAD_HOURS = 6


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """Which market: seed, days that it lasts, a crisis of the world (which begins `LEAD_HOURS`
    after the begin), when it begins, the world's venue that it is at, what it lists, and how many
    days of past it has. Markets of one seed, length, crisis, begin and past are of one world."""

    seed: int
    days: int
    crisis: str
    begin_ms: int
    world_venue: str
    listings: tuple[Listing, ...]
    offers: tuple[OptionOffer, ...] = ()
    tick_ms: int = 1_000
    past_days: int = PAST_DAYS


@dataclass(frozen=True, eq=False)
class Market:
    """A market that begins and ends; see `make_market`. `begin_ms` is the world's where a crisis
    was asked for."""

    terms: MarketTerms
    world: WorldParameters
    paths: WorldPaths
    options: OptionMarket
    listed: Mapping[InstrumentId, Listed]
    begin_ms: int
    end_ms: int

    @cached_property
    def instruments(self) -> dict[InstrumentId, Instrument]:
        """Everything that is ever traded, by id."""
        held = {one.instrument.id: one.instrument for one in self.terms.listings}
        return {**held, **{name: one.option for name, one in self.listed.items()}}

    @cached_property
    def indices(self) -> dict[InstrumentId, tuple[Index, str]]:
        """Every index and its coin, by id."""
        found = {o.index.id: (o.index, o.instrument.base) for o in self.terms.listings}
        for one in self.listed.values():
            found[one.option.index.id] = (one.option.index, one.option.base)
        return found

    @cached_property
    def index_paths(self) -> dict[str, IndexPath]:
        """Each coin's index."""
        coins = {coin for _, coin in self.indices.values()}
        return {coin: index_path(self.paths, coin) for coin in sorted(coins)}

    @cached_property
    def liquidity(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Per market of the world and step: a day's volume up to the step's begin times the depth
        there, USD, and the volatility of a day measured over the same time."""
        day = DAY_MS // self.paths.step_ms
        return {o.world: _liquidity(self.paths, o.world, day) for o in self.terms.listings}

    @cached_property
    def expiries(self) -> tuple[tuple[str, bool, tuple[Listed, ...]], ...]:
        """Options of one coin, expiry and settlement together: (coin, settled in coin, options)."""

        def key(one: Listed) -> tuple[str, str, int]:
            return one.option.venue, one.option.base, one.option.expiry_ms

        ordered = sorted(self.listed.values(), key=lambda o: (*key(o), o.option.id))
        return tuple(
            (group[0].option.base, group[0].option.coin_settled, group)
            for group in (tuple(found) for _, found in groupby(ordered, key))
        )

    @cached_property
    def interest_usd(self) -> dict[str, float]:
        """Open interest of each market of the world in calm."""
        volumes = day_volume(self.world) * self.world.leverage.interest_share
        return {
            f"{venue.name}:{coin.name}": float(volumes[v, c])
            for v, venue in enumerate(self.world.venues)
            for c, coin in enumerate(self.world.coins)
        }

    def tape(self) -> Tape:
        """Everything but prices: funding, deliveries, deleveragings, outages and freezes."""
        steps = (self.end_ms - self.begin_ms) // MINUTE_MS
        names = [*self.instruments, *self.indices]
        venues = sorted({instrument.venue for instrument in self.instruments.values()})
        queues = _queues(self)
        return Tape(
            start_ms=self.begin_ms,
            step_ms=MINUTE_MS,
            steps=steps,
            tracks={name: unknown_track(steps) for name in names},
            funding=_stamps(self),
            freezes=_spells(self.paths.freezes, self.terms.world_venue, venues),
            outages=_spells(self.paths.outages, self.terms.world_venue, venues),
            deleveragings=_closings(self),
            queues=queues,
            deliveries=_deliveries(self),
        )


def make_market(terms: MarketTerms, world: WorldParameters | None = None) -> Market:
    """Make a market; raises `InputError` for an unknown crisis, days out of range, and a listing
    that the world does not have."""
    if terms.crisis not in CRISES:
        raise InputError("--crisis", terms.crisis, f"expected one of {', '.join(CRISES)}")
    past_days = terms.past_days
    if not 1 <= terms.days <= DAYS_MAX - past_days - 2:
        raise InputError("--days", str(terms.days), f"expected 1 to {DAYS_MAX - past_days - 2}")
    midnight = terms.begin_ms // DAY_MS * DAY_MS - past_days * DAY_MS
    parameters = replace(world or WorldParameters(), start_ms=midnight)
    days = past_days + terms.days + 2
    paths = make_world(parameters, terms.seed, days, terms.crisis, past_days)
    for one in terms.listings:
        if one.world not in paths.close:
            raise InputError("street", one.world, "expected a market of the world")
    begin_ms = terms.begin_ms // terms.tick_ms * terms.tick_ms
    if paths.crisis_start_ms is not None:
        begin_ms = paths.crisis_start_ms // HOUR_MS * HOUR_MS - LEAD_HOURS * HOUR_MS
    end_ms = begin_ms + terms.days * DAY_MS
    options = make_option_market(OptionParameters(), paths, terms.seed)
    listed = offered(options, terms.offers, begin_ms, end_ms)
    return Market(terms, parameters, paths, options, listed, begin_ms, end_ms)


def _liquidity(paths: WorldPaths, name: str, day: int) -> tuple[FloatArray, FloatArray]:
    def before(values: FloatArray) -> FloatArray:
        """Sum of the last day's values before each step, of as many as there are."""
        total = np.concatenate([[0.0], np.cumsum(values)])
        ends = np.arange(values.size)
        begins = np.maximum(ends - day, 0)
        return np.asarray((total[ends] - total[begins]) * day / np.maximum(ends - begins, 1))

    returns = np.diff(np.log(paths.close[name]), prepend=np.log(paths.close[name][0]))
    depth = np.concatenate([paths.depth[name][:1], paths.depth[name][:-1]])
    return before(paths.volume_usd[name]) * depth, np.sqrt(before(returns**2))


def _stamps(market: Market) -> tuple[FundingStamp, ...]:
    by_world: dict[str, list[InstrumentId]] = {}
    for one in market.terms.listings:
        by_world.setdefault(one.world, []).append(one.instrument.id)
    return tuple(
        FundingStamp(ts_ms, name, rate_e12)
        for ts_ms, world, rate_e12 in sorted(market.paths.funding)
        if ts_ms <= market.end_ms
        for name in by_world.get(world, ())
    )


def _spells(
    spells: tuple[tuple[str, int, int], ...], world_venue: str, venues: list[str]
) -> tuple[Freeze, ...]:
    return tuple(
        Freeze(venue, start, end)
        for world, start, end in spells
        if world == world_venue
        for venue in venues
    )


def _closings(market: Market) -> tuple[Deleveraging, ...]:
    return tuple(
        sorted(
            Deleveraging(e.ts_ms, o.instrument.id, 1 if e.side == "long" else -1, e.rank_threshold)
            for e in market.paths.adl
            for o in market.terms.listings
            if o.world == e.instrument
        )
    )


def _queues(market: Market) -> dict[InstrumentId, Queue]:
    hour = (market.begin_ms - market.paths.start_ms) // HOUR_MS
    ranking = "price_leverage" if market.terms.world_venue == "hyperliquid" else "profit_leverage"
    return {
        o.instrument.id: Queue(ranking, market.paths.adl_scores[o.world][hour:])
        for o in market.terms.listings
    }


def _deliveries(market: Market) -> tuple[DeliveryPrice, ...]:
    """The mean of the index at the ends of the steps of the last half hour before each expiry."""
    paths, found = market.paths, set[DeliveryPrice]()
    for coin, _, group in market.expiries:
        expiry_ms, index = group[0].option.expiry_ms, group[0].option.index
        if not market.begin_ms < expiry_ms <= market.end_ms:
            continue
        last = (expiry_ms - paths.start_ms) // paths.step_ms
        first = last - AVERAGED_MS // paths.step_ms
        ticks = nearest_ticks(market.index_paths[coin].close[first:last], index.tick)
        count = last - first
        found.add(DeliveryPrice(expiry_ms, index.id, (2 * int(ticks.sum()) + count) // (2 * count)))
    return tuple(sorted(found))
