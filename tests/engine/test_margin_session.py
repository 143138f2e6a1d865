# SPDX-License-Identifier: Apache-2.0
"""Profit of Deribit's session: equity at once, cash only after 08:00 UTC; a loss is paid at once.

Source: support.deribit.com, Daily settlement (25944756807069, undated, read in November 2026).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.engine.margin_books import EXAMPLES, Run, account_of, changed, raw_book, runner, write
from tidegate.engine.margin_book.orders import after, parse_order
from tidegate.engine.margin_book.reading import read_account
from tidegate.margin.statement import Statement

DOCUMENT = (REPOSITORY / "docs" / "margin-books.md").read_text(encoding="utf-8")
STANDARD = ["deribit_standard_inverse", "deribit_standard_options"]
EVERY = [*STANDARD, "deribit_portfolio", "deribit_portfolio_cross"]
REFUSE = {
    "hyperliquid_cross": "USDC",
    "binance_usdm": "USDT",
    "dydx_cross": "USDC",
    "spot": "USDT",
}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


def stated(name: str, realised: dict[str, str], folder: Path) -> Statement:
    return account_of(changed(name, "realised", realised), folder).statement()


def free_of(found: Statement) -> float:
    assert found.withdrawable is not None
    return found.withdrawable


@pytest.mark.parametrize("name", EVERY)
def test_session_loss_is_lost_equity_and_lost_cash(name: str, tmp_path: Path) -> None:
    before, then = read_account(EXAMPLES[name]).statement(), stated(name, {"BTC": "-0.3"}, tmp_path)
    price = 60_000 if before.unit == "USD" else 1
    assert then.equity == pytest.approx(before.equity - 0.3 * price)
    owed = 0.3 * price + then.initial - before.initial
    assert free_of(then) == pytest.approx(max(0.0, free_of(before) - owed), rel=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_session_profit_is_equity_and_does_not_leave(name: str, tmp_path: Path) -> None:
    before, then = read_account(EXAMPLES[name]).statement(), stated(name, {"BTC": "4.9"}, tmp_path)
    price = 60_000 if before.unit == "USD" else 1
    assert then.equity == pytest.approx(before.equity + 4.9 * price)
    cash = price * sum(float(n) for a, n in raw_book(name)["balances"].items() if a == "BTC")
    if before.unit != "USD":
        assert free_of(then) == pytest.approx(cash - then.initial)


@pytest.mark.parametrize("name", ["deribit_standard_inverse", "deribit_portfolio"])
def test_session_loss_is_paid_though_an_unrealised_gain_outweighs_it(
    name: str, tmp_path: Path
) -> None:
    raw = changed(name, "realised", {"BTC": "-0.5"})
    raw["positions"][0]["entry"] = "50000"
    found = account_of(raw, tmp_path).statement()
    cash = float(raw["balances"]["BTC"]) - 0.5
    assert found.equity > cash
    assert free_of(found) == pytest.approx(cash - found.initial)


def test_loss_of_the_session_can_be_what_liquidates_a_standard_account(
    tmp_path: Path, run: Run
) -> None:
    raw = changed("deribit_standard_inverse", "realised", {"BTC": "-4.9"})
    assert run(write(raw, tmp_path)).status == 1


@pytest.mark.parametrize("name", REFUSE)
def test_rule_without_a_session_refuses_profit_that_waits(
    name: str, tmp_path: Path, run: Run
) -> None:
    ended = run(write(changed(name, "realised", {REFUSE[name]: "1"}), tmp_path))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "realised: expected none: this venue settles profit at once" in ended.err


@pytest.mark.parametrize("name", REFUSE)
def test_rule_without_a_session_takes_none_said_as_zero(name: str, tmp_path: Path) -> None:
    assert stated(name, {REFUSE[name]: "0"}, tmp_path) == read_account(EXAMPLES[name]).statement()


def winning(name: str) -> dict[str, Any]:
    """A long perpetual of 300,000 USD from 50,000, at 60,000: 1 BTC unrealised."""
    raw = changed(name, "positions.0.entry", "50000")
    raw["positions"], raw["orders"] = [raw["positions"][0] | {"size": "300000"}], []
    raw["balances"] = {"BTC": "5"}
    return raw


@pytest.mark.parametrize("name", EVERY)
def test_what_if_that_closes_at_a_profit_lets_no_more_than_cash_out(
    name: str, tmp_path: Path
) -> None:
    account = account_of(winning(name), tmp_path)
    then = after(account, [parse_order("sell 300000 BTC-PERPETUAL", account)])
    assert then.holdings.collateral == {"BTC": 5.0}
    assert then.holdings.realised["BTC"] == pytest.approx(1.0)
    found = then.statement()
    price = 60_000 if found.unit == "USD" else 1
    assert found.equity == pytest.approx(6 * price, rel=1e-7)
    assert free_of(found) == pytest.approx(5 * price - found.initial)


@pytest.mark.parametrize("name", EVERY)
def test_what_if_that_closes_at_a_loss_takes_it_from_cash(name: str, tmp_path: Path) -> None:
    account = account_of(winning(name), tmp_path)
    then = after(account, [parse_order("sell 300000 BTC-PERPETUAL at 40000", account)])
    found = then.statement()
    price = 60_000 if found.unit == "USD" else 1
    # 300,000 (1 / 50,000 - 1 / 40,000) = -1.5 BTC.
    assert found.equity == pytest.approx(3.5 * price, rel=1e-7)
    assert free_of(found) == pytest.approx(3.5 * price - found.initial, rel=1e-7)


def test_gain_and_loss_of_one_session_are_netted(tmp_path: Path) -> None:
    raw = winning("deribit_portfolio") | {"realised": {"BTC": "-0.25"}}
    account = account_of(raw, tmp_path)
    then = after(account, [parse_order("sell 300000 BTC-PERPETUAL", account)]).statement()
    assert free_of(then) == pytest.approx(5.0)
    assert then.equity == pytest.approx(5.75)


@pytest.mark.parametrize("name", EVERY)
def test_entry_at_the_settlement_is_the_account_before_it(name: str, tmp_path: Path) -> None:
    # docs/margin-books.md: 1 BTC of profit from 50,000 to 60,000 was moved to cash at 08:00 UTC.
    before = winning(name)
    settled = winning(name) | {"balances": {"BTC": "6"}}
    settled["positions"][0]["entry"] = "60000"
    found = [account_of(raw, tmp_path).statement() for raw in (before, settled)]
    assert found[1].equity == pytest.approx(found[0].equity, rel=1e-7)
    assert free_of(found[1]) > free_of(found[0])


def test_document_says_that_an_entry_at_deribit_is_the_last_settlements() -> None:
    (row,) = [line for line in DOCUMENT.splitlines() if line.startswith("| `entry` |")]
    assert "last settlement" in row
    assert "300,000 x (1 / 50,000 - 1 / 60,000) = 1 BTC" in DOCUMENT


def test_premium_is_paid_and_received_at_once() -> None:
    account = read_account(EXAMPLES["deribit_portfolio"])
    then = after(account, [parse_order("sell 10 BTC-25DEC26-70000-C at 0.01", account)])
    assert then.holdings.collateral["BTC"] == pytest.approx(5.1)
    assert then.holdings.realised == {"BTC": 0.0}


@pytest.mark.parametrize(
    "name", ["hyperliquid_cross", "binance_usdm", "dydx_cross", "deribit_standard_inverse"]
)
def test_debt_that_a_rule_does_not_count_is_refused(name: str, tmp_path: Path, run: Run) -> None:
    ended = run(write(changed(name, "balances.ETH", "-100"), tmp_path))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "balances.ETH" in ended.err
    assert account_of(changed(name, "balances.ETH", "100"), tmp_path).unknown[-1].where == (
        "balances.ETH"
    )


def test_debt_of_the_session_that_a_rule_does_not_count_is_refused(
    tmp_path: Path, run: Run
) -> None:
    raw = changed("deribit_standard_inverse", "realised.ETH", "-1")
    assert "realised.ETH: expected at least 0" in run(write(raw, tmp_path)).err


def test_debt_that_a_what_if_would_make_is_refused(tmp_path: Path, run: Run) -> None:
    raw = raw_book("hyperliquid_cross")
    pair = {"symbol": "ETH/USDC", "kind": "spot", "base": "ETH", "settle": "USDC", "size": "0"}
    raw["positions"].append(pair | {"mark": "3000"})
    ended = run(write(raw, tmp_path), "--what-if", "sell 100 ETH/USDC")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "balances.ETH: expected at least 0" in ended.err
