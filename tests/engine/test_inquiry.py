# SPDX-License-Identifier: Apache-2.0
"""The question is in units of equity: a larger book of the same shape asks the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.room import FixedOutlook
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, BETA_BTC, held
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Question
from tidegate.engine.inquiry import ask
from tidegate.margin.batch import tier_lines
from tidegate.margin.linear import BinanceUsdm, HyperliquidCross
from tidegate.margin.rule import MarginRule
from tidegate.margin.tiers import tier_table
from tidegate.model.account import Shipment
from tidegate.model.units import MICRO

FACTOR = 1_000


def rules_for(factor: int) -> dict[str, MarginRule]:
    """The desk's rules with tiers that begin at `factor` times the notional."""
    low, high = Fraction("0.01"), Fraction("0.025")
    kink = 1_000_000 * factor
    rows = [
        (Decimal(0), Decimal(kink), low, Fraction(0), 50),
        (Decimal(kink), None, high, kink * (high - low), 20),
    ]
    table = tier_table(rows, "USDT", "2024-01-01", "of the test")
    made: dict[str, MarginRule] = dict(desk.RULES)
    for venue in ("alpha", "beta"):
        own = {i.id: i for i in desk.CONTRACTS if i.venue == venue}
        tables = dict.fromkeys(own, table)
        if venue == "alpha":
            made[venue] = BinanceUsdm("USDT", own, tables, 20, dict.fromkeys(own, 10_000))
        else:
            made[venue] = HyperliquidCross("USDC", own, tables, 20)
    return made


def question(
    factor: int, wallets: Mapping[str, float], lots: int, *, may_grow: bool = True
) -> Question:
    """The same book and market, `factor` times as large; fees of routes grow with it."""
    rules = rules_for(factor)
    positions = {
        ALPHA_BTC: held(ALPHA_BTC, lots * factor, 0.9),
        BETA_BTC: held(BETA_BTC, -100 * lots * factor, 0.9),
    }
    book = desk.portfolio(
        {venue: usd * factor for venue, usd in wallets.items()}, positions if lots else {}
    )
    deep = {
        name: msgspec.structs.replace(desk.quote(name), volume_day_usd=1e9 * factor)
        for name in desk.INSTRUMENTS
    }
    situation = desk.situation(book, with_rules=rules, quotes=deep)
    terms = desk.terms(with_rules=rules)
    return ask(terms, situation, FixedOutlook().at(desk.NOW_MS), may_grow=may_grow)


@settings(max_examples=15)
@given(
    alpha=st.integers(100_000, 600_000),
    beta=st.integers(100_000, 600_000),
    lots=st.integers(0, 10_000),
)
def test_book_a_thousand_times_larger_has_the_same_answer(alpha: int, beta: int, lots: int) -> None:
    wallets = {"alpha": alpha, "beta": beta}
    small, large = (question(f, wallets, lots) for f in (1, FACTOR))
    # A route's fixed fee is the one amount that does not grow with the book.
    one, other = allocate(small), allocate(with_route_costs(small, large))
    assert other.objective == pytest.approx(one.objective, abs=1e-7)
    np.testing.assert_allclose(other.target, one.target, atol=2e-5)


def with_route_costs(small: Question, large: Question) -> Question:
    """The large question with the small one's route costs."""
    return replace(large, edges=replace(large.edges, cost_rate=small.edges.cost_rate))


def test_money_under_way_is_neither_equity_nor_withdrawable() -> None:
    parcel = Shipment("s", "alpha", "beta", "USDT", 100_000 * MICRO, desk.NOW_MS - 1)
    book = desk.portfolio({"alpha": 300_000, "beta": 100_000}, shipments=(parcel,))
    asked = ask(desk.terms(), desk.situation(book), FixedOutlook().at(desk.NOW_MS), may_grow=False)
    np.testing.assert_allclose(asked.wallets.equity, [0.6, 0.2, 0.0])
    np.testing.assert_allclose(asked.wallets.withdrawable[:2], [0.6, 0.2])
    np.testing.assert_allclose(asked.wallets.landing, [0, 0.2 * 0.9999, 0])
    np.testing.assert_allclose(asked.wallets.room[1], 0.9 - 0.2 - 0.2 * 0.9999)


def test_frozen_venue_gives_nothing_and_its_routes_are_closed() -> None:
    book = desk.portfolio({"alpha": 300_000, "beta": 100_000})
    frozen = desk.situation(book, frozen=("alpha",))
    asked = ask(desk.terms(), frozen, FixedOutlook().at(desk.NOW_MS), may_grow=False)
    assert asked.wallets.withdrawable[0] == asked.wallets.realisable[0] == 0
    ends = zip(asked.edges.source, asked.edges.destination, asked.edges.open, strict=True)
    assert all(is_open == (0 not in {s, d}) for s, d, is_open in ends)


def test_route_that_takes_less_than_is_worth_sending_is_closed() -> None:
    book = desk.situation(desk.portfolio({"alpha": 300_000, "beta": 100_000}))
    sent = {("alpha", "beta"): 99_001.0, ("alpha", "vault"): 99_000.0}
    known = msgspec.structs.replace(book, sent_day_usd=sent)
    asked = ask(desk.routed(100_000), known, FixedOutlook().at(desk.NOW_MS), may_grow=False)
    opened = dict(zip(desk.PASSAGES, asked.edges.open, strict=True))
    assert opened == {("alpha", "beta"): False, ("beta", "alpha"): True, ("alpha", "vault"): True}


@given(notional=st.integers(0, 10**14))
def test_convex_pieces_of_maintenance_agree_with_the_exact_rule(notional: int) -> None:
    """The integer rule rounds up: the pieces are never more than a micro-dollar below."""
    table = desk.tiers("0.004", "0.05")
    exact = table.maintenance(notional)
    pieces = tier_lines([table])
    found = float(pieces.maintenance(np.array([notional / MICRO]))) * MICRO
    assert exact - 1.01 - 1e-9 * exact <= found <= exact + 1e-9 * exact + 1e-3
