# SPDX-License-Identifier: Apache-2.0
"""What Deribit tells of an account becomes books whose margin is the venue's own."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.venues.accounts import told_deribit as said
from tests.venues.accounts.served import served
from tidegate.cli import app
from tidegate.engine.book_fields import Reader
from tidegate.engine.margin_book.reading import account_of
from tidegate.model.errors import InputError
from tidegate.venues.accounts import deribit
from tidegate.venues.accounts.told import Told

MANDATE = Path(__file__).parents[3] / "examples/carry.toml"


def answers(
    positions: list[dict[str, Any]] | None = None,
    sums: list[dict[str, Any]] | None = None,
    orders: list[dict[str, Any]] | None = None,
) -> deribit.Answers:
    """The venue's answers, as they are read."""
    held = [said.position()] if positions is None else positions
    names = {p["instrument_name"] for p in held} | {o["instrument_name"] for o in orders or []}
    value = {
        "ts_ms": said.TIME_MS,
        "summaries": [said.summary()] if sums is None else sums,
        "positions": held,
        "orders": orders or [],
        "listed": {n: {"instrument": said.instrument(n), "ticker": said.ticker(n)} for n in names},
    }
    return msgspec.convert(value, deribit.Answers, strict=False)


def only(told: tuple[Told, ...]) -> Told:
    (one,) = told
    return one


def statement(told: Told) -> Any:
    return account_of(Reader("told"), dict(told.book)).statement()


def test_account_has_the_venues_margin_balance_initial_and_maintenance() -> None:
    told = only(deribit.accounts("deribit", answers()))
    found = statement(told)
    assert told.book["venue"] == "deribit.BTC"
    assert found.equity == pytest.approx(6.15, abs=1e-8)
    assert found.initial == pytest.approx(said.CONTRACT_INITIAL, abs=1e-8)
    assert found.maintenance == pytest.approx(said.CONTRACT_MAINTENANCE, abs=1e-8)
    assert float(told.stated.maintenance or 0) == said.CONTRACT_MAINTENANCE


def test_entry_is_the_last_settlements_and_not_the_average_price() -> None:
    told = only(deribit.accounts("deribit", answers()))
    (row,) = told.book["positions"]  # type: ignore[misc]
    assert float(row["entry"]) == pytest.approx(60_000.0, rel=1e-9)


SIZES = st.integers(1, 50_000).map(lambda n: 10 * n)


@given(SIZES, st.sampled_from(("buy", "sell")), st.floats(-0.01, 0.01))
def test_floating_profit_of_the_entry_is_the_venues(size: int, side: str, share: float) -> None:
    floating = round(size / 62_500.0 * share, 8)
    held = said.position(size=float(size), direction=side, floating_profit_loss=floating)
    told = only(deribit.accounts("deribit", answers([held])))
    assert statement(told).equity == pytest.approx(said.CASH + said.REALISED + floating, abs=2e-8)


def test_options_value_is_not_in_the_margin_balance_and_its_figures_have_their_times() -> None:
    short = said.position(said.CALL, kind="option", direction="sell", size=-10.0, mark_price=0.0112)
    told = only(deribit.accounts("deribit", answers([said.position(), short])))
    call, _ = told.book["positions"]  # type: ignore[misc]
    assert (call["size"], call["right"], call["strike"]) == ("-10.0", "call", "70000.0")
    assert call["vol"]["value"] == "0.45"
    assert call["vol"]["as_of"] != told.book["as_of"]
    assert statement(told).equity == pytest.approx(6.15, abs=1e-8)


def test_order_is_what_is_left_of_it_and_one_that_waits_for_its_trigger_is_none() -> None:
    order = {
        "instrument_name": said.PERPETUAL, "direction": "sell", "amount": 1000.0,
        "filled_amount": 400.0, "price": 70_000.0, "order_state": "open", "reduce_only": True,
    }  # fmt: skip
    waits = order | {"order_state": "untriggered"}
    told = only(deribit.accounts("deribit", answers(orders=[order, waits])))
    (row,) = told.book["orders"]  # type: ignore[misc]
    assert (row["size"], row["price"], row["reduce_only"]) == ("-600.0", "70000.0", True)


def test_rates_that_no_page_tells_are_left_out_and_the_account_is_not_judged() -> None:
    found = answers()
    listed = found.listed[said.PERPETUAL]
    other = msgspec.structs.replace(listed.instrument, max_leverage=Decimal(20))
    strange = {said.PERPETUAL: msgspec.structs.replace(listed, instrument=other)}
    told = only(deribit.accounts("d", msgspec.structs.replace(found, listed=strange)))
    with pytest.raises(InputError, match="initial_rate"):
        statement(told)


@pytest.mark.parametrize("more", ["", "_cross_margin"])
def test_venues_own_summaries_are_read(more: str, data_root: Path) -> None:
    path = data_root / f"wire/deribit/http_get_account_summaries{more}.json"
    if not path.exists():
        pytest.skip("no recorded payloads here")
    sums = json.loads(path.read_text())["result"]["summaries"]
    told = deribit.accounts("deribit", answers([], sums))
    assert told
    assert all(one.stated.maintenance is not None for one in told)


CANARY = "canary-44e0aa"


def observed(tmp_path: Path, told: Mapping[str, Any], *more: str) -> Result:
    pytest.importorskip("ccxt", reason="the extra `live` is not installed")
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"apiKey": "reading", "secret": CANARY}))
    key.chmod(0o600)
    with served(told) as url:
        arguments = ["--venue", f"main=deribit:file:{key}", "--url", f"deribit={url}", *more]
        return CliRunner().invoke(app, ["observe", *arguments])


def test_observe_reads_a_key_and_finds_the_venues_margin(tmp_path: Path) -> None:
    result = observed(tmp_path, said.answers(), "--json")
    assert result.exit_code == 0, result.output
    seen = json.loads(result.stdout)
    assert [(one["venue"], one["verdict"]) for one in seen["parity"]] == [("main.BTC", "agrees")]
    assert seen["unread"] == []
    assert CANARY not in result.output


def test_observe_refuses_a_key_that_can_withdraw_unless_a_mandate_has_routes(
    tmp_path: Path,
) -> None:
    told = said.answers(scope="account:read wallet:read_write")
    assert isinstance(observed(tmp_path, told).exception, InputError)
    assert observed(tmp_path, told, "--mandate", str(MANDATE), "--json").exit_code == 0


def test_observe_goes_on_without_an_account_that_no_rule_can_read(tmp_path: Path) -> None:
    other = said.summary("ETH", margin_model="segregated_xm")
    result = observed(tmp_path, said.answers(sums=[said.summary(), other]), "--json")
    seen = json.loads(result.stdout)
    assert [(one["venue"], one["verdict"]) for one in seen["parity"]] == [
        ("main.BTC", "agrees"),
        ("main.ETH", "unknown"),
    ]
    assert any("segregated_xm" in words for words in seen["unread"])


def test_errors_of_a_venue_quote_no_key(tmp_path: Path) -> None:
    broken = {"jsonrpc": "2.0", "error": {"message": "Invalid", "code": 13009}}
    told = {**said.answers(), "private/get_positions": broken}
    result = observed(tmp_path, told)
    assert isinstance(result.exception, InputError)
    assert result.exc_info is not None
    words = "".join(traceback.format_exception(result.exception)) + result.output
    assert "positions" in words
    assert CANARY not in words
