# SPDX-License-Identifier: Apache-2.0
"""The cutting planes against the whole programme written a second time, cold and warm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocation.joint.plain_oracle import Oracle
from tests.allocation.joint.small_questions import small_question
from tidegate.allocation.joint.compiled import Compiled
from tidegate.allocation.joint.question import Answer, FloatArray, Gross, Question
from tidegate.allocation.solve import FEASIBILITY, GAP, SolveError
from tidegate.model.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)
# What two answers may differ by, each within `GAP` of its bound, and the oracle's own tolerance.
APART = 3 * GAP


def changed_book(question: Question, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    held = question.positions.held + random.normal(0.0, 0.1, question.positions.held.size)
    amount = question.nodes.amount * random.uniform(0.7, 1.3, question.nodes.amount.size)
    return held, amount, 0.5 * amount


def with_book(question: Question, book: tuple[FloatArray, FloatArray, FloatArray]) -> Question:
    nodes = replace(question.nodes, amount=book[1], withdrawable=book[2])
    return replace(question, positions=replace(question.positions, held=book[0]), nodes=nodes)


def with_carry(question: Question, carry: FloatArray) -> Question:
    return replace(question, positions=replace(question.positions, carry_annual=carry))


def same_value(one: Answer, other: Answer) -> bool:
    return abs(one.objective - other.objective) <= APART * max(1.0, abs(other.objective))


@given(SEEDS)
@settings(max_examples=25)
def test_objective_of_random_question_is_the_oracles(seed: int) -> None:
    question = small_question(seed)
    answer = Compiled(question).solve()
    expected = Oracle(question).optimum()
    assert answer.objective == pytest.approx(expected, abs=APART * max(1.0, abs(expected)))
    assert answer.objective <= answer.bound + GAP
    assert answer.bound - answer.objective <= GAP * max(1.0, abs(answer.bound))


@given(SEEDS)
@settings(max_examples=25)
def test_warm_answer_equals_cold_when_returns_and_book_change(seed: int) -> None:
    question = small_question(seed)
    warm, random = Compiled(question), np.random.default_rng(seed)
    warm.solve()
    for _ in range(4):
        carry = random.normal(0.0, 0.3, question.positions.held.size)
        question = with_carry(question, carry)
        assert same_value(warm.with_returns(carry).solve(), Compiled(question).solve())
        book = changed_book(question, int(random.integers(2**32)))
        question = with_book(question, book)
        assert same_value(warm.with_book(*book).solve(), Compiled(question).solve())


def test_warm_answer_stays_right_after_planes_were_dropped() -> None:
    question = many_scenarios()
    warm = Compiled(question)
    warm.solve()
    most, widths = 0, []
    for seed in range(16):
        carry = np.random.default_rng(seed).normal(0.0, 0.5, question.positions.held.size)
        before = warm.planes
        answer = warm.with_returns(carry).solve()
        most = max(most, before - warm.planes)
        widths.append(warm.size[1])
        assert same_value(answer, Compiled(with_carry(question, carry)).solve())
    assert most > 0
    # Excesses of scenarios that were dropped are used again.
    assert widths[-1] - widths[7] < (widths[7] - widths[0]) / 2


def many_scenarios() -> Question:
    """A question whose tails are smooth enough to be stated by scenario."""
    question, random = small_question(5), np.random.default_rng(5)
    tail = question.tails[0]
    shape, held = (400, 2), np.arange(question.positions.held.size)
    wide = replace(
        tail,
        columns=held,
        slopes=random.standard_t(3.0, (*shape, held.size)) * 0.1,
        weights=np.ones((*shape, tail.functions.size)),
        worth=np.ones((*shape, tail.nodes.size)),
        constant=np.zeros(shape),
        landed=np.ones((*shape, question.edges.lag.size), dtype=bool),
        mass=20.5,
        limit=0.05,
    )
    return replace(question, tails=(wide,), reduce_only=False)


def test_tail_stated_by_scenario_has_the_oracles_value() -> None:
    question = many_scenarios()
    question = replace(question, tails=(thinned(question.tails[0]),))
    compiled = Compiled(question)
    answer = compiled.solve()
    assert compiled.rounds > 3
    assert answer.objective == pytest.approx(Oracle(question).optimum(), abs=APART)


def thinned(tail: Any) -> Any:
    names = ("slopes", "weights", "worth", "constant", "landed")
    return replace(tail, mass=6.25, **{name: getattr(tail, name)[:60] for name in names})


def limits_kept(question: Question, answer: Answer) -> None:
    positions, size = question.positions, answer.size
    low = np.minimum(positions.lower, positions.held)
    high = np.maximum(positions.upper, positions.held)
    if question.reduce_only:
        low, high = np.minimum(positions.held, 0.0), np.maximum(positions.held, 0.0)
    assert (size >= low - FEASIBILITY).all()
    assert (size <= high + FEASIBILITY).all()
    assert (answer.collateral >= -FEASIBILITY).all()
    assert (answer.flow >= 0.0).all()
    assert (answer.flow <= question.edges.cap + FEASIBILITY).all()


@given(SEEDS)
@settings(max_examples=25)
def test_answer_keeps_bounds_balances_and_caps(seed: int) -> None:
    question = small_question(seed)
    limits_kept(question, Compiled(question).solve())


@given(SEEDS, st.integers(0, 3))
@settings(max_examples=30)
def test_dollar_value_lies_between_what_a_little_more_and_less_is_worth(
    seed: int, node: int
) -> None:
    question = small_question(seed)
    answer, step = Compiled(question).solve(), 1e-3
    values = []
    for sign in (-1.0, 1.0):
        amount = question.nodes.amount.copy()
        amount[node] += sign * step
        book = question.positions.held, amount, question.nodes.withdrawable
        values.append(Compiled(with_book(question, book)).solve().objective)
    slack = 2 * APART * max(1.0, abs(answer.objective)) / step
    gained, lost = values[1] - answer.objective, answer.objective - values[0]
    assert gained / step - slack <= answer.dollar_value[node] <= lost / step + slack


def test_price_of_a_binding_tail_is_what_easing_it_earns() -> None:
    question, step = many_scenarios(), 1e-4
    answer = Compiled(question).solve()
    eased = replace(question.tails[0], limit=question.tails[0].limit + step)
    gained = Compiled(replace(question, tails=(eased,))).solve().objective - answer.objective
    assert answer.prices[eased.name] > 0.01
    assert gained / step == pytest.approx(answer.prices[eased.name], abs=2 * APART / step)


def test_infeasible_question_is_an_error_that_says_so() -> None:
    question = small_question(1)
    boxes = replace(question.boxes, lower=np.full(2, 50.0), upper=np.full(2, 60.0))
    boxes = replace(boxes, penalty=np.full(2, np.inf))
    with pytest.raises(SolveError, match="Infeasible"):
        Compiled(replace(question, boxes=boxes)).solve()


def test_limit_on_money_that_only_destroying_it_meets_is_an_error_that_says_so() -> None:
    question = small_question(0)
    limit = Gross("all money", np.zeros(5), np.ones(4), 0.5)
    impact = np.full(5, 1e-3)
    question = replace(question, positions=replace(question.positions, impact=impact))
    with pytest.raises(SolveError, match="destroying"):
        Compiled(replace(question, gross=(limit,), turnover=0.0)).solve()


def left(*seconds: float) -> Callable[[], float]:
    given_out = iter(seconds)
    return lambda: next(given_out, 0.0)


def test_deadline_that_has_passed_is_an_error_and_a_later_solve_goes_on() -> None:
    question = many_scenarios()
    compiled = Compiled(question)
    with pytest.raises(SolveError, match="before round 1 "):
        compiled.solve(left())
    with pytest.raises(SolveError, match="before round 3 "):
        compiled.solve(left(60.0, 60.0))
    assert same_value(compiled.solve(), Compiled(question).solve())


def test_seconds_left_that_are_unknown_count_as_none() -> None:
    with pytest.raises(SolveError, match="out of time"):
        Compiled(small_question(1)).solve(lambda: float("nan"))


def spoiled(question: Question, part: str, name: str) -> Question:
    owner = getattr(question, part)
    values = getattr(owner, name).copy()
    values.flat[0] = np.nan
    return replace(question, **{part: replace(owner, **{name: values})})


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("positions", "held"),
        ("positions", "lower"),
        ("positions", "carry_annual"),
        ("positions", "impact"),
        ("functions", "slope"),
        ("nodes", "amount"),
        ("nodes", "withdrawable"),
        ("edges", "cap"),
        ("boxes", "upper"),
        ("boxes", "penalty"),
    ],
)
def test_missing_number_is_refused_by_part_and_field(part: str, name: str) -> None:
    with pytest.raises(InputError, match=f"{part}: {name}: expected known numbers"):
        Compiled(spoiled(small_question(1), part, name))


@pytest.mark.parametrize("name", ["slopes", "weights", "worth", "constant"])
def test_missing_number_of_a_tail_is_refused(name: str) -> None:
    question = many_scenarios()
    tail = question.tails[0]
    values = getattr(tail, name).copy()
    if not values.size:
        values = np.ones((400, 2, 1))
    values.flat[-1] = np.nan
    with pytest.raises(InputError, match=f"tail: {name}: expected known numbers"):
        Compiled(replace(question, tails=(replace(tail, **{name: values}),)))


def test_changes_with_missing_numbers_or_of_another_shape_are_refused() -> None:
    question = small_question(1)
    compiled, carry = Compiled(question), question.positions.carry_annual
    held, amount = question.positions.held, question.nodes.amount
    with pytest.raises(InputError, match="carry_annual: expected known"):
        compiled.with_returns(carry * np.nan)
    with pytest.raises(InputError, match="carry_annual: expected shape"):
        compiled.with_returns(carry[1:])
    with pytest.raises(InputError, match="amount: expected known"):
        compiled.with_book(held, amount * np.nan, amount)
    assert same_value(compiled.solve(), Compiled(question).solve())


def test_limit_that_is_not_convex_or_shares_a_name_is_refused() -> None:
    question = small_question(1)
    first, second = question.gross
    weights = first.weights.copy()
    weights[0] = -1.0
    with pytest.raises(InputError, match="expected weights of sizes >= 0"):
        Compiled(replace(question, gross=(replace(first, weights=weights),)))
    with pytest.raises(InputError, match="a name of its own"):
        Compiled(replace(question, gross=(first, replace(second, name=first.name))))


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    question = small_question(3)
    compiled, counter = Compiled(question), count()
    first = compiled.solve(lambda: 60.0 + next(counter))
    book = changed_book(question, 1)
    compiled.with_book(*book).solve()
    nodes = question.nodes
    again = compiled.with_book(question.positions.held, nodes.amount, nodes.withdrawable).solve()
    assert same_value(first, again)
