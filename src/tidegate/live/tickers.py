# SPDX-License-Identifier: Apache-2.0
"""Prices now, from venues' public endpoints, without a key: mark, half the spread, a day's volume.

A price is as old as the venue says it is; one that is not told again grows old, and what is older
than the mandate's limit is no price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import msgspec

from tidegate.model.instruments import Contract
from tidegate.model.replies import NotTaken, Unclear
from tidegate.venues.exchanges.client import Client, VenueRefused, asked


class Ticker(NamedTuple):
    """One contract's mark, when the venue saw it, half its spread as a share where it has a book,
    and a day's volume in dollars."""

    mark: Decimal
    as_of_ms: int
    half_spread: float | None
    volume_day_usd: float


Tickers = Mapping[str, Ticker]
Read = Callable[[Client, Mapping[str, Contract]], Tickers | Unclear]


class _Listing(msgspec.Struct, frozen=True):
    name: str


class _Meta(msgspec.Struct, frozen=True):
    universe: list[_Listing]


class _Context(msgspec.Struct, frozen=True, rename="camel"):
    mark_px: Decimal
    day_ntl_vlm: Decimal
    impact_pxs: tuple[Decimal, Decimal] | None = None


class _Time(msgspec.Struct, frozen=True):
    time: int


class _Stats(msgspec.Struct, frozen=True):
    volume_usd: Decimal | None = None


class _DeribitTicker(msgspec.Struct, frozen=True):
    mark_price: Decimal
    timestamp: int
    stats: _Stats
    best_bid_price: Decimal | None = None
    best_ask_price: Decimal | None = None


def hyperliquid_tickers(client: Client, contracts: Mapping[str, Contract]) -> Tickers | Unclear:
    """All coins by `metaAndAssetCtxs`, as of the venue's time by a book asked just before it; the
    spread is that between impact prices, of which the venue publishes no other in one answer."""
    first = next(iter(contracts))
    book = _asked(lambda: client.publicPostInfo({"type": "l2Book", "coin": first}), _Time)
    form = tuple[_Meta, list[_Context]]
    reply = _asked(lambda: client.publicPostInfo({"type": "metaAndAssetCtxs"}), form)
    if isinstance(book, Unclear) or isinstance(reply, Unclear):
        return book if isinstance(book, Unclear) else reply
    meta, contexts = reply
    named = {one.name: context for one, context in zip(meta.universe, contexts, strict=False)}
    return {
        symbol: Ticker(
            named[symbol].mark_px,
            book.time,
            _half_spread(*(named[symbol].impact_pxs or (None, None))),
            float(named[symbol].day_ntl_vlm),
        )
        for symbol in contracts
        if symbol in named
    }


def deribit_tickers(client: Client, contracts: Mapping[str, Contract]) -> Tickers | Unclear:
    """Each contract by `public/ticker`."""
    found: dict[str, Ticker] = {}
    for symbol in contracts:
        reply = _asked(partial(client.publicGetTicker, {"instrument_name": symbol}), dict[str, Any])
        told = reply if isinstance(reply, Unclear) else _converted(reply["result"], _DeribitTicker)
        if isinstance(told, Unclear):
            return told
        spread = _half_spread(told.best_bid_price, told.best_ask_price)
        volume = float(told.stats.volume_usd or 0)
        found[symbol] = Ticker(told.mark_price, told.timestamp, spread, volume)
    return found


READERS: Mapping[str, Read] = {
    "hyperliquid": hyperliquid_tickers,
    "deribit": deribit_tickers,
}


def _half_spread(bid: Decimal | None, ask: Decimal | None) -> float | None:
    """Half the spread over the middle; None without both sides. A crossed book is below zero."""
    return float((ask - bid) / (ask + bid)) if bid and ask else None


def _asked(call: Callable[[], Any], form: Any) -> Any:
    try:
        reply = asked(call)
    except VenueRefused as error:
        return Unclear(str(error))
    return (
        Unclear(reply.reason) if isinstance(reply, NotTaken | Unclear) else _converted(reply, form)
    )


def _converted(reply: Any, form: Any) -> Any:
    try:
        return msgspec.convert(reply, form, strict=False)
    except (msgspec.ValidationError, ArithmeticError) as error:
        return Unclear(f"a reply of another form: {error}")
