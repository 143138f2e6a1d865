# SPDX-License-Identifier: Apache-2.0
"""What the official SDK does on the paper venue, unmodified, a case for each thing.

A case returns once what it checks has been seen. The SDK is made as its examples make it, by its
base URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from tests.venues.conformance import Row
from tests.venues.hyperliquid_server.running import (
    ADDRESSES,
    BEGIN_MS,
    KEYS,
    Venue,
    outcome,
    running,
    until,
    wall_ms,
)

CLIENT = "hyperliquid-python-sdk 0.24, `Info` and `Exchange`"
LIMIT = {"limit": {"tif": "Gtc"}}


@dataclass(frozen=True)
class Sdk:
    """Its two halves."""

    info: Info
    exchange: Exchange

    def heard(self, **subscription: Any) -> list[Any]:
        """Everything that a new subscription hears."""
        told: list[Any] = []
        self.info.subscribe(subscription, told.append)
        return told


def only(reply: Any) -> Any:
    """The one status of a reply."""
    (status,) = reply["response"]["data"]["statuses"]
    return status


def markets(s: Sdk, venue: Venue) -> None:
    names = [coin["name"] for coin in s.info.meta()["universe"]]
    assert names == [coin.name for coin in venue.house.coins]
    meta, contexts = s.info.meta_and_asset_ctxs()
    assert len(meta["universe"]) == len(contexts)


def book(s: Sdk, venue: Venue) -> None:
    bids, asks = s.info.l2_snapshot("BTC")["levels"]
    assert float(bids[0]["px"]) < float(s.info.all_mids()["BTC"]) < float(asks[0]["px"])


def candles(s: Sdk, venue: Venue) -> None:
    assert len(s.info.candles_snapshot("BTC", "1h", 0, 2**50)) >= 24


def funding(s: Sdk, venue: Venue) -> None:
    history = s.info.funding_history("BTC", 0)
    _, contexts = s.info.meta_and_asset_ctxs()
    assert float(history[-1]["fundingRate"]) == float(contexts[0]["funding"])


def place(s: Sdk, venue: Venue) -> None:
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    found = s.info.query_order_by_oid(ADDRESSES[0], oid)
    assert found["order"]["status"] == "open"
    assert [o["oid"] for o in s.info.open_orders(ADDRESSES[0])] == [oid]
    s.exchange.cancel("BTC", oid)


def amend(s: Sdk, venue: Venue) -> None:
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    new = only(s.exchange.modify_order(oid, "BTC", True, 0.2, 90_001, LIMIT))["resting"]["oid"]
    (left,) = s.info.frontend_open_orders(ADDRESSES[0])
    assert (left["oid"], left["sz"]) == (new, "0.2")
    s.exchange.cancel("BTC", new)


def cancel(s: Sdk, venue: Venue) -> None:
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    assert only(s.exchange.cancel("BTC", oid)) == "success"
    assert "already canceled" in only(s.exchange.cancel("BTC", oid))["error"]


def cancel_by_client_id(s: Sdk, venue: Venue) -> None:
    cloid = Cloid.from_int(77)
    s.exchange.order("BTC", True, 0.1, 90_000, LIMIT, cloid=cloid)
    assert only(s.exchange.cancel_by_cloid("BTC", cloid)) == "success"
    assert s.info.query_order_by_cloid(ADDRESSES[0], cloid)["order"]["status"] == "canceled"


def fill(s: Sdk, venue: Venue) -> None:
    filled = only(s.exchange.market_open("BTC", True, 0.1))["filled"]
    assert filled["totalSz"] == "0.1"
    assert s.info.user_fills(ADDRESSES[0])[0]["oid"] == filled["oid"]
    assert s.info.user_fills_by_time(ADDRESSES[0], BEGIN_MS)[-1]["oid"] == filled["oid"]


def positions(s: Sdk, venue: Venue) -> None:
    s.exchange.market_open("BTC", True, 0.1)
    (held,) = s.info.user_state(ADDRESSES[0])["assetPositions"]
    assert float(held["position"]["szi"]) > 0
    s.exchange.market_close("BTC")
    assert s.info.user_state(ADDRESSES[0])["assetPositions"] == []


def balances(s: Sdk, venue: Venue) -> None:
    value = s.info.user_state(ADDRESSES[0])["marginSummary"]["accountValue"]
    assert round(float(value) * 1e6) == venue.desk().held().state.equity
    assert s.info.spot_user_state(ADDRESSES[0])["balances"]


def transfer(s: Sdk, venue: Venue) -> None:
    before = venue.desk(1).held().state.equity, venue.desk().spot_quanta()
    assert s.exchange.usd_class_transfer(5, to_perp=False)["status"] == "ok"
    assert s.exchange.usd_transfer(5, ADDRESSES[1])["status"] == "ok"
    venue.clock.pass_ms(2_000)
    s.info.all_mids()
    after = venue.desk(1).held().state.equity, venue.desk().spot_quanta()
    assert (after[0] - before[0], after[1] - before[1]) == (5_000_000, 5_000_000)


def withdrawal(s: Sdk, venue: Venue) -> None:
    before = venue.desk().withdrawable()
    assert s.exchange.withdraw_from_bridge(5, ADDRESSES[0])["status"] == "ok"
    assert venue.desk().withdrawable() == before - 5_000_000


def leverage(s: Sdk, venue: Venue) -> None:
    assert s.exchange.update_leverage(5, "ETH")["status"] == "ok"
    assert venue.desk().user.leverages["ETH"] == 5
    assert "not offered" in s.exchange.update_isolated_margin(5, "ETH")["response"]


def switch(s: Sdk, venue: Venue) -> None:
    assert s.exchange.schedule_cancel(wall_ms() + 60_000)["status"] == "ok"
    assert venue.desk().user.cancel_at_ms is not None
    assert "5 seconds" in s.exchange.schedule_cancel(wall_ms() + 1_000)["response"]
    assert s.exchange.schedule_cancel(None)["status"] == "ok"
    assert venue.desk().user.cancel_at_ms is None


def errors(s: Sdk, venue: Venue) -> None:
    for size, price, words in (
        (100.0, 97_000, "Insufficient margin"),
        (0.1, 97_000.5, "divisible by tick size"),
        (0.00001, 97_000, "minimum value of $10"),
    ):
        status = only(s.exchange.order("BTC", True, size, price, LIMIT))
        assert words in status["error"]


def agent(s: Sdk, venue: Venue) -> None:
    reply, key = s.exchange.approve_agent("bot")
    assert reply["status"] == "ok"
    agent = Exchange(Account.from_key(key), s.info.base_url, account_address=ADDRESSES[0])
    oid = only(agent.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    assert only(agent.cancel("BTC", oid)) == "success"


def watch_book(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="l2Book", coin="BTC")
    until(lambda: told)
    venue.clock.pass_ms(30_000)
    until(lambda: told[-1]["data"]["time"] > told[0]["data"]["time"])


def watch_trades(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="trades", coin="BTC")
    venue.clock.pass_ms(60_000)
    assert until(lambda: told)[-1]["data"][0]["coin"] == "BTC"


def watch_ticker(s: Sdk, venue: Venue) -> None:
    mids, context = s.heard(type="allMids"), s.heard(type="activeAssetCtx", coin="BTC")
    best = s.heard(type="bbo", coin="BTC")
    assert until(lambda: mids and context and best)


def watch_candles(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="candle", coin="BTC", interval="1m")
    until(lambda: bool(venue.clock.pass_ms(1_000)) or told)


def watch_orders(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="orderUpdates", user=ADDRESSES[0])
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    s.exchange.cancel("BTC", oid)

    def statuses() -> list[str]:
        news = [news for said in told for news in said["data"]]
        return [news["status"] for news in news if news["order"]["oid"] == oid]

    until(lambda: statuses() == ["open", "canceled"])


def watch_fills(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="userFills", user=ADDRESSES[0])
    events = s.heard(type="userEvents", user=ADDRESSES[0])
    until(lambda: told)
    oid = only(s.exchange.market_open("BTC", True, 0.1))["filled"]["oid"]
    until(lambda: told[-1]["data"]["fills"][-1]["oid"] == oid)
    until(lambda: events and events[-1]["data"]["fills"][-1]["oid"] == oid)


def watch_account(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="webData2", user=ADDRESSES[0])
    assert until(lambda: told)[0]["data"]["clearinghouseState"]["withdrawable"]


@dataclass(frozen=True)
class Case:
    """One thing that the SDK does: its call, the venue's requests, and what is tried."""

    what: str
    call: str
    methods: str
    do: Callable[[Sdk, Venue], None]


STATE = "info clearinghouseState"
CASES = (
    Case("markets", "meta, meta_and_asset_ctxs", "info meta, metaAndAssetCtxs", markets),
    Case("book", "l2_snapshot, all_mids", "info l2Book, allMids", book),
    Case("candles", "candles_snapshot", "info candleSnapshot", candles),
    Case("funding", "funding_history", "info fundingHistory", funding),
    Case("place", "order, query_order_by_oid", "order, info orderStatus", place),
    Case("amend", "modify_order", "batchModify", amend),
    Case("cancel", "cancel", "cancel", cancel),
    Case("cancel by client id", "cancel_by_cloid", "cancelByCloid", cancel_by_client_id),
    Case("fill", "market_open, user_fills", "order, info userFills", fill),
    Case("positions", "user_state, market_close", f"{STATE}, order", positions),
    Case("balances", "user_state, spot_user_state", f"{STATE}, spot…", balances),
    Case("transfer", "usd_class_transfer, usd_transfer", "usdClassTransfer, usdSend", transfer),
    Case("withdrawal", "withdraw_from_bridge", "withdraw3", withdrawal),
    Case("leverage", "update_leverage", "updateLeverage", leverage),
    Case("dead man's switch", "schedule_cancel", "scheduleCancel", switch),
    Case("errors", "order", "order", errors),
    Case("agent", "approve_agent", "approveAgent, order", agent),
    Case("book over WebSocket", "subscribe", "l2Book", watch_book),
    Case("trades over WebSocket", "subscribe", "trades", watch_trades),
    Case("tickers over WebSocket", "subscribe", "allMids, activeAssetCtx, bbo", watch_ticker),
    Case("candles over WebSocket", "subscribe", "candle", watch_candles),
    Case("orders over WebSocket", "subscribe", "orderUpdates", watch_orders),
    Case("fills over WebSocket", "subscribe", "userFills, userEvents", watch_fills),
    Case("account over WebSocket", "subscribe", "webData2", watch_account),
)


def run() -> list[Row]:
    """Every case tried anew on a venue of its own."""
    venue = Venue(by_hand=False)
    with running(venue.house) as url:
        client = Sdk(Info(url), Exchange(Account.from_key(KEYS[0]), url))
        rows = []
        for case in CASES:
            came = asyncio.run(outcome(asyncio.to_thread(case.do, client, venue)))
            rows.append(Row(case.what, case.call, case.methods, came))
        # Its threads end with the server.
        client.info.ws_manager.stop_event.set()
        return rows
