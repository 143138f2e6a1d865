# SPDX-License-Identifier: Apache-2.0
"""Binance USD-M as its documents describe it (developers.binance.com, read 2026-11-30)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar

from tests.venues.exchanges.fakes.account import Account, Fill, Income, Order, Rejected
from tests.venues.exchanges.fakes.served import Answer, Asked

KEY, SECRET = "key-of-binance", "secret-of-binance"
SYMBOL, LONGEST_MS, WEEK_MS = "BTCUSDT", 60_000, 7 * 86_400_000
STATES = {"working": "NEW", "filled": "FILLED", "cancelled": "EXPIRED"}
KINDS = {
    "funding": "FUNDING_FEE",
    "transfer": "TRANSFER",
    "clearance": "INSURANCE_CLEAR",
    "kickback": "REFERRAL_KICKBACK",
}
FORCED = {"liquidation": "autoclose-1764547200000", "deleveraging": "adl_autoclose"}
REJECTIONS = {
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "step": (-1111, "Precision is over the maximum defined for this asset."),
    "reduce": (-2022, "ReduceOnly Order is rejected."),
    "margin": (-2019, "Margin is insufficient."),
}


class Refused(Exception):
    """A code and its words."""


def text(value: Decimal) -> str:
    return f"{value:.8f}"


class BinanceVenue:
    """Answers by method and path; every signed request is checked as the venue would."""

    def __init__(self, page_most: int = 1_000) -> None:
        self.account, self.page_most = Account(SYMBOL), page_most
        self.modes = {"dual": False, "multi": False, "burn": False, "withdraw": False}

    def answer(self, asked: Asked) -> Answer:
        name = f"{asked.method} {asked.path}"
        try:
            if asked.path.endswith(("/time", "/bookTicker")):
                return Answer(200, self.public(asked))
            if name not in self.METHODS:
                return Answer(404, {})
            self.let_in(asked)
            return Answer(200, self.METHODS[name](self, asked.params))
        except Refused as error:
            code, words = error.args
            return Answer(400, {"code": code, "msg": words})

    def public(self, asked: Asked) -> Any:
        if asked.path.endswith("/time"):
            return {"serverTime": self.account.time_ms}
        account = self.account
        (bid, bids), (ask, asks) = account.bids[0], account.asks[0]
        return {
            "symbol": SYMBOL, "bidPrice": text(bid), "bidQty": text(bids),
            "askPrice": text(ask), "askQty": text(asks), "time": account.time_ms,
        }  # fmt: skip

    def let_in(self, asked: Asked) -> None:
        said, _, signature = asked.raw.rpartition("&signature=")
        wanted = hmac.new(SECRET.encode(), said.encode(), sha256).hexdigest()
        if asked.headers.get("X-MBX-APIKEY") != KEY:
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.")
        if signature != wanted:
            raise Refused(-1022, "Signature for this request is not valid.")
        self.in_time(int(asked.params["timestamp"]), int(asked.params.get("recvWindow", 5_000)))

    def in_time(self, stamp_ms: int, window_ms: int) -> None:
        if window_ms > LONGEST_MS:
            raise Refused(-1131, "recvWindow must be less than 60000")
        now_ms = self.account.time_ms
        if not (stamp_ms < now_ms + 1_000 and now_ms - stamp_ms <= window_ms):
            raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")

    def place(self, said: dict[str, Any]) -> Any:
        if self.modes["dual"] and "positionSide" not in said:
            raise Refused(-4061, "Order's position side does not match user's setting.")
        try:
            order = self.account.place(
                said["newClientOrderId"], said["side"] == "BUY", Decimal(said["quantity"]),
                Decimal(said["price"]), reduce_only=said["reduceOnly"] == "true",
                immediate=said["timeInForce"] == "IOC",
            )  # fmt: skip
        except Rejected as error:
            raise Refused(*REJECTIONS[str(error)]) from None
        return self.order_told(order)

    def found(self, said: dict[str, Any], code: int, words: str) -> Order:
        if "orderId" in said:
            order = self.account.orders.get(int(said["orderId"]))
        else:
            order = self.account.of(said["origClientOrderId"])
        if order is None:
            raise Refused(code, words)
        return order

    def order(self, said: dict[str, Any]) -> Any:
        return self.order_told(self.found(said, -2013, "Order does not exist."))

    def cancel(self, said: dict[str, Any]) -> Any:
        order = self.found(said, -2011, "Unknown order sent.")
        if order.state != "working":
            raise Refused(-2011, "Unknown order sent.")
        self.account.cancel(order)
        return self.order_told(order)

    def open_orders(self, said: dict[str, Any]) -> Any:
        return [self.order_told(o) for o in self.account.orders.values() if o.state == "working"]

    def order_told(self, order: Order) -> dict[str, Any]:
        state = STATES[order.state]
        if order.state == "working" and order.filled:
            state = "PARTIALLY_FILLED"
        average = order.paid / order.filled if order.filled else Decimal(0)
        return {
            "orderId": order.number, "symbol": SYMBOL, "status": state,
            "clientOrderId": FORCED.get(order.cause, order.client_id), "price": text(order.price),
            "avgPrice": f"{average:.5f}", "origQty": text(order.size),
            "executedQty": text(order.filled), "cumQuote": text(order.paid),
            "timeInForce": "IOC" if order.immediate else "GTC", "type": "LIMIT",
            "reduceOnly": order.reduce_only, "closePosition": False,
            "side": "BUY" if order.buys else "SELL", "positionSide": "BOTH", "stopPrice": "0",
            "workingType": "CONTRACT_PRICE", "priceProtect": False, "origType": "LIMIT",
            "priceMatch": "NONE", "selfTradePreventionMode": "EXPIRE_MAKER", "goodTillDate": 0,
            "time": order.ts_ms, "updateTime": order.updated_ms,
        }  # fmt: skip

    def trades(self, said: dict[str, Any]) -> Any:
        fills = self.account.fills
        if "fromId" in said:
            if "startTime" in said or "endTime" in said:
                raise Refused(-1128, "Combination of optional parameters invalid.")
            fills = [f for f in fills if f.number >= int(said["fromId"])]
        else:
            fills = self.between(fills, said)
        rows = [_trade(fill) for fill in fills[: self.limit(said)]]
        return [row | {"commissionAsset": "BNB"} for row in rows] if self.modes["burn"] else rows

    def incomes(self, said: dict[str, Any]) -> Any:
        kept: list[dict[str, Any]] = []
        for fill in self.account.fills:
            kept.append(_income(fill.number, "COMMISSION", -fill.fee, fill.ts_ms, fill))
            if fill.realised:
                kept.append(_income(fill.number, "REALIZED_PNL", fill.realised, fill.ts_ms, fill))
        kept += [_told(income) for income in self.account.incomes]
        rows = sorted(kept, key=lambda row: row["time"])
        rows = [r for r in rows if int(said["startTime"]) <= r["time"] <= int(said["endTime"])]
        first = (int(said.get("page", 1)) - 1) * self.limit(said)
        return rows[first : first + self.limit(said)]

    def between(self, rows: list[Fill], said: dict[str, Any]) -> list[Fill]:
        since_ms, until_ms = int(said["startTime"]), int(said["endTime"])
        if until_ms - since_ms > WEEK_MS:
            raise Refused(-4165, "Search window is restricted to recent 7 days only.")
        return [row for row in rows if since_ms <= row.ts_ms <= until_ms]

    def limit(self, said: dict[str, Any]) -> int:
        return min(int(said.get("limit", 500)), self.page_most)

    def positions(self, said: dict[str, Any]) -> Any:
        account = self.account
        return [
            {
                "symbol": SYMBOL, "positionAmt": str(account.size),
                "entryPrice": text(account.entry),
                "markPrice": text(account.mark), "unRealizedProfit": text(account.unrealised()),
                "liquidationPrice": "0", "leverage": "20", "maxNotionalValue": "100000000",
                "marginType": "cross", "isolatedMargin": "0.00000000", "isAutoAddMargin": "false",
                "positionSide": "LONG" if self.modes["dual"] and account.size else "BOTH",
                "notional": text(account.size * account.mark), "isolatedWallet": "0",
                "updateTime": account.time_ms, "breakEvenPrice": text(account.entry),
            }
        ]  # fmt: skip

    def account_told(self, said: dict[str, Any]) -> Any:
        account = self.account
        sums = dict.fromkeys(
            ("totalInitialMargin", "totalMaintMargin", "totalWalletBalance",
             "totalUnrealizedProfit", "totalMarginBalance", "totalPositionInitialMargin",
             "totalOpenOrderInitialMargin", "totalCrossWalletBalance", "totalCrossUnPnl",
             "availableBalance", "maxWithdrawAmount"), "0.00000000",
        )  # fmt: skip
        flags = {"feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True}
        asset = dict.fromkeys(
            ("maintMargin", "initialMargin", "positionInitialMargin", "openOrderInitialMargin",
             "availableBalance", "maxWithdrawAmount"), "0.00000000",
        ) | {
            "asset": "USDT", "walletBalance": text(account.wallet),
            "unrealizedProfit": text(account.unrealised()), "marginBalance": text(account.equity()),
            "crossWalletBalance": text(account.wallet), "crossUnPnl": text(account.unrealised()),
            "marginAvailable": True, "updateTime": account.time_ms,
        }  # fmt: skip
        return sums | flags | {
            "updateTime": 0, "multiAssetsMargin": self.modes["multi"], "tradeGroupId": -1,
            "assets": [asset], "positions": [],
        }  # fmt: skip

    def switch(self, said: dict[str, Any]) -> Any:
        ms = int(said["countdownTime"])
        self.account.armed_ms = self.account.time_ms + ms if ms else None
        return {"symbol": said["symbol"], "countdownTime": said["countdownTime"]}

    def sides(self, said: dict[str, Any]) -> Any:
        return {"dualSidePosition": self.modes["dual"]}

    def pooled(self, said: dict[str, Any]) -> Any:
        return {"multiAssetsMargin": self.modes["multi"]}

    def burn(self, said: dict[str, Any]) -> Any:
        return {"feeBurn": self.modes["burn"]}

    def restrictions(self, said: dict[str, Any]) -> Any:
        return {"enableReading": True, "enableWithdrawals": self.modes["withdraw"]}

    METHODS: ClassVar[dict[str, Callable[..., Any]]] = {
        "POST /fapi/v1/order": place,
        "GET /fapi/v1/order": order,
        "DELETE /fapi/v1/order": cancel,
        "GET /fapi/v1/openOrders": open_orders,
        "GET /fapi/v1/userTrades": trades,
        "GET /fapi/v1/income": incomes,
        "GET /fapi/v2/positionRisk": positions,
        "GET /fapi/v2/account": account_told,
        "POST /fapi/v1/countdownCancelAll": switch,
        "GET /fapi/v1/positionSide/dual": sides,
        "GET /fapi/v1/multiAssetsMargin": pooled,
        "GET /fapi/v1/feeBurn": burn,
        "GET /sapi/v1/account/apiRestrictions": restrictions,
    }


def _trade(fill: Fill) -> dict[str, Any]:
    return {
        "buyer": fill.order.buys, "commission": text(fill.fee), "commissionAsset": "USDT",
        "id": fill.number, "maker": False, "orderId": fill.order.number,
        "price": text(fill.price), "qty": text(fill.size), "quoteQty": text(fill.size * fill.price),
        "realizedPnl": text(fill.realised), "side": "BUY" if fill.order.buys else "SELL",
        "positionSide": "BOTH", "symbol": SYMBOL, "time": fill.ts_ms,
    }  # fmt: skip


def _income(number: int, kind: str, amount: Decimal, ts_ms: int, fill: Fill) -> dict[str, Any]:
    return {
        "symbol": SYMBOL, "incomeType": kind, "income": text(amount), "asset": "USDT",
        "info": str(fill.number), "time": ts_ms, "tranId": number, "tradeId": str(fill.number),
    }  # fmt: skip


def _told(income: Income) -> dict[str, Any]:
    symbol = SYMBOL if income.kind == "funding" else ""
    kind = KINDS[income.kind]
    return {
        "symbol": symbol, "incomeType": kind, "income": text(income.amount), "asset": "USDT",
        "info": kind, "time": income.ts_ms, "tranId": income.number, "tradeId": "",
    }  # fmt: skip
