# SPDX-License-Identifier: Apache-2.0
"""What each position costs, what venues close first, and how an auction's price falls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.account_books import RULES, Book, drawn_book, future, option, perpetual
from tests.margin.test_scenario_core import prepared_of, sizes_of
from tidegate.margin.account_liquidation import DERIVE_AUCTION, first_closing
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import mark_of
from tidegate.margin.scenario.marginal import hedge, marginals
from tidegate.model.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from(sorted(RULES)))
def test_removal_is_what_the_rule_states_without_the_position(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind, 3)
    prepared = prepared_of(book)
    held = sizes_of(book, prepared)
    found = {each.name: each for each in marginals(prepared, held)}
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
        for one in marginals(prepared, held)
    )
    assert total == pytest.approx(need, rel=1e-4)


def insolvent(kind: str, positions: tuple[Holding, ...]) -> tuple[Any, np.ndarray, Book]:
    book = drawn_book(1, kind, 2)
    held = tuple(p.instrument for p in positions)
    from tests.margin.account_books import at, market_of

    values = market_of(np.random.default_rng(0), list(held))
    book = replace(book, holdings=Holdings(positions, {"BTC": 0.0}), market=at(values))
    prepared = prepared_of(book)
    return prepared, sizes_of(book, prepared), book


def test_first_to_go_is_what_relieves_the_requirement_most() -> None:
    small, large = perpetual("BTC", "BTC"), future("BTC", "BTC", 30)
    positions = (Holding(small, 1e5, 1e5), Holding(large, 4e5, 1.2e5))
    prepared, held, _ = insolvent("deribit-btc", positions)
    closing = first_closing(prepared, held)
    assert closing is not None
    assert (closing.name, closing.size, closing.hedges) == (large.id, -4e5, False)
    assert closing.relief == pytest.approx(marginals(prepared, held)[0].removal_maintenance)


def test_nothing_is_closed_while_the_account_is_solvent() -> None:
    book = drawn_book(1, "deribit-btc", 2)
    rich = replace(book, holdings=replace(book.holdings, collateral={"BTC": 1e6}))
    prepared = prepared_of(rich)
    assert first_closing(prepared, sizes_of(rich, prepared)) is None


def test_hedge_leaves_the_least_requirement_in_its_reach() -> None:
    call = option("BTC", "BTC", 30, 1e5, True)
    perp = perpetual("BTC", "BTC")
    prepared, held, book = insolvent(
        "deribit-btc", (Holding(call, -10.0, 0.0), Holding(perp, 1.0, 1e5))
    )
    before = float(prepared.statements(held).maintenance[0])
    size, left = hedge(prepared, held, perp.id, 2e6)
    # Short calls are hedged by buying, and half or twice the hedge needs more.
    assert size > 0.0
    assert left < before
    for share in (0.5, 0.9, 1.1, 2.0):
        trial = held.copy()
        trial[prepared.place[perp.id]] += share * size
        assert float(prepared.statements(trial).maintenance[0]) > left
    assert book.holdings.positions[0].instrument is call


def test_auction_falls_quickly_to_four_fifths_and_slowly_to_nothing() -> None:
    prices = [
        DERIVE_AUCTION.discounted(100.0, second) for second in (0, 300, 600, 4_200, 7_800, 9e9)
    ]
    assert prices == pytest.approx([100.0, 90.0, 80.0, 40.0, 0.0, 0.0])
    assert DERIVE_AUCTION.discounted(-5.0, 300.0) == -5.0
    with pytest.raises(InputError, match="elapsed_s"):
        DERIVE_AUCTION.discounted(100.0, -1.0)
