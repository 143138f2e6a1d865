# SPDX-License-Identifier: Apache-2.0
"""Fills worked by hand: what the wallet pays and holds, and the cause of each part of the cost.

A hundredth of a coin at 60,000, filled a dollar beside the middle: of the ten thousand quanta that
cost, 6,000 are the spread, 3,000 impact, and 1,000 are left to rounding. The fee is 300.
"""

from __future__ import annotations

import pytest

from tests.ledger.test_repricing import INSTRUMENTS, PERP, PRICE, SPOT
from tidegate.ledger.book import Ledger
from tidegate.model.account import FLAT, Position
from tidegate.model.events import Filled, Marked
from tidegate.model.units import MICRO

COSTS = {"spread": -6_000, "impact": -3_000, "rounding": -1_000, "fees": -300}
WORTH = 600 * MICRO


def opened() -> Ledger:
    ledger = Ledger(INSTRUMENTS, {"USDT": MICRO, "USDC": MICRO}, {"BTC": SPOT.id})
    ledger.post(Marked(0, {PERP.id: PRICE, SPOT.id: PRICE}))
    return ledger


def fill(name: str, side: int, slip: int = 10, impact: int = 3_000) -> Filled:
    ticks = PRICE + side * slip
    return Filled(0, name, side * 10, ticks, PRICE, 300, 6_000, impact, "o", "order")


@pytest.mark.parametrize("side", [1, -1])
def test_coin_is_paid_at_the_fill_and_each_part_of_its_cost_has_a_cause(side: int) -> None:
    ledger = opened()
    postings = ledger.post(fill(SPOT.id, side))
    assert ledger.wallet("w", "BTC") == side * 10**6
    assert ledger.wallet("w", "USDC") == -side * WORTH - 10_300
    assert {c: v for c, v in ledger.waterfall.items() if v} == COSTS
    assert ledger.position(SPOT.id) == FLAT
    lots = [(p.account, p.quanta) for p in postings if p.asset == SPOT.id]
    assert lots == [("own/w/position", side * 10), ("market/w", -side * 10)]


@pytest.mark.parametrize("side", [1, -1])
def test_contract_costs_are_unrealised_until_it_is_closed_and_then_in_the_wallet(side: int) -> None:
    ledger = opened()
    ledger.post(fill(PERP.id, side))
    assert ledger.position(PERP.id) == Position(side * 10, side * WORTH + 10_000)
    assert ledger.wallet("v", "USDT") == -300
    assert ledger.waterfall == COSTS
    ledger.post(fill(PERP.id, -side))
    assert ledger.position(PERP.id) == FLAT
    assert ledger.wallet("v", "USDT") == -600 - 20_000
    assert ledger.equity_micro == -20_600
    assert {c: v for c, v in ledger.waterfall.items() if v} == {c: 2 * v for c, v in COSTS.items()}


@pytest.mark.parametrize("name", [SPOT.id, PERP.id])
def test_fill_that_leaves_nothing_to_rounding_posts_none(name: str) -> None:
    ledger = opened()
    assert "rounding" not in {p.cause for p in ledger.post(fill(name, 1, impact=4_000))}


def test_fill_is_valued_at_its_own_middle_by_cause_of_the_price() -> None:
    """The mark of a held coin and of a held contract moves to the middle of the next fill."""
    for name, asset in ((SPOT.id, "price:BTC"), (PERP.id, "price:BTC")):
        ledger = opened()
        ledger.post(fill(name, 1))
        ledger.post(Filled(0, name, 1, PRICE + 100, PRICE + 100, 0, 0, 0, "o", "order"))
        assert ledger.waterfall[asset] == 100_000


def test_mark_at_which_a_position_stands_already_posts_nothing() -> None:
    ledger = opened()
    ledger.post(fill(PERP.id, 1))
    assert ledger.post(Marked(0, {PERP.id: PRICE, SPOT.id: PRICE})) == ()
