# SPDX-License-Identifier: Apache-2.0
"""What unmodified ccxt does on the local Deribit, each case with what must come of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.venues.conformance import Row
from tests.venues.deribit_server.houses import MAIN, Held, served

CLIENT = "ccxt 4.5.90, `ccxt.pro.deribit` (its REST calls are those of `ccxt.async_support`)"
PERP, LINEAR = "BTC/USD:BTC", "BTC/USDC:USDC"
WAIT_S = 120.0


@dataclass
class Trial:
    """A client that is connected, and what is behind it."""

    client: Any
    held: Held

    def option(self) -> str:
        """A call of ours near the money, in the client's words."""
        markets = self.client.markets.values()
        near = [
            m for m in markets if m["option"] and m["settle"] == "BTC" and m["optionType"] == "call"
        ]
        price = float(self.held.house.market.index_prices()["btc_usd"])
        found = min(near, key=lambda m: (m["expiry"], abs(m["strike"] - price)))
        return str(found["symbol"])

    async def bid(self, symbol: str = PERP) -> float:
        """The best bid."""
        return float((await self.client.fetch_order_book(symbol))["bids"][0][0])


Case = Callable[[Trial], Awaitable[None]]
CASES: list[tuple[str, str, str, Case]] = []


def case(what: str, call: str, methods: str) -> Callable[[Case], Case]:
    """Puts a function among the cases."""

    def put(function: Case) -> Case:
        CASES.append((what, call, methods, function))
        return function

    return put


def run() -> list[Row]:
    """Try every case on one server."""
    return asyncio.run(_run())


async def _run() -> list[Row]:
    rows = []
    async with served() as (held, port), client(port) as one:
        trial = Trial(one, held)
        for what, call, methods, tried in CASES:
            rows.append(Row(what, call, methods, await _outcome(tried, trial)))
    return rows


@asynccontextmanager
async def client(
    port: int, key: str = MAIN.client_id, secret: str = MAIN.client_secret
) -> AsyncIterator[Any]:
    """An unmodified client, sent to a local server by its own settings alone."""
    from ccxt import pro

    at = f"127.0.0.1:{port}"
    urls = {"test": {"rest": f"http://{at}", "ws": f"ws://{at}/ws/api/v2"}}
    keys = {"apiKey": key, "secret": secret, "enableRateLimit": False, "urls": urls}
    one = pro.deribit(keys)
    one.set_sandbox_mode(True)
    try:
        yield one
    finally:
        await one.close()


async def _outcome(tried: Case, trial: Trial) -> str:
    try:
        await asyncio.wait_for(tried(trial), WAIT_S)
    except Exception as error:
        return f"no: {type(error).__name__}"
    return "yes"


@case("markets", "load_markets", "get_currencies, get_instruments")
async def _markets(t: Trial) -> None:
    markets = await t.client.load_markets()
    assert markets[PERP]["inverse"]
    assert markets[PERP]["contractSize"] == 10
    assert markets[LINEAR]["linear"]
    assert sum(m["option"] for m in markets.values()) > 100


@case("book", "fetch_order_book", "get_order_book")
async def _book(t: Trial) -> None:
    for symbol in (PERP, LINEAR, t.option()):
        book = await t.client.fetch_order_book(symbol)
        assert len(book["bids"]) > (1 if symbol == t.option() else 10)
        assert book["bids"][0][0] < book["asks"][0][0]


@case("ticker", "fetch_ticker", "ticker")
async def _ticker(t: Trial) -> None:
    ticker = await t.client.fetch_ticker(PERP)
    assert 0 < ticker["bid"] < ticker["ask"]
    assert ticker["low"] <= ticker["last"] <= ticker["high"]


@case("all tickers of a coin", "fetch_tickers", "get_book_summary_by_currency")
async def _tickers(t: Trial) -> None:
    assert len(await t.client.fetch_tickers(None, {"code": "BTC"})) > 50


@case("Greeks", "fetch_greeks", "ticker")
async def _greeks(t: Trial) -> None:
    greeks = await t.client.fetch_greeks(t.option())
    assert 0.2 < greeks["delta"] < 0.8
    assert greeks["gamma"] > 0
    assert greeks["vega"] > 0 > greeks["theta"]
    assert greeks["bidImpliedVolatility"] < greeks["markImpliedVolatility"]
    assert greeks["underlyingPrice"] > 0


@case("option chain", "fetch_option_chain", "get_book_summary_by_currency")
async def _chain(t: Trial) -> None:
    chain = await t.client.fetch_option_chain("BTC")
    assert len(chain) > 50
    assert all(one["markPrice"] is not None for one in chain.values())


@case("one option", "fetch_option", "get_book_summary_by_instrument")
async def _option(t: Trial) -> None:
    option = await t.client.fetch_option(t.option())
    assert option["bidPrice"] <= option["markPrice"] <= option["askPrice"]


@case("open interest", "fetch_open_interest", "get_book_summary_by_instrument")
async def _interest(t: Trial) -> None:
    assert (await t.client.fetch_open_interest(PERP))["openInterestValue"] > 0


@case("funding rate", "fetch_funding_rate", "get_funding_rate_value")
async def _funding(t: Trial) -> None:
    last = t.held.house.street.now_ms
    span = {"start_timestamp": last - 8 * 3_600_000, "end_timestamp": last}
    prints = t.held.house.street.funding_history("BTC-PERPETUAL", *span.values())
    rate = (await t.client.fetch_funding_rate(PERP, span))["fundingRate"]
    assert rate == sum(p.rate_e12 for p in prints) / 1e12 != 0


@case("funding history", "fetch_funding_rate_history", "get_funding_rate_history")
async def _funding_history(t: Trial) -> None:
    since = t.held.house.street.now_ms - 20 * 3_600_000
    rates = await t.client.fetch_funding_rate_history(PERP, since, 10)
    assert len(rates) == 10
    assert any(rate["fundingRate"] for rate in rates)


@case("bars", "fetch_ohlcv", "get_tradingview_chart_data")
async def _bars(t: Trial) -> None:
    since = t.held.house.street.now_ms - 3_600_000
    bars = await t.client.fetch_ohlcv(PERP, "5m", since, 10)
    assert len(bars) == 10
    assert all(low <= opened <= high for _, opened, high, low, _, _ in bars)
    assert len(await t.client.fetch_ohlcv(PERP, "1m", since, 10)) == 10


@case("trades", "fetch_trades", "get_last_trades_by_instrument")
async def _trades(t: Trial) -> None:
    while not (trades := await t.client.fetch_trades(PERP)):
        await asyncio.sleep(0.05)
    assert trades[0]["side"] in ("buy", "sell")
    assert trades[0]["amount"] % 10 == 0


@case("server time, status", "fetch_time, fetch_status", "get_time, status")
async def _time(t: Trial) -> None:
    assert await t.client.fetch_time() <= t.held.house.street.now_ms
    assert (await t.client.fetch_status())["status"] == "ok"


@case("balances", "fetch_balance", "get_account_summaries, get_account_summary")
async def _balance(t: Trial) -> None:
    every = await t.client.fetch_balance()
    assert (every["BTC"]["total"], every["USDC"]["total"]) == (100.0, 10_000_000.0)
    assert (await t.client.fetch_balance({"code": "ETH"}))["ETH"]["total"] == 1_000.0


@case("market order fills", "create_order", "buy, sell")
async def _market_order(t: Trial) -> None:
    for symbol, amount in ((PERP, 1_000), (LINEAR, 0.01), (t.option(), 0.1)):
        done = await t.client.create_order(symbol, "market", "buy", amount)
        assert (done["status"], done["filled"]) == ("closed", amount)
        assert done["average"] > 0


@case("place a limit order", "create_order", "buy")
async def _place(t: Trial) -> None:
    far = await t.bid() - 500
    done = await t.client.create_order(PERP, "limit", "buy", 1_000, far, {"label": "mine"})
    assert (done["status"], done["filled"], done["price"]) == ("open", 0, far)
    assert done["info"]["label"] == "mine"


@case("post only, reduce only, IOC, FOK", "create_order", "buy, sell")
async def _kinds(t: Trial) -> None:
    from ccxt import InvalidOrder

    bid = await t.bid()
    post = await t.client.create_order(PERP, "limit", "buy", 10, bid - 300, {"postOnly": True})
    assert (post["status"], post["postOnly"]) == ("open", True)
    crossing = PERP, "limit", "buy", 10, bid + 300, {"postOnly": True}
    await _raises(InvalidOrder, t.client.create_order(*crossing))
    moved = await t.client.create_order(
        *crossing[:5], {"post_only": True, "reject_post_only": False}
    )
    assert (moved["status"], moved["price"] < bid + 300) == ("open", True)
    for in_force in ("IOC", "FOK"):
        params = {"timeInForce": in_force}
        done = await t.client.create_order(PERP, "limit", "buy", 10, bid - 500, params)
        assert (done["status"], done["filled"]) == ("canceled", 0)
    done = await t.client.create_order(PERP, "market", "sell", 10, None, {"reduceOnly": True})
    assert done["status"] == "closed"


@case("open orders, one order", "fetch_open_orders, fetch_order", "get_open_orders_by_*")
async def _open(t: Trial) -> None:
    orders = await t.client.fetch_open_orders(PERP)
    assert orders
    one = await t.client.fetch_order(orders[0]["id"])
    assert one["id"] == orders[0]["id"]


@case("amend", "edit_order", "edit")
async def _amend(t: Trial) -> None:
    placed = await t.client.create_order(PERP, "limit", "buy", 100, await t.bid() - 500)
    price = placed["price"] - 10
    done = await t.client.edit_order(placed["id"], PERP, "limit", "buy", 200, price)
    assert (done["id"], done["amount"], done["price"]) == (placed["id"], 200, price)


@case("cancel", "cancel_order", "cancel")
async def _cancel(t: Trial) -> None:
    placed = await t.client.create_order(PERP, "limit", "buy", 100, await t.bid() - 500)
    assert (await t.client.cancel_order(placed["id"], PERP))["status"] == "canceled"


@case("cancel all", "cancel_all_orders", "cancel_all, cancel_all_by_instrument")
async def _cancel_all(t: Trial) -> None:
    await t.client.create_order(PERP, "limit", "buy", 100, await t.bid() - 500)
    await t.client.cancel_all_orders(PERP)
    assert await t.client.fetch_open_orders(PERP) == []


@case("closed orders", "fetch_closed_orders", "get_order_history_by_instrument")
async def _closed(t: Trial) -> None:
    assert all(o["filled"] for o in await t.client.fetch_closed_orders(PERP))


@case("fills", "fetch_my_trades, fetch_order_trades", "get_user_trades_by_*")
async def _fills(t: Trial) -> None:
    trades = await t.client.fetch_my_trades(PERP, None, 1_000)
    told = {int(trade["id"].rpartition("-")[2]) for trade in trades}
    own = [f for f in t.held.account.fills() if f.symbol == "BTC-PERPETUAL"]
    quanta = sum(f.fee_quanta for f in own if f.number <= max(told))
    assert sum(round(trade["fee"]["cost"] * 1e8) for trade in trades) == quanta
    assert await t.client.fetch_order_trades(trades[0]["order"])


@case("positions", "fetch_positions, fetch_position", "get_positions, get_position")
async def _positions(t: Trial) -> None:
    found = {p["symbol"]: p for p in await t.client.fetch_positions()}
    assert {PERP, LINEAR, t.option()} <= set(found)
    assert found[PERP]["side"] == "long"
    one = await t.client.fetch_position(PERP)
    held = t.held.account.positions("deribit-btc")["deribit-btc:BTC-PERPETUAL"]
    assert one["contracts"] == 10 * held.lots
    assert one["initialMargin"] > one["maintenanceMargin"] > 0


@case("transfer", "transfer, fetch_transfers", "submit_transfer_to_subaccount, get_transfers")
async def _transfer(t: Trial) -> None:
    sent = await t.client.transfer("USDC", 5, "main", "2")
    assert (sent["status"], sent["amount"]) == ("pending", 5.0)
    while (await t.client.fetch_transfers("USDC"))[0]["status"] != "ok":
        await asyncio.sleep(0.05)
    paid = t.held.house.street.account("sub_key")
    assert paid is not None
    assert paid.margin("deribit-usdc").equity == 5_000_000


@case("accounts", "fetch_accounts", "get_subaccounts")
async def _accounts(t: Trial) -> None:
    assert [a["type"] for a in await t.client.fetch_accounts()][:2] == ["main", "subaccount"]


@case("not enough funds", "InsufficientFunds", "error 10009")
async def _no_funds(t: Trial) -> None:
    from ccxt import InsufficientFunds

    await _raises(InsufficientFunds, t.client.create_order(PERP, "market", "buy", 10**9))


@case("unknown order", "OrderNotFound", "error 10004")
async def _no_order(t: Trial) -> None:
    from ccxt import OrderNotFound

    await _raises(OrderNotFound, t.client.cancel_order("BTC-999999", PERP))


@case("closed order", "InvalidOrder", "error 11044")
async def _not_open(t: Trial) -> None:
    from ccxt import InvalidOrder

    done = await t.client.create_order(PERP, "market", "buy", 10)
    await _raises(InvalidOrder, t.client.cancel_order(done["id"], PERP))


@case("wrong secret", "AuthenticationError", "error 13004")
async def _wrong_secret(t: Trial) -> None:
    from ccxt import AuthenticationError

    port = int(t.client.urls["api"]["rest"].rpartition(":")[2])
    async with client(port, secret="no-such-secret") as other:
        await _raises(AuthenticationError, other.fetch_accounts())


@case("book over WebSocket", "watch_order_book", "book.*")
async def _watch_book(t: Trial) -> None:
    first = await t.client.watch_order_book(PERP)
    stamp = first["timestamp"]
    for _ in range(3):
        book = await t.client.watch_order_book(PERP)
    assert book["timestamp"] > stamp
    ladder = t.held.house.street.ladder("BTC-PERPETUAL")
    assert ladder is not None
    if ladder.ts_ms == book["timestamp"]:
        assert [level[0] for level in book["bids"]] == [ticks / 2 for ticks, _ in ladder.bids]


@case("ticker and trades over WebSocket", "watch_ticker, watch_trades", "ticker.*, trades.*")
async def _watch_ticker(t: Trial) -> None:
    assert (await t.client.watch_ticker(PERP))["bid"] > 0
    assert (await t.client.watch_trades(PERP))[0]["price"] > 0


@case("orders over WebSocket", "watch_orders", "user.orders.*")
async def _watch_orders(t: Trial) -> None:
    waiting = asyncio.ensure_future(t.client.watch_orders())
    await _subscribed(t, "user.orders.any.any.raw")
    placed = await t.client.create_order(PERP, "limit", "buy", 100, await t.bid() - 500)
    orders = await waiting
    assert [o["id"] for o in orders] == [placed["id"]]
    await t.client.cancel_order(placed["id"], PERP)
    assert (await t.client.watch_orders())[-1]["status"] == "canceled"


@case("fills over WebSocket", "watch_my_trades", "user.trades.*")
async def _watch_fills(t: Trial) -> None:
    waiting = asyncio.ensure_future(t.client.watch_my_trades())
    await _subscribed(t, "user.trades.any.any.raw")
    done = await t.client.create_order(PERP, "market", "sell", 100)
    assert (await waiting)[-1]["order"] == done["id"]


@case("balances over WebSocket", "watch_balance", "user.portfolio.*")
async def _watch_balance(t: Trial) -> None:
    # This client puts a currency's balance into a balance of that currency.
    while "BTC" not in (balance := await t.client.watch_balance()):
        pass
    shown = balance["BTC"]["BTC"]["total"]
    assert abs(shown - t.held.account.margin("deribit-btc").equity / 1e8) < 1.0


async def _raises(kind: type[BaseException], awaited: Awaitable[object]) -> None:
    try:
        await awaited
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


async def _subscribed(t: Trial, channel: str) -> None:
    while not any(channel in s.channels for s in t.held.house.connections()):
        await asyncio.sleep(0.01)
