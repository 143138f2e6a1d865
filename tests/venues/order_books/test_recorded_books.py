# SPDX-License-Identifier: Apache-2.0
"""Recorded streams of venues: every message follows, and the books agree with the venues' own."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import duckdb
import pytest

from tidegate.venues.order_books.book import BookTerms, Outcome
from tidegate.venues.order_books.keepers import BinanceKeeper, BybitKeeper, HyperliquidKeeper

DAY = "2024-08-08"
MESSAGES = 400  # of each Binance stream; the soak takes all


def rows(folder: Path, name: str, order: str) -> list[tuple[Any, ...]]:
    path = folder / "l2" / f"{name}_{DAY}.parquet"
    return duckdb.sql(f"select * from '{path}' order by {order}").fetchall()


def replayed(folder: Path, market: str, tick: str, most: int) -> dict[int, Any]:
    """The best prices by the number of each update, after a snapshot that was fetched."""
    spot, places = market == "spot", 2 if market == "spot" else 1
    keeper = BinanceKeeper(BookTerms("BTCUSDT", Decimal(tick), Decimal("0.00001")), spot)

    def texts(levels: list[tuple[Any, ...]], side: str) -> list[list[str]]:
        return [[f"{r[-2]:.{places}f}", f"{r[-1]:.5f}"] for r in levels if r[-3] == side]

    def content(ids: dict[str, Any], names: str, levels: list[tuple[Any, ...]]) -> bytes:
        sides = {names[0]: texts(levels, "bid"), names[1]: texts(levels, "ask")}
        return json.dumps({**ids, **sides}).encode()

    first = rows(folder, f"binance_{market}_btc_snapshot", "recv_ns")
    whole = {"bids": texts(first, "bid"), "asks": texts(first, "ask"), "lastUpdateId": first[0][2]}
    best: dict[int, Any] = {}
    groups = groupby(rows(folder, f"binance_{market}_btc_depth", "last_id"), lambda r: r[:6])
    started = False
    for number, (ids, levels) in enumerate(groups):
        received, exchange, _, first_id, last_id, previous = ids
        if not started and received > first[0][0]:
            started = True
            assert keeper.start(json.dumps(whole).encode(), exchange, exchange) is Outcome.FRESH
        named = {"s": "BTCUSDT", "E": exchange, "U": first_id, "u": last_id, "pu": previous}
        assert keeper.take(content(named, "ba", list(levels)), exchange) is not Outcome.RESYNC
        if keeper.book.live:
            bids, asks = keeper.book.levels(1)
            best[last_id] = (bids[0], asks[0])
        if number == most:
            break
    return best


@pytest.mark.parametrize(("market", "tick"), [("usdm", "0.1"), ("spot", "0.01")])
def test_recorded_binance_book_agrees_with_the_venues_best_prices(
    market: str, tick: str, data_root: Path
) -> None:
    compare(data_root, market, tick, MESSAGES)


@pytest.mark.soak(promise="P-533", weight=1)
@pytest.mark.parametrize(("market", "tick"), [("usdm", "0.1"), ("spot", "0.01")])
def test_whole_recording_of_binance_agrees_with_the_venues_best_prices(
    market: str, tick: str, data_root: Path
) -> None:
    compare(data_root, market, tick, 10**9)


def compare(folder: Path, market: str, tick: str, most: int) -> None:
    best, compared = replayed(folder, market, tick, most), 0
    for row in rows(folder, f"binance_{market}_btc_bbo", "recv_ns"):
        update, (bid, bid_size, ask, ask_size) = row[-5], row[-4:]
        if update in best:
            told = [round(n / float(tick)) for n in (bid, ask)]
            sizes = [round(n * 100_000) for n in (bid_size, ask_size)]
            assert best[update] == ((told[0], sizes[0]), (told[1], sizes[1]))
            compared += 1
    assert compared > 20


def test_recorded_bybit_book_follows_without_a_gap_and_equals_a_dictionary(
    data_root: Path,
) -> None:
    with ZipFile(data_root / "wire/bybit_ob500/xrpusdt-ob500.data.zip") as archive:
        lines = archive.read(archive.namelist()[0]).splitlines()
    keeper = BybitKeeper(BookTerms("XRPUSDT", Decimal("0.0001"), Decimal(1)))
    sides: dict[str, dict[Decimal, Decimal]] = {"b": {}, "a": {}}
    for line in lines:
        message = json.loads(line)
        assert keeper.take(line, message["ts"]) is Outcome.FRESH
        for name, side in sides.items():
            side.update((Decimal(p), Decimal(s)) for p, s in message["data"][name])
            sides[name] = {p: s for p, s in side.items() if s}
        bids, asks = keeper.book.levels(10_000)
        assert {p * Decimal("0.0001"): s for p, s in bids} == sides["b"]
        assert {p * Decimal("0.0001"): s for p, s in asks} == sides["a"]
    assert len(lines) == 50


def test_recorded_hyperliquid_books_are_taken_whole(data_root: Path) -> None:
    keeper, taken = HyperliquidKeeper(BookTerms("BTC", Decimal(1), Decimal("0.00001"))), 0
    with gzip.open(data_root / "l2/raw/hyperliquid_btc_20250126.jsonl.gz", "rb") as file:
        for line in file:
            received_ns, _, content = line.partition(b" ")
            message = json.loads(content)
            if message["channel"] != "l2Book":
                continue
            assert keeper.take(content, int(received_ns) // 10**6) is Outcome.FRESH
            for side, told in zip(keeper.book.levels(100), message["data"]["levels"], strict=True):
                assert [(Decimal(p), s * Decimal("0.00001")) for p, s in side] == [
                    (Decimal(level["px"]), Decimal(level["sz"])) for level in told
                ]
            taken += 1
    assert taken == 46
