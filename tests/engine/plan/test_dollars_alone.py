# SPDX-License-Identifier: Apache-2.0
"""Accounts that hold dollars and list nothing to trade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.plan.plain_books import book_values, decided, mandate_text
from tidegate.engine.plan.deciding import Outcome

CROSS = (
    'rule = "deribit_portfolio"\ncollateral = "BTC"',
    'rule = "deribit_portfolio_cross"\ncollateral = "USDC"',
)
DOLLARS: dict[str, Any] = {
    "venue": "deribit",
    "rule": "deribit_portfolio_cross",
    "collateral": "USDC",
    "balances": {"USDC": "100000"},
    "realised": {},
    "positions": [],
}


def _with(first: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """One account, and one of dollars alone."""

    def change(book: dict[str, Any]) -> None:
        venue = book["accounts"][0]["venue"]
        book["accounts"] = [{**book["accounts"][0], **first}, DOLLARS]
        book["routes"], book["yields"] = [], {}
        for table in ("edges", "costs"):
            kept = {n: v for n, v in book[table].items() if n.startswith(venue)}
            book[table] = {} if first else kept

    return change


def test_account_of_dollars_alone_is_planned_beside_another(tmp_path: Path) -> None:
    decision = decided(tmp_path, book_values(_with({})), mandate_text(CROSS))
    assert decision.outcome is not Outcome.NONE
    assert decision.proofs["deribit"].holds
