# SPDX-License-Identifier: Apache-2.0
"""Orders: placed, cancelled, put in the place of others, and the venue's words where it does not.

Sources of the words: hyperliquid.gitbook.io, Error responses (stored copy read in November 2026);
those that it does not have were read in answers of the venue, or are ours and say so in
docs/paper-venues.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.model.units import MICRO
from tidegate.venues.hyperliquid_server.account_shapes import average_text
from tidegate.venues.hyperliquid_server.actions import (
    CancelWire,
    CloidWire,
    ModifyWire,
    OrderWire,
)
from tidegate.venues.hyperliquid_server.amounts import (
    MINIMUM_ORDER_USD,
    plain_decimal,
    price_ticks,
    whole_steps,
)
from tidegate.venues.hyperliquid_server.house import Desk, House
from tidegate.venues.hyperliquid_server.market_shapes import Coin
from tidegate.venues.street.values import NewOrder, OrderState, Refused

Status = Any
MISSING = "Order was never placed, already canceled, or filled."
NOT_MATCHED = "Order could not immediately match against any resting orders."
# How far a price may be from the mark, in fifths of it.
FAR_FIFTHS = 4
WORDS: Mapping[str, str] = {
    "initial margin": "Insufficient margin to place order.",
    "reduce only": "Reduce only order would increase position.",
    "not filled at once": NOT_MATCHED,
    "no depth": NOT_MATCHED,
    "too many orders": "Too many open orders.",
    "venue is out": "Trading is halted.",
    "no price": "Trading is halted.",
    "no such order": MISSING,
    "already closed": MISSING,
}


def place(house: House, desk: Desk, wire: OrderWire) -> Status:
    """What became of one new order."""
    wished = _checked(house, wire)
    if isinstance(wished, str):
        return {"error": f"{wished} asset={wire.a}"}
    return _answer(house, wire, desk.place(wished))


def _checked(house: House, wire: OrderWire) -> NewOrder | str:
    """The order in integers, or why the venue does not read it."""
    coin = house.coin_of(wire.a)
    if coin is None:
        return "Unknown asset."
    if not isinstance(wire.t.limit, msgspec.Struct):
        return "Trigger orders are not offered by this paper venue."
    lots, ticks = whole_steps(wire.s, coin.contract.lot), price_ticks(wire.p, coin.contract.tick)
    if lots is None:
        return "Order has invalid size."
    if lots == 0:
        return "Order has zero size."
    if ticks is None:
        number = plain_decimal(wire.p)
        return "Order has invalid price." if number is None else TICK
    if (refusal := _price_refusal(house, coin, ticks)) is not None:
        return refusal
    if not wire.r and coin.contract.notional(lots, ticks) < MINIMUM_ORDER_USD * MICRO:
        return f"Order must have minimum value of ${MINIMUM_ORDER_USD}."
    return _wished(coin, wire, lots, ticks)


TICK = "Price must be divisible by tick size."


def _price_refusal(house: House, coin: Coin, ticks: int) -> str | None:
    mark = house.quote(coin).mark_ticks
    if ticks < 1:
        return "Order has invalid price."
    if 5 * abs(ticks - mark) > FAR_FIFTHS * mark:
        return "Order price cannot be more than 80% away from the reference price."
    return None


def _wished(coin: Coin, wire: OrderWire, lots: int, ticks: int) -> NewOrder:
    tif = wire.t.limit.tif if isinstance(wire.t.limit, msgspec.Struct) else "Gtc"
    return NewOrder(
        coin.name,
        lots if wire.b else -lots,
        ticks,
        in_force="ioc" if tif == "Ioc" else "gtc",
        post_only=tif == "Alo",
        reduce_only=wire.r,
        label=wire.c.lower() if isinstance(wire.c, str) else "",
    )


def _answer(house: House, wire: OrderWire, became: OrderState | Refused) -> Status:
    if isinstance(became, Refused):
        return {"error": f"{_words(house, wire, became.reason)} asset={wire.a}"}
    cloid = {"cloid": wire.c} if isinstance(wire.c, str) else {}
    if became.state == "open":
        return {"resting": {"oid": became.id} | cloid}
    if became.filled_lots:
        coin, lots = house.coins[wire.a], abs(became.filled_lots)
        worth = became.lots_ticks * coin.contract.unit_numerator // coin.contract.unit_denominator
        filled = {"totalSz": coin.size(lots), "avgPx": average_text(worth, lots, coin)}
        return {"filled": filled | {"oid": became.id} | cloid}
    return {"error": f"{_words(house, wire, became.reason)} asset={wire.a}"}


def _words(house: House, wire: OrderWire, reason: str) -> str:
    if reason == "would cross":
        coin = house.coins[wire.a]
        quote = house.quote(coin)
        sides = (coin.price(t or 0) for t in (quote.bid_ticks, quote.ask_ticks))
        return f"Post only order would have immediately matched, bbo was {'@'.join(sides)}."
    return WORDS.get(reason, f"Order was not taken: {reason}.")


def cancel(house: House, desk: Desk, wire: CancelWire) -> Status:
    """What became of one cancel."""
    return _cancelled(house, desk, wire.a, desk.order(wire.o))


def cancel_cloid(house: House, desk: Desk, wire: CloidWire) -> Status:
    """What became of one cancel by the client's id."""
    return _cancelled(house, desk, wire.asset, desk.by_cloid(wire.cloid))


def _cancelled(house: House, desk: Desk, asset: int, found: OrderState | None) -> Status:
    coin = house.coin_of(asset)
    missing = {"error": f"{MISSING} asset={asset}"}
    if coin is None or found is None or found.order.symbol != coin.name:
        return missing
    if found.state != "open" or isinstance(desk.cancel(found.id), Refused):
        return missing
    return "success"


def modify(house: House, desk: Desk, wire: ModifyWire) -> Status:
    """Take an order back and place another; nothing changes where the new one cannot be read."""
    found = desk.by_cloid(wire.oid) if isinstance(wire.oid, str) else desk.order(wire.oid)
    if found is None or found.state != "open":
        return {"error": "Cannot modify canceled or filled order"}
    wished = _checked(house, wire.order)
    if isinstance(wished, str):
        return {"error": f"{wished} asset={wire.order.a}"}
    if (wished.symbol, wished.lots > 0) != (found.order.symbol, found.order.lots > 0):
        return {"error": "Cannot modify an order to another asset or side."}
    desk.cancel(found.id)
    return _answer(house, wire.order, desk.place(wished))
