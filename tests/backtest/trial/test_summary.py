# SPDX-License-Identifier: Apache-2.0
"""Figures of a study against those worked out by hand from a few scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.trial.made_scores import rows, scored
from tidegate.backtest.experiment import Spec
from tidegate.backtest.honesty.paired import PairedDifference
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.summary import (
    Beside,
    Line,
    Summary,
    line_of,
    partner_of,
    shares_of,
    summarise,
    verdict_of,
)
from tidegate.backtest.variants import PARTS
from tidegate.model.errors import InputError

OURS, FIXED, DESK = Spec("tidegate", 5.0), Spec("fixed", 5.0), Spec("desk")
YES, NO = True, False
SHARES = st.floats(0.0, 1.0)


def line(**columns: Sequence[object]) -> Line:
    return line_of("fixed 5", rows(FIXED, **columns))


@given(st.lists(st.tuples(SHARES, SHARES, st.booleans()), min_size=1, max_size=30), st.randoms())
def test_line_of_rows_in_any_order_is_the_same(
    drawn: list[tuple[float, float, bool]], random: Random
) -> None:
    loss, carry, liquidated = zip(*drawn, strict=True)
    one = rows(FIXED, loss=loss, calm_carry=carry, liquidated=liquidated)
    other = list(one)
    random.shuffle(other)
    first, second = line_of("", one), line_of("", other)
    assert second.liquidated_interval == first.liquidated_interval
    for name in ("loss", "calm_carry", "liquidated", "shortfall"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), abs=1e-12)


@given(st.lists(SHARES, min_size=1, max_size=60))
def test_shortfall_lies_between_the_mean_and_the_worst_loss(losses: list[float]) -> None:
    found = line(loss=losses)
    assert found.loss == pytest.approx(math.fsum(losses) / len(losses), abs=1e-12)
    assert found.loss - 1e-12 <= found.shortfall <= max(losses) + 1e-12


def test_line_has_the_mean_of_every_figure() -> None:
    found = line(
        refused=[NO, NO, NO, YES],
        liquidated=[YES, YES, YES, NO],
        calm_liquidated=[YES, NO, YES, NO],
        calm_carry=[0.01, -0.02, 0.03, 0.0],
        opening_cost=[0.001, 0.001, 0.002, 0.0],
        crisis_return=[-0.5, -0.1, 0.2, 0.0],
        loss=[0.5, 0.1, 0.0, 0.0],
        collateral=[0.9, 0.8, 0.7, 0.0],
        calm_leverage=[5.0, 4.0, 3.0, 0.0],
        left=[0.0, 0.5, 1.0, None],
        transfers=[3, 0, 1, 0],
        turnover=[10.0, 20.0, 12.0, 0.0],
    )
    expected = {
        "refused": 0.25, "liquidated": 0.75, "calm_liquidated": 0.5, "calm_carry": 0.005,
        "opening_cost": 0.001, "crisis_return": -0.1, "loss": 0.15, "collateral": 0.6,
        "calm_leverage": 3.0, "left": 0.5, "transfers": 1.0, "turnover": 10.5, "shortfall": 0.5,
    }  # fmt: skip
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)
    assert (found.label, found.contests) == ("fixed 5", 4)
    named = {*expected, "label", "contests", "liquidated_interval"}
    assert named == set(Line.__struct_fields__)


def test_shortfall_of_forty_losses_is_the_mean_of_the_worst_two() -> None:
    losses = [k / 100 for k in (7, *range(7), *range(8, 40))]
    assert len(losses) == 40
    assert line(loss=losses).shortfall == pytest.approx((0.39 + 0.38) / 2)


def test_liquidation_of_one_in_29_has_the_published_interval() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    low, high = line(liquidated=[YES] + [NO] * 28).liquidated_interval
    assert (round(low, 4), round(high, 4)) == (0.0061, 0.1718)


def test_left_is_the_mean_of_who_held_something_and_none_where_nobody_did() -> None:
    assert line(left=[None, 0.25, None, 0.75]).left == 0.5
    assert line(left=[None, None]).left is None


def test_left_that_is_not_a_number_is_not_averaged_away() -> None:
    left = line(left=[0.5, math.nan, None]).left
    assert left is not None
    assert math.isnan(left)


def test_loss_that_is_not_a_number_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"losses: expected finite numbers, got nan at index 1$"):
        line(loss=[0.1, math.nan])


def policies(*specs: Spec) -> dict[str, list[Score]]:
    return {spec.label: [scored(spec, 0)] for spec in specs}


SIZES = policies(
    Spec("tidegate", 2.5),
    Spec("tidegate", 5.0),
    Spec("tidegate", 4.0),
    Spec("tidegate", 8.0, ("buffers",)),
    Spec("fixed", 3.0),
)


@pytest.mark.parametrize(
    ("rule", "partner"),
    [
        (Spec("fixed", 4.0), "tidegate 4"),
        (Spec("threshold", 5.0), "tidegate 5"),
        (Spec("fixed", 50.0), "tidegate 5"),
        (Spec("fixed", 3.0), None),
        (Spec("fixed", 1.6667), None),
        (DESK, None),
    ],
    ids=lambda value: getattr(value, "label", value),
)
def test_partner_stands_at_the_rules_leverage_or_at_our_highest_whole_one(
    rule: Spec, partner: str | None
) -> None:
    assert partner_of(SIZES, scored(rule, 0)) == partner


def test_rule_has_no_partner_where_tidegate_is_not_run_whole() -> None:
    others = policies(Spec("fixed", 5.0), Spec("tidegate", 5.0, ("cadence",)))
    assert partner_of(others, scored(FIXED, 0)) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "high", "verdict"),
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
def test_verdict_is_lower_beyond_doubt_or_where_theirs_is_rare_no_higher(
    ours: float, theirs: float, high: float, verdict: str
) -> None:
    difference = ours - theirs
    found = PairedDifference(ours, theirs, difference, difference - 0.1, high, 1.0)
    assert verdict_of(found) == verdict


def beside(theirs: list[Score], ours: list[Score]) -> Beside:
    (found,) = summarise([*theirs, *ours]).beside
    return found


def test_pair_is_compared_seed_by_seed() -> None:
    ours = rows(
        OURS,
        liquidated=[NO, NO, NO, YES],
        loss=[0.0, 0.1, 0.0, 0.3],
        calm_carry=[0.01, 0.02, 0.03, 0.04],
    )
    theirs = rows(
        FIXED,
        liquidated=[YES, YES, NO, YES],
        calm_liquidated=[YES, NO, NO, NO],
        loss=[0.4, 0.1, 0.1, 0.6],
        calm_carry=[-0.2, 0.02, 0.03, 0.07],
    )
    found = beside(theirs, ours)
    assert (found.ours, found.theirs, found.contests) == ("tidegate 5", "fixed 5", 4)
    assert (found.liquidated.ours, found.liquidated.theirs) == (0.25, 0.75)
    assert found.liquidated.difference == -0.5
    # Two seeds differ and both speak for us: twice the chance of that by a fair coin.
    assert found.liquidated.p_value == 0.5
    assert found.liquidated.low < -0.5 < 0 < found.liquidated.high
    assert found.verdict == "not shown"
    assert (found.loss.ours, found.loss.theirs) == pytest.approx((0.1, 0.3))
    assert found.loss.difference == pytest.approx(-0.2)
    assert (found.carry_ours, found.carry_theirs) == pytest.approx((0.025, -0.02))
    assert found.carry_theirs_alive == pytest.approx(0.04)


def test_seeds_are_paired_whatever_the_order_of_scores() -> None:
    ours = rows(OURS, liquidated=[NO, YES, NO], loss=[0.1, 0.2, 0.0])
    theirs = rows(FIXED, liquidated=[NO, YES, YES], loss=[0.2, 0.4, 0.6])
    assert beside(theirs[::-1], ours) == beside(theirs, ours)


def test_carry_of_the_living_is_none_where_all_died_in_calm() -> None:
    dead = rows(FIXED, calm_liquidated=[YES, YES])
    assert beside(dead, rows(OURS, loss=[0.0, 0.0])).carry_theirs_alive is None


def test_contest_in_which_the_rule_could_not_open_is_left_out_of_the_pair() -> None:
    ours = rows(OURS, liquidated=[NO, YES, NO], loss=[0.1, 0.9, 0.3], calm_carry=[0.1, 0.5, 0.3])
    theirs = rows(FIXED, refused=[NO, YES, NO], liquidated=[YES, NO, NO], loss=[0.5, 0.0, 0.7])
    found = beside(theirs, ours)
    assert found.contests == 2
    assert (found.liquidated.ours, found.liquidated.theirs) == (0.0, 0.5)
    assert (found.loss.ours, found.loss.theirs) == pytest.approx((0.2, 0.6))
    assert found.carry_ours == pytest.approx(0.2)


def test_rule_that_opened_in_fewer_than_two_contests_is_not_compared() -> None:
    theirs = rows(FIXED, refused=[NO, YES, YES])
    found = summarise([*theirs, *rows(OURS, loss=[0.0] * 3)])
    assert found.beside == ()
    assert {one.label for one in found.lines} == {"fixed 5", "tidegate 5"}


def test_only_rules_are_compared() -> None:
    specs = [OURS, FIXED, DESK, Spec("cash"), Spec("threshold", 8.0), Spec("per-venue", 5.0)]
    specs += [Spec("foresight", 5.0), Spec("tidegate", 5.0, ("buffers",))]
    found = summarise([score for spec in specs for score in rows(spec, loss=[0.0, 0.1])])
    assert [b.theirs for b in found.beside] == ["fixed 5", "threshold 8", "per-venue 5"]
    assert [one.label for one in found.lines] == [spec.label for spec in specs]


def test_summary_says_which_contests_it_is_of() -> None:
    found = summarise([scored(FIXED, seed, world="second") for seed in (9, 7, 8)])
    assert (found.world, found.first_seed, found.contests) == ("second", 7, 3)


def other_world() -> list[Score]:
    return [scored(spec, seed, world="second") for spec in (FIXED, OURS) for seed in (0, 1)]


@pytest.mark.parametrize(
    "scores",
    [
        [],
        [*rows(FIXED, loss=[0.1, 0.2]), *rows(OURS, loss=[0.1])],
        [scored(FIXED, 1), scored(OURS, 2)],
        [scored(FIXED, 1), scored(OURS, 1), scored(OURS, 1)],
        [*rows(FIXED, loss=[0.1, 0.2]), *rows(OURS, loss=[0.1, 0.2]), *other_world()],
    ],
    ids=["none", "one fewer", "other seed", "twice", "two worlds"],
)
def test_policies_on_different_contests_are_refused_in_one_line(scores: list[Score]) -> None:
    with pytest.raises(InputError, match="study: scores: expected every policy on the same seeds"):
        summarise(scores)


def sized(spec: Spec, leverage: float, shortfall: float) -> list[Score]:
    return rows(spec, calm_leverage=[leverage] * 2, loss=[shortfall] * 2)


def desk_of(ours: dict[float, tuple[float, float]]) -> Summary:
    """The desk at leverage 2 with a shortfall of 3 %, beside Tidegate at others."""
    scores = sized(DESK, 2.0, 0.03)
    for limit, (leverage, shortfall) in ours.items():
        scores += sized(Spec("tidegate", limit), leverage, shortfall)
    return summarise(scores)


@pytest.mark.parametrize(
    ("ours", "leverage", "saved"),
    [
        # A quarter of the way from 2 to 4; a book of 2.5 needs a fifth less than one of 2.
        ({2.5: (2.0, 0.02), 5.0: (4.0, 0.06)}, 2.5, 0.2),
        ({5.0: (4.0, 0.06), 2.5: (2.0, 0.02)}, 2.5, 0.2),
        # Reached on the way up and again on the way down: the higher leverage counts.
        ({2.5: (2.0, 0.02), 4.0: (3.0, 0.04), 12.5: (4.0, 0.02)}, 3.5, 1 - 2 / 3.5),
        ({2.5: (1.0, 0.03), 5.0: (1.6, 0.05)}, 1.0, -1.0),
        ({2.5: (2.0, 0.03), 5.0: (4.0, 0.03)}, 4.0, 0.5),
        ({2.5: (2.0, 0.04), 5.0: (4.0, 0.06)}, None, None),
        ({2.5: (2.0, 0.01), 5.0: (4.0, 0.02)}, None, None),
        ({5.0: (4.0, 0.03)}, None, None),
        ({2.5: (0.0, 0.03), 5.0: (0.0, 0.03)}, 0.0, None),
    ],
    ids=["between", "unordered", "twice", "dearer", "flat", "above", "below", "single", "unopened"],
)
def test_desk_is_met_at_equal_shortfall_between_our_sizes_and_never_beyond(
    ours: dict[float, tuple[float, float]], leverage: float | None, saved: float | None
) -> None:
    found = desk_of(ours).desk
    assert (found["desk_leverage"], found["desk_shortfall"]) == pytest.approx((2.0, 0.03))
    assert found["leverage_at_equal_shortfall"] == (leverage and pytest.approx(leverage))
    assert found["collateral_saved"] == (saved and pytest.approx(saved))


def test_study_without_a_desk_or_without_tidegate_says_nothing_of_the_desk() -> None:
    assert desk_of({}).desk == {}
    assert summarise(sized(OURS, 2.0, 0.1)).desk == {}


def test_shares_are_what_each_part_takes_off_the_loss() -> None:
    worth = {"buffers": 0.1, "transfers": 0.02, "reductions": 0.3, "cadence": 0.0}
    subsets = [subset for size in range(5) for subset in combinations(PARTS, size)]
    weather = [0.0, 0.2, 0.1]
    scores = [
        scored(Spec("tidegate", 5.0, off), seed, loss=bad + sum(worth[part] for part in off))
        for off in subsets
        for seed, bad in enumerate(weather)
    ]
    found = shares_of(scores, "loss")
    assert {part: share.share for part, share in found.items()} == pytest.approx(
        {part: -value for part, value in worth.items()}, abs=1e-12
    )
    # A loss common to all subsets of a seed cancels, so nothing is left to vary.
    assert all(s.high - s.low == pytest.approx(0.0, abs=1e-12) for s in found.values())


def test_shares_without_a_subset_are_refused() -> None:
    scores = rows(Spec("tidegate", 5.0), loss=[0.1, 0.2])
    with pytest.raises(InputError, match="expected outcomes for this set of factors"):
        shares_of(scores, "loss")
