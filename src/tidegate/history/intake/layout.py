# SPDX-License-Identifier: Apache-2.0
"""The tables of a data folder: their files, columns, units and who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tidegate.history.bars import BAR_SOURCES
from tidegate.history.funding import FUNDING_SOURCES
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

PRICES = ("open", "high", "low", "close")
OHLCV = (*PRICES, "volume")


@dataclass(frozen=True, slots=True)
class Table:
    """One table: every row is a stamp `ts` (UTC), texts and numbers.

    `keys` are the texts that tell one series from another, the first of them its symbol. `kind` is
    bars, funding or index. Bars open every `interval_ms`; funding brings its interval with it.
    `market` is perp, spot or mark, or the name of the column that says so.
    """

    name: str
    file: str
    kind: str
    keys: tuple[str, ...]
    numbers: tuple[str, ...]
    interval_ms: int = 0
    market: str = "perp"
    venue: str = ""
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Text columns: the keys, and what only describes a row."""
        return (*self.keys, *self.notes)


def _hourly(venue: str) -> Table:
    file = f"ohlcv/{venue}_perp_1h.parquet"
    symbol = "coin" if venue == "hyperliquid" else "symbol"
    return Table(f"{venue}-bars", file, "bars", (symbol,), OHLCV, HOUR_MS, venue=venue)


def _dvol(coin: str) -> Table:
    file = f"index/deribit_{coin}_dvol_1d.parquet"
    return Table(f"{coin}-dvol", file, "index", ("symbol",), ("dvol",), DAY_MS, "", "deribit")


_TABLES = (
    Table(
        "binance-bars",
        "ohlcv/binance_usdm_perp_15m.parquet",
        "bars",
        ("symbol",),
        OHLCV,
        15 * MINUTE_MS,
        venue="binance",
    ),
    Table(
        "binance-marks",
        "ohlcv/binance_usdm_mark_1h.parquet",
        "bars",
        ("symbol",),
        PRICES,
        HOUR_MS,
        "mark",
        "binance",
    ),
    *(_hourly(venue) for venue in ("hyperliquid", "bybit", "okx", "deribit")),
    Table(
        "bars-8h",
        "ohlcv/spot_perp_8h_3venues.parquet",
        "bars",
        ("base", "venue", "market", "margin"),
        (*OHLCV, "funding_rate"),
        8 * HOUR_MS,
        "market",
    ),
    Table(
        "bars-5m",
        "ohlcv/spot_perp_5m_binance_bybit.parquet",
        "bars",
        ("symbol", "venue", "market"),
        OHLCV,
        5 * MINUTE_MS,
        "market",
    ),
    Table(
        "spot-2h",
        "ohlcv/btc_spot_2h.parquet",
        "bars",
        ("symbol", "venue"),
        OHLCV,
        2 * HOUR_MS,
        "spot",
    ),
    Table(
        "coinbase-spot",
        "ohlcv/coinbase_spot_1d.parquet",
        "bars",
        ("symbol", "base"),
        OHLCV,
        DAY_MS,
        "spot",
        "coinbase",
    ),
    Table(
        "funding",
        "funding/funding_cex.parquet",
        "funding",
        ("symbol", "venue", "margin"),
        ("interval_h", "rate"),
        notes=("base", "quote", "source"),
    ),
    Table(
        "hyperliquid-funding",
        "funding/funding_hyperliquid.parquet",
        "funding",
        ("coin",),
        ("rate", "interval_h"),
        venue="hyperliquid",
    ),
    _dvol("btc"),
    _dvol("eth"),
)

TABLES: Mapping[str, Table] = MappingProxyType({table.name: table for table in _TABLES})
# Bars may lack a funding rate, which is a print of funding and stands in its own table too.
OPTIONAL = frozenset({"funding_rate"})


def table_named(name: str) -> Table:
    """The table of a name; an unknown one raises `InputError`."""
    if name not in TABLES:
        expected = f"expected one of {', '.join(TABLES)}, got {name!r}"
        raise InputError("data", "table", expected)
    return TABLES[name]


def is_read(table: Table, key: Mapping[str, str]) -> bool:
    """Whether a run may read the series of a key: a reader of this room names it."""
    bars = (source.match for source in BAR_SOURCES if source.file == table.file)
    funding = (source.match for source in FUNDING_SOURCES.values() if source.file == table.file)
    matches = [*bars, *funding]
    return any(all(key.get(name) == value for name, value in match) for match in matches)


_ENDINGS = ("-PERPETUAL", "-USDT-SWAP", "-USD-SWAP", "_PERP", "USDTM", "-USDT", "_USDT", "USDT")


def coin_of(symbol: str) -> str:
    """The coin of a symbol as its venue writes it: BTC of BTCUSDT, BTC-PERPETUAL or BTC."""
    for ending in (*_ENDINGS, "-USD", "/USD", "USD"):
        if symbol.endswith(ending) and len(symbol) > len(ending):
            return symbol.removesuffix(ending)
    return symbol
