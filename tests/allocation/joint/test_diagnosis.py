# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of a question: conflicts are irreducible, and what cures does cure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.allocation.joint.hand_questions import one_coin
from tests.allocation.joint.random_questions import random_question
from tidegate.allocation.joint.diagnosis import Diagnosis, Easing, breaches, diagnose
from tidegate.allocation.joint.elastic import Elastic
from tidegate.allocation.joint.question import Question
from tidegate.allocation.joint.reference import solve_reference
from tidegate.allocation.solve import SolveError

SEEDS = st.integers(0, 10_000)


def boxed(question: Question, low: tuple[float, ...], high: tuple[float, ...]) -> Question:
    """Boxes of the sum of sizes, hard."""
    names = tuple(f"delta {number}" for number in range(len(low)))
    width = question.positions.held.size
    boxes = replace(
        question.boxes,
        names=names,
        rows=np.ones((len(low), width)),
        lower=np.array(low),
        upper=np.array(high),
        penalty=np.full(len(low), np.inf),
    )
    return replace(question, boxes=boxes)


def unpriced(question: Question) -> Question:
    """The same limits, none for sale."""
    boxes = replace(question.boxes, penalty=np.full(question.boxes.penalty.size, np.inf))
    tails = tuple(replace(tail, penalty=np.inf) for tail in question.tails)
    gross = tuple(replace(limit, penalty=np.inf) for limit in question.gross)
    return replace(question, boxes=boxes, tails=tails, gross=gross)


def solvable(question: Question) -> bool:
    try:
        solve_reference(unpriced(question), "HIGHS", linear=True)
    except SolveError:
        return False
    return True


def costless(question: Question) -> Question:
    return replace(
        question,
        positions=replace(question.positions, impact=np.zeros(question.positions.held.size)),
    )


@settings(max_examples=12)
@given(SEEDS, st.booleans())
def test_diagnosis_finds_a_conflict_just_where_the_reference_finds_no_book(
    seed: int, hard: bool
) -> None:
    question = costless(random_question(seed, hard=hard))
    assert diagnose(question).feasible == solvable(question)


@settings(max_examples=8)
@given(st.sampled_from([0, 2, 5, 8, 15, 20, 28, 31]))
def test_conflict_is_infeasible_as_a_whole_and_feasible_without_any_one_limit(seed: int) -> None:
    question = random_question(seed)
    elastic = Elastic(question)
    for conflict in diagnose(question).conflicts:
        limits = list(conflict.limits)
        others = [name for name in elastic.names if name not in limits]
        assert sum(elastic.least(limits, others)[0].values()) > 1e-6
        for name in limits:
            fewer = [other for other in limits if other != name]
            assert sum(elastic.least(fewer, [*others, name])[0].values()) <= 1e-6


def eased(question: Question, easings: tuple[Easing, ...], more: float) -> Question:
    """The question with limits wider by their easings and a little more; bounds and routes not."""
    wider = {easing.name: easing.amount + more for easing in easings}
    boxes = question.boxes
    slack = np.array([wider.get(name, 0.0) for name in boxes.names])
    gross = tuple(replace(g, cap=g.cap + wider.get(g.name, 0.0)) for g in question.gross)
    return replace(
        question,
        tails=tuple(replace(t, limit=t.limit + wider.get(t.name, 0.0)) for t in question.tails),
        boxes=replace(boxes, lower=boxes.lower - slack, upper=boxes.upper + slack),
        gross=gross,
        turnover=question.turnover + wider.get("turnover", 0.0),
    )


@settings(max_examples=6)
@given(st.sampled_from([0, 2, 5, 8, 15, 20, 28, 31]))
def test_least_violation_cures_all_and_a_little_less_does_not(seed: int) -> None:
    question = costless(random_question(seed))
    least = diagnose(question).least
    assert solvable(eased(question, least, 1e-6))
    if least:
        less = tuple(replace(easing, amount=0.99 * easing.amount) for easing in least)
        assert not solvable(eased(question, less, 0.0))


def test_boxes_that_contradict_each_other_are_named_with_the_distance_between_them() -> None:
    question = boxed(one_coin(), (0.5, -9.0), (9.0, 0.2))
    found = diagnose(question)
    assert [set(conflict.limits) for conflict in found.conflicts] == [{"delta 0", "delta 1"}]
    (conflict,) = found.conflicts
    assert [cure.amount for cure in conflict.cures] == pytest.approx([0.3, 0.3])
    assert sum(easing.amount for easing in found.least) == pytest.approx(0.3)
    assert found.breaches == ()


def test_box_whose_sides_are_crossed_is_a_conflict_of_its_own() -> None:
    """Both sides give way by the same amount: half of what they are apart."""
    (conflict,) = diagnose(boxed(one_coin(), (0.5,), (0.1,))).conflicts
    assert conflict.limits == ("delta 0",)
    assert [cure.amount for cure in conflict.cures] == pytest.approx([0.2])


def test_two_conflicts_that_share_no_limit_are_both_named() -> None:
    question = boxed(one_coin(coins=2), (0.5, -9.0, 1.0), (9.0, 0.2, 0.9))
    found = {frozenset(conflict.limits) for conflict in diagnose(question).conflicts}
    assert found == {frozenset({"delta 0", "delta 1"}), frozenset({"delta 2"})}


def test_target_that_margin_cannot_carry_names_both_and_what_each_must_give() -> None:
    """Two units lose 0.1 each and need 0.02 and 0.001 of cost: 0.242 against 0.2 of money."""
    question = boxed(one_coin(move=0.1, maintenance=0.02, amount=0.2), (2.0,), (9.0,))
    (conflict,) = diagnose(question).conflicts
    assert set(conflict.limits) == {"delta 0", "solvency at v0"}
    cures = {cure.name: cure.amount for cure in conflict.cures}
    assert cures["solvency at v0"] == pytest.approx(0.042)
    assert cures["delta 0"] == pytest.approx(2.0 - 0.2 / 0.121)


def test_impact_is_counted_in_what_a_target_needs() -> None:
    """One unit costs 0.001 and 0.05 of impact and loses 0.1: 0.151 against 0.1 of money."""
    question = boxed(one_coin(move=0.1, impact=0.05, amount=0.1), (1.0,), (9.0,))
    (conflict,) = diagnose(question).conflicts
    cures = {cure.name: cure.amount for cure in conflict.cures}
    assert cures["solvency at v0"] == pytest.approx(0.051, abs=2e-6)


def test_question_whose_limits_hold_has_no_conflict_and_nothing_to_say() -> None:
    found = diagnose(one_coin())
    assert found == Diagnosis((), (), ())
    assert found.feasible
    assert found.lines(1e6) == ()


def test_book_below_maintenance_names_the_venue_the_money_and_the_reduction() -> None:
    """Ten units lose 0.1 and need 0.02: 1.2 against 1. Closing a share r costs 0.01 r:
    1.2 (1 - r) + 0.01 r = 1 at r = 0.2 / 1.19."""
    question = one_coin(move=0.1, maintenance=0.02, held=10.0, penalty=4.0)
    (breach,) = breaches(question)
    assert (breach.venue, breach.tail, breach.node) == ("v0", "solvency at v0", "cash at v0")
    assert breach.excess == pytest.approx(0.2)
    assert breach.money == pytest.approx(0.2)
    assert breach.reduction == pytest.approx(0.2 / 1.19)
    (line, *_) = diagnose(question).lines(1e6)
    assert line == (
        "v0: solvency at v0 is exceeded by 200,000 USD; cured by 200,000 USD more at cash at v0 "
        "or closing 16.81% of every position there"
    )


def test_venue_in_debt_is_not_cured_by_closing_positions_and_its_balance_is_named() -> None:
    question = one_coin(move=0.1, held=1.0, amount=-0.05)
    found = diagnose(question)
    (breach,) = found.breaches
    assert found.conflicts[0].limits == ("balance of cash at v0",)
    assert found.conflicts[0].cures[0].amount == pytest.approx(0.05)
    assert breach.money == pytest.approx(0.15)
    assert breach.reduction is None


def test_reduction_that_costs_more_than_it_frees_is_no_cure() -> None:
    """A unit frees 0.1 and costs 0.2 to close."""
    question = one_coin(move=0.1, held=1.0, amount=0.05, cost=0.2)
    (breach,) = breaches(question)
    assert breach.reduction is None


def test_reduction_that_cures_only_in_part_of_its_range_is_found_there() -> None:
    """Impact grows faster than what is freed: 0.1 (1 - r) + 0.09 r^1.5 is least at r = 0.549."""
    question = one_coin(move=0.1, held=1.0, amount=0.085, cost=0.0, impact=0.09)
    (breach,) = breaches(question)
    assert breach.reduction is not None
    r = breach.reduction
    assert 0.1 * (1 - r) + 0.09 * r**1.5 == pytest.approx(0.085)
    assert r < 0.549
