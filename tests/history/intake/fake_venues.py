# SPDX-License-Identifier: Apache-2.0
"""Venues' public history as a port: their documented shapes over a made-up past, with faults.

`FakeVenue` answers an `Ask`; `serve` puts one behind HTTP on loopback.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tidegate.history.intake.venue_answers import Busy, Cut
from tidegate.history.intake.venue_sources import Ask
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS, parse_time_ms

START_MS = parse_time_ms("2024-01-01", "test", "start")
NOW_MS = parse_time_ms("2024-06-01", "test", "now")
FAULTS = ("busy", "cut", "empty", "overlap", "shuffle")


def price(ts_ms: int) -> float:
    """A price that its stamp determines."""
    return 100.0 + ts_ms // MINUTE_MS % 977 / 10.0


def bar(ts_ms: int) -> tuple[int, str, str, str, str, str]:
    at = price(ts_ms)
    return (ts_ms, str(at), str(at + 1), str(at - 1), str(at + 0.5), str(at * 2))


def rate(ts_ms: int) -> str:
    return f"{(ts_ms // HOUR_MS % 41 - 20) * 1e-6:.8f}"


@dataclass
class FakeVenue:
    """One venue whose past begins at `since_ms`; `faults` strike one answer each, in order.

    `funding_h(ts_ms)` is how many hours a print at a time settled; `gone` are stamps that it lacks.
    """

    since_ms: int = START_MS
    funding_h: Callable[[int], int] = lambda ts_ms: 8
    gone: frozenset[int] = frozenset()
    faults: list[str] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)

    def __call__(self, ask: Ask) -> bytes:
        self.asks.append(ask)
        path = urlsplit(ask.url).path
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "busy":
            raise Busy("answered 429", 3.0)
        body = json.dumps(self.answer(path, ask.params, fault)).encode()
        if fault == "cut":
            raise Cut("no whole answer") if len(self.asks) % 2 else _Half(body)
        return body

    def answer(self, path: str, params: Mapping[str, Any], fault: str = "") -> Any:
        request = params.get("req", params)
        first, last, limit = _bounds(request)
        rows = self._rows(path, params, (first, last))
        if fault == "empty":
            rows = []
        if fault == "overlap":
            rows = rows + rows[:3]
        if fault == "shuffle":
            rows = rows[len(rows) // 2 :] + rows[: len(rows) // 2]
        return _SHAPES[path if path != "/info" else f"/info/{params['type']}"](rows[:limit])

    def _rows(self, path: str, params: Mapping[str, Any], span: tuple[int, int]) -> list[int]:
        funding = "unding" in path or params.get("type") == "fundingHistory"
        step = 15 * MINUTE_MS if params.get("interval") == "15m" else HOUR_MS
        step = DAY_MS if "volatility" in path else step
        first = max(-(-span[0] // step) * step, self.since_ms)
        stamps = [t for t in range(first, min(span[1], NOW_MS) + 1, step) if t not in self.gone]
        if funding and "deribit" not in path and "get_funding" not in path:
            stamps = [t for t in stamps if t % (self.funding_h(t) * HOUR_MS) == 0]
        newest_first = path.startswith(("/v5", "/api/v5"))
        return stamps[::-1] if newest_first else stamps


class _Half(Cut):
    """A cut that keeps what came."""

    def __init__(self, body: bytes) -> None:
        super().__init__(f"an answer was cut to {len(body) // 2}")


def _bounds(request: Mapping[str, Any]) -> tuple[int, int, int]:
    """First and last stamp (both included) and the most rows, by any venue's words."""
    if "after" in request:
        return int(request["before"]) + 1, int(request["after"]) - 1, int(request["limit"])
    names = (("startTime", "endTime"), ("start", "end"), ("start_timestamp", "end_timestamp"))
    start, end = next(pair for pair in names if pair[0] in request)
    default = 500 if "coin" in request else 1_000
    return int(request[start]), int(request[end]), int(request.get("limit", default))


def _late(ts_ms: int) -> int:
    """Venues stamp a print some milliseconds after its hour."""
    return ts_ms + ts_ms // HOUR_MS % 50


def _okx(rows: list[Any]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": rows}


def _bybit(rows: list[Any]) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}}


def _okx_bar(ts_ms: int) -> list[str]:
    stamp, *prices, volume = bar(ts_ms)
    return [str(stamp), *prices, "7", volume, "9", "1"]


def _chart(rows: list[int]) -> dict[str, Any]:
    columns = list(zip(*(bar(t) for t in rows), strict=True)) or [()] * 6
    names = ("ticks", "open", "high", "low", "close", "volume")
    chart = {n: [float(v) for v in c] for n, c in zip(names, columns, strict=True)}
    status = "ok" if rows else "no_data"
    return {"result": {**chart, "ticks": list(columns[0]), "status": status}}


_SHAPES: dict[str, Callable[[list[int]], Any]] = {
    "/fapi/v1/klines": lambda rows: [[*bar(t), t + 1, "1", 2, "3", "4", "0"] for t in rows],
    "/fapi/v1/markPriceKlines": lambda rows: [[*bar(t)[:5], "0", t + 1] for t in rows],
    "/fapi/v1/fundingRate": lambda rows: [
        {"symbol": "BTCUSDT", "fundingTime": _late(t), "fundingRate": rate(t)} for t in rows
    ],
    "/info/candleSnapshot": lambda rows: [
        {**dict(zip("tohlcv", bar(t), strict=True)), "T": t + 1, "s": "BTC", "i": "1h", "n": 1}
        for t in rows
    ],
    "/info/fundingHistory": lambda rows: [
        {"coin": "BTC", "fundingRate": rate(t), "premium": "0", "time": _late(t)} for t in rows
    ],
    "/v5/market/kline": lambda rows: _bybit([[str(v) for v in (*bar(t), "1")] for t in rows]),
    "/v5/market/funding/history": lambda rows: _bybit(
        [{"symbol": "x", "fundingRate": rate(t), "fundingRateTimestamp": str(t)} for t in rows]
    ),
    "/api/v5/market/history-candles": lambda rows: _okx([_okx_bar(t) for t in rows]),
    "/api/v5/public/funding-rate-history": lambda rows: _okx(
        [{"fundingTime": str(t), "realizedRate": rate(t), "fundingRate": "9"} for t in rows]
    ),
    "/api/v2/public/get_tradingview_chart_data": _chart,
    "/api/v2/public/get_funding_rate_history": lambda rows: {
        "result": [{"timestamp": t, "interest_1h": float(rate(t)), "index_price": 1} for t in rows]
    },
    "/api/v2/public/get_volatility_index_data": lambda rows: {
        "result": {"data": [[t, 50.0, 51.0, 49.0, 50.5] for t in rows], "continuation": None}
    },
}


@contextmanager
def serve(venue: FakeVenue, faults: list[str]) -> Iterator[str]:
    """The address of a venue on loopback; `faults` are of HTTP: 429, 500, 403, cut or garbage."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._answer(parts.path, dict(parse_qsl(parts.query)))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._answer(self.path, json.loads(self.rfile.read(length)))

        def _answer(self, path: str, params: dict[str, Any]) -> None:
            fault = faults.pop(0) if faults else "200"
            body = json.dumps(venue.answer(path, params)).encode()
            self.send_response(int(fault) if fault.isdigit() else 200)
            if fault == "429":
                self.send_header("Retry-After", "2")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            sent = {"cut": body[: len(body) // 2], "garbage": b"<" * len(body)}.get(fault, body)
            self.wfile.write(sent)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
