# SPDX-License-Identifier: Apache-2.0
"""An account in the venue's shapes: state, positions, orders, fills, funding.

Every number is the exchange's own integer written out in decimals; averages alone are rounded.
Source of the shapes: hyperliquid.gitbook.io, Info endpoint (stored copy read in November 2026), and
payloads of the venue itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidegate.margin.liquidation import liquidation_prices
from tidegate.margin.rule import MarginRule, MarginState, Marks
from tidegate.model.account import Account, Position
from tidegate.model.events import FundingPaid
from tidegate.model.units import MICRO, ceil_div
from tidegate.venues.hyperliquid_server.amounts import quanta_text, text_of
from tidegate.venues.hyperliquid_server.market_shapes import Coin, Json, rate_text
from tidegate.venues.street.values import Fill, OrderState

AVERAGE_DECIMALS = 6
# Why the venue took an order back, or never took it, in its words.
CANCELLED = {
    "asked for": "canceled",
    "scheduled": "scheduledCancel",
    "initial margin": "marginCanceled",
    "reduce only": "reduceOnlyCanceled",
    "liquidation": "liquidatedCanceled",
}
REJECTED = {
    "initial margin": "perpMarginRejected",
    "reduce only": "reduceOnlyRejected",
    "would cross": "badAloPxRejected",
}


@dataclass(frozen=True, slots=True)
class Held:
    """An account as the exchange has it, the rule it is under, and the marks."""

    account: Account
    state: MarginState
    rule: MarginRule
    marks: Marks


def clearinghouse_state(
    held: Held, coins: Mapping[str, Coin], funded: Mapping[str, int], now_ms: int
) -> Json:
    """The perpetuals' account; `funded` is what was paid in funding, in quanta by instrument."""
    positions = held.account.positions
    values = {n: coins[n].contract.value(p.lots, held.marks[n]) for n, p in positions.items()}
    summary = {
        "accountValue": quanta_text(held.state.equity),
        "totalNtlPos": quanta_text(sum(map(abs, values.values()))),
        "totalRawUsd": quanta_text(held.state.equity - sum(values.values())),
        "totalMarginUsed": quanta_text(held.state.initial),
    }
    listed = [_position(held, coins[n], p, funded.get(n, 0)) for n, p in positions.items()]
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": quanta_text(held.state.maintenance),
        "withdrawable": quanta_text(held.state.withdrawable),
        "assetPositions": listed,
        "time": now_ms,
    }


def _position(held: Held, coin: Coin, position: Position, funded: int) -> Json:
    name = coin.contract.id
    value = coin.contract.value(position.lots, held.marks[name])
    leverage = chosen_leverage(held.rule, coin)
    used = ceil_div(abs(value), min(leverage, coin.tiers.at(abs(value)).max_leverage))
    profit, margin = value - position.cost, ceil_div(abs(position.cost), leverage)
    ends = liquidation_prices(held.rule, held.account, held.marks, name)
    at_ticks = ends.below_ticks if position.lots > 0 else ends.above_ticks
    paid = quanta_text(funded)
    return {
        "type": "oneWay",
        "position": {
            "coin": coin.name,
            "szi": coin.size(position.lots),
            "leverage": {"type": "cross", "value": leverage},
            "entryPx": average_text(abs(position.cost), abs(position.lots), coin),
            "positionValue": quanta_text(abs(value)),
            "unrealizedPnl": quanta_text(profit),
            "returnOnEquity": text_of(round(Decimal(profit) / margin, 10)),
            "liquidationPx": None if at_ticks is None else coin.price(at_ticks),
            "marginUsed": quanta_text(used),
            "maxLeverage": coin.max_leverage,
            "cumFunding": {"allTime": paid, "sinceOpen": paid, "sinceChange": paid},
        },
    }


def chosen_leverage(rule: Any, coin: Coin) -> int:
    """What an account chose for a coin, at most what the coin allows."""
    return min(int(rule.leverages.get(coin.contract.id, rule.leverage)), coin.max_leverage)


def average_text(quanta: int, lots: int, coin: Coin) -> str:
    """The price at which so many lots are worth so much."""
    exact = Decimal(quanta) / MICRO / (lots * coin.contract.lot)
    return text_of(round(exact, AVERAGE_DECIMALS))


def spot_state(balance_quanta: int) -> Json:
    """The spot wallet, which holds dollars alone."""
    total = quanta_text(balance_quanta)
    row = {"coin": "USDC", "token": 0, "total": total, "hold": "0.0", "entryNtl": "0.0"}
    return {"balances": [row]}


def order(coin: Coin, state: OrderState) -> Json:
    """An order in short."""
    wished = state.order
    said: Json = {
        "coin": coin.name,
        "side": "B" if wished.lots > 0 else "A",
        "limitPx": coin.price(wished.ticks or 0),
        "sz": coin.size(abs(state.left_lots)),
        "oid": state.id,
        "timestamp": state.created_ms,
        "origSz": coin.size(abs(wished.lots)),
    }
    if wished.reduce_only:
        said["reduceOnly"] = True
    if wished.label:
        said["cloid"] = wished.label
    return said


def long_order(coin: Coin, state: OrderState) -> Json:
    """An order with all that a page shows."""
    wished = state.order
    tif = "Alo" if wished.post_only else wished.in_force.capitalize()
    return order(coin, state) | {
        "triggerCondition": "N/A",
        "isTrigger": False,
        "triggerPx": "0.0",
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": wished.reduce_only,
        "orderType": "Limit",
        "tif": tif,
        "cloid": wished.label or None,
    }


def status_of(state: OrderState) -> str:
    """What became of an order, in the venue's word."""
    if state.state in ("open", "filled"):
        return state.state
    if state.state == "rejected":
        return REJECTED.get(state.reason, "rejected")
    if state.order.in_force == "ioc":
        return "canceled" if state.filled_lots else "iocCancelRejected"
    return CANCELLED.get(state.reason, "canceled")


def order_news(coin: Coin, state: OrderState, long: bool = False) -> Json:
    """An order with its status."""
    said = long_order(coin, state) if long else order(coin, state)
    return {"order": said, "status": status_of(state), "statusTimestamp": state.updated_ms}


def fill(coin: Coin, said: Fill, user: str) -> Json:
    """One fill."""
    told: Json = {
        "coin": coin.name,
        "px": coin.price(said.ticks),
        "sz": coin.size(abs(said.lots)),
        "side": "B" if said.lots > 0 else "A",
        "time": said.ts_ms,
        "startPosition": coin.size(said.lots_before),
        "dir": _direction(said),
        "closedPnl": quanta_text(said.realised_quanta),
        "hash": f"0x{said.number:064x}",
        "oid": said.order or 0,
        "crossed": not said.maker,
        "fee": quanta_text(said.fee_quanta),
        "tid": said.number,
        "feeToken": "USDC",
        "twapId": None,
    }
    if said.label:
        told["cloid"] = said.label
    if said.order is None:
        mark = coin.price(said.mark_ticks)
        told["liquidation"] = {"liquidatedUser": user, "markPx": mark, "method": "market"}
    return told


def _direction(said: Fill) -> str:
    before, after = said.lots_before, said.lots_before + said.lots
    if before * after < 0:
        return "Long > Short" if before > 0 else "Short > Long"
    opens = abs(after) > abs(before)
    long = (after if opens else before) > 0
    return f"{'Open' if opens else 'Close'} {'Long' if long else 'Short'}"


def funding_paid(coin: Coin, said: FundingPaid) -> Json:
    """One payment of funding: what the account received, negative where it paid."""
    return {
        "coin": coin.name,
        "usdc": quanta_text(-said.quanta),
        "szi": coin.size(said.lots),
        "fundingRate": rate_text(said.rate_e12),
        "nSamples": None,
    }
