# SPDX-License-Identifier: Apache-2.0
"""The no-trade band of a cycle: which coin moves, and from how far off."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from tests.engine.scripted_cycle import scene, toward
from tests.engine.test_cycle_rules import both, looked
from tests.risk import desk
from tidegate.allocation.bands import Drift, proportional_band
from tidegate.engine.inquiry import ask


def outside(
    held: dict[str, float], wanted: dict[str, float], edges: tuple[str, ...], error: float = 0.05
) -> bool:
    """Whether a book in dollars is outside its band, for edges of these coins."""
    made, terms = scene(), desk.terms()
    situation, outlook = looked(made), made.cycle._expect(desk.NOW_MS)
    changed = {"standard_error_annual": error}
    known = [msgspec.structs.replace(outlook.edges[0], coin=coin, **changed) for coin in edges]
    outlook = replace(outlook, edges=tuple(known))
    question = ask(terms, situation, outlook, may_grow=True)
    names = question.legs.names
    now = np.array([held.get(name, 0.0) for name in names]) / question.equity_usd
    then = np.array([wanted.get(name, 0.0) for name in names]) / question.equity_usd
    question = replace(question, legs=replace(question.legs, held=now))
    answer = replace(toward({})(question), target=then)
    return made.cycle._outside_band(terms, outlook, question, answer)


@pytest.mark.parametrize(("beyond", "moves"), [(0.99, False), (1.01, True)])
@pytest.mark.parametrize("side", [1, -1])
def test_band_of_a_coin_is_that_of_its_drift_its_error_and_the_cost_of_both_legs(
    beyond: float, moves: bool, side: int
) -> None:
    """Of a million; a deviation is in units of equity, and costs five and one basis points a leg
    and at all three venues."""
    size = 0.5
    cost = 3 * (0.0005 + 0.0001)
    band = proportional_band(Drift((size * 0.03) ** 2 * 365, 0.5**2), cost).trigger
    assert 0.02 < band < size / 2
    held = both("BTC", 1e6 * (size - side * beyond * band))
    assert outside(held, both("BTC", 1e6 * size), ("BTC",), 0.5) == moves


def test_band_is_never_wider_than_half_of_what_is_wanted() -> None:
    """A few thousand dollars of a large book, whose band is wider than they are."""
    held, wanted = both("BTC", 1_400.0), both("BTC", 3_000.0)
    assert outside(held, wanted, ("BTC",))
    assert not outside(both("BTC", 1_600.0), wanted, ("BTC",))


@pytest.mark.parametrize(
    ("held", "wanted", "edges", "moves"),
    [
        (both("BTC", 1e5), both("BTC", 1.012e5), (), True),
        ({}, both("BTC", 1_100.0), ("BTC",), True),
        (both("BTC", 1_100.0), {}, ("BTC",), True),
        (both("BTC", 900.0), {}, ("BTC",), False),
        (both("ETH", 4e4), both("BTC", 900.0) | both("ETH", 1e5), ("BTC", "ETH"), True),
        (both("BTC", 1e5), both("BTC", 1.01e5), ("BTC",), False),
    ],
)
def test_coin_is_moved_at_once_where_it_is_opened_closed_or_has_no_edge_and_each_for_itself(
    held: dict[str, float], wanted: dict[str, float], edges: tuple[str, ...], moves: bool
) -> None:
    assert outside(held, wanted, edges) == moves
