# SPDX-License-Identifier: Apache-2.0
"""The proof of an answer: any row prices bound the optimum, and only a proved answer is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.allocation.questions import random_question
from tidegate.allocation import solve as solving
from tidegate.allocation.linear_programme import Builder, StandardForm
from tidegate.allocation.programme import formulate
from tidegate.allocation.solve import (
    GAP,
    REACH,
    SolveError,
    dual_bound,
    row_violation,
    solve,
    solve_highs,
)

FloatArray = NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)
FAR = np.inf


def programme(seed: int) -> StandardForm:
    """A random programme with a known feasible point, rows of every kind and some bounds open."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(1, 9)), int(rng.integers(2, 11))
    matrix = rng.normal(size=(height, width)) * (rng.random((height, width)) < 0.7)
    inside = rng.uniform(-2.0, 2.0, width)
    lower, upper = inside - rng.uniform(0, 3, width), inside + rng.uniform(0, 3, width)
    value = matrix @ inside
    kind = rng.integers(0, 4, height)
    row_lower = np.where(kind == 1, -FAR, value - np.where(kind == 0, 0.0, rng.random(height)))
    row_upper = np.where(kind == 2, FAR, value + np.where(kind == 0, 0.0, rng.random(height)))
    builder = Builder()
    builder.variables("x", width, rng.normal(size=width), lower, upper)
    # What is positive and dear needs no upper bound to be found.
    builder.variables("spare", 1, rng.uniform(0.1, 1.0), 0.0, FAR)
    spare = rng.normal(size=(height, 1))
    builder.constrain("rows", {"x": matrix, "spare": spare}, row_lower, row_upper)
    return builder.assemble()


def clarabel(form: StandardForm) -> float:
    """The optimum by an interior point method, of the programme as it is stated."""
    x = cp.Variable(form.cost.size)
    value = form.matrix @ x
    below, above = np.isfinite(form.row_lower), np.isfinite(form.row_upper)
    low, high = np.isfinite(form.lower), np.isfinite(form.upper)
    rules = [
        value[below] >= form.row_lower[below],
        value[above] <= form.row_upper[above],
        x[low] >= form.lower[low],
        x[high] <= form.upper[high],
    ]
    rules = [rule for rule in rules if rule.size]
    problem = cp.Problem(cp.Minimize(form.cost @ x), rules)
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status == cp.OPTIMAL
    return float(problem.value)


@settings(max_examples=60)
@given(SEEDS)
def test_bound_is_below_the_optimum_of_another_solver_and_the_answer_above_by_the_gap_at_most(
    seed: int,
) -> None:
    form = programme(seed)
    answer = solve(form)
    optimum = clarabel(form)
    gap = GAP * max(1.0, abs(optimum))
    assert answer.bound <= optimum + 1e-8 * max(1.0, abs(optimum))
    assert answer.objective <= answer.bound + gap
    assert answer.objective == pytest.approx(optimum, abs=2 * gap)
    assert answer.objective == float(form.cost @ answer.x)
    assert row_violation(form, answer.x) <= 1e-7


@settings(max_examples=4)
@given(SEEDS)
def test_bound_of_a_real_programme_is_below_the_optimum_of_another_solver(seed: int) -> None:
    form = formulate(random_question(seed))
    answer, optimum = solve(form), clarabel(form)
    assert answer.bound <= optimum + 1e-7
    assert answer.objective == pytest.approx(optimum, abs=2e-6)


@given(SEEDS, SEEDS)
def test_programme_solved_from_the_basis_of_another_has_the_same_optimum(
    seed: int, other: int
) -> None:
    form, rng = programme(seed), np.random.default_rng(other)
    near = replace(form, cost=form.cost * rng.uniform(0.9, 1.1, form.cost.size))
    started = solve(near, solve(form).basis)
    assert started.objective == pytest.approx(solve(near).objective, abs=1e-6)
    assert row_violation(near, started.x) <= 1e-7


@given(SEEDS, SEEDS, st.floats(0.0, 100.0))
def test_any_row_prices_give_a_bound_that_no_feasible_answer_is_below(
    seed: int, other: int, size: float
) -> None:
    form, rng = programme(seed), np.random.default_rng(other)
    x, duals, _ = solve_highs(form)
    for prices in (
        size * rng.normal(size=duals.size),
        duals + size * rng.normal(size=duals.size),
        -duals,
        np.zeros(duals.size),
    ):
        scale = 1.0 + REACH * float(np.abs(prices).sum())
        assert dual_bound(form, prices) <= form.cost @ x + 1e-9 * scale


@given(SEEDS, st.floats(1e-3, 1.0), SEEDS)
def test_bound_is_the_formula_of_weak_duality_term_by_term(
    seed: int, size: float, other: int
) -> None:
    form = programme(seed)
    prices = size * np.random.default_rng(other).normal(size=form.row_lower.size)
    reduced = form.cost - form.matrix.toarray().T @ prices
    expected = 0.0
    for price, low, high in (
        *zip(prices, form.row_lower, form.row_upper, strict=True),
        *zip(reduced, form.lower, form.upper, strict=True),
    ):
        expected += price * max(low, -REACH) if price > 0 else price * min(high, REACH)
    assert dual_bound(form, prices) == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_bound_worked_out_by_hand() -> None:
    """Least x + 2 y with x + y >= 3, x at most 2: 2 + 2 = 4, at a row price of 2."""
    builder = Builder()
    builder.variables("x", 2, [1.0, 2.0], 0.0, [2.0, FAR])
    builder.constrain("sum", {"x": [[1.0, 1.0]]}, 3.0, FAR)
    form = builder.assemble()
    # Prices of 2, 1 and 0 prove 6 - 2, 3, and nothing.
    assert [dual_bound(form, np.array([y])) for y in (2.0, 1.0, 0.0)] == [4.0, 3.0, 0.0]
    answer = solve(form)
    assert (answer.objective, answer.bound, answer.row_duals.tolist()) == (4.0, 4.0, [2.0])
    assert answer.x.tolist() == [2.0, 1.0]


def boxed(form: StandardForm) -> StandardForm:
    """The same without an open bound, so that its dearest vertex is there too."""
    return replace(form, upper=np.minimum(form.upper, 50.0))


def dearest(form: StandardForm) -> tuple[FloatArray, FloatArray]:
    return solve_highs(replace(form, cost=-form.cost))[:2]


def not_a_number(row: FloatArray) -> FloatArray:
    return np.concatenate([[np.nan], row[1:]])


Answer = tuple[FloatArray, FloatArray]
WRONG: dict[str, Callable[[StandardForm, FloatArray, FloatArray], Answer]] = {
    "x beyond a bound": lambda form, x, y: (np.maximum(x, form.upper + 1e-5), y),
    "x without a number": lambda _, x, y: (not_a_number(x), y),
    "x infinite": lambda _, x, y: (np.full(x.size, np.inf), y),
    "prices without a number": lambda _, x, y: (x, not_a_number(y)),
    "prices infinite": lambda _, x, y: (x, np.full(y.size, np.inf)),
    "prices minus infinite": lambda _, x, y: (x, np.full(y.size, -np.inf)),
    "dearest vertex": lambda form, _, y: (dearest(form)[0], y),
    "dearest vertex with its own prices": lambda form, _x, _y: dearest(form),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered")
@pytest.mark.parametrize("name", WRONG)
@settings(max_examples=40)
@given(seed=SEEDS)
def test_planted_wrong_answer_is_refused(name: str, seed: int) -> None:
    form = boxed(programme(seed))
    x, duals, basis = solve_highs(form)
    wrong = WRONG[name](form, x, duals)
    far = form.cost @ (wrong[0] - x) if np.isfinite(wrong[0]).all() else FAR
    assume(abs(far) > 1e-4 or "vertex" not in name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: (*wrong, basis))
        with pytest.raises(SolveError):
            solve(form)


@given(SEEDS, st.floats(1e-4, 1.0))
def test_feasible_answer_moved_from_the_optimum_is_refused_and_the_optimum_itself_is_not(
    seed: int, share: float
) -> None:
    """Between two feasible points all is feasible, so that only its cost betrays it."""
    form = boxed(programme(seed))
    x, duals, basis = solve_highs(form)
    moved = (1 - share) * x + share * dearest(form)[0]
    loss = float(form.cost @ (moved - x))
    assume(loss > 3 * GAP * max(1.0, abs(float(form.cost @ moved))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: (moved, duals, basis))
        with pytest.raises(SolveError, match="is not proved"):
            solve(form)
        patch.setattr(solving, "solve_highs", lambda *_: (x, duals, basis))
        assert solve(form).x is x


@given(SEEDS)
def test_answer_that_is_too_good_since_it_breaks_a_row_is_refused(seed: int) -> None:
    """The best point of the bounds alone costs no more than any bound says."""
    form = boxed(programme(seed))
    _, duals, basis = solve_highs(form)
    cheapest = np.where(form.cost > 0, form.lower, form.upper)
    assume(row_violation(form, cheapest) > 1e-6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: (cheapest, duals, basis))
        with pytest.raises(SolveError, match="left a row violated"):
            solve(form)


@pytest.mark.parametrize(("lower", "upper"), [(3.0, FAR), (-FAR, -3.0), (1.0, 2.0), (4.0, 4.0)])
@pytest.mark.parametrize("beyond", [-1e-3, -1e-6, 0.0, 1e-6, 1e-3])
def test_violation_of_a_row_is_its_distance_on_either_side(
    lower: float, upper: float, beyond: float
) -> None:
    builder = Builder()
    builder.variables("x", 1, 1.0, -FAR, FAR)
    builder.constrain("row", {"x": [[2.0]]}, lower, upper)
    form = builder.assemble()
    for end, out in ((lower, -1), (upper, 1)):
        if np.isfinite(end):
            x = np.array([(end + out * beyond) / 2])
            inner = -beyond if lower == upper else 0.0
            assert row_violation(form, x) == pytest.approx(max(beyond, inner), abs=1e-12)


@pytest.mark.parametrize(("x", "violation"), [(-0.25, 0.25), (0.0, 0.0), (2.0, 0.0), (2.5, 0.5)])
def test_violation_of_a_bound_is_its_distance_where_every_row_holds(
    x: float, violation: float
) -> None:
    builder = Builder()
    builder.variables("x", 1, 1.0, 0.0, 2.0)
    builder.constrain("row", {"x": [[1.0]]}, -9.0, 9.0)
    assert row_violation(builder.assemble(), np.array([x])) == violation


@given(SEEDS, SEEDS, st.integers(-10, 0), st.integers(-10, 0))
def test_whatever_a_solver_says_what_is_accepted_is_feasible_and_within_the_gap_of_the_best(
    seed: int, other: int, x_scale: int, price_scale: int
) -> None:
    form, rng = boxed(programme(seed)), np.random.default_rng(other)
    x, duals, basis = solve_highs(form)
    best = float(form.cost @ x)
    said = np.clip(x + 10.0**x_scale * rng.normal(size=x.size), form.lower, form.upper)
    prices = duals + 10.0**price_scale * rng.normal(size=duals.size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: (said, prices, basis))
        try:
            answer = solve(form)
        except SolveError:
            assert max(x_scale, price_scale) > -10
            return
    assert row_violation(form, answer.x) <= 1e-7
    assert answer.objective <= best + GAP * max(1.0, abs(answer.objective)) + 1e-9
    assert answer.bound <= best + 1e-9


@given(SEEDS)
def test_best_answer_with_prices_that_prove_nothing_is_refused(seed: int) -> None:
    form = boxed(programme(seed))
    x, duals, basis = solve_highs(form)
    best = float(form.cost @ x)
    nothing = np.zeros(duals.size)
    assume(best - dual_bound(form, nothing) > 2 * GAP * max(1.0, abs(best)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: (x, nothing, basis))
        with pytest.raises(SolveError, match="is not proved"):
            solve(form)


def far_away(limit: float) -> StandardForm:
    """Least -x where x is at most a limit, said once as a row and once as a bound."""
    builder = Builder()
    builder.variables("x", 2, [-1.0, -1.0], 0.0, [FAR, limit])
    builder.constrain("cap", {"x": [[1.0, 0.0]]}, -FAR, limit)
    return builder.assemble()


def test_answer_up_to_the_reach_is_proved() -> None:
    answer = solve(far_away(REACH))
    assert answer.objective == answer.bound == -2 * REACH


def test_answer_beyond_the_reach_is_refused_even_where_the_gap_is_closed() -> None:
    """What a rounded price hides is bounded by the reach, and by nothing beyond it."""
    form = far_away(5 * REACH)
    x, duals, _ = solve_highs(form)
    assert dual_bound(form, duals) == form.cost @ x == -10 * REACH
    with pytest.raises(SolveError, match="is not proved"):
        solve(form)


def test_answer_whose_rows_alone_are_beyond_the_reach_is_refused() -> None:
    """No variable is far, but a row is: its price is multiplied by what the row may hold."""
    builder = Builder()
    builder.variables("x", 1, -1.0, 0.0, 2.0)
    builder.constrain("row", {"x": [[0.9 * REACH]]}, -FAR, 9 * REACH)
    with pytest.raises(SolveError, match="is not proved"):
        solve(builder.assemble())
    near = replace(builder.assemble(), upper=np.array([1.0]))
    assert solve(near).objective == -1.0


@pytest.mark.parametrize("short", [-9e-8, 9e-8])
def test_bound_above_the_objective_is_refused_as_one_far_below_it_is(short: float) -> None:
    """A row broken within the tolerance, at a price that makes it matter: the answer would be
    better than the proof says that any can be."""
    builder = Builder()
    builder.variables("x", 2, [1e4, -1e4], [0.0, 1.0], [2.0, 1.0])
    builder.constrain("least", {"x": [[1.0, 0.0]]}, 1.0, FAR)
    form = builder.assemble()
    assert solve(form).objective == pytest.approx(0.0, abs=1e-9)
    said = (np.array([1.0 - short, 1.0]), np.array([1e4]), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: said)
        with pytest.raises(SolveError, match="is not proved"):
            solve(form)


def test_suboptimal_answer_beyond_the_reach_is_refused() -> None:
    form = far_away(5 * REACH)
    idle = np.array([2 * REACH, 2 * REACH])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "solve_highs", lambda *_: (idle, np.array([-1.0]), None))
        with pytest.raises(SolveError):
            solve(form)


@pytest.mark.parametrize(
    ("lower", "upper", "status"), [(3.0, 2.0, "Infeasible"), (0.0, FAR, "Unbounded")]
)
def test_programme_without_an_optimum_is_a_solve_error(
    lower: float, upper: float, status: str
) -> None:
    builder = Builder()
    builder.variables("x", 1, -1.0, 0.0, upper)
    builder.constrain("row", {"x": [[1.0]]}, lower, FAR)
    with pytest.raises(SolveError, match=status):
        solve(builder.assemble())
