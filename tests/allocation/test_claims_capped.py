# SPDX-License-Identifier: Apache-2.0
"""Claims with the profit that a move would bring stay within their room, or as near as may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.allocation.questions import random_question, two_venues
from tidegate.allocation.deleveraging import Threat, relieve
from tidegate.allocation.programme import allocate
from tidegate.allocation.question import Claims, Question

ROUND = 1e-7


def threat(question: Question, **more: object) -> Threat:
    legs, routes = question.legs.held.size, question.edges.source.size
    still = np.ones(legs, dtype=bool), np.zeros(legs), np.zeros(legs)
    return Threat(*still, np.zeros(routes, dtype=bool), 0.002, **more)  # type: ignore[arg-type]


def with_claims(question: Question, outer: float, inner: float) -> Question:
    size = question.legs.held.size
    claims = Claims(np.full(size, outer), np.full(size, inner))
    return replace(question, stakes=replace(question.stakes, claims=claims))


def over(question: Question, answer: object, moves: np.ndarray) -> np.ndarray:
    """By how much each claim is beyond its room after an answer and moves."""
    venues, edges = question.wallets.room.size, question.edges
    sent = answer.transfer  # type: ignore[attr-defined]
    flow = np.bincount(edges.destination, sent, venues) - np.bincount(edges.source, sent, venues)
    gain = np.bincount(question.legs.venue, moves * np.abs(answer.target), venues)  # type: ignore[attr-defined]
    return np.asarray(flow + gain - question.wallets.room)


def test_relief_cuts_both_legs_where_a_claim_is_full_and_no_money_can_leave() -> None:
    """v1 has room for 5 % of profit and the inner move brings 10 %: half must go, and a little."""
    question = two_venues(room=np.array([1.0, 0.05]), withdrawable=np.zeros(2))
    asked = with_claims(question, 0.15, 0.10)
    answer = relieve(asked, threat(asked))
    assert np.abs(answer.target) == pytest.approx([0.05 / 0.11] * 2, abs=1e-4)
    untold = relieve(question, threat(question))
    assert np.abs(untold.target) == pytest.approx([1.0, 1.0])


def test_relief_sends_money_away_and_keeps_positions_where_it_can_leave() -> None:
    question = two_venues(room=np.array([1.0, 0.05]), withdrawable=np.array([0.0, 0.5]))
    asked = with_claims(question, 0.15, 0.10)
    answer = relieve(asked, threat(asked))
    assert np.abs(answer.target) == pytest.approx([1.0, 1.0], abs=1e-6)
    assert answer.transfer[0] >= 0.10 - ROUND


def test_relief_of_a_claim_with_room_at_the_inner_move_cuts_nothing() -> None:
    question = two_venues(room=np.array([1.0, 0.101]), withdrawable=np.zeros(2))
    asked = with_claims(question, 0.15, 0.10)
    assert np.abs(relieve(asked, threat(asked)).target) == pytest.approx([1.0, 1.0])


def test_growth_holds_the_outer_moves_profit_within_the_room() -> None:
    question = two_venues(
        held=np.zeros(2), may_grow=True, room=np.array([1.0, 0.01]), trade_cap=np.full(2, 3.0)
    )
    free, asked = allocate(question), with_claims(question, 0.15, 0.10)
    answer = allocate(asked)
    moves = np.full(2, 0.15)
    assert over(question, free, moves).max() > 0.01
    assert over(question, answer, moves).max() <= ROUND
    assert np.abs(answer.target).max() > 0.3


@given(seed=st.integers(0, 2_000))
def test_growth_from_nothing_never_exceeds_a_watched_room(seed: int) -> None:
    question = random_question(seed)
    legs = replace(question.legs, held=np.zeros(question.legs.held.size))
    stakes = replace(question.stakes, may_grow=True)
    asked = with_claims(replace(question, legs=legs, stakes=stakes), 0.2, 0.1)
    answer = allocate(asked)
    assert over(asked, answer, np.full(legs.held.size, 0.2)).max() <= 1e-6
