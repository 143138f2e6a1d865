# SPDX-License-Identifier: Apache-2.0
"""What unmodified ccxt does on the paper venue, a case for each thing.

A case returns once what it checks has been seen. A client is made as ccxt's documents say: by
`urls.test` in its constructor and `set_sandbox_mode(True)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro

from tests.venues.conformance import Row
from tests.venues.hyperliquid_server.running import ADDRESSES, KEYS, Venue, outcome, running

CLIENT = "ccxt 4.5.90, `ccxt.async_support.hyperliquid` and `ccxt.pro.hyperliquid`, sandbox mode"
SYMBOL = "BTC/USDC:USDC"
CLOID = "0x" + "cd" * 16


def client_at(kind: Any, url: str) -> Any:
    """A client as it is made for a sandbox."""
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


async def raises(kind: type[Exception], doing: Awaitable[Any]) -> str:
    """It is refused with an error of a kind, whose words are given back."""
    try:
        await doing
    except kind as error:
        return str(error)
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
    return await asyncio.wait_for(doing, 60)


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
    assert (await told(task, venue))[-1]["price"] > 0


async def watch_ticker(x: Any, venue: Venue) -> None:
    assert (await within(x.watch_tickers([SYMBOL])))[SYMBOL]["last"] > 0
    assert (await within(x.watch_ticker(SYMBOL)))["last"] > 0


async def watch_candles(x: Any, venue: Venue) -> None:
    task = asyncio.ensure_future(x.watch_ohlcv(SYMBOL, "1m"))
    assert len((await told(task, venue))[-1]) == 6


async def told(task: asyncio.Future[Any], venue: Venue) -> Any:
    """What a subscriber hears as time passes."""
    while not task.done():
        venue.clock.pass_ms(1_000)
        await asyncio.sleep(0.02)
    return task.result()


async def watch_orders(x: Any, venue: Venue) -> None:
    task, placed = asyncio.ensure_future(x.watch_orders(SYMBOL)), []
    while not task.done():
        # One that comes before the subscription does is not told.
        placed.append((await x.create_order(SYMBOL, "limit", "buy", 0.1, 90_000))["id"])
        await asyncio.wait({task}, timeout=1)
    assert {o["status"] for o in task.result() if o["id"] in placed} == {"open"}
    last = placed[-1]
    for order in placed:
        await x.cancel_order(order, SYMBOL)
    async with asyncio.timeout(60):
        while [o["status"] for o in x.orders if o["id"] == last] != ["canceled"]:
            await asyncio.sleep(0.01)


async def watch_fills(x: Any, venue: Venue) -> None:
    # The first message is the snapshot of trades before.
    await within(x.watch_my_trades(SYMBOL))
    task = asyncio.ensure_future(x.watch_my_trades(SYMBOL))
    filled = await x.create_order(SYMBOL, "market", "buy", 0.1, 98_000)
    assert filled["id"] in {trade["order"] for trade in await within(task)}


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


async def unsigned_for_sandbox(x: Any, venue: Venue) -> None:
    other = client_at(type(x), x.urls["api"]["public"])
    other.options["sandboxMode"] = False
    before = venue.desk().last_orders()
    try:
        order = other.create_order(SYMBOL, "limit", "buy", 0.1, 90_000)
        assert "Signed for mainnet: refused" in await raises(ccxt.ExchangeError, order)
    finally:
        await other.close()
    assert venue.desk().last_orders() == before


async def side_effects(x: Any, venue: Venue) -> None:
    user = venue.desk().user
    assert user.referrer == "CCXT1"
    assert set(user.builder_fees.values()) == {"0.01%"}
    assert user.builder_fees.keys() == {x.options.get("builder", BUILDER).lower()}


BUILDER = "0x6530512A6c89C7cfCEbC3BA7fcD9aDa5f30827a6"


@dataclass(frozen=True)
class Case:
    """One thing that ccxt does: its call, the venue's requests, and what is tried."""

    what: str
    call: str
    methods: str
    do: Callable[[Any, Venue], Awaitable[None]]


CTX = "info metaAndAssetCtxs"
REST = (
    Case("markets", "load_markets", f"{CTX}, spotMeta, perpDexs", markets),
    Case("what it sends by itself", "load_markets", "approveBuilderFee, setReferrer", side_effects),
    Case("book", "fetch_order_book", "info l2Book", book),
    Case("tickers", "fetch_ticker, fetch_tickers", CTX, ticker),
    Case("trades", "publicPostInfo, parse_trade", "info recentTrades", trades),
    Case("candles", "fetch_ohlcv", "info candleSnapshot", candles),
    Case(
        "funding",
        "fetch_funding_rate, fetch_funding_rate_history",
        f"{CTX}, fundingHistory",
        funding,
    ),
    Case("place", "create_order, fetch_order", "order, info orderStatus", place),
    Case("amend", "edit_order", "batchModify", amend),
    Case("cancel", "cancel_order", "cancel", cancel),
    Case("cancel by client id", "cancel_order", "cancelByCloid", cancel_by_client_id),
    Case("fill", "create_order, fetch_my_trades", "order, info userFills", fill),
    Case("positions", "fetch_positions", "info clearinghouseState", positions),
    Case("balances", "fetch_balance", "info clearinghouseState", balances),
    Case("transfer", "transfer", "usdClassTransfer", transfer),
    Case("withdrawal", "withdraw, fetch_withdrawals", "withdraw3", withdrawal),
    Case("leverage", "set_leverage", "updateLeverage", leverage),
    Case("dead man's switch", "cancel_all_orders_after", "scheduleCancel", switch),
    Case("errors", "InsufficientFunds, InvalidOrder", "order, updateLeverage", errors),
    Case("signed for mainnet", "ExchangeError", "order", unsigned_for_sandbox),
)
SOCKET = (
    Case("book over WebSocket", "watch_order_book", "l2Book", watch_book),
    Case("trades over WebSocket", "watch_trades", "trades", watch_trades),
    Case(
        "tickers over WebSocket",
        "watch_ticker, watch_tickers",
        "activeAssetCtx, allMids",
        watch_ticker,
    ),
    Case("candles over WebSocket", "watch_ohlcv", "candle", watch_candles),
    Case("orders over WebSocket", "watch_orders", "orderUpdates", watch_orders),
    Case("fills over WebSocket", "watch_my_trades", "userFills", watch_fills),
    Case(
        "account over WebSocket",
        "watch_balance, watch_positions",
        "clearinghouseState",
        watch_account,
    ),
    Case(
        "orders sent over WebSocket",
        "create_order_ws, edit_order_ws, cancel_order_ws",
        "post: order, batchModify, cancel",
        trade_over_socket,
    ),
)


async def _tried(url: str, venue: Venue) -> list[Row]:
    kinds = ((ccxt.async_support, REST), (ccxt.pro, SOCKET))
    rows = []
    for module, cases in kinds:
        x = client_at(module.hyperliquid, url)
        try:
            await x.load_markets()
            for case in cases:
                came = await outcome(case.do(x, venue))
                rows.append(Row(case.what, case.call, case.methods, came))
        finally:
            await x.close()
    return rows


def run() -> list[Row]:
    """Every case tried anew on a venue of its own."""
    venue = Venue(by_hand=False)
    with running(venue.house) as url:
        return asyncio.run(_tried(url, venue))
