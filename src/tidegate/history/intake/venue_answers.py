# SPDX-License-Identifier: Apache-2.0
"""What venues answer when asked for public history, read strictly.

Each reader takes a body and gives stamps (ms UTC) and numbers, in whatever order they came. A body
that is no JSON raises `Cut`, words of a venue that asks for patience raise `Busy`; both are worth
another try. Anything else that does not read raises `InputError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np

from tidegate.history.intake.layout import OHLCV, PRICES
from tidegate.history.parquet import FloatArray, IntArray
from tidegate.model.errors import InputError
from tidegate.model.times import MINUTE_MS

Shape = TypeVar("Shape")
# Of a venue's refusal: what is shown of it.
_WORDS = 200
# Return codes that mean "too many requests": Bybit, OKX, Deribit.
_PATIENCE = frozenset({10006, 50011, 10028})


class Busy(Exception):
    """The venue asks for patience: `after_s` seconds, None if it does not say."""

    def __init__(self, words: str, after_s: float | None = None) -> None:
        self.after_s = after_s
        super().__init__(words)


class Cut(Exception):
    """An answer that did not arrive whole, or did not arrive."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Rows of one answer: stamps (int64, n) and numbers (float64, each n); `more` if the venue says
    that it left some out."""

    ts_ms: IntArray
    numbers: Mapping[str, FloatArray]
    more: bool = False


Reader = Callable[[bytes], Answer]


def _decode(body: bytes, shape: type[Shape], where: str) -> Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        shown = body[:_WORDS].decode(errors="replace")
        expected = f"expected the documented shape ({error}), got {shown!r}"
        raise InputError(where, "answer", expected) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Cut(f"{where}: an answer that is no whole JSON") from error


def _refused(where: str, code: object, words: object) -> Exception:
    text = f"refused with {code}: {words}"[:_WORDS]
    if str(code).isdigit() and int(str(code)) in _PATIENCE:
        return Busy(f"{where}: {text}")
    return InputError(where, "answer", text)


class _Print(Protocol):
    """A settled rate as a venue tells it, whatever it calls the two."""

    @property
    def ts(self) -> int | str: ...

    @property
    def rate(self) -> float | str: ...


def _prints(prints: Sequence[_Print], where: str) -> Answer:
    """Settled rates, their stamps brought to the minute."""
    rows = [(one.ts, one.rate) for one in prints]
    return _rows(rows, {"rate": 1}, where, to_minute=True)


def _rows(
    rows: Sequence[Sequence[Any]],
    columns: Mapping[str, int],
    where: str,
    *,
    to_minute: bool = False,
) -> Answer:
    """Stamps of place 0 and numbers of named places; texts of numbers count as numbers."""
    stamps = np.empty(len(rows), dtype=np.int64)
    numbers = {name: np.empty(len(rows), dtype=np.float64) for name in columns}
    for at, row in enumerate(rows):
        if len(row) <= max(columns.values()):
            raise InputError(where, f"row {at + 1}", f"expected more than {len(row)} values")
        stamps[at] = _stamp(row[0], where, at)
        for name, place in columns.items():
            numbers[name][at] = _number(row[place], where, f"row {at + 1}: {name}")
    if to_minute:
        stamps = (stamps + MINUTE_MS // 2) // MINUTE_MS * MINUTE_MS
    return Answer(stamps, numbers)


def _stamp(value: object, where: str, at: int) -> int:
    text = str(value)
    if not text.isdigit() or len(text) > 15:
        expected = f"expected milliseconds since 1970, got {value!r}"
        raise InputError(where, f"row {at + 1}", expected)
    return int(text)


def _number(value: object, where: str, field: str) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else float("nan")
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise InputError(where, field, f"expected a finite number, got {value!r}")
    return number


_BAR = {name: place for place, name in enumerate(OHLCV, 1)}
_MARK = {name: place for place, name in enumerate(PRICES, 1)}


def binance_bars(body: bytes) -> Answer:
    """klines: rows of open time, open, high, low, close, volume in coin, and more."""
    return _rows(_decode(body, list[list[Any]], "binance klines"), _BAR, "binance klines")


def binance_marks(body: bytes) -> Answer:
    """markPriceKlines: as klines, but what stands for volume is none."""
    where = "binance markPriceKlines"
    return _rows(_decode(body, list[list[Any]], where), _MARK, where)


class _BinanceFunding(msgspec.Struct):
    ts: int = msgspec.field(name="fundingTime")
    rate: str = msgspec.field(name="fundingRate")


def binance_funding(body: bytes) -> Answer:
    """fundingRate: settled rates of whatever interval the contract had."""
    where = "binance fundingRate"
    return _prints(_decode(body, list[_BinanceFunding], where), where)


class _HyperliquidBar(msgspec.Struct):
    t: int
    o: str
    h: str
    l: str  # noqa: E741 (the venue's name)
    c: str
    v: str


def hyperliquid_bars(body: bytes) -> Answer:
    """candleSnapshot: volume in coin."""
    where = "hyperliquid candleSnapshot"
    bars = _decode(body, list[_HyperliquidBar], where)
    return _rows([(b.t, b.o, b.h, b.l, b.c, b.v) for b in bars], _BAR, where)


class _HyperliquidFunding(msgspec.Struct):
    ts: int = msgspec.field(name="time")
    rate: str = msgspec.field(name="fundingRate")


def hyperliquid_funding(body: bytes) -> Answer:
    """fundingHistory: rates of an hour, eight hours until June 2023."""
    where = "hyperliquid fundingHistory"
    return _prints(_decode(body, list[_HyperliquidFunding], where), where)


class _BybitBars(msgspec.Struct):
    rows: list[list[Any]] = msgspec.field(name="list")


class _BybitPrint(msgspec.Struct):
    ts: str = msgspec.field(name="fundingRateTimestamp")
    rate: str = msgspec.field(name="fundingRate")


class _BybitPrints(msgspec.Struct):
    rows: list[_BybitPrint] = msgspec.field(name="list")


class _BybitHead(msgspec.Struct):
    code: int = msgspec.field(name="retCode")
    words: str = msgspec.field(name="retMsg", default="")
    result: msgspec.Raw = msgspec.Raw(b"{}")


def _bybit(body: bytes, shape: type[Shape], where: str) -> Shape:
    head = _decode(body, _BybitHead, where)
    if head.code != 0:
        raise _refused(where, head.code, head.words)
    return _decode(bytes(head.result), shape, where)


def bybit_bars(body: bytes) -> Answer:
    """kline of linear contracts, newest first: volume in coin."""
    return _rows(_bybit(body, _BybitBars, "bybit kline").rows, _BAR, "bybit kline")


def bybit_funding(body: bytes) -> Answer:
    """funding/history, newest first: settled rates of whatever interval the contract had."""
    where = "bybit funding/history"
    return _prints(_bybit(body, _BybitPrints, where).rows, where)


class _OkxHead(msgspec.Struct):
    code: str
    words: str = msgspec.field(name="msg", default="")
    data: msgspec.Raw = msgspec.Raw(b"[]")


def _okx(body: bytes, shape: type[Shape], where: str) -> Shape:
    head = _decode(body, _OkxHead, where)
    if head.code != "0":
        raise _refused(where, head.code, head.words)
    return _decode(bytes(head.data), shape, where)


# Place 5 counts contracts, place 6 coins, and place 8 says whether the bar has closed.
_OKX_BAR = _MARK | {"volume": 6}
_OKX_CONFIRM = 8


def okx_bars(body: bytes) -> Answer:
    """history-candles of swaps, newest first: volume in coin; bars still open are left out."""
    where = "okx history-candles"
    rows = _okx(body, list[list[Any]], where)
    closed = [row for row in rows if len(row) <= _OKX_CONFIRM or str(row[_OKX_CONFIRM]) == "1"]
    return _rows(closed, _OKX_BAR, where)


class _OkxFunding(msgspec.Struct):
    ts: str = msgspec.field(name="fundingTime")
    rate: str = msgspec.field(name="realizedRate")


def okx_funding(body: bytes) -> Answer:
    """funding-rate-history, newest first, of the last three months: what was in fact settled."""
    where = "okx funding-rate-history"
    return _prints(_okx(body, list[_OkxFunding], where), where)


class _DeribitError(msgspec.Struct):
    code: int
    message: str = ""


class _DeribitHead(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _DeribitError | None = None


def _deribit(body: bytes, shape: type[Shape], where: str) -> Shape:
    head = _decode(body, _DeribitHead, where)
    if head.error is not None:
        raise _refused(where, head.error.code, head.error.message)
    return _decode(bytes(head.result), shape, where)


class _DeribitChart(msgspec.Struct):
    ticks: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


def deribit_bars(body: bytes) -> Answer:
    """get_tradingview_chart_data: a list a column; volume in coin."""
    where = "deribit get_tradingview_chart_data"
    chart = _deribit(body, _DeribitChart, where)
    columns = (chart.ticks, chart.open, chart.high, chart.low, chart.close, chart.volume)
    if len({len(column) for column in columns}) != 1:
        raise InputError(where, "answer", "expected lists of one length")
    return _rows(list(zip(*columns, strict=True)), _BAR, where)


class _DeribitFunding(msgspec.Struct):
    ts: int = msgspec.field(name="timestamp")
    rate: float = msgspec.field(name="interest_1h")


def deribit_funding(body: bytes) -> Answer:
    """get_funding_rate_history: what an hour came to, at its end."""
    where = "deribit get_funding_rate_history"
    return _prints(_deribit(body, list[_DeribitFunding], where), where)


class _DeribitIndex(msgspec.Struct):
    data: list[list[float]]
    continuation: int | None = None


def deribit_dvol(body: bytes) -> Answer:
    """get_volatility_index_data: open, high, low, close of a day; the close is its DVOL."""
    where = "deribit get_volatility_index_data"
    index = _deribit(body, _DeribitIndex, where)
    rows = [(int(row[0]), *row[1:]) for row in index.data if row]
    answer = _rows(rows, {"dvol": 4}, where)
    return Answer(answer.ts_ms, answer.numbers, more=index.continuation is not None)
