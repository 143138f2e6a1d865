# SPDX-License-Identifier: Apache-2.0
"""Margin of working orders: the worse of all bids and all asks executing.

An order executes at its limit or the mark, whichever is worse, so that a bid far below the mark is
no profit. What only reduces is left out. Source: Binance, margin requirement max(|position + bids|,
|position - asks|) / leverage (developer forum 17078 quoting the venue's page, read in November
2026); Bybit, margin of the dearer side (help centre, read in November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from tidegate.margin.holding_values import WHERE, filled, mark_price
from tidegate.margin.holdings import Holdings, WorkingOrder
from tidegate.margin.prices import Prices
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError

SIDES = ("bids", "asks")


def executed(holdings: Holdings, side: str, prices: Prices) -> Holdings:
    """Holdings after all orders of one side have executed, and without orders."""
    sign = 1.0 if side == "bids" else -1.0
    chosen = [o for o in holdings.orders if o.size * sign > 0 and not o.reduce_only]
    return _filled(replace(holdings, orders=()), chosen, prices)


def _filled(holdings: Holdings, orders: Iterable[WorkingOrder], prices: Prices) -> Holdings:
    for order in orders:
        if not order.price > 0:
            raise InputError(WHERE, order.instrument.id, "expected an order price above 0")
        mark = mark_price(order.instrument, prices)
        price = max(order.price, mark) if order.size > 0 else min(order.price, mark)
        holdings = filled(holdings, order.instrument, order.size, price)
    return holdings


def with_orders(
    plain: Callable[[Holdings, Prices], Statement],
    holdings: Holdings,
    prices: Prices,
    in_maintenance: bool = False,
) -> Statement:
    """A rule's statement with its orders: equity as it is; initial margin, and maintenance where
    the venue counts orders there, so much higher that what is left over is that of the worst side.
    """
    now = plain(replace(holdings, orders=()), prices)
    if not any(not order.reduce_only for order in holdings.orders):
        return now
    sides = [plain(executed(holdings, side, prices), prices) for side in SIDES]
    initial = max(0.0, *(_rise(now, side, now.initial, side.initial) for side in sides))
    kept = max(0.0, *(_rise(now, side, now.maintenance, side.maintenance) for side in sides))
    free = now.withdrawable
    return replace(
        now,
        initial=now.initial + initial,
        maintenance=now.maintenance + (kept if in_maintenance else 0.0),
        withdrawable=None if free is None else max(0.0, free - initial),
        parts={**now.parts, "open_orders": initial},
    )


def _rise(now: Statement, then: Statement, before: float, after: float) -> float:
    return (after - then.equity) - (before - now.equity)
