# SPDX-License-Identifier: Apache-2.0
"""Risk-constrained Kelly: goldens, the optimum by another solver, and the promise by paths."""

from __future__ import annotations

from typing import Any

import cvxpy
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tidegate.allocation.growth import (
    DrawdownBudget,
    Outcomes,
    drawdown_excess,
    fractional_kelly_drawdown,
    growth,
    kelly,
    kelly_fraction,
    risk_constrained_kelly,
)
from tidegate.model.errors import InputError

cp: Any = cvxpy
COIN = Outcomes(np.array([1.0, -1.0]), np.array([0.55, 0.45]))
BUDGETS = st.builds(DrawdownBudget, st.floats(0.3, 0.95), st.floats(0.005, 0.5))


@st.composite
def outcomes(draw: st.DrawFn) -> Outcomes:
    excess = np.array(draw(st.lists(st.floats(-1.0, 1.0), min_size=2, max_size=6)))
    excess[0] = -draw(st.floats(0.2, 1.0))
    weight = np.array([draw(st.floats(0.05, 1.0)) for _ in excess])
    return Outcomes(excess, weight / weight.sum())


def test_golden_kelly_bet_on_a_coin_of_55_percent() -> None:
    """reference quant 3.9; p - q = 0.1, growth p log 1.1 + q log 0.9."""
    bet = kelly(COIN)
    assert bet.size == pytest.approx(0.10, abs=1e-12)
    assert bet.growth == pytest.approx(5.0084e-3, abs=5e-8)


@pytest.mark.parametrize(
    ("floor", "chance", "size"),
    [(0.7, 0.1, 0.0268997), (0.7, 0.05, 0.0213409), (0.5, 0.01, 0.0262380)],
)
def test_golden_bets_under_a_drawdown_budget(floor: float, chance: float, size: float) -> None:
    """reference quant 3.9."""
    bet = risk_constrained_kelly(COIN, DrawdownBudget(floor, chance))
    assert bet.size == pytest.approx(size, abs=5.1e-8)
    assert bet.bound


def test_golden_risk_aversion_and_growth_of_ten_percent_below_seven_tenths() -> None:
    """reference quant 3.9."""
    budget = DrawdownBudget(0.7, 0.1)
    assert budget.risk_aversion == pytest.approx(6.455696, abs=5e-7)
    assert risk_constrained_kelly(COIN, budget).growth == pytest.approx(2.32869e-3, abs=5e-9)


@settings(max_examples=8)
@given(outcomes(), BUDGETS)
def test_bet_grows_as_much_as_the_optimum_by_a_conic_solver(
    law: Outcomes, budget: DrawdownBudget
) -> None:
    # Without an edge the best bet is nought, at the edge of what the other solver can say.
    assume(float(law.probability @ law.excess) > 0.02)
    size = cp.Variable(nonneg=True)
    log_wealth = cp.log(1.0 + size * law.excess)
    exponent = np.log(law.probability) - budget.risk_aversion * log_wealth
    problem = cp.Problem(
        cp.Maximize(law.probability @ log_wealth), [cp.log_sum_exp(exponent) <= 0.0]
    )
    problem.solve(solver=cp.CLARABEL)
    found = risk_constrained_kelly(law, budget)
    assert found.growth == pytest.approx(float(problem.value), abs=1e-6)
    assert found.growth == growth(law, found.size)


@given(outcomes(), BUDGETS)
def test_bet_keeps_its_budget_and_a_larger_one_breaks_it_or_grows_less(
    law: Outcomes, budget: DrawdownBudget
) -> None:
    found = risk_constrained_kelly(law, budget)
    larger = found.size * 1.01 + 1e-6
    assert drawdown_excess(law, budget, found.size) <= 1e-9
    if found.bound:
        assert drawdown_excess(law, budget, larger) > 0.0
    assert found.bound or growth(law, larger) <= found.growth + 1e-12


@given(outcomes(), st.floats(0.3, 0.9), st.floats(0.01, 0.4))
def test_stricter_budget_never_bets_more(law: Outcomes, floor: float, chance: float) -> None:
    loose = risk_constrained_kelly(law, DrawdownBudget(floor, chance))
    strict = risk_constrained_kelly(law, DrawdownBudget(floor, 0.5 * chance))
    assert strict.size <= loose.size + 1e-12


def test_paths_fall_below_the_floor_no_more_often_than_the_budget_allows() -> None:
    """reference quant 3.9: 0.0952 of paths at (0.7, 0.1), and 0.0098 at (0.5, 0.01)."""
    rng = np.random.default_rng(11)
    for floor, chance, least in ((0.7, 0.1, 0.08), (0.5, 0.01, 0.006)):
        size = risk_constrained_kelly(COIN, DrawdownBudget(floor, chance)).size
        paths, periods = 2_500, 2_000
        won = rng.random((periods, paths)) < 0.55
        log_wealth = np.cumsum(np.where(won, np.log1p(size), np.log1p(-size)), axis=0)
        share = float((log_wealth.min(axis=0) < np.log(floor)).mean())
        sampling = 3.0 * np.sqrt(chance / paths)
        assert least - sampling <= share <= chance + sampling


def test_no_edge_means_no_bet() -> None:
    even = Outcomes(np.array([1.0, -1.0]), np.array([0.5, 0.5]))
    assert kelly(even).size == 0.0
    assert risk_constrained_kelly(even, DrawdownBudget(0.7, 0.1)).size == 0.0


@pytest.mark.parametrize(
    ("fraction", "floor", "expected"),
    [(1.0, 0.5, 0.5), (0.5, 0.5, 0.125), (2.0, 0.5, 1.0), (3.0, 0.5, 1.0), (0.25, 0.9, 0.9**7)],
)
def test_chance_of_ever_falling_at_a_fraction_of_kelly(
    fraction: float, floor: float, expected: float
) -> None:
    """reference quant 3.9: alpha^(2/c - 1); Kelly itself halves with a chance of a half."""
    assert fractional_kelly_drawdown(fraction, floor) == pytest.approx(expected)


@given(BUDGETS)
def test_fraction_of_kelly_for_a_budget_meets_it_exactly(budget: DrawdownBudget) -> None:
    fraction = kelly_fraction(budget)
    assert fractional_kelly_drawdown(fraction, budget.floor) == pytest.approx(budget.chance)


def test_small_edges_bet_as_continuous_time_says() -> None:
    """At p = 0.505 the Kelly bet is 0.01, near enough to a diffusion."""
    law, budget = (
        Outcomes(np.array([1.0, -1.0]), np.array([0.505, 0.495])),
        DrawdownBudget(0.7, 0.1),
    )
    found = risk_constrained_kelly(law, budget).size / kelly(law).size
    assert found == pytest.approx(kelly_fraction(budget), rel=2e-4)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: DrawdownBudget(1.0, 0.1), "floor: expected more than 0 and less than 1"),
        (lambda: DrawdownBudget(0.5, 0.0), "chance: expected more than 0 and less than 1"),
        (lambda: DrawdownBudget(np.nan, 0.1), "floor: expected"),
        (lambda: Outcomes(np.ones(2), np.ones(3) / 3), "one for each outcome"),
        (lambda: Outcomes(np.array([1.0, np.nan]), np.ones(2) / 2), "known outcomes"),
        (lambda: Outcomes(np.ones(2), np.ones(2)), "a sum of 1"),
        (lambda: Outcomes(np.array([1.0, -1.0]), np.array([1.0, 0.0])), "with a probability"),
        (lambda: kelly(Outcomes(np.ones(2), np.ones(2) / 2)), "an outcome that loses"),
        (lambda: fractional_kelly_drawdown(0.0, 0.5), "fraction: expected above 0"),
        (lambda: fractional_kelly_drawdown(1.0, 1.0), "floor: expected between 0 and 1"),
    ],
)
def test_what_is_no_law_or_budget_is_refused(make: object, why: str) -> None:
    with pytest.raises(InputError, match=why):
        make()  # type: ignore[operator]
