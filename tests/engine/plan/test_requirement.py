# SPDX-License-Identifier: Apache-2.0
"""The bound of each rule that a plan asks is nowhere below the rule itself, in any market of the
stress; the equity that it counts with is the rule's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tidegate.engine.margin_book.exact_account import ExactAccount, lot_of
from tidegate.engine.margin_book.reading import read_account
from tidegate.engine.plan.book import PlanAccount, asset_usd
from tidegate.engine.plan.moves import STILL, Move, moved, moves_of
from tidegate.engine.plan.requirement import equity_of, has_convex_form, may_change, standing
from tidegate.margin.holding_values import filled
from tidegate.margin.market_values import mark_of
from tidegate.model.errors import InputError
from tidegate.model.plan_sections import VolStress

FOLDER = REPOSITORY / "examples" / "margin"
DOLLARS = {"USD": 1.0, "USDC": 1.0, "USDT": 1.0}
# Rules of integers round what is owed up to a millionth, position by position.
ROUNDED_USD = 1e-4
RULES = (
    "binance_usdm",
    "hyperliquid_cross",
    "dydx_cross",
    "deribit_standard_linear",
    "deribit_portfolio",
    "deribit_portfolio_cross",
    "derive_portfolio",
    "derive_standard",
    "paradex_portfolio",
)


@cache
def account_of(name: str) -> PlanAccount:
    """An account of the examples without its orders, whose reservation is not in the form."""
    path = FOLDER / f"{name}.json"
    book = read_account(path)
    book = replace(book, holdings=replace(book.holdings, orders=()))
    asset = json.loads(path.read_text()).get("collateral") or "USDC"
    return PlanAccount(book, asset, DOLLARS)


@cache
def moves(name: str) -> tuple[Move, ...]:
    """The account's named moves, and none."""
    account = account_of(name)
    return STILL, *moves_of(account, dict.fromkeys(account.coins, 0.2))


def traded(account: PlanAccount, shares: list[float]) -> tuple[PlanAccount, np.ndarray]:
    """The account after trades at its marks of so much of what is held or of a few coins."""
    sizes, holdings = np.zeros(len(account.dealt)), account.book.holdings
    for place, each in enumerate(account.dealt):
        size = shares[place % len(shares)] * max(abs(account.held(each.id)), 2.0)
        if isinstance(account.book.rule, ExactAccount):
            lot = lot_of(each)
            size = float(round(size / float(lot)) * lot)
        if size:
            mark = account.book.market.values[mark_of(each.id)].value
            holdings = filled(holdings, each, size, mark)
            sizes[place] = size
    return replace(account, book=replace(account.book, holdings=holdings)), sizes


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=12)
@given(data=st.data())
def test_requirement_is_never_below_the_rule_and_equity_is_the_rules_own(
    name: str, data: st.DataObject
) -> None:
    account = account_of(name)
    assert has_convex_form(account)
    share = st.floats(-1.0, 1.0)
    after, sizes = traded(account, data.draw(st.lists(share, min_size=3, max_size=3)))
    move = data.draw(st.sampled_from(moves(name)))
    market = moved(account, move, VolStress())
    span = np.array([2.0 * max(abs(account.held(each.id)), 2.0) for each in account.dealt])
    found = standing(account, market, span)
    there = replace(after, book=replace(after.book, market=market))
    stated = there.statement()
    price = asset_usd(there, stated.unit)
    noise = ROUNDED_USD + 1e-9 * abs(stated.equity * price)
    assert equity_of(found, sizes) == pytest.approx(stated.equity * price, abs=noise)
    assert found.maintenance.at(sizes) >= stated.maintenance * price - noise
    assert found.initial.at(sizes) >= stated.initial * price - noise


@pytest.mark.parametrize("name", ["derive_portfolio", "paradex_portfolio", "binance_usdm"])
def test_requirement_of_the_book_held_is_the_rules_own_where_the_rule_is_convex(name: str) -> None:
    account = account_of(name)
    none = np.zeros(len(account.dealt))
    span = np.full(len(account.dealt), 100.0)
    for move in moves(name):
        market = moved(account, move, VolStress())
        there = replace(account, book=replace(account.book, market=market))
        stated = there.statement()
        exact = stated.maintenance * asset_usd(there, stated.unit)
        bound = standing(account, market, span).maintenance.at(none)
        assert bound == pytest.approx(exact, rel=1e-9)


def uncovered() -> Iterator[str]:
    """Examples of rules that no certificate covers with what they may hold."""
    for path in sorted(Path(FOLDER).glob("*.json")):
        account = account_of(path.stem)
        try:
            if not may_change(account):
                yield path.stem
        except InputError:
            continue


def test_accounts_that_no_proof_covers_are_not_changed() -> None:
    found = set(uncovered())
    assert {
        "paradex_portfolio",
        "okx_portfolio",
        "bybit_cross",
        "deribit_standard_options",
    } <= found
    assert not found & {"deribit_portfolio", "derive_standard", "binance_usdm"}
