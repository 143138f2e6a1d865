# SPDX-License-Identifier: Apache-2.0
"""Bybit's unified account as its documents describe it (v5, read 2026-11-30)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar

from tests.venues.exchanges.fakes.account import Account, Fill, Income, Order, Rejected
from tests.venues.exchanges.fakes.served import Answer, Asked

KEY, SECRET = "key-of-bybit", "secret-of-bybit"
SYMBOL, WEEK_MS, WINDOW_MS = "BTCUSDT", 7 * 86_400_000, 5_000
CAUSES = {"order": "Trade", "liquidation": "BustTrade", "deleveraging": "AdlTrade"}
REJECTIONS = {
    "duplicate": (110072, "OrderLinkedID is duplicate"),
    "step": (10001, "Qty invalid"),
    "reduce": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "margin": (110007, "Available balance is insufficient"),
}
TRANSFERS = {True: "TRANSFER_IN", False: "TRANSFER_OUT"}


class Refused(Exception):
    """A code and its words."""


def text(value: Decimal) -> str:
    return f"{value:.8f}"


class BybitVenue:
    """Answers by method and path; every signed request is checked as the venue would."""

    def __init__(self, page_most: int = 50) -> None:
        self.account, self.page_most = Account(SYMBOL), page_most
        self.modes: dict[str, Any] = {"hedge": False, "margin": "REGULAR_MARGIN", "status": 5}
        self.modes["withdraw"] = False
        self.used: set[str] = set()

    def answer(self, asked: Asked) -> Answer:
        name = f"{asked.method} {asked.path}"
        try:
            if name == "GET /v5/market/time":
                return self.fine(self.time())
            if name == "GET /v5/market/tickers":
                return self.fine(self.ticker())
            if name not in self.METHODS:
                return Answer(404, None)
            self.let_in(asked)
            return self.fine(self.METHODS[name](self, asked.params))
        except Refused as error:
            code, words = error.args
            return Answer(200, self.said(code, words, {}))

    def fine(self, result: Any) -> Answer:
        return Answer(200, self.said(0, "OK", result))

    def said(self, code: int, words: str, result: Any) -> dict[str, Any]:
        told = {"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}}
        return told | {"time": self.account.time_ms}

    def time(self) -> Any:
        ms = self.account.time_ms
        return {"timeSecond": str(ms // 1_000), "timeNano": str(ms * 1_000_000)}

    def ticker(self) -> Any:
        bid, ask = self.account.bids[0], self.account.asks[0]
        row = {"symbol": SYMBOL, "bid1Price": str(bid[0]), "ask1Price": str(ask[0])}
        return {"category": "linear", "list": [row]}

    def let_in(self, asked: Asked) -> None:
        head = asked.headers
        stamp, window = head["X-BAPI-TIMESTAMP"], head["X-BAPI-RECV-WINDOW"]
        said = f"{stamp}{KEY}{window}{asked.raw}"
        wanted = hmac.new(SECRET.encode(), said.encode(), sha256).hexdigest()
        if head["X-BAPI-API-KEY"] != KEY:
            raise Refused(10003, "API key is invalid.")
        if head["X-BAPI-SIGN"] != wanted:
            raise Refused(10004, "Error sign, please check your signature generation algorithm.")
        now_ms = self.account.time_ms
        if not now_ms - int(window) <= int(stamp) < now_ms + 1_000:
            raise Refused(10002, "invalid request, please check your server timestamp")

    def place(self, said: dict[str, Any]) -> Any:
        if self.modes["hedge"] and said.get("positionIdx", 0) == 0:
            raise Refused(10001, "position idx not match position mode")
        try:
            if said["orderLinkId"] in self.used or self.account.of(said["orderLinkId"]):
                raise Rejected("duplicate")
            order = self.account.place(
                said["orderLinkId"], said["side"] == "Buy", Decimal(said["qty"]),
                Decimal(said["price"]), reduce_only=said["reduceOnly"],
                immediate=said["timeInForce"] == "IOC",
            )  # fmt: skip
        except Rejected as error:
            raise Refused(*REJECTIONS[str(error)]) from None
        self.used.add(order.client_id)
        return {"orderId": str(order.number), "orderLinkId": order.client_id}

    def cancel(self, said: dict[str, Any]) -> Any:
        order = self.account.of(said["orderLinkId"])
        if order is None or order.state != "working":
            raise Refused(110001, "order not exists or too late to cancel")
        self.account.cancel(order)
        return {"orderId": str(order.number), "orderLinkId": order.client_id}

    def realtime(self, said: dict[str, Any]) -> Any:
        orders = list(self.account.orders.values())
        if "orderLinkId" in said:
            orders = [o for o in orders if o.client_id == said["orderLinkId"]]
            orders = [o for o in orders if o.client_id not in self.account.forgotten]
        else:
            orders = [o for o in orders if o.state == "working"]
        return self.paged([_order(o) for o in orders[::-1]], said)

    def history(self, said: dict[str, Any]) -> Any:
        orders = [o for o in self.account.orders.values() if o.client_id == said["orderLinkId"]]
        return self.paged([_order(o) for o in orders if o.state != "working"], said)

    def executions(self, said: dict[str, Any]) -> Any:
        rows = [_fill(f) for f in self.account.fills]
        rows += [_funding_fill(i) for i in self.account.incomes if i.kind == "funding"]
        rows.sort(key=lambda row: (int(row["execTime"]), row["seq"]), reverse=True)
        return self.paged(self.between(rows, "execTime", said), said)

    def log(self, said: dict[str, Any]) -> Any:
        rows = [_traded(f) for f in self.account.fills]
        rows += [_line(i) for i in self.account.incomes]
        rows.sort(key=lambda row: (int(row["transactionTime"]), row["id"]), reverse=True)
        return self.paged(self.between(rows, "transactionTime", said), said)

    def between(
        self, rows: list[dict[str, Any]], field: str, said: dict[str, Any]
    ) -> list[dict[str, Any]]:
        since_ms, until_ms = int(said["startTime"]), int(said["endTime"])
        if until_ms - since_ms > WEEK_MS:
            raise Refused(10001, "The time range between startTime and endTime is over 7 days")
        return [row for row in rows if since_ms <= int(row[field]) <= until_ms]

    def paged(self, rows: list[dict[str, Any]], said: dict[str, Any]) -> Any:
        limit = min(int(said.get("limit", 20)), self.page_most)
        first = int(said.get("cursor", "at:0").partition(":")[2])
        more = first + limit < len(rows)
        # Cursors come encoded already, as the venue's do.
        cursor = f"at%3A{first + limit}" if more else ""
        return {
            "category": "linear", "list": rows[first : first + limit], "nextPageCursor": cursor,
        }  # fmt: skip

    def wallet(self, said: dict[str, Any]) -> Any:
        account = self.account
        names = (
            "totalEquity", "accountIMRate", "totalMarginBalance", "totalInitialMargin",
            "totalAvailableBalance", "accountMMRate", "totalPerpUPL", "totalWalletBalance",
            "accountLTV", "totalMaintenanceMargin",
        )  # fmt: skip
        coins = ("availableToBorrow", "accruedInterest", "availableToWithdraw", "borrowAmount")
        coin = dict.fromkeys(coins, "0") | {
            "coin": "USDT", "spotBorrow": "0", "equity": text(account.equity()),
            "walletBalance": text(account.wallet), "unrealisedPnl": text(account.unrealised()),
        }  # fmt: skip
        row = dict.fromkeys(names, "0") | {"accountType": "UNIFIED", "coin": [coin]}
        return {"list": [row]}

    def positions(self, said: dict[str, Any]) -> Any:
        sides = (1, 2) if self.modes["hedge"] else (0,)
        return self.paged([_position(self.account, side) for side in sides], said)

    def info(self, said: dict[str, Any]) -> Any:
        return {
            "marginMode": self.modes["margin"], "updatedTime": "1697078946000",
            "unifiedMarginStatus": self.modes["status"], "dcpStatus": "OFF", "timeWindow": 10,
            "smpGroup": 0, "isMasterTrader": False, "spotHedgingStatus": "OFF",
        }  # fmt: skip

    def key(self, said: dict[str, Any]) -> Any:
        rights = ["AccountTransfer"] + ["Withdraw"] * bool(self.modes["withdraw"])
        return {"readOnly": 0, "permissions": {"Wallet": rights, "Derivatives": []}}

    METHODS: ClassVar[dict[str, Callable[..., Any]]] = {
        "POST /v5/order/create": place,
        "POST /v5/order/cancel": cancel,
        "GET /v5/order/realtime": realtime,
        "GET /v5/order/history": history,
        "GET /v5/execution/list": executions,
        "GET /v5/account/transaction-log": log,
        "GET /v5/account/wallet-balance": wallet,
        "GET /v5/position/list": positions,
        "GET /v5/account/info": info,
        "GET /v5/user/query-api": key,
    }


def _order(order: Order) -> dict[str, Any]:
    state = {"filled": "Filled", "cancelled": "Cancelled", "working": "New"}[order.state]
    if order.filled and order.left:
        state = "PartiallyFilled" if order.state == "working" else "PartiallyFilledCanceled"
    blank = dict.fromkeys(
        ("blockTradeId", "stopOrderType", "orderIv", "triggerPrice", "takeProfit", "stopLoss",
         "tpTriggerBy", "slTriggerBy", "triggerBy", "lastPriceOnCreated", "smpOrderId", "tpslMode",
         "tpLimitPrice", "slLimitPrice", "placeType"), "",
    )  # fmt: skip
    return blank | {
        "orderId": str(order.number), "orderLinkId": order.client_id, "symbol": SYMBOL,
        "price": str(order.price), "qty": str(order.size), "side": "Buy" if order.buys else "Sell",
        "positionIdx": 0, "orderStatus": state, "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError", "leavesQty": str(order.left), "leavesValue": "0",
        "avgPrice": str(order.paid / order.filled) if order.filled else "",
        "cumExecQty": str(order.filled), "cumExecValue": str(order.paid), "cumExecFee": "0",
        "timeInForce": "IOC" if order.immediate else "GTC", "orderType": "Limit",
        "triggerDirection": 0, "reduceOnly": order.reduce_only, "closeOnTrigger": False,
        "smpType": "None", "smpGroup": 0, "createdTime": str(order.ts_ms),
        "updatedTime": str(order.updated_ms),
    }  # fmt: skip


def _fill(fill: Fill) -> dict[str, Any]:
    order = fill.order
    return {
        "symbol": SYMBOL, "orderId": str(order.number), "orderLinkId": order.client_id,
        "side": "Buy" if order.buys else "Sell", "orderPrice": str(order.price),
        "orderQty": str(order.size), "leavesQty": "0", "createType": "CreateByUser",
        "orderType": "Limit", "stopOrderType": "UNKNOWN", "execFee": text(fill.fee),
        "execId": f"exec-{fill.number}", "execPrice": str(fill.price), "execQty": str(fill.size),
        "execType": CAUSES[order.cause], "execValue": str(fill.size * fill.price),
        "execTime": str(fill.ts_ms), "feeCurrency": "", "isMaker": False, "feeRate": "0.000453",
        "tradeIv": "", "markIv": "", "markPrice": "", "indexPrice": "", "underlyingPrice": "",
        "blockTradeId": "", "closedSize": "", "seq": fill.number,
    }  # fmt: skip


def _funding_fill(income: Income) -> dict[str, Any]:
    """Funding is among the executions too, as one of a kind of its own."""
    return {
        "symbol": SYMBOL, "orderId": f"{income.ts_ms}-8", "orderLinkId": "", "side": "Sell",
        "execFee": text(-income.amount), "execId": f"exec-{income.number}", "execPrice": "60000",
        "execQty": "1", "execType": "Funding", "execTime": str(income.ts_ms), "isMaker": False,
        "feeCurrency": "", "seq": income.number,
    }  # fmt: skip


def _blank_line(number: int, ts_ms: int, kind: str) -> dict[str, Any]:
    return {
        "id": f"592324_{SYMBOL}_{number}", "symbol": "", "category": "", "side": "None",
        "transactionTime": str(ts_ms), "type": kind, "qty": "", "size": "", "currency": "USDT",
        "tradePrice": "", "funding": "", "fee": "", "cashFlow": "", "change": "0",
        "cashBalance": "0", "feeRate": "", "bonusChange": "", "tradeId": "", "orderId": "",
        "orderLinkId": "", "extraFees": "", "transSubType": "",
    }  # fmt: skip


def _traded(fill: Fill) -> dict[str, Any]:
    return _blank_line(fill.number, fill.ts_ms, "TRADE") | {
        "symbol": SYMBOL, "category": "linear", "fee": text(fill.fee),
        "cashFlow": text(fill.realised), "change": text(fill.realised - fill.fee),
        "tradeId": f"exec-{fill.number}",
    }  # fmt: skip


def _line(income: Income) -> dict[str, Any]:
    amount = text(income.amount)
    if income.kind == "funding":
        more = {"symbol": SYMBOL, "category": "linear", "funding": amount, "cashFlow": "0"}
        return _blank_line(income.number, income.ts_ms, "SETTLEMENT") | more | {"change": amount}
    kind = TRANSFERS[income.amount > 0] if income.kind == "transfer" else "FEE_REFUND"
    row = _blank_line(income.number, income.ts_ms, kind)
    return row | {"cashFlow": amount, "change": amount}


def _position(account: Account, side: int) -> dict[str, Any]:
    held = bool(account.size)
    name = "" if not held else "Buy" if account.size > 0 else "Sell"
    blank = dict.fromkeys(
        ("riskLimitValue", "positionBalance", "liqPrice", "bustPrice", "positionMM", "positionIM",
         "takeProfit", "stopLoss", "trailingStop", "curRealisedPnl", "cumRealisedPnl"), "",
    )  # fmt: skip
    return blank | {
        "positionIdx": side, "riskId": 1, "symbol": SYMBOL, "side": name,
        "size": str(abs(account.size)), "positionValue": str(abs(account.size) * account.entry),
        "tradeMode": 0, "positionStatus": "Normal", "autoAddMargin": 0, "adlRankIndicator": 2,
        "leverage": "20", "avgPrice": str(account.entry) if held else "0", "tpslMode": "Full",
        "markPrice": str(account.mark), "unrealisedPnl": text(account.unrealised()) if held else "",
        "createdTime": "1676538056258", "updatedTime": str(account.time_ms), "seq": 1,
    }  # fmt: skip
