# SPDX-License-Identifier: Apache-2.0
"""OKX's trading account as its documents describe it (docs-v5, read 2026-11-30)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, ClassVar

from tests.venues.exchanges.fakes.account import Account, Fill, Income, Order, Rejected
from tests.venues.exchanges.fakes.served import Answer, Asked

KEY, SECRET, PHRASE = "key-of-okx", "secret-of-okx", "phrase-of-okx"
SYMBOL, COINS, LATE_MS = "BTC-USDT-SWAP", Decimal("0.01"), 30_000
WEEK_MS = 7 * 86_400_000
STATES = {"working": "live", "filled": "filled", "cancelled": "canceled"}
TYPES = {"funding": "8", "transfer": "1", "kickback": "250"}
FORCED = {"liquidation": "104", "deleveraging": "125"}
REJECTIONS = {
    "late": ("50036", "The expTime can't be earlier than the current system time."),
    "duplicate": ("51016", "Client order ID already exists."),
    "step": ("51121", "Order quantity must be a multiple of the lot size."),
    "reduce": ("51169", "Order failed because you don't have any positions to reduce."),
    "margin": ("51008", "Order failed. Insufficient USDT margin in account"),
}


class Refused(Exception):
    """A code and its words; with a row of its own where an order was asked for."""


def text(value: Decimal) -> str:
    return f"{value:.8f}"


class OkxVenue:
    """Answers by method and path; every signed request is checked as the venue would."""

    def __init__(self, page_most: int = 100) -> None:
        self.account, self.page_most = Account(SYMBOL, lot=Decimal("0.001")), page_most
        self.modes: dict[str, Any] = {"posMode": "net_mode", "acctLv": "2", "ctType": "linear"}
        self.modes["withdraw"] = False

    def answer(self, asked: Asked) -> Answer:
        name = f"{asked.method} {asked.path}"
        try:
            if name in self.PUBLIC:
                return self.said(self.PUBLIC[name](self, asked.params))
            if name not in self.METHODS:
                return Answer(404, {"code": "50404", "msg": "Not found", "data": []})
            self.let_in(asked)
            return self.said(self.METHODS[name](self, asked.params))
        except Rejected as error:
            code, words = REJECTIONS[str(error)]
            row = {"clOrdId": asked.params.get("clOrdId", ""), "ordId": "", "tag": ""}
            row |= {"sCode": code, "sMsg": words}
            return Answer(200, {"code": "1", "msg": "All operations failed", "data": [row]})
        except Refused as error:
            code, words, status = error.args
            return Answer(status, {"code": code, "msg": words, "data": []})

    def said(self, rows: list[Any]) -> Answer:
        return Answer(200, {"code": "0", "msg": "", "data": rows})

    def let_in(self, asked: Asked) -> None:
        head = asked.headers
        stamp = head["OK-ACCESS-TIMESTAMP"]
        target = asked.path + (f"?{asked.raw}" if asked.method == "GET" and asked.raw else "")
        said = stamp + asked.method + target + (asked.raw if asked.method == "POST" else "")
        wanted = base64.b64encode(hmac.new(SECRET.encode(), said.encode(), sha256).digest())
        if head["OK-ACCESS-KEY"] != KEY:
            raise Refused("50111", "Invalid OK-ACCESS-KEY", 401)
        if head["OK-ACCESS-PASSPHRASE"] != PHRASE:
            raise Refused("50105", "Your OK-ACCESS-PASSPHRASE is incorrect.", 401)
        if head["OK-ACCESS-SIGN"] != wanted.decode():
            raise Refused("50113", "Invalid Sign", 401)
        now_ms = self.account.time_ms
        stamp_ms = datetime.fromisoformat(stamp).timestamp() * 1_000
        if abs(now_ms - stamp_ms) > LATE_MS:
            raise Refused("50102", "Timestamp request expired", 401)
        if asked.path.endswith("/trade/order") and int(head.get("expTime", now_ms)) < now_ms:
            raise Rejected("late")

    def time(self, said: dict[str, Any]) -> list[Any]:
        return [{"ts": str(self.account.time_ms)}]

    def ticker(self, said: dict[str, Any]) -> list[Any]:
        bid, ask = self.account.bids[0], self.account.asks[0]
        return [{"instId": SYMBOL, "bidPx": str(bid[0]), "askPx": str(ask[0])}]

    def instruments(self, said: dict[str, Any]) -> list[Any]:
        row = {"instId": SYMBOL, "instType": "SWAP", "ctType": self.modes["ctType"]}
        row |= {"ctVal": str(COINS), "ctMult": "1", "ctValCcy": "BTC", "settleCcy": "USDT"}
        return [row | {"lotSz": "0.1", "minSz": "0.1", "tickSz": "0.1"}]

    def place(self, said: dict[str, Any]) -> list[Any]:
        if self.modes["posMode"] != "net_mode" and "posSide" not in said:
            raise Refused("51000", "Parameter posSide error", 200)
        order = self.account.place(
            said["clOrdId"], said["side"] == "buy", Decimal(said["sz"]) * COINS,
            Decimal(said["px"]), reduce_only=said["reduceOnly"],
            immediate=said["ordType"] == "ioc",
        )  # fmt: skip
        return [self.taken(order)]

    def taken(self, order: Order) -> dict[str, Any]:
        row = {"ordId": str(order.number), "clOrdId": order.client_id, "tag": ""}
        return row | {"sCode": "0", "sMsg": ""}

    def order(self, said: dict[str, Any]) -> list[Any]:
        order = self.account.of(said["clOrdId"])
        if order is None:
            raise Refused("51603", "Order does not exist", 200)
        return [_order(order)]

    def cancel(self, said: dict[str, Any]) -> list[Any]:
        order = self.account.of(said["clOrdId"])
        if order is None or order.state != "working":
            raise Refused("51400", "Cancellation failed as the order does not exist.", 200)
        self.account.cancel(order)
        return [self.taken(order)]

    def pending(self, said: dict[str, Any]) -> list[Any]:
        rows = [_order(o) for o in self.account.orders.values() if o.state == "working"]
        return self.paged(rows, "ordId", said)

    def fills(self, said: dict[str, Any]) -> list[Any]:
        return self.paged(
            self.between([_fill(f) for f in self.account.fills], said), "billId", said
        )

    def bills(self, said: dict[str, Any]) -> list[Any]:
        since_ms = self.account.time_ms - WEEK_MS
        return [row for row in self.archive(said) if int(row["ts"]) >= since_ms]

    def archive(self, said: dict[str, Any]) -> list[Any]:
        rows = [_traded(f) for f in self.account.fills] + [_bill(i) for i in self.account.incomes]
        return self.paged(self.between(rows, said), "billId", said)

    def between(self, rows: list[dict[str, Any]], said: dict[str, Any]) -> list[dict[str, Any]]:
        begin_ms, end_ms = int(said["begin"]), int(said["end"])
        return [row for row in rows if begin_ms <= int(row["ts"]) <= end_ms]

    def paged(
        self, rows: list[dict[str, Any]], name: str, said: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """The newest first; `after` asks for what is older than an id."""
        older = sorted(rows, key=lambda row: int(row[name]), reverse=True)
        if "after" in said:
            older = [row for row in older if int(row[name]) < int(said["after"])]
        return older[: min(int(said.get("limit", 100)), self.page_most)]

    def balance(self, said: dict[str, Any]) -> list[Any]:
        account = self.account
        names = (
            "accAvgPx", "availBal", "availEq", "borrowFroz", "crossLiab", "disEq", "eqUsd",
            "fixedBal", "frozenBal", "imr", "interest", "isoEq", "isoLiab", "isoUpl", "liab",
            "maxLoan", "mgnRatio", "mmr", "notionalLever", "openAvgPx", "ordFrozen", "rewardBal",
            "smtSyncEq", "spotBal", "spotCopyTradingEq", "spotIsoBal", "spotUpl", "spotUplRatio",
            "stgyEq", "totalPnl", "totalPnlRatio", "twap", "uplLiab",
        )  # fmt: skip
        detail = dict.fromkeys(names, "") | {
            "ccy": "USDT", "cashBal": text(account.wallet), "eq": text(account.equity()),
            "upl": text(account.unrealised()), "uTime": str(account.time_ms),
        }  # fmt: skip
        sums = (
            "adjEq", "borrowFroz", "imr", "isoEq", "mgnRatio", "mmr", "notionalUsd",
            "notionalUsdForBorrow", "notionalUsdForFutures", "notionalUsdForOption",
            "notionalUsdForSwap", "ordFroz", "totalEq", "upl",
        )  # fmt: skip
        row = dict.fromkeys(sums, "") | {"uTime": str(account.time_ms)}
        return [row | {"details": [detail]}]

    def positions(self, said: dict[str, Any]) -> list[Any]:
        account = self.account
        if not account.size:
            return []
        names = (
            "posId", "baseBal", "fee", "last", "liqPx", "mmr", "interest", "tradeId",
            "notionalUsd", "uplRatio", "margin", "mgnRatio", "realizedPnl", "uplLastPx",
            "uplRatioLastPx", "availPos", "bePx", "fundingFee", "idxPx", "liqPenalty", "optVal",
            "pendingCloseOrdLiabVal", "pnl", "posCcy", "quoteBal", "quoteBorrowed",
            "quoteInterest", "spotInUseAmt", "spotInUseCcy", "usdPx",
        )  # fmt: skip
        return [
            dict.fromkeys(names, "")
            | {
                "instId": SYMBOL, "instType": "SWAP", "mgnMode": "cross", "posSide": "net",
                "pos": str(account.size / COINS), "ccy": "USDT", "lever": "10", "adl": "1",
                "markPx": str(account.mark), "avgPx": str(account.entry),
                "upl": text(account.unrealised()), "uTime": str(account.time_ms),
                "cTime": str(account.time_ms),
            }
        ]  # fmt: skip

    def config(self, said: dict[str, Any]) -> list[Any]:
        names = {name: self.modes[name] for name in ("acctLv", "posMode")}
        perm = "read_only,trade" + ",withdraw" * bool(self.modes["withdraw"])
        return [{"uid": "44705892343619584", "perm": perm, **names}]

    def switch(self, said: dict[str, Any]) -> list[Any]:
        seconds, now_ms = int(said["timeOut"]), self.account.time_ms
        if seconds and not 10 <= seconds <= 120:
            raise Refused("51000", "Parameter timeOut error", 200)
        self.account.armed_ms = now_ms + seconds * 1_000 if seconds else None
        return [{"triggerTime": str(self.account.armed_ms or 0), "tag": "", "ts": str(now_ms)}]

    PUBLIC: ClassVar[dict[str, Callable[..., list[Any]]]] = {
        "GET /api/v5/public/time": time,
        "GET /api/v5/market/ticker": ticker,
        "GET /api/v5/public/instruments": instruments,
    }
    METHODS: ClassVar[dict[str, Callable[..., list[Any]]]] = {
        "POST /api/v5/trade/order": place,
        "GET /api/v5/trade/order": order,
        "POST /api/v5/trade/cancel-order": cancel,
        "GET /api/v5/trade/orders-pending": pending,
        "GET /api/v5/trade/fills-history": fills,
        "GET /api/v5/account/bills": bills,
        "GET /api/v5/account/bills-archive": archive,
        "GET /api/v5/account/balance": balance,
        "GET /api/v5/account/positions": positions,
        "GET /api/v5/account/config": config,
        "POST /api/v5/trade/cancel-all-after": switch,
    }


def _order(order: Order) -> dict[str, Any]:
    state = STATES[order.state]
    if order.state == "working" and order.filled:
        state = "partially_filled"
    names = (
        "cancelSource", "cancelSourceReason", "ccy", "fillPx", "fillSz", "fillTime", "pxType",
        "pxUsd", "pxVol", "quickMgnType", "rebate", "rebateCcy", "slOrdPx", "slTriggerPx",
        "slTriggerPxType", "source", "stpId", "tag", "tgtCcy", "tpOrdPx", "tpTriggerPx",
        "tpTriggerPxType", "tradeId",
    )  # fmt: skip
    return dict.fromkeys(names, "") | {
        "accFillSz": str(order.filled / COINS),
        "avgPx": str(order.paid / order.filled) if order.filled else "",
        "cTime": str(order.ts_ms), "category": "normal", "clOrdId": order.client_id, "fee": "0",
        "feeCcy": "USDT", "instId": SYMBOL, "instType": "SWAP", "isTpLimit": "false",
        "lever": "10", "linkedAlgoOrd": {"algoId": ""}, "ordId": str(order.number),
        "ordType": "ioc" if order.immediate else "limit", "pnl": "0", "posSide": "net",
        "px": str(order.price), "reduceOnly": "true" if order.reduce_only else "false",
        "side": "buy" if order.buys else "sell", "state": state, "stpMode": "cancel_maker",
        "sz": str(order.size / COINS), "tdMode": "cross", "uTime": str(order.updated_ms),
    }  # fmt: skip


def _fill(fill: Fill) -> dict[str, Any]:
    order = fill.order
    return {
        "instType": "SWAP", "instId": SYMBOL, "tradeId": str(fill.number),
        "ordId": str(order.number), "clOrdId": order.client_id, "billId": str(fill.number),
        "subType": FORCED.get(order.cause) or ("1" if order.buys else "2"), "tag": "",
        "fillPx": str(fill.price),
        "fillSz": str(fill.size / COINS), "fillPnl": text(fill.realised),
        "side": "buy" if order.buys else "sell", "posSide": "net", "execType": "T",
        "feeCcy": "USDT", "fee": text(-fill.fee), "ts": str(fill.ts_ms),
        "fillTime": str(fill.ts_ms),
    }  # fmt: skip


def _traded(fill: Fill) -> dict[str, Any]:
    change = text(fill.realised - fill.fee)
    return {
        "billId": str(fill.number), "type": "2", "subType": "1" if fill.order.buys else "2",
        "ccy": "USDT", "instId": SYMBOL, "balChg": change, "pnl": text(fill.realised),
        "fee": text(-fill.fee), "ts": str(fill.ts_ms),
    }  # fmt: skip


def _bill(income: Income) -> dict[str, Any]:
    symbol = SYMBOL if income.kind == "funding" else ""
    return {
        "billId": str(income.number), "type": TYPES[income.kind], "subType": "", "ccy": "USDT",
        "instId": symbol, "balChg": text(income.amount), "ts": str(income.ts_ms),
    }  # fmt: skip
