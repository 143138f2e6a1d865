# SPDX-License-Identifier: Apache-2.0
"""Fields that real payloads of Deribit have are there in ours, but for those named here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.venues.deribit_server.houses import Held, held

PERP, LINEAR = "BTC-PERPETUAL", "ETH_USDC-PERPETUAL"
BLOCKS = {"block_trade_commission", "block_trade_min_trade_amount", "block_trade_tick_size"}
Ask = Callable[[Held], Any]


def option(house: Held) -> str:
    return next(s for s in sorted(house.house.street.instruments) if s.endswith("-C"))


def placed(house: Held) -> Any:
    price = house.ask("public/ticker", instrument_name=LINEAR)["best_bid_price"]
    order = {"instrument_name": LINEAR, "amount": 0.1, "price": round(price * 0.9, 0)}
    return house.ask("private/buy", **order)["order"]


def cancelled(house: Held) -> Any:
    return house.ask("private/cancel", order_id=placed(house)["order_id"])


def edited(house: Held) -> Any:
    order = placed(house)
    words = {"order_id": order["order_id"], "amount": 0.2, "price": order["price"]}
    return house.ask("private/edit", **words)["order"]


def pushed(house: Held, channel: str, seconds: int = 30) -> Any:
    house.ask("private/subscribe", channels=[channel])
    house.house.look()
    for _ in range(seconds):
        house.pass_s(1)
    told = house.told()
    assert told
    return told[-1][1]


def trade(house: Held) -> Any:
    house.pass_s(60)
    return house.ask("public/get_last_trades_by_instrument", instrument_name=PERP)["trades"][0]


def chart(house: Held) -> Any:
    now = house.house.street.now_ms
    words = {"start_timestamp": now - 3_600_000, "end_timestamp": now, "resolution": "5"}
    return house.ask("public/get_tradingview_chart_data", instrument_name=PERP, **words)


# File, the way to the fields in it, ours, and what ours has not: no block trades, no quotas said in
# the summary, no mail.
SHAPES: list[tuple[str, tuple[str | int, ...], Ask, set[str]]] = [
    (
        "http_get_instrument.json",
        ("result",),
        lambda h: h.ask("public/get_instrument", instrument_name=PERP),
        BLOCKS | {"max_non_default_leverage"},
    ),
    (
        "http_get_instrument_option.json",
        ("result",),
        lambda h: h.ask("public/get_instrument", instrument_name=option(h)),
        BLOCKS,
    ),
    (
        "http_get_order_book.json",
        ("result",),
        lambda h: h.ask("public/get_order_book", instrument_name=PERP),
        set(),
    ),
    ("http_get_last_trades.json", ("result", "trades", 0), trade, set()),
    ("http_get_tradingview_chart_data.json", ("result",), chart, set()),
    ("http_test.json", ("result",), lambda h: h.ask("public/test"), set()),
    (
        "http_get_account_summaries.json",
        ("result",),
        lambda h: h.ask("private/get_account_summaries"),
        {"email", "block_rfq_self_match_prevention"},
    ),
    (
        "http_get_account_summaries.json",
        ("result", "summaries", 0),
        lambda h: h.ask("private/get_account_summaries")["summaries"][0],
        {"fees", "limits"},
    ),
    ("ws_order_buy_response.json", ("result", "order"), placed, set()),
    ("ws_order_cancel_response.json", ("result",), cancelled, set()),
    ("ws_order_edit_response.json", ("result", "order"), edited, set()),
    ("ws_ticker.json", ("params", "data"), lambda h: pushed(h, f"ticker.{PERP}.100ms"), set()),
    ("ws_quote.json", ("params", "data"), lambda h: pushed(h, f"quote.{PERP}"), set()),
    ("ws_book_delta.json", ("params", "data"), lambda h: pushed(h, f"book.{PERP}.100ms"), set()),
    (
        "ws_book_grouped_snapshot.json",
        ("params", "data"),
        lambda h: pushed(h, f"book.{PERP}.none.10.100ms"),
        set(),
    ),
    (
        "ws_trades.json",
        ("params", "data", 1),
        lambda h: pushed(h, f"trades.{PERP}.100ms")[0],
        set(),
    ),
    ("ws_portfolio.json", ("params", "data"), lambda h: pushed(h, "user.portfolio.any"), set()),
]


@pytest.mark.parametrize(
    ("file", "way", "ask", "without"), SHAPES, ids=[f"{s[0]}-{s[1][-1]}" for s in SHAPES]
)
def test_fields_of_a_real_payload_are_there_in_ours(
    data_root: Path, file: str, way: tuple[str | int, ...], ask: Ask, without: set[str]
) -> None:
    real: Any = json.loads((data_root / "wire" / "deribit" / file).read_bytes())
    for step in way:
        real = real[step]
    ours = ask(held())
    assert set(real) - set(ours) == without
    for name in set(real) & set(ours):
        assert _kind(real[name]) in (_kind(ours[name]), "null") or ours[name] is None, name


def _kind(value: object) -> str:
    """What a value is in JSON; a whole number and another are both numbers."""
    kinds = {bool: "flag", int: "number", float: "number", str: "text", dict: "map", list: "list"}
    return kinds.get(type(value), "null")
