# SPDX-License-Identifier: Apache-2.0
"""The venues' order of winners: more profit and more leverage stand further in front."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.margin.adl import RANKINGS, rank_score
from tidegate.model.errors import InputError

rankings = st.sampled_from(sorted(RANKINGS))
sides = st.sampled_from([1.0, -1.0])
prices = st.floats(0.01, 1e5)
moves = st.floats(0.2, 5.0)
leverages = st.floats(0.1, 200.0)
steps = st.floats(1.001, 10.0)


def score(ranking: str, side: float, entry: float, mark: float, leverage: float) -> float:
    return float(rank_score(ranking, side, entry, mark, leverage))


@given(rankings, sides, prices, moves, leverages, steps)
def test_more_profit_stands_further_in_front(
    ranking: str, side: float, entry: float, move: float, leverage: float, step: float
) -> None:
    further = move * step**side
    less, more = (score(ranking, side, entry, entry * m, leverage) for m in (move, further))
    assert less < more


@given(rankings, sides, prices, moves, leverages, steps)
def test_more_leverage_stands_further_in_front(
    ranking: str, side: float, entry: float, move: float, leverage: float, step: float
) -> None:
    marks = (entry * move, leverage), (entry * move, leverage * step)
    less, more = (score(ranking, side, entry, mark, lever) for mark, lever in marks)
    assert less < more or (ranking == "profit_leverage" and move == 1.0 and less == more)


@given(sides, prices, moves, leverages, leverages)
def test_every_winner_stands_before_every_loser_where_profit_ranks(
    side: float, entry: float, move: float, leverage: float, other: float
) -> None:
    above = score("profit_leverage", side, entry, entry * max(move, 1 / move) ** side, leverage)
    below = score("profit_leverage", side, entry, entry * min(move, 1 / move) ** side, other)
    assert below <= 0.0 <= above


@given(rankings, sides, prices, moves, leverages, prices)
def test_unit_of_the_price_does_not_matter(
    ranking: str, side: float, entry: float, move: float, leverage: float, unit: float
) -> None:
    here = score(ranking, side, entry, entry * move, leverage)
    there = score(ranking, side, entry * unit, entry * unit * move, leverage)
    assert there == pytest.approx(here, rel=1e-9, abs=1e-9)


@given(rankings, sides, st.lists(st.tuples(prices, moves, leverages), min_size=1, max_size=8))
def test_arrays_score_as_their_elements(
    ranking: str, side: float, rows: list[tuple[float, float, float]]
) -> None:
    entry, move, leverage = np.array(rows).T
    together = rank_score(ranking, side, entry, entry * move, leverage)
    alone = [score(ranking, side, e, e * m, lever) for e, m, lever in rows]
    assert together == pytest.approx(alone, rel=1e-12)


def test_rank_scores_by_hand() -> None:
    # A short from 100 at 80 with leverage 5: profit 20 % * 5; ratio of entry to mark 1.25 * 5.
    assert rank_score("profit_leverage", -1.0, 100.0, 80.0, 5.0) == pytest.approx(1.0)
    assert rank_score("price_leverage", -1.0, 100.0, 80.0, 5.0) == pytest.approx(6.25)
    # A long that lost 20 % stands behind every winner, and further behind with less leverage.
    assert rank_score("profit_leverage", 1.0, 100.0, 80.0, 5.0) == pytest.approx(-0.04)
    assert rank_score("price_leverage", 1.0, 100.0, 80.0, 5.0) == pytest.approx(4.0)


def test_unknown_ranking_is_refused_and_named() -> None:
    with pytest.raises(InputError, match=r"adl: ranking: expected one of .*, got 'size'"):
        rank_score("size", 1.0, 100.0, 80.0, 5.0)
