# SPDX-License-Identifier: Apache-2.0
"""Where venues' public history is asked for: addresses, parameters, page sizes, pauses.

All as documented by the venues in 2026: Binance USD-M futures, Hyperliquid's info endpoint, Bybit
v5, OKX v5, Deribit v2. Pauses keep below each venue's limit for one address with room to spare.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from tidegate.history.intake import venue_answers as answers
from tidegate.history.intake.layout import Table, coin_of, table_named
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

_SYMBOL = re.compile(r"[A-Za-z0-9]{1,30}([-_][A-Za-z0-9]{1,12}){0,2}")
_QUOTES = ("USDT", "USDC", "USD")
Asked = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: an address and its parameters, in the query, or as a JSON body if `posts`."""

    url: str
    params: Asked
    posts: bool = False


@dataclass(frozen=True, slots=True)
class VenueSource:
    """One kind of history of a venue.

    `page_rows`: the most rows an answer may hold; `step_ms`: how close together rows may stand;
    `params(symbol, start_ms, end_ms)` asks for start_ms <= t < end_ms. `interval_h`: of funding,
    where the venue's field names it, else 0 and it is told from the spacing.
    """

    venue: str
    table: str
    server: str
    path: str
    params: Callable[[str, int, int], Asked]
    read: answers.Reader
    page_rows: int
    step_ms: int
    pause_s: float
    posts: bool = False
    interval_h: int = 0

    def ask(self, server: str | None, symbol: str, start_ms: int, end_ms: int) -> Ask:
        """The request for a span of one symbol, at the venue's server or another."""
        base = (server or self.server).rstrip("/")
        return Ask(base + self.path, self.params(symbol, start_ms, end_ms), self.posts)

    @property
    def layout(self) -> Table:
        """The table that its rows go into."""
        return table_named(self.table)


def _binance(interval: str | None, limit: int) -> Callable[[str, int, int], Asked]:
    def params(symbol: str, start_ms: int, end_ms: int) -> Asked:
        bar = {"interval": interval} if interval else {}
        return {
            "symbol": symbol,
            **bar,
            "startTime": start_ms,
            "endTime": end_ms - 1,
            "limit": limit,
        }

    return params


def _hyperliquid_bars(coin: str, start_ms: int, end_ms: int) -> Asked:
    wanted = {"coin": coin, "interval": "1h", "startTime": start_ms, "endTime": end_ms - 1}
    return {"type": "candleSnapshot", "req": wanted}


def _hyperliquid_funding(coin: str, start_ms: int, end_ms: int) -> Asked:
    return {"type": "fundingHistory", "coin": coin, "startTime": start_ms, "endTime": end_ms - 1}


def _bybit_bars(symbol: str, start_ms: int, end_ms: int) -> Asked:
    span = {"start": start_ms, "end": end_ms - 1, "limit": 1_000}
    return {"category": "linear", "symbol": symbol, "interval": "60", **span}


def _bybit_funding(symbol: str, start_ms: int, end_ms: int) -> Asked:
    span = {"startTime": start_ms, "endTime": end_ms - 1, "limit": 200}
    return {"category": "linear", "symbol": symbol, **span}


def _okx(bar: str | None, limit: int) -> Callable[[str, int, int], Asked]:
    """OKX bounds a page by `before` < t < `after`."""

    def params(symbol: str, start_ms: int, end_ms: int) -> Asked:
        size = {"bar": bar} if bar else {}
        return {"instId": symbol, **size, "before": start_ms - 1, "after": end_ms, "limit": limit}

    return params


def _deribit(name: str, **more: object) -> Callable[[str, int, int], Asked]:
    def params(symbol: str, start_ms: int, end_ms: int) -> Asked:
        return {name: symbol, "start_timestamp": start_ms, "end_timestamp": end_ms - 1, **more}

    return params


_BINANCE, _HYPERLIQUID = "https://fapi.binance.com", "https://api.hyperliquid.xyz"
_BYBIT, _OKX, _DERIBIT = "https://api.bybit.com", "https://www.okx.com", "https://www.deribit.com"
_QUARTER_MS = 15 * MINUTE_MS

_SOURCES: Mapping[tuple[str, str], VenueSource] = MappingProxyType(
    {
        ("binance", "bars"): VenueSource(
            "binance",
            "binance-bars",
            _BINANCE,
            "/fapi/v1/klines",
            _binance("15m", 1_500),
            answers.binance_bars,
            1_500,
            _QUARTER_MS,
            0.5,
        ),
        ("binance", "marks"): VenueSource(
            "binance",
            "binance-marks",
            _BINANCE,
            "/fapi/v1/markPriceKlines",
            _binance("1h", 1_500),
            answers.binance_marks,
            1_500,
            HOUR_MS,
            0.5,
        ),
        ("binance", "funding"): VenueSource(
            "binance",
            "funding",
            _BINANCE,
            "/fapi/v1/fundingRate",
            _binance(None, 1_000),
            answers.binance_funding,
            1_000,
            HOUR_MS,
            0.8,
        ),
        ("hyperliquid", "bars"): VenueSource(
            "hyperliquid",
            "hyperliquid-bars",
            _HYPERLIQUID,
            "/info",
            _hyperliquid_bars,
            answers.hyperliquid_bars,
            500,
            HOUR_MS,
            2.0,
            posts=True,
        ),
        ("hyperliquid", "funding"): VenueSource(
            "hyperliquid",
            "hyperliquid-funding",
            _HYPERLIQUID,
            "/info",
            _hyperliquid_funding,
            answers.hyperliquid_funding,
            500,
            HOUR_MS,
            3.0,
            posts=True,
        ),
        ("bybit", "bars"): VenueSource(
            "bybit",
            "bybit-bars",
            _BYBIT,
            "/v5/market/kline",
            _bybit_bars,
            answers.bybit_bars,
            1_000,
            HOUR_MS,
            0.2,
        ),
        ("bybit", "funding"): VenueSource(
            "bybit",
            "funding",
            _BYBIT,
            "/v5/market/funding/history",
            _bybit_funding,
            answers.bybit_funding,
            200,
            HOUR_MS,
            0.2,
        ),
        ("okx", "bars"): VenueSource(
            "okx",
            "okx-bars",
            _OKX,
            "/api/v5/market/history-candles",
            _okx("1H", 100),
            answers.okx_bars,
            100,
            HOUR_MS,
            0.2,
        ),
        ("okx", "funding"): VenueSource(
            "okx",
            "funding",
            _OKX,
            "/api/v5/public/funding-rate-history",
            _okx(None, 100),
            answers.okx_funding,
            100,
            HOUR_MS,
            0.3,
        ),
        ("deribit", "bars"): VenueSource(
            "deribit",
            "deribit-bars",
            _DERIBIT,
            "/api/v2/public/get_tradingview_chart_data",
            _deribit("instrument_name", resolution="60"),
            answers.deribit_bars,
            1_000,
            HOUR_MS,
            0.3,
        ),
        ("deribit", "funding"): VenueSource(
            "deribit",
            "funding",
            _DERIBIT,
            "/api/v2/public/get_funding_rate_history",
            _deribit("instrument_name"),
            answers.deribit_funding,
            700,
            HOUR_MS,
            0.3,
            interval_h=1,
        ),
        ("deribit", "dvol"): VenueSource(
            "deribit",
            "btc-dvol",
            _DERIBIT,
            "/api/v2/public/get_volatility_index_data",
            _deribit("currency", resolution="1D"),
            answers.deribit_dvol,
            500,
            DAY_MS,
            0.3,
        ),
    }
)


def source_of(venue: str, what: str, symbol: str) -> VenueSource:
    """The source of a venue's history of a kind; what there is none of raises `InputError`."""
    if (venue, what) not in _SOURCES:
        known = ", ".join(f"{v} {w}" for v, w in _SOURCES)
        raise InputError("data fetch", "what", f"expected one of {known}, got {venue} {what}")
    if not _SYMBOL.fullmatch(symbol):
        raise InputError("data fetch", "symbol", f"expected a venue's symbol, got {symbol!r}")
    source = _SOURCES[venue, what]
    if what != "dvol":
        return source
    tables = {"BTC": "btc-dvol", "ETH": "eth-dvol"}
    if symbol not in tables:
        raise InputError("data fetch", "symbol", f"expected BTC or ETH for dvol, got {symbol!r}")
    return replace(source, table=tables[symbol])


def texts_of(source: VenueSource, symbol: str) -> dict[str, str]:
    """What the text columns of the table say of a symbol; one that does not read raises."""
    table = source.layout
    if table.kind == "index":
        return {"symbol": f"{symbol}_DVOL"}
    if table.kind == "bars" or source.venue == "hyperliquid":
        return {table.keys[0]: symbol}
    base, quote, margin = contract(source.venue, symbol)
    about = {"venue": source.venue, "margin": margin, "base": base, "quote": quote}
    return {"symbol": symbol, **about, "source": f"{source.venue} public API"}


def contract(venue: str, symbol: str) -> tuple[str, str, str]:
    """Coin, quote and linear or inverse of a perpetual, by its venue's way of naming."""
    base, quote = coin_of(symbol), ""
    if venue == "deribit" and symbol.endswith("-PERPETUAL"):
        base, _, quote = base.partition("_")
        return base, quote or "USD", "linear" if quote else "inverse"
    if venue == "okx" and symbol.endswith("-SWAP") and symbol.count("-") == 2:
        base, quote, _ = symbol.split("-")
        return base, quote, "inverse" if quote == "USD" else "linear"
    for ending in _QUOTES[:2] if venue in ("binance", "bybit") else ():
        if symbol.endswith(ending) and len(symbol) > len(ending):
            return symbol.removesuffix(ending), ending, "linear"
    raise InputError(
        "data fetch", "symbol", f"expected a perpetual as {venue} names it, got {symbol!r}"
    )
