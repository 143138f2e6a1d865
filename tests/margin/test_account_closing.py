# SPDX-License-Identifier: Apache-2.0
"""What each position costs, what venues close first, and how an auction's price falls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.account_books import (
    CASH,
    RULES,
    Book,
    at,
    drawn_book,
    future,
    market_of,
    option,
    perpetual,
)
from tests.margin.test_scenario_core import prepared_of, sizes_of
from tidegate.margin.deribit_liquidation import best_hedge, first_closing
from tidegate.margin.derive_auction import DERIVE_AUCTION
from tidegate.margin.holding_values import filled
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.marginal import marginal_margins
from tidegate.margin.market_values import mark_of
from tidegate.margin.scenario.marginal import column_marginals
from tidegate.model.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(sorted(RULES)))
def test_removal_is_what_the_rule_states_without_the_position(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind, 3)
    prepared = prepared_of(book)
    held = sizes_of(book, prepared)
    found = {each.name: each for each in column_marginals(prepared, held)}
    now = book.rule.statement(book.holdings, book.market)
    scale = 1.0 + now.initial
    for place, each in enumerate(book.holdings.positions):
        # Closed at its mark: what it earned stays as cash.
        mark = book.market.value(mark_of(each.instrument.id))
        rest = tuple(p for i, p in enumerate(book.holdings.positions) if i != place)
        cash = dict(book.holdings.collateral)
        settle = each.instrument.settle
        gain = each.size * (mark - each.entry)
        if each.instrument.inverse:
            gain = each.size * (1.0 / each.entry - 1.0 / mark)
        cash[settle] = cash.get(settle, 0.0) + gain
        without = book.rule.statement(Holdings(rest, cash), book.market)
        if kind == "deribit-cross" and each.instrument.settle != "USDC":
            continue
        one = found[each.instrument.id]
        assert abs(one.removal_initial - (now.initial - without.initial)) <= 1e-9 * scale
        assert abs(one.removal_maintenance - (now.maintenance - without.maintenance)) <= (
            1e-9 * scale
        )


@settings(max_examples=20)
@given(SEEDS)
def test_gradients_add_up_to_the_requirement_where_twice_the_book_needs_twice_as_much(
    seed: int,
) -> None:
    book = drawn_book(seed, "derive-portfolio", 3)
    prepared = prepared_of(book)
    held = sizes_of(book, prepared)
    need = float(prepared.statements(held).maintenance[0])
    total = sum(
        one.gradient_maintenance * held[prepared.place[one.name]]
        for one in column_marginals(prepared, held)
    )
    assert total == pytest.approx(need, rel=1e-4)


def broke(kind: str, positions: tuple[Holding, ...], collateral: dict[str, float]) -> Book:
    values = market_of(np.random.default_rng(0), [each.instrument for each in positions])
    return Book(RULES[kind], Holdings(positions, collateral), at(values))


def test_first_to_go_is_what_relieves_the_requirement_most() -> None:
    small, large = perpetual("BTC", "BTC"), future("BTC", "BTC", 30)
    positions = (Holding(small, 1e5, 1e5), Holding(large, 4e5, 1.2e5))
    book = broke("deribit-btc", positions, {"BTC": 0.0})
    closing = first_closing(book.rule, book.holdings, book.market)
    assert closing is not None
    assert (closing.stage, closing.closes) == ("close", ((large.id, -4e5),))
    margins = marginal_margins(book.rule, book.holdings, book.market)
    assert closing.relief == margins[large.id].maintenance
    assert RULES["deribit-btc"].liquidation(book.holdings, book.market) == closing  # type: ignore[attr-defined]


def test_coins_of_a_cross_account_are_no_position_that_is_closed() -> None:
    # The coins need more than the perpetual, and are collateral all the same.
    perp = perpetual("BTC", CASH)
    book = broke("deribit-cross", (Holding(perp, 0.1, 1e5),), {"BTC": 1.0, CASH: -99_000.0})
    need = book.rule.statement(book.holdings, book.market)
    assert need.health < 0.0
    closing = first_closing(book.rule, book.holdings, book.market)
    assert closing is not None
    assert closing.closes == ((perp.id, -0.1),)


def test_nothing_is_closed_while_the_account_is_solvent() -> None:
    book = drawn_book(1, "deribit-btc", 2)
    rich = replace(book, holdings=replace(book.holdings, collateral={"BTC": 1e6}))
    assert first_closing(rich.rule, rich.holdings, rich.market) is None


@pytest.mark.parametrize(
    ("kind", "settle"), [("deribit-btc", "BTC"), ("deribit-usdc", CASH), ("deribit-cross", "BTC")]
)
def test_hedge_leaves_the_least_requirement_whatever_the_unit_of_the_perpetual(
    kind: str, settle: str
) -> None:
    call, perp = option("BTC", settle, 30, 1e5, True), perpetual("BTC", settle)
    positions = (Holding(call, -10.0, 0.0), Holding(perp, 1e-3, 1e5))
    book = broke(kind, positions, {settle: 0.0})
    before = book.rule.statement(book.holdings, book.market).maintenance
    found = best_hedge(book.rule, book.holdings, book.market, perp)
    # Short calls are hedged by buying, and half or twice the hedge needs more.
    assert found.size > (1e5 if perp.inverse else 1.0)
    assert found.maintenance < before
    mark = book.market.value(mark_of(perp.id))
    for share in (0.5, 0.9, 1.1, 2.0):
        trial = filled(book.holdings, perp, share * found.size, mark)
        assert book.rule.statement(trial, book.market).maintenance > found.maintenance


def test_auction_falls_quickly_to_four_fifths_and_slowly_to_nothing() -> None:
    prices = [
        DERIVE_AUCTION.discounted(100.0, second) for second in (0, 300, 600, 4_200, 7_800, 9e9)
    ]
    assert prices == pytest.approx([100.0, 90.0, 80.0, 40.0, 0.0, 0.0])
    assert DERIVE_AUCTION.discounted(-5.0, 300.0) == -5.0
    with pytest.raises(InputError, match="elapsed_s"):
        DERIVE_AUCTION.discounted(100.0, -1.0)
