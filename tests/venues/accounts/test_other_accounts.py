# SPDX-License-Identifier: Apache-2.0
"""What five venues tell, asked through ccxt itself, becomes books with the venues' own margin."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.venues.accounts import told_others as said
from tests.venues.accounts.served import served
from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.reading import account_of
from tidegate.model.errors import InputError
from tidegate.venues.accounts import bybit, derive, dydx, okx
from tidegate.venues.accounts.asking import asked_of, book_of, told_by
from tidegate.venues.accounts.told import Told

CANARY = "canary-c0ffee"
WALLET = {"walletAddress": "0x" + "ab" * 20, "privateKey": "0x" + "11" * 32}
ANSWERS: dict[str, Mapping[str, Any]] = {
    "binance": said.BINANCE,
    "okx": said.OKX,
    "bybit": said.BYBIT,
    "derive": said.DERIVE,
    "dydx": said.DYDX,
}


SECRETS = (CANARY, WALLET["privateKey"], WALLET["privateKey"].removeprefix("0x"))


@pytest.fixture(autouse=True)
def _live() -> None:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")


def told(kind: str, folder: Path, changed: Mapping[str, Any] | None = None) -> tuple[Told, ...]:
    """The accounts that a venue on loopback tells through ccxt."""
    key = folder / "key.json"
    fields = {"apiKey": "reading", "secret": CANARY, "password": CANARY}
    key.write_text(json.dumps(WALLET if kind == "derive" else fields))
    key.chmod(0o600)
    where = said.ADDRESS if kind == "dydx" else f"file:{key}"
    new = changed or {}
    usual = {path: said for path, said in ANSWERS.get(kind, {}).items() if path not in new}
    with served({**new, **usual}) as url:
        return told_by(asked_of(f"{kind}:{where}", {kind: url}))


def statement(one: Told) -> Any:
    (value,) = book_of((one,))["accounts"]  # type: ignore[misc]
    return account_of(Reader("told"), {"stable": {"USDT": "1", "USDC": "1"}, **value}).statement()


GOLDEN = [
    ("binance", "binance.USDT", 58_000.0, 24_400.0, 2_140.0),
    ("okx", "okx.USDT", 25_000.0, None, 1_537.2),
    ("bybit", "bybit", 51_500.0, None, 1_024.8),
    ("derive", "derive.7", 152_000.0, 12_200.0, 7_930.0),
    ("dydx", "dydx.0", 35_000.0, 6_100.0, None),
]


@pytest.mark.parametrize(("kind", "name", "equity", "initial", "maintenance"), GOLDEN)
def test_account_has_the_venues_equity_and_margin(
    kind: str, name: str, equity: float, initial: float | None, maintenance: float | None,
    tmp_path: Path,
) -> None:  # fmt: skip
    one = told(kind, tmp_path)[0]
    found = statement(one)
    assert one.book["venue"] == name
    for ours, theirs, golden in (
        (found.equity, one.stated.equity, equity),
        (found.initial, one.stated.initial, initial),
        (found.maintenance, one.stated.maintenance, maintenance),
    ):
        if golden is not None:
            assert ours == pytest.approx(golden, rel=1e-9)
            assert float(theirs or 0) == pytest.approx(golden, rel=1e-9)


def test_isolated_position_at_okx_is_an_account_of_its_own(tmp_path: Path) -> None:
    _, alone = told("okx", tmp_path)
    found = statement(alone)
    assert (alone.book["venue"], alone.book["rule"]) == (
        "okx.ETH-USDT-SWAP.SHORT",
        "okx_isolated",
    )
    assert found.equity == pytest.approx(3_100.0)
    assert found.maintenance == pytest.approx(float(alone.stated.maintenance or 0), rel=1e-9)


def test_isolated_position_at_binance_is_named_and_not_counted(tmp_path: Path) -> None:
    (one,) = told("binance", tmp_path)
    assert one.unread == ("ETHUSDT: isolated, not judged",)
    assert [row["symbol"] for row in one.book["positions"]] == ["BTCUSDT"]  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "size"), [("binance", -1.5), ("okx", 0.6), ("bybit", -1.5)])
def test_order_is_what_is_left_of_it(kind: str, size: float, tmp_path: Path) -> None:
    one = told(kind, tmp_path)[0]
    (row,) = one.book["orders"]  # type: ignore[misc]
    assert float(row["size"]) == size


def test_mode_that_no_rule_covers_stands_where_the_rule_would(tmp_path: Path) -> None:
    mode = {"account/info": {**said.BYBIT["account/info"], "result": {"marginMode": "ISOLATED"}}}
    (one,) = told("bybit", tmp_path, mode)
    assert one.book["rule"] == "ISOLATED"


def test_perpetual_of_derive_that_was_settled_has_no_entry(tmp_path: Path) -> None:
    result = said.DERIVE["private/get_subaccount"]["result"]
    settled = {**result["positions"][0], "net_settlements": "150"}
    changed = {"private/get_subaccount": {"result": {**result, "positions": [settled]}}}
    (one,) = told("derive", tmp_path, changed)
    (row,) = one.book["positions"]  # type: ignore[misc]
    assert "entry" not in row


def test_key_of_derive_is_read_with_a_warning(tmp_path: Path) -> None:
    (one,) = told("derive", tmp_path)
    assert one.unread == ("whether the key can withdraw: the venue does not tell",)


@pytest.mark.parametrize("reply", ["nothing", "refusal", "another form"])
@pytest.mark.parametrize("kind", ["binance", "okx", "bybit", "derive", "deribit"])
def test_no_error_of_any_venue_quotes_a_key(kind: str, reply: str, tmp_path: Path) -> None:
    refusals: dict[str, Any] = {
        "binance": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
        "okx": {"code": "50113", "msg": "Invalid Sign", "data": []},
        "bybit": {"retCode": 10004, "retMsg": "error sign!", "result": {}},
        "derive": {"error": {"code": 14014, "message": "Signature invalid"}},
        "deribit": {"error": {"code": 13004, "message": "invalid_credentials"}},
    }
    words = {"refusal": refusals[kind], "another form": {"surprise": [1, "2"]}}
    with pytest.raises(InputError) as caught:
        told(kind, tmp_path, {"": words.get(reply)})
    text = "".join(traceback.format_exception(caught.value))
    assert [secret for secret in SECRETS if secret in text] == []


def test_positions_and_orders_of_bybit_are_read_page_by_page(tmp_path: Path) -> None:
    first = said.BYBIT["position/list"]({"category": "linear", "settleCoin": "USDT"})
    (row,) = first["result"]["list"]

    def paged(params: Mapping[str, str]) -> dict[str, Any]:
        reply = said.BYBIT["position/list"](params)
        page = int(params.get("cursor", 0))
        if reply["result"]["list"] and page < 2:
            reply["result"]["nextPageCursor"] = str(page + 1)
        rows = [{**row, "positionIdx": page}] if reply["result"]["list"] else []
        return {**reply, "result": {**reply["result"], "list": rows}}

    (one,) = told("bybit", tmp_path, {"position/list": paged})
    symbols = [row["symbol"] for row in one.book["positions"]]  # type: ignore[union-attr]
    assert symbols == ["BTCUSDT", "BTCUSDT.LONG", "BTCUSDT.SHORT"]


def test_orders_of_okx_are_read_page_by_page(tmp_path: Path) -> None:
    (row,) = said.OKX["trade/orders-pending"]({"instType": "SWAP"})["data"]

    def paged(params: Mapping[str, str]) -> dict[str, Any]:
        begin = int(params.get("after", 0))
        numbers = (
            range(begin + 1, min(begin + 100, 150) + 1) if params["instType"] == "SWAP" else ()
        )
        return {"code": "0", "msg": "", "data": [{**row, "ordId": str(n)} for n in numbers]}

    one, _ = told("okx", tmp_path, {"trade/orders-pending": paged})
    assert len(one.book["orders"]) == 150  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["bybit", "okx"])
def test_account_that_holds_what_is_not_read_is_not_judged(kind: str, tmp_path: Path) -> None:
    held = {"symbol": "BTC-25DEC26-70000-C", "side": "Sell", "size": "1", "positionIdx": 0}
    option = {**held, "leverage": "", "avgPrice": "500"}

    def options(params: Mapping[str, str]) -> dict[str, Any]:
        usual = said.BYBIT["position/list"](params)
        return {**usual, "result": {"list": [option]}} if params["category"] == "option" else usual

    row = {**said.OKX["account/positions"]["data"][0], "instType": "OPTION"}
    held_too = {"code": "0", "msg": "", "data": [*said.OKX["account/positions"]["data"], row]}
    changed = {"bybit": {"position/list": options}, "okx": {"account/positions": held_too}}
    one = told(kind, tmp_path, changed[kind])[0]
    with pytest.raises(InputError, match=r"with option"):
        statement(one)


WIRE: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("okx/http_get_positions", ("data", 0), okx.Position),
    ("okx/http_get_account_balance", ("data", 0), okx.Balance),
    ("okx/http_get_position_tiers", ("data", 0), okx.Tier),
    ("bybit/http_get_positions", ("result", "list", 0), bybit.Position),
    ("bybit/http_get_wallet_balance", ("result", "list", 0), bybit.Wallet),
    ("bybit/http_get_instruments_linear", ("result", "list", 0), bybit.Listing),
    ("bybit/http_get_orders_realtime", ("result", "list", 0), bybit.Order),
    ("derive/perps/http_position_eth", (), derive.Position),
    ("dydx/http_get_subaccount", ("result", "subaccount"), dydx.Subaccount),
    ("dydx/http_get_perpetual_markets", ("result", "markets", "BTC-USD"), dydx.Listing),
]


@pytest.mark.parametrize(("name", "inside", "form"), WIRE)
def test_venues_own_payload_is_read(
    name: str, inside: tuple[str | int, ...], form: Any, data_root: Path
) -> None:
    path = data_root / f"wire/{name}.json"
    if not path.exists():
        pytest.skip("no recorded payloads here")
    value = json.loads(path.read_text())
    for step in inside:
        value = value[step]
    assert isinstance(msgspec.convert(value, form, strict=False), form)


@pytest.mark.parametrize("text", ["hyperliquid:{}", "deribit:{}", "{}", "{}:x", "okx=deribit:{}"])
def test_key_that_is_typed_where_its_place_belongs_is_not_quoted(text: str) -> None:
    with pytest.raises(InputError) as caught:
        told_by(asked_of(text.format(WALLET["privateKey"]), {}))
    words = "".join(traceback.format_exception(caught.value))
    assert [secret for secret in SECRETS if secret in words] == []
