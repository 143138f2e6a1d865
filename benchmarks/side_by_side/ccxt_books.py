# SPDX-License-Identifier: Apache-2.0
"""ccxt.pro's own handlers of books, unmodified and without a connection.

Each message is given to the client of the WebSocket as text, as its loop of receiving does; the
client decodes it and calls the exchange's `handle_message`. Then the book is cut to its limit, as
`watch_order_book` does before it returns, and its best prices are read.
"""

from __future__ import annotations

from typing import Any

from benchmarks.side_by_side.book_messages import Feed

NAMES = {
    "Binance USD-M": ("binanceusdm", "BTCUSDT", "BTC/USDT:USDT", "wss://fstream.binance.com/ws"),
    "Bybit": ("bybit", "BTCUSDT", "BTC/USDT:USDT", "wss://stream.bybit.com/v5/public/linear"),
    "OKX": ("okx", "BTC-USDT-SWAP", "BTC/USDT:USDT", "wss://ws.okx.com:8443/ws/v5/public"),
    "Deribit": ("deribit", "BTC-PERPETUAL", "BTC/USD:BTC", "wss://www.deribit.com/ws/api/v2"),
    "Hyperliquid": ("hyperliquid", "BTC", "BTC/USDC:USDC", "wss://api.hyperliquid.xyz/ws"),
}
BOUNDS = {"min": None, "max": None}


def _market(exchange: Any, identity: str, symbol: str) -> dict[str, Any]:
    base, rest = symbol.split("/")
    quote, settle = rest.split(":")
    known = {
        "id": identity,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": settle,
        "baseId": base,
        "quoteId": quote,
        "settleId": settle,
        "type": "swap",
        "spot": False,
        "swap": True,
        "future": False,
        "option": False,
        "margin": False,
        "contract": True,
        "linear": quote == settle,
        "inverse": quote != settle,
        "active": True,
        "contractSize": 1.0,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": dict.fromkeys(("amount", "price", "cost", "leverage"), BOUNDS),
        "info": {},
    }
    made: dict[str, Any] = exchange.safe_market_structure(known)
    return made


class CcxtBook:
    """One exchange of ccxt.pro with one market and its book; made inside a running event loop.

    Raises: `ImportError` where ccxt is missing.
    """

    def __init__(self, feed: Feed) -> None:
        import ccxt.pro

        name, identity, self.symbol, url = NAMES[feed.venue]
        self.exchange = getattr(ccxt.pro, name)({"enableRateLimit": False})
        self.exchange.set_markets([_market(self.exchange, identity, self.symbol)])
        self.client, self.url = self.exchange.client(url), url
        self.start(feed)

    def start(self, feed: Feed) -> None:
        """Begin again with the snapshot."""
        self.exchange.orderbooks.clear()
        if feed.venue == "Binance USD-M":
            told = self.exchange.parse_json(feed.snapshot.decode())
            snapshot = self.exchange.parse_order_book(told, self.symbol)
            snapshot["nonce"] = told["lastUpdateId"]
            self.exchange.orderbooks[self.symbol] = self.exchange.order_book(snapshot, 1000)
        else:
            self.client.handle_text_or_binary_message(feed.snapshot.decode())
        bid, ask = self.best()
        self.band = (bid + ask) * 0.99, (bid + ask) * 1.01

    def best(self) -> tuple[float, float]:
        """The best bid and ask."""
        book = self.exchange.orderbooks[self.symbol]
        return book["bids"][0][0], book["asks"][0][0]

    def decide(self, text: str) -> bool:
        """Take one message; whether the mid left its band, as a plain loop would ask."""
        self.client.handle_text_or_binary_message(text)
        self.exchange.orderbooks[self.symbol].limit()
        bid, ask = self.best()
        return not self.band[0] <= bid + ask <= self.band[1]

    async def close(self) -> None:
        self.exchange.clients.clear()
        await self.exchange.close()
