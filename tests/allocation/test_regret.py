# SPDX-License-Identifier: Apache-2.0
"""What a given book costs beyond the best one: nothing for the best, a known sum for another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.allocation.deleveraging_oracle import pressed, threat_to
from tests.allocation.questions import random_question, two_venues
from tidegate.allocation import deleveraging, programme
from tidegate.allocation.question import Question
from tidegate.allocation.solve import SolveError

SLACK = 1e-6
SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_regret_of_a_best_book_is_nothing(seed: int) -> None:
    question = random_question(seed)
    answer = programme.allocate(question)
    assert abs(programme.regret(question, answer, SLACK)) <= 1e-5


@pytest.mark.parametrize("seed", SEEDS)
def test_regret_of_the_cheapest_cuts_is_nothing(seed: int) -> None:
    question, threat = pressed(seed)
    answer = deleveraging.relieve(question, threat)
    assert abs(deleveraging.regret(question, threat, answer, SLACK)) <= 1e-5


def closed() -> Question:
    """A healthy book of one pair whose one route is closed, so that nothing is worth spare."""
    return two_venues(open=np.array([False]))


def test_regret_of_a_tenth_less_is_its_carry_and_its_costs_by_hand() -> None:
    """Both legs of 1.0 earn 10 % for 60 of 365 days and cost 5 hundredths of a percent to cut:
    0.1 x 2 x (0.1 x 60 / 365 + 0.0005) = 0.0033877 of equity."""
    question = closed()
    best = programme.allocate(question)
    assert best.target == pytest.approx(question.legs.held)
    fewer = replace(best, target=0.9 * question.legs.held)
    lost = programme.regret(question, fewer, SLACK)
    assert lost == pytest.approx(0.2 * (0.1 * 60 / 365 + 5e-4), abs=2e-6)


def test_regret_of_a_needless_cut_is_its_costs_and_what_keeping_is_worth_by_hand() -> None:
    """0.1 x 2 x (0.0005 to trade + 0.0005 that keeping is worth) = 0.0002 of equity."""
    question = closed()
    threat = threat_to(question)
    best = deleveraging.relieve(question, threat)
    fewer = replace(best, target=0.9 * question.legs.held)
    lost = deleveraging.regret(question, threat, fewer, SLACK)
    assert lost == pytest.approx(2e-4, abs=1e-7)


def test_book_that_is_not_allowed_has_no_regret_but_an_error() -> None:
    """One leg alone: no book near it keeps the coin hedged."""
    question = closed()
    best = programme.allocate(question)
    orphan = replace(best, target=np.array([0.0, 1.0]))
    with pytest.raises(SolveError):
        programme.regret(question, orphan, SLACK)
