# SPDX-License-Identifier: Apache-2.0
"""Tidegate beside one rule: equal average collateral, paired seeds, and each clause in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.trial.made_scores import rows
from tidegate.backtest.experiment import Spec
from tidegate.backtest.honesty.paired import MeanDifference, PairedDifference
from tidegate.backtest.trial.beside import (
    Beside,
    Clauses,
    carry_words,
    liquidation_words,
    loss_words,
    neighbours,
    set_beside,
)
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.summary import by_label

THIN, THICK, FIXED, CASH = (
    Spec("tidegate", 2.5),
    Spec("tidegate", 5.0),
    Spec("fixed", 5.0),
    Spec("cash"),
)
YES, NO = True, False
LINE = {"a": 2.0, "b": 3.0, "c": 4.0}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (1.9, ("a",)),
        (2.0, ("a",)),
        (2.1, ("a", "b")),
        (3.0, ("b",)),
        (3.9, ("b", "c")),
        (4.0, ("c",)),
        (4.1, ("c",)),
    ],
)
def test_neighbours_stand_on_both_sides_or_one_alone(wanted: float, expected: object) -> None:
    assert neighbours(LINE, wanted) == expected
    assert neighbours(dict(reversed(LINE.items())), wanted) == expected


def beside(*scores: Score, label: str = "fixed 5") -> Beside:
    found = set_beside(by_label(scores), label)
    assert found is not None
    return found


def at(spec: Spec, leverage: float, **columns: list[object]) -> list[Score]:
    count = len(next(iter(columns.values())))
    return rows(spec, calm_leverage=[leverage] * count, **columns)


@given(st.floats(0.05, 0.95))
def test_between_two_runs_leverage_is_made_equal_by_drawing(share: float) -> None:
    size = 2.0 + 2.0 * share
    found = beside(
        *at(THIN, 2.0, liquidated=[NO, NO, NO, YES], loss=[0.0, 0.1, 0.0, 0.1]),
        *at(THICK, 4.0, liquidated=[YES, NO, YES, YES], loss=[0.3, 0.1, 0.2, 0.2]),
        *at(FIXED, size, liquidated=[YES] * 4, loss=[0.4] * 4),
    )
    assert found.ours == pytest.approx({"tidegate 2.5": 1 - share, "tidegate 5": share})
    assert found.leverage_ours == pytest.approx(found.leverage_theirs) == pytest.approx(size)
    assert found.more_collateral == 0.0
    assert found.liquidated.ours == pytest.approx(0.25 + 0.5 * share)
    assert found.loss.ours == pytest.approx(0.05 + 0.15 * share)
    assert found.liquidated.p_value is None


def test_rule_above_our_highest_is_met_there_and_the_collateral_is_told() -> None:
    runs = at(THICK, 4.0, liquidated=[NO] * 3) + at(THIN, 2.0, liquidated=[NO] * 3)
    found = beside(*runs, *at(FIXED, 5.0, liquidated=[YES] * 3))
    assert found.ours == {"tidegate 5": 1.0}
    assert (found.leverage_ours, found.leverage_theirs) == (4.0, 5.0)
    # A dollar of positions has 25 cents of ours behind it, and 20 of theirs.
    assert found.more_collateral == pytest.approx(0.25)
    assert found.liquidated.p_value == 0.25


def test_rule_below_our_lowest_is_met_between_it_and_cash_if_that_was_played() -> None:
    runs = at(THICK, 4.0, loss=[0.3] * 2) + at(THIN, 2.0, loss=[0.1] * 2)
    rule = at(FIXED, 1.5, loss=[0.1] * 2)
    found = beside(*runs, *rule, *at(CASH, 0.0, loss=[0.02] * 2))
    assert found.ours == pytest.approx({"cash": 0.25, "tidegate 2.5": 0.75})
    assert (found.leverage_ours, found.more_collateral) == (pytest.approx(1.5), 0.0)
    assert found.loss.ours == pytest.approx(0.08)
    bare = beside(*runs, *rule)
    assert bare.ours == {"tidegate 2.5": 1.0}
    assert bare.more_collateral == pytest.approx(-0.25)


def test_cash_is_not_drawn_where_our_own_runs_reach() -> None:
    found = beside(
        *at(THIN, 2.0, loss=[0.0] * 2),
        *at(FIXED, 2.0, loss=[0.0] * 2),
        *at(CASH, 0.0, loss=[0.0] * 2),
    )
    assert found.ours == {"tidegate 2.5": 1.0}


def test_averages_are_over_the_contests_in_which_the_rule_could_open() -> None:
    ours = rows(
        THICK,
        calm_leverage=[4.0, 9.0, 2.0],
        liquidated=[NO, YES, NO],
        loss=[0.1, 0.9, 0.3],
        calm_carry=[0.1, 0.5, 0.3],
    )
    theirs = rows(
        FIXED,
        refused=[NO, YES, NO],
        calm_leverage=[3.0, 0.0, 3.0],
        liquidated=[YES, NO, NO],
        loss=[0.5, 0.0, 0.7],
    )
    found = beside(*ours, *theirs)
    assert found.contests == 2
    assert (found.leverage_ours, found.leverage_theirs) == (3.0, 3.0)
    assert (found.liquidated.ours, found.liquidated.theirs) == (0.0, 0.5)
    assert (found.loss.ours, found.loss.theirs) == pytest.approx((0.2, 0.6))
    assert found.carry_ours == pytest.approx(0.2)


def test_pair_at_one_run_is_compared_seed_by_seed() -> None:
    ours = at(
        THICK,
        4.0,
        liquidated=[NO, NO, NO, YES],
        loss=[0.0, 0.1, 0.0, 0.3],
        calm_carry=[0.01, 0.02, 0.03, 0.04],
    )
    theirs = at(
        FIXED,
        4.0,
        liquidated=[YES, YES, NO, YES],
        calm_liquidated=[YES, NO, NO, NO],
        loss=[0.4, 0.1, 0.1, 0.6],
        calm_carry=[-0.2, 0.02, 0.03, 0.07],
    )
    found = beside(*ours, *theirs)
    assert (found.liquidated.ours, found.liquidated.theirs) == (0.25, 0.75)
    # Two seeds differ and both speak for us: twice the chance of that by a fair coin.
    assert found.liquidated.p_value == 0.5
    assert found.liquidated.low < -0.5 < 0 < found.liquidated.high
    assert (found.loss.ours, found.loss.theirs) == pytest.approx((0.1, 0.3))
    assert (found.carry_ours, found.carry_theirs) == pytest.approx((0.025, -0.02))
    assert found.carry_theirs_alive == pytest.approx(0.04)
    assert found.clauses == Clauses("not shown", "lower", "kept")
    assert found.clauses.broken == ("liquidation not shown",)
    assert not found.holds
    assert beside(*theirs[::-1], *ours) == found


def test_carry_of_the_living_is_none_where_all_died_in_calm() -> None:
    dead = at(FIXED, 4.0, calm_liquidated=[YES, YES])
    assert beside(*dead, *at(THICK, 4.0, loss=[0.0, 0.0])).carry_theirs_alive is None


def test_carry_is_asked_beside_fixed_alone() -> None:
    ours = at(THICK, 4.0, calm_carry=[0.0, 0.0])
    rule = at(Spec("threshold", 5.0), 4.0, calm_carry=[0.1, 0.1])
    assert beside(*ours, *rule, label="threshold 5").clauses.carry == "not asked"
    assert beside(*ours, *at(FIXED, 4.0, calm_carry=[0.1, 0.1])).clauses.carry == "not kept"


def test_rule_that_opened_once_or_without_a_whole_tidegate_is_not_compared() -> None:
    once = by_label([*rows(FIXED, refused=[NO, YES, YES]), *rows(THICK, loss=[0.0] * 3)])
    assert set_beside(once, "fixed 5") is None
    parts = rows(Spec("tidegate", 5.0, ("cadence",)), loss=[0.0] * 3)
    alone = [*rows(FIXED, loss=[0.0] * 3), *parts, *rows(CASH, loss=[0.0] * 3)]
    assert set_beside(by_label(alone), "fixed 5") is None


@pytest.mark.parametrize(
    ("ours", "theirs", "high", "words"),
    [
        (0.0, 0.05, -1e-9, "lower"),
        (0.0, 0.05, 0.0, "not shown"),
        (0.04, 0.5, 0.01, "not shown"),
        (0.6, 0.5, 0.2, "not shown"),
        (0.049, 0.049, 0.02, "no higher"),
        (0.01, 0.049, -0.001, "no higher"),
        (0.03, 0.02, 0.05, "higher"),
    ],
)
def test_liquidation_is_lower_beyond_doubt_or_where_theirs_is_rare_no_higher(
    ours: float, theirs: float, high: float, words: str
) -> None:
    difference = ours - theirs
    found = PairedDifference(ours, theirs, difference, difference - 0.1, high, None)
    assert liquidation_words(found) == words


@pytest.mark.parametrize(
    ("difference", "high", "words", "held"),
    [
        (-0.1, -1e-9, "lower", True),
        (-0.1, 0.0, "lower, not beyond doubt", True),
        (0.0, 0.1, "equal", False),
        (0.1, 0.2, "higher", False),
    ],
)
def test_mean_loss_is_lower_with_doubt_or_without(
    difference: float, high: float, words: str, held: bool
) -> None:
    found = MeanDifference(0.5 + difference, 0.5, difference, difference - 1, high, -1.0, 1.0)
    assert loss_words(found, common=True) == words
    assert Clauses("lower", words, "kept").broken == (() if held else (f"loss {words}",))


@pytest.mark.parametrize(
    ("low", "common", "words"),
    [
        (-0.1, False, "higher, not beyond doubt"),
        (0.0, False, "higher, not beyond doubt"),
        (1e-9, False, "higher"),
        (-0.1, True, "higher"),
    ],
)
def test_mean_loss_beside_a_rule_that_is_rarely_liquidated_may_be_higher_within_doubt(
    low: float, common: bool, words: str
) -> None:
    found = MeanDifference(0.6, 0.5, 0.1, low, 0.3, -1.0, 1.0)
    assert loss_words(found, common=common) == words
    held = words == "higher, not beyond doubt"
    assert Clauses("no higher", words, "kept").broken == (() if held else (f"loss {words}",))


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (0.71, 1.0, "kept"),
        (0.69, 1.0, "not kept"),
        (0.0, 0.0, "kept"),
        (-0.9, -1.0, "kept"),
        (-1.1, -1.0, "not kept"),
    ],
)
def test_carry_is_kept_from_seventy_per_cent_on_and_of_a_negative_one_all(
    ours: float, theirs: float, words: str
) -> None:
    assert carry_words(ours, theirs) == words


def test_more_seeds_of_the_same_shares_leave_less_doubt_between_runs() -> None:
    widths = []
    for times in (1, 16):
        found = beside(
            *at(THIN, 2.0, liquidated=[NO, NO, NO, YES] * times),
            *at(THICK, 4.0, liquidated=[YES, NO, NO, YES] * times),
            *at(FIXED, 3.0, liquidated=[YES, YES, YES, NO] * times),
        )
        widths.append(found.liquidated.high - found.liquidated.low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)
    assert np.isfinite(widths).all()
