# SPDX-License-Identifier: Apache-2.0
"""What unmodified clients do on the paper venue: a row for each thing, a case for each client.

A case returns once what it checks has been seen. Clients are made as their own documents say: ccxt
by `urls.test` in its constructor and `set_sandbox_mode(True)`, the SDK by its base URL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from tests.venues.hyperliquid_server.running import ADDRESSES, BEGIN_MS, KEYS, Venue, until

SYMBOL = "BTC/USDC:USDC"
CLOID = "0x" + "cd" * 16
LIMIT = {"limit": {"tif": "Gtc"}}


@dataclass(frozen=True)
class Sdk:
    """The official SDK's two halves, and what its subscriptions heard."""

    info: Info
    exchange: Exchange

    def heard(self, **subscription: Any) -> list[Any]:
        """Everything that a new subscription hears."""
        told: list[Any] = []
        self.info.subscribe(subscription, told.append)
        return told


def ccxt_client(kind: Any, url: str) -> Any:
    """A client of ccxt as its documents make one for a sandbox."""
    public = {"public": url, "private": url}
    socket = {"ws": {"public": url.replace("http", "ws") + "/ws"}}
    client = kind(
        {
            "walletAddress": ADDRESSES[0],
            "privateKey": "0x" + KEYS[0],
            "enableRateLimit": False,
            "urls": {"test": public | socket},
        }
    )
    client.set_sandbox_mode(True)
    return client


def sdk_client(url: str) -> Sdk:
    """The SDK as its examples make it."""
    return Sdk(Info(url), Exchange(Account.from_key(KEYS[0]), url))


async def raises(kind: type[Exception], doing: Awaitable[Any]) -> None:
    """It is refused with an error of a kind."""
    try:
        await doing
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


# ccxt, REST


async def markets(x: Any, venue: Venue) -> None:
    found = await x.load_markets(True)
    assert set(found) == {f"{coin.name}/USDC:USDC" for coin in venue.house.coins}
    assert found[SYMBOL]["limits"]["leverage"]["max"] == 40
    assert found[SYMBOL]["precision"] == {"amount": 1e-5, "price": 1.0}


async def book(x: Any, venue: Venue) -> None:
    found = await x.fetch_order_book(SYMBOL)
    bid, ask = found["bids"][0][0], found["asks"][0][0]
    quote = venue.house.quote(venue.house.coins[0])
    assert (bid, ask) == (quote.bid_ticks, quote.ask_ticks)
    assert len(found["bids"]) == len(found["asks"]) == 20


async def ticker(x: Any, venue: Venue) -> None:
    found = await x.fetch_ticker(SYMBOL)
    assert found["bid"] < found["ask"]
    assert len(await x.fetch_tickers()) == len(venue.house.coins)


async def trades(x: Any, venue: Venue) -> None:
    venue.clock.pass_ms(60_000)
    assert await x.fetch_open_interest(SYMBOL)
    found = await x.publicPostInfo({"type": "recentTrades", "coin": "BTC"})
    assert found
    assert x.parse_trade(found[0], x.market(SYMBOL))["price"] > 0


async def candles(x: Any, venue: Venue) -> None:
    found = await x.fetch_ohlcv(SYMBOL, "5m")
    assert len(found) > 100
    assert all(low <= close <= high for _, _, high, low, close, _ in found)


async def funding(x: Any, venue: Venue) -> None:
    rate = await x.fetch_funding_rate(SYMBOL)
    history = await x.fetch_funding_rate_history(SYMBOL)
    assert rate["fundingRate"] == history[-1]["fundingRate"]
    assert rate["markPrice"] > 0


async def place(x: Any, venue: Venue) -> None:
    placed = await x.create_order(SYMBOL, "limit", "buy", 0.1, 90_000)
    found = await x.fetch_order(placed["id"], SYMBOL)
    assert (found["status"], found["price"], found["amount"]) == ("open", 90_000, 0.1)
    (rests,) = await x.fetch_open_orders(SYMBOL)
    assert rests["id"] == placed["id"]
    await x.cancel_order(placed["id"], SYMBOL)


async def amend(x: Any, venue: Venue) -> None:
    placed = await x.create_order(SYMBOL, "limit", "buy", 0.1, 90_000)
    changed = await x.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.2, 90_001)
    (rests,) = await x.fetch_open_orders(SYMBOL)
    assert (rests["id"], rests["price"], rests["amount"]) == (changed["id"], 90_001, 0.2)
    await x.cancel_order(changed["id"], SYMBOL)


async def cancel(x: Any, venue: Venue) -> None:
    placed = await x.create_order(SYMBOL, "limit", "buy", 0.1, 90_000)
    await x.cancel_order(placed["id"], SYMBOL)
    assert (await x.fetch_order(placed["id"], SYMBOL))["status"] == "canceled"
    await raises(ccxt.OrderNotFound, x.cancel_order(placed["id"], SYMBOL))


async def cancel_by_client_id(x: Any, venue: Venue) -> None:
    await x.create_order(SYMBOL, "limit", "buy", 0.1, 90_000, {"clientOrderId": CLOID})
    await x.cancel_order("0", SYMBOL, {"clientOrderId": CLOID})
    assert await x.fetch_open_orders(SYMBOL) == []


async def fill(x: Any, venue: Venue) -> None:
    before = len(await x.fetch_my_trades(SYMBOL))
    filled = await x.create_order(SYMBOL, "market", "buy", 0.1, 98_000)
    assert filled["filled"] == 0.1
    mine = await x.fetch_my_trades(SYMBOL)
    assert len(mine) == before + 1
    assert mine[-1]["order"] == filled["id"]
    assert mine[-1]["takerOrMaker"] == "taker"


async def positions(x: Any, venue: Venue) -> None:
    await x.create_order(SYMBOL, "market", "buy", 0.1, 98_000)
    (held,) = await x.fetch_positions([SYMBOL])
    lots = venue.desk().held().account.positions[venue.house.coins[0].contract.id].lots
    assert held["side"] == "long"
    assert round(held["contracts"] * 1e5) == lots
    await x.create_order(SYMBOL, "market", "sell", held["contracts"], 98_000, {"reduceOnly": True})
    assert await x.fetch_positions([SYMBOL]) == []


async def balances(x: Any, venue: Venue) -> None:
    found = await x.fetch_balance()
    assert round(found["USDC"]["total"] * 1e6) == venue.desk().held().state.equity


async def transfer(x: Any, venue: Venue) -> None:
    before = venue.desk().spot_quanta()
    await x.transfer("USDC", 10, "swap", "spot")
    venue.clock.pass_ms(2_000)
    found = await x.fetch_balance({"type": "spot"})
    assert round(found["USDC"]["total"] * 1e6) == before + 10_000_000


async def withdrawal(x: Any, venue: Venue) -> None:
    before = venue.desk().withdrawable()
    await x.withdraw("USDC", 10, ADDRESSES[0])
    assert venue.desk().withdrawable() == before - 10_000_000
    (gone, *_) = await x.fetch_withdrawals()
    assert gone["amount"] == 9.0


async def leverage(x: Any, venue: Venue) -> None:
    await x.set_leverage(10, SYMBOL)
    assert venue.desk().user.leverages["BTC"] == 10
    await raises(ccxt.ExchangeError, x.set_leverage(41, SYMBOL))
    await x.set_leverage(20, SYMBOL)


async def switch(x: Any, venue: Venue) -> None:
    venue.clock.pass_ms(1_000)
    # ccxt counts from the nonce, which is the machine's time.
    await x.cancel_all_orders_after(60_000)
    assert venue.desk().user.cancel_at_ms is not None
    venue.desk().user.cancel_at_ms = None


async def errors(x: Any, venue: Venue) -> None:
    order = x.create_order
    await raises(ccxt.InsufficientFunds, order(SYMBOL, "limit", "buy", 100, 97_000))
    await raises(ccxt.InvalidOrder, order(SYMBOL, "limit", "buy", 0.00001, 97_000))
    post_only = {"postOnly": True}
    await raises(ccxt.InvalidOrder, order(SYMBOL, "limit", "buy", 0.1, 99_999, post_only))
    await raises(ccxt.ExchangeError, x.set_margin_mode("isolated", SYMBOL, {"leverage": 5}))


# ccxt.pro, WebSocket


async def within(doing: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(doing, 10)


async def watch_book(x: Any, venue: Venue) -> None:
    first = await within(x.watch_order_book(SYMBOL))
    number = first["timestamp"]
    task = asyncio.ensure_future(x.watch_order_book(SYMBOL))
    venue.clock.pass_ms(30_000)
    second = await within(task)
    assert second["timestamp"] > number
    assert second["bids"][0][0] < second["asks"][0][0]


async def watch_trades(x: Any, venue: Venue) -> None:
    task = asyncio.ensure_future(x.watch_trades(SYMBOL))
    await asyncio.sleep(0.05)
    venue.clock.pass_ms(60_000)
    assert (await within(task))[-1]["price"] > 0


async def watch_ticker(x: Any, venue: Venue) -> None:
    assert (await within(x.watch_tickers([SYMBOL])))[SYMBOL]["last"] > 0
    assert (await within(x.watch_ticker(SYMBOL)))["last"] > 0


async def watch_candles(x: Any, venue: Venue) -> None:
    task = asyncio.ensure_future(x.watch_ohlcv(SYMBOL, "1m"))
    await asyncio.sleep(0.05)
    venue.clock.pass_ms(60_000)
    assert len((await within(task))[-1]) == 6


async def watch_orders(x: Any, venue: Venue) -> None:
    task = asyncio.ensure_future(x.watch_orders(SYMBOL))
    await asyncio.sleep(0.1)
    placed = await x.create_order(SYMBOL, "limit", "buy", 0.1, 90_000)
    (told,) = [o for o in await within(task) if o["id"] == placed["id"]]
    assert told["status"] == "open"
    task = asyncio.ensure_future(x.watch_orders(SYMBOL))
    await x.cancel_order(placed["id"], SYMBOL)
    (told,) = [o for o in await within(task) if o["id"] == placed["id"]]
    assert told["status"] == "canceled"


async def watch_fills(x: Any, venue: Venue) -> None:
    task = asyncio.ensure_future(x.watch_my_trades(SYMBOL))
    await asyncio.sleep(0.1)
    filled = await x.create_order(SYMBOL, "market", "buy", 0.1, 98_000)
    # The first message is the snapshot of trades before.
    while filled["id"] not in {trade["order"] for trade in await within(task)}:
        task = asyncio.ensure_future(x.watch_my_trades(SYMBOL))


async def watch_account(x: Any, venue: Venue) -> None:
    assert (await within(x.watch_balance()))["USDC"]["total"] > 0
    await x.create_order(SYMBOL, "market", "buy", 0.1, 98_000)
    venue.clock.pass_ms(30_000)
    assert (await within(x.watch_positions([SYMBOL])))[0]["side"] == "long"


async def trade_over_socket(x: Any, venue: Venue) -> None:
    placed = await within(x.create_order_ws(SYMBOL, "limit", "buy", 0.1, 90_000))
    changed = await within(x.edit_order_ws(placed["id"], SYMBOL, "limit", "buy", 0.2, 90_001))
    await within(x.cancel_order_ws(changed["id"], SYMBOL))
    assert await x.fetch_open_orders(SYMBOL) == []


# The official SDK


def only(reply: Any) -> Any:
    """The one status of a reply."""
    (status,) = reply["response"]["data"]["statuses"]
    return status


def sdk_markets(s: Sdk, venue: Venue) -> None:
    names = [coin["name"] for coin in s.info.meta()["universe"]]
    assert names == [coin.name for coin in venue.house.coins]
    meta, contexts = s.info.meta_and_asset_ctxs()
    assert len(meta["universe"]) == len(contexts)


def sdk_book(s: Sdk, venue: Venue) -> None:
    bids, asks = s.info.l2_snapshot("BTC")["levels"]
    assert float(bids[0]["px"]) < float(s.info.all_mids()["BTC"]) < float(asks[0]["px"])


def sdk_candles(s: Sdk, venue: Venue) -> None:
    assert len(s.info.candles_snapshot("BTC", "1h", 0, 2**50)) >= 24


def sdk_funding(s: Sdk, venue: Venue) -> None:
    history = s.info.funding_history("BTC", 0)
    _, contexts = s.info.meta_and_asset_ctxs()
    assert float(history[-1]["fundingRate"]) == float(contexts[0]["funding"])


def sdk_place(s: Sdk, venue: Venue) -> None:
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    found = s.info.query_order_by_oid(ADDRESSES[0], oid)
    assert found["order"]["status"] == "open"
    assert [o["oid"] for o in s.info.open_orders(ADDRESSES[0])] == [oid]
    s.exchange.cancel("BTC", oid)


def sdk_amend(s: Sdk, venue: Venue) -> None:
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    new = only(s.exchange.modify_order(oid, "BTC", True, 0.2, 90_001, LIMIT))["resting"]["oid"]
    (left,) = s.info.frontend_open_orders(ADDRESSES[0])
    assert (left["oid"], left["sz"]) == (new, "0.2")
    s.exchange.cancel("BTC", new)


def sdk_cancel(s: Sdk, venue: Venue) -> None:
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    assert only(s.exchange.cancel("BTC", oid)) == "success"
    assert "already canceled" in only(s.exchange.cancel("BTC", oid))["error"]


def sdk_cancel_by_client_id(s: Sdk, venue: Venue) -> None:
    cloid = Cloid.from_int(77)
    s.exchange.order("BTC", True, 0.1, 90_000, LIMIT, cloid=cloid)
    assert only(s.exchange.cancel_by_cloid("BTC", cloid)) == "success"
    assert s.info.query_order_by_cloid(ADDRESSES[0], cloid)["order"]["status"] == "canceled"


def sdk_fill(s: Sdk, venue: Venue) -> None:
    filled = only(s.exchange.market_open("BTC", True, 0.1))["filled"]
    assert filled["totalSz"] == "0.1"
    assert s.info.user_fills(ADDRESSES[0])[0]["oid"] == filled["oid"]
    assert s.info.user_fills_by_time(ADDRESSES[0], BEGIN_MS)[-1]["oid"] == filled["oid"]


def sdk_positions(s: Sdk, venue: Venue) -> None:
    s.exchange.market_open("BTC", True, 0.1)
    (held,) = s.info.user_state(ADDRESSES[0])["assetPositions"]
    assert float(held["position"]["szi"]) > 0
    s.exchange.market_close("BTC")
    assert s.info.user_state(ADDRESSES[0])["assetPositions"] == []


def sdk_balances(s: Sdk, venue: Venue) -> None:
    value = s.info.user_state(ADDRESSES[0])["marginSummary"]["accountValue"]
    assert round(float(value) * 1e6) == venue.desk().held().state.equity
    assert s.info.spot_user_state(ADDRESSES[0])["balances"]


def sdk_transfer(s: Sdk, venue: Venue) -> None:
    before = venue.desk(1).held().state.equity, venue.desk().spot_quanta()
    assert s.exchange.usd_class_transfer(5, to_perp=False)["status"] == "ok"
    assert s.exchange.usd_transfer(5, ADDRESSES[1])["status"] == "ok"
    venue.clock.pass_ms(2_000)
    s.info.all_mids()
    after = venue.desk(1).held().state.equity, venue.desk().spot_quanta()
    assert (after[0] - before[0], after[1] - before[1]) == (5_000_000, 5_000_000)


def sdk_withdrawal(s: Sdk, venue: Venue) -> None:
    before = venue.desk().withdrawable()
    assert s.exchange.withdraw_from_bridge(5, ADDRESSES[0])["status"] == "ok"
    assert venue.desk().withdrawable() == before - 5_000_000


def sdk_leverage(s: Sdk, venue: Venue) -> None:
    assert s.exchange.update_leverage(5, "ETH")["status"] == "ok"
    assert venue.desk().user.leverages["ETH"] == 5
    assert "not offered" in s.exchange.update_isolated_margin(5, "ETH")["response"]


def sdk_switch(s: Sdk, venue: Venue) -> None:
    s.exchange.order("BTC", True, 0.1, 90_000, LIMIT)
    assert s.exchange.schedule_cancel(venue.clock.time_ms + 6_000)["status"] == "ok"
    venue.clock.pass_ms(7_000)
    assert until(lambda: s.info.open_orders(ADDRESSES[0]) == [])


def sdk_errors(s: Sdk, venue: Venue) -> None:
    for size, price, words in (
        (100.0, 97_000, "Insufficient margin"),
        (0.1, 97_000.5, "divisible by tick size"),
        (0.00001, 97_000, "minimum value of $10"),
    ):
        status = only(s.exchange.order("BTC", True, size, price, LIMIT))
        assert words in status["error"]


def sdk_agent(s: Sdk, venue: Venue) -> None:
    reply, key = s.exchange.approve_agent("bot")
    assert reply["status"] == "ok"
    agent = Exchange(Account.from_key(key), s.info.base_url, account_address=ADDRESSES[0])
    oid = only(agent.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    assert only(agent.cancel("BTC", oid)) == "success"


def sdk_watch_book(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="l2Book", coin="BTC")
    until(lambda: told)
    venue.clock.pass_ms(30_000)
    until(lambda: len(told) > 1)
    assert told[-1]["data"]["time"] > told[0]["data"]["time"]


def sdk_watch_trades(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="trades", coin="BTC")
    venue.clock.pass_ms(60_000)
    assert until(lambda: told)[-1]["data"][0]["coin"] == "BTC"


def sdk_watch_ticker(s: Sdk, venue: Venue) -> None:
    mids, context = s.heard(type="allMids"), s.heard(type="activeAssetCtx", coin="BTC")
    best = s.heard(type="bbo", coin="BTC")
    assert until(lambda: mids and context and best)


def sdk_watch_candles(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="candle", coin="BTC", interval="1m")
    until(lambda: bool(venue.clock.pass_ms(1_000)) or told)


def sdk_watch_orders(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="orderUpdates", user=ADDRESSES[0])
    oid = only(s.exchange.order("BTC", True, 0.1, 90_000, LIMIT))["resting"]["oid"]
    s.exchange.cancel("BTC", oid)

    def statuses() -> list[str]:
        news = [news for said in told for news in said["data"]]
        return [news["status"] for news in news if news["order"]["oid"] == oid]

    until(lambda: statuses() == ["open", "canceled"])


def sdk_watch_fills(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="userFills", user=ADDRESSES[0])
    events = s.heard(type="userEvents", user=ADDRESSES[0])
    until(lambda: told)
    oid = only(s.exchange.market_open("BTC", True, 0.1))["filled"]["oid"]
    until(lambda: told[-1]["data"]["fills"][-1]["oid"] == oid)
    until(lambda: events and events[-1]["data"]["fills"][-1]["oid"] == oid)


def sdk_watch_account(s: Sdk, venue: Venue) -> None:
    told = s.heard(type="webData2", user=ADDRESSES[0])
    assert until(lambda: told)[0]["data"]["clearinghouseState"]["withdrawable"]


@dataclass(frozen=True)
class Row:
    """One thing that a client does: what ccxt calls it and its case, and the same of the SDK."""

    what: str
    ccxt_calls: str
    ccxt_case: Callable[[Any, Venue], Awaitable[None]] | None
    sdk_calls: str
    sdk_case: Callable[[Sdk, Venue], None] | None


REST = (
    Row("markets", "load_markets", markets, "meta, meta_and_asset_ctxs", sdk_markets),
    Row("book", "fetch_order_book", book, "l2_snapshot, all_mids", sdk_book),
    Row("tickers", "fetch_ticker, fetch_tickers", ticker, "-", None),
    Row("trades", "info recentTrades", trades, "-", None),
    Row("candles", "fetch_ohlcv", candles, "candles_snapshot", sdk_candles),
    Row("funding", "fetch_funding_rate, _history", funding, "funding_history", sdk_funding),
    Row("place", "create_order, fetch_order", place, "order, query_order_by_oid", sdk_place),
    Row("amend", "edit_order", amend, "modify_order", sdk_amend),
    Row("cancel", "cancel_order", cancel, "cancel", sdk_cancel),
    Row(
        "cancel by client id",
        "cancel_order (clientOrderId)",
        cancel_by_client_id,
        "cancel_by_cloid",
        sdk_cancel_by_client_id,
    ),
    Row("fill", "create_order (market)", fill, "market_open, user_fills", sdk_fill),
    Row("positions", "fetch_positions", positions, "user_state, market_close", sdk_positions),
    Row("balances", "fetch_balance", balances, "user_state, spot_user_state", sdk_balances),
    Row("transfer", "transfer", transfer, "usd_class_transfer, usd_transfer", sdk_transfer),
    Row("withdrawal", "withdraw", withdrawal, "withdraw_from_bridge", sdk_withdrawal),
    Row("leverage", "set_leverage", leverage, "update_leverage", sdk_leverage),
    Row("dead man's switch", "cancel_all_orders_after", switch, "schedule_cancel", sdk_switch),
    Row("errors", "InsufficientFunds, InvalidOrder", errors, "statuses' errors", sdk_errors),
    Row("agent", "-", None, "approve_agent", sdk_agent),
)
SOCKET = (
    Row("book", "watch_order_book", watch_book, "l2Book", sdk_watch_book),
    Row("trades", "watch_trades", watch_trades, "trades", sdk_watch_trades),
    Row(
        "tickers",
        "watch_ticker, watch_tickers",
        watch_ticker,
        "allMids, activeAssetCtx, bbo",
        sdk_watch_ticker,
    ),
    Row("candles", "watch_ohlcv", watch_candles, "candle", sdk_watch_candles),
    Row("orders", "watch_orders", watch_orders, "orderUpdates", sdk_watch_orders),
    Row("fills", "watch_my_trades", watch_fills, "userFills, userEvents", sdk_watch_fills),
    Row("account", "watch_balance, watch_positions", watch_account, "webData2", sdk_watch_account),
    Row("place, amend, cancel", "create_order_ws, edit_, cancel_", trade_over_socket, "-", None),
)
