# SPDX-License-Identifier: Apache-2.0
"""What the street lists: perpetuals as a server names them, and options by the venue's calendar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from tidegate.model.errors import InputError
from tidegate.model.instruments import Index, InstrumentId, Option, Perpetual
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.world.option_listing import EXPIRY_HOUR, expiries, option, strikes
from tidegate.simulation.world.option_market import OptionMarket

WHERE = "street"


@dataclass(frozen=True, slots=True)
class Listing:
    """A perpetual, the index that it follows, and the world's market ("deribit:BTC") whose prices,
    funding and depth it has."""

    instrument: Perpetual
    index: Index
    world: str
    maker_ppm: int


@dataclass(frozen=True, slots=True)
class OptionOffer:
    """Options of a coin at a venue of the street: how many of the next expiries, and the log
    distance of a strike from the index, at most, when it is listed."""

    venue: str
    coin: str
    coin_settled: bool
    maker_ppm: int
    expiries: int = 4
    widest: float = 0.08


@dataclass(frozen=True, slots=True)
class Listed:
    """An option and when it is listed."""

    option: Option
    offer: OptionOffer
    listed_ms: int


def offered(
    market: OptionMarket, offers: Iterable[OptionOffer], begin_ms: int, end_ms: int
) -> dict[InstrumentId, Listed]:
    """What is listed at the begin and at 08:00 UTC of every day until the end, by id."""
    first = begin_ms // DAY_MS * DAY_MS + EXPIRY_HOUR * HOUR_MS
    reviews = [begin_ms, *(t for t in range(first, end_ms, DAY_MS) if t > begin_ms)]
    found: dict[InstrumentId, Listed] = {}
    for offer in offers:
        for ts_ms in reviews:
            for one in _listed(market, offer, ts_ms):
                found.setdefault(one.option.id, one)
    return found


def _listed(market: OptionMarket, offer: OptionOffer, ts_ms: int) -> Iterable[Listed]:
    rules, coin = market.parameters.listing, market.coin(offer.coin).coin
    if offer.coin_settled and float(coin.coin_tick) == 0.0:
        raise InputError(WHERE, offer.coin, "expected a coin whose options settle in it")
    index = float(market.coin(offer.coin).index.close[market.step_before(ts_ms)])
    for expiry_ms in expiries(rules, ts_ms)[: offer.expiries]:
        for strike in strikes(rules, index, expiry_ms - ts_ms):
            if abs(log(float(strike) / index)) <= offer.widest:
                for call in (True, False):
                    terms = (offer.venue, coin, expiry_ms, strike, call, offer.coin_settled)
                    yield Listed(option(*terms), offer, ts_ms)
