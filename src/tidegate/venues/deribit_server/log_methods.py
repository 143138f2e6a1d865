# SPDX-License-Identifier: Apache-2.0
"""The log of an account's money: trades, ends of sessions, transfers.

Source: docs.deribit.com, private/get_transaction_log, read in November 2026. Rows are told newest
first; `continuation` is how many older ones there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tidegate.model.instruments import Option
from tidegate.venues.deribit_server.accounts import Principal
from tidegate.venues.deribit_server.figures import amount, money, price
from tidegate.venues.deribit_server.market_shapes import Shape
from tidegate.venues.deribit_server.params import Params
from tidegate.venues.deribit_server.reading_methods import currency
from tidegate.venues.deribit_server.refusals import bad_param
from tidegate.venues.deribit_server.session import Session
from tidegate.venues.deribit_server.settlements import Settled
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.values import Fill, Sent

if TYPE_CHECKING:
    from tidegate.venues.deribit_server.house import House

COUNT_MAX, COUNT = 250, 100
TYPES = ("trade", "settlement", "transfer")
MOST = 1 << 62


def _transactions(house: House, session: Session, params: Params) -> Shape:
    who, asset = session.who("wallet:read"), currency(params)
    first, last = params.integer("start_timestamp"), params.integer("end_timestamp")
    if not 0 <= first <= last:
        raise bad_param("start_timestamp", "expected not after end_timestamp")
    wanted = params.choice("query", (*TYPES, ""), "")
    count = params.within("count", 1, COUNT_MAX, COUNT)
    older = params.within("continuation", 1, MOST, MOST)
    rows = [
        row
        for row in _rows(house, who, asset)
        if first <= row["timestamp"] <= last and wanted in ("", row["type"])
    ][:older]
    shown = rows[-count:][::-1]
    return {"logs": shown, "continuation": len(rows) - len(shown) or None}


def _rows(house: House, who: Principal, asset: str) -> list[Shape]:
    """All that is remembered of one currency, oldest first."""
    account = house.account(who)
    fills = [f for f in account.fills() if house.known(f.symbol).settle == asset]
    ends = [s for s in house.settlements.rows(who.key) if _settle(house, s) == asset]
    moved = [s for s in house.sent if s.asset == asset and who.key in (s.source, s.destination)]
    rows = [
        *(_trade(house, account, fill) for fill in fills),
        *(_settlement(house, end) for end in ends),
        *(_transfer(who, sent) for sent in moved),
    ]
    rows.sort(key=lambda row: row["timestamp"])
    about = {"currency": asset, "user_id": who.user_id, "username": who.name}
    return [about | row | {"user_seq": place} for place, row in enumerate(rows, 1)]


def _settle(house: House, end: Settled) -> str:
    return house.street.market.instruments[end.instrument].settle


def _trade(house: House, account: StreetAccount, fill: Fill) -> Shape:
    one, told = house.known(fill.symbol), house.accounts.trade(account, fill)
    closes = fill.lots_before * fill.lots < 0
    premium = -one.entry_cost(fill.lots, fill.ticks) if isinstance(one, Option) else 0
    return {
        "id": 3 * fill.number,
        "type": "trade",
        "timestamp": fill.ts_ms,
        "instrument_name": fill.symbol,
        "trade_id": told["trade_id"],
        "order_id": told["order_id"],
        "side": f"{'close' if closes else 'open'} {'buy' if fill.lots > 0 else 'sell'}",
        "amount": told["amount"],
        "price": told["price"],
        "position": amount(one, fill.lots_before + fill.lots),
        "commission": money(fill.fee_quanta, one.settle),
        "cashflow": money(premium, one.settle),
        "change": money(premium - fill.fee_quanta, one.settle),
        "interest_pl": 0,
        "info": {},
    }


def _settlement(house: House, end: Settled) -> Shape:
    one = house.street.market.instruments[end.instrument]
    side = "long" if end.lots > 0 else "short"
    return {
        "id": 3 * end.number + 1,
        "type": "settlement",
        "timestamp": end.ts_ms,
        "instrument_name": one.symbol,
        "trade_id": None,
        "order_id": None,
        "side": side if end.lots else "-",
        "amount": amount(one, abs(end.lots)),
        "price": None,
        "position": amount(one, end.lots),
        "commission": None,
        "interest_pl": money(end.funding, one.settle),
        "total_interest_pl": money(end.funding, one.settle),
        "session_rpl": money(end.realised, one.settle),
        "session_upl": money(end.open, one.settle),
        "cashflow": 0,
        "change": 0,
        "info": {"settlement_price": price(one, end.ticks)},
    }


def _transfer(who: Principal, sent: Sent) -> Shape:
    pays = sent.source == who.key
    moved = money(-sent.quanta if pays else sent.quanta, sent.asset)
    return {
        "id": 3 * sent.id + 2,
        "type": "transfer",
        "timestamp": sent.sent_ms if pays else sent.lands_ms,
        "instrument_name": None,
        "trade_id": None,
        "order_id": None,
        "side": "-",
        "price": None,
        "position": None,
        "commission": 0,
        "cashflow": moved,
        "change": moved,
        "interest_pl": None,
        "info": {"transfer_type": "subaccount"},
    }


METHODS: dict[str, Callable[[Any, Session, Params], Any]] = {
    "private/get_transaction_log": _transactions,
}
