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

from tests.backtest.trial.made_scores import ORIGIN, rows, scored
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial.score import Score
from tidegate.backtest.trial.summary import (
    Line,
    Summary,
    line_of,
    shares_of,
    summarise,
)
from tidegate.backtest.variants import PARTS
from tidegate.model.errors import InputError, InvariantError

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
        refused=[NO, NO, NO, NO],
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
        "refused": 0.0, "liquidated": 0.75, "calm_liquidated": 0.5, "calm_carry": 0.005,
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


def test_line_is_of_the_contests_in_which_the_policy_could_open() -> None:
    columns = {"liquidated": [YES, NO, NO, NO], "loss": [0.4, 0.0, 0.2, 0.0]}
    found = line(refused=[NO, YES, NO, YES], calm_leverage=[5.0, 0.0, 3.0, 0.0], **columns)
    assert (found.contests, found.refused) == (4, 0.5)
    assert (found.liquidated, found.loss, found.calm_leverage) == pytest.approx((0.5, 0.3, 4.0))
    assert found.liquidated_interval == line(liquidated=[YES, NO]).liquidated_interval


def test_policy_that_never_opened_has_no_figures_and_is_named() -> None:
    found = summarise([*rows(FIXED, refused=[YES, YES]), *rows(DESK, loss=[0.1, 0.1])], ORIGIN)
    assert [one.label for one in found.lines] == ["desk"]
    assert found.never_opened == ("fixed 5",)
    with pytest.raises(InvariantError, match="fixed 5 never opened"):
        line(refused=[YES, YES])


def study(liquidated: Sequence[bool], loss: Sequence[float]) -> list[Score]:
    """Tidegate of these fates beside `fixed` that mostly dies, at one leverage."""
    count = len(liquidated)
    lever = {"calm_leverage": [4.0] * count}
    ours = rows(OURS, liquidated=liquidated, loss=loss, calm_carry=[0.03] * count, **lever)
    dead = {"liquidated": [YES] * count, "loss": [0.2] * count}
    return [*ours, *rows(FIXED, **dead, calm_carry=[0.02] * count, **lever)]


def test_gate_holds_where_no_clause_is_broken_beside_any_rule() -> None:
    found = summarise(study([NO] * 20, [0.1] * 20), ORIGIN)
    assert (found.holds, found.broken) == (True, ())
    assert [pair.holds for pair in found.beside] == [True]


def test_gate_names_each_clause_that_is_broken() -> None:
    found = summarise(study([YES] * 20, [0.3] * 20), ORIGIN)
    assert not found.holds
    assert found.broken == ("fixed 5: liquidation not shown", "fixed 5: loss higher")


def test_gate_does_not_hold_where_nothing_was_compared() -> None:
    found = summarise(rows(OURS, loss=[0.0, 0.0]), ORIGIN)
    assert (found.beside, found.broken, found.holds) == ((), (), False)


def test_desk_is_reported_beside_tidegate_and_never_judged() -> None:
    worse = rows(OURS, liquidated=[YES] * 20, loss=[0.3] * 20, calm_leverage=[3.0] * 20)
    better = rows(DESK, loss=[0.0] * 20, calm_leverage=[3.0] * 20)
    good = study([NO] * 20, [0.1] * 20)[20:]
    found = summarise([*worse, *better], ORIGIN)
    assert found.beside_desk is not None
    assert found.beside_desk.clauses.broken == ("liquidation higher", "loss higher")
    assert (found.beside, found.broken) == ((), ())
    judged = summarise([*study([NO] * 20, [0.1] * 20)[:20], *good, *better], ORIGIN)
    assert judged.holds
    assert judged.beside_desk is not None
    assert not judged.beside_desk.holds


def test_only_rules_are_compared() -> None:
    specs = [OURS, FIXED, DESK, Spec("cash"), Spec("threshold", 8.0), Spec("per-venue", 5.0)]
    specs += [Spec("foresight", 5.0), Spec("tidegate", 5.0, ("buffers",))]
    scores = [score for spec in specs for score in rows(spec, loss=[0.0, 0.1])]
    found = summarise(scores, ORIGIN)
    assert [b.theirs for b in found.beside] == ["fixed 5", "threshold 8", "per-venue 5"]
    assert [one.label for one in found.lines] == [spec.label for spec in specs]
    assert found.beside_desk is not None
    assert found.beside_desk.theirs == "desk"


def test_summary_says_which_contests_it_is_of() -> None:
    found = summarise([scored(FIXED, seed, world="second") for seed in (9, 7, 8)], ORIGIN)
    assert (found.origin, found.first_seed, found.contests) == (ORIGIN, 7, 3)


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
        summarise(scores, ORIGIN)


def sized(spec: Spec, leverage: float, shortfall: float) -> list[Score]:
    return rows(spec, calm_leverage=[leverage] * 2, loss=[shortfall] * 2)


def desk_of(ours: dict[float, tuple[float, float]]) -> Summary:
    """The desk at leverage 2 with a shortfall of 3 %, beside Tidegate at others."""
    scores = sized(DESK, 2.0, 0.03)
    for limit, (leverage, shortfall) in ours.items():
        scores += sized(Spec("tidegate", limit), leverage, shortfall)
    return summarise(scores, ORIGIN)


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
    assert summarise(sized(OURS, 2.0, 0.1), ORIGIN).desk == {}


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


@pytest.mark.parametrize(
    "strange",
    [
        [scored(OURS, 2), scored(Spec("tidegate", 5.0, ("buffers",)), 1)],
        [scored(OURS, 1), scored(OURS, 1)],
        [scored(OURS, 1), scored(OURS, 2, world="second")],
    ],
    ids=["other seed", "twice", "two worlds"],
)
def test_shares_of_different_contests_are_refused_in_one_line(strange: list[Score]) -> None:
    with pytest.raises(InputError, match="study: scores: expected every policy on the same seeds"):
        shares_of(strange, "loss")


def test_shares_without_a_subset_are_refused() -> None:
    scores = rows(Spec("tidegate", 5.0), loss=[0.1, 0.2])
    with pytest.raises(InputError, match="expected outcomes for this set of factors"):
        shares_of(scores, "loss")
