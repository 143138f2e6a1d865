# SPDX-License-Identifier: Apache-2.0
"""Envelopes against every blend of two policies, and tails against their variational form."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.backtest.honesty.frontier import (
    FrontierGap,
    FrontierPoint,
    envelope,
    expected_shortfall,
    frontier_gap,
)
from tidegate.backtest.honesty.samples import FloatArray
from tidegate.model.errors import InputError

eighths = st.integers(-40, 40).map(lambda number: number / 8)
points = st.builds(FrontierPoint, st.just("rule"), eighths, eighths)
families = st.lists(points, min_size=1, max_size=8)
samples = st.lists(eighths, min_size=1, max_size=20).map(lambda v: np.array(v, dtype=np.float64))
tails = st.one_of(st.just(0.0), st.floats(0.0, 0.999))


def blend(at: float, left: tuple[float, float], right: tuple[float, float]) -> float:
    share = (at - left[0]) / (right[0] - left[0])
    return left[1] + share * (right[1] - left[1])


def most_carry(family: list[FrontierPoint], loss: float) -> float | None:
    """The most carry of any rule or blend of two that loses exactly so much or less."""
    if not min(p.loss for p in family) <= loss <= max(p.loss for p in family):
        return None
    best = [p.carry for p in family if p.loss <= loss]
    for a, b in product(family, repeat=2):
        if a.loss <= loss < b.loss:
            best.append(blend(loss, (a.loss, a.carry), (b.loss, b.carry)))
    return max(best)


def least_loss(family: list[FrontierPoint], carry: float) -> float | None:
    """The least loss of any rule or blend of two that keeps exactly so much carry or more."""
    if not min(p.carry for p in family) <= carry <= max(p.carry for p in family):
        return None
    best = [p.loss for p in family if p.carry >= carry]
    for a, b in product(family, repeat=2):
        if a.carry < carry <= b.carry:
            best.append(blend(carry, (a.carry, a.loss), (b.carry, b.loss)))
    return min(best)


@given(families, points)
def test_gap_is_that_to_the_best_of_all_rules_and_blends(
    family: list[FrontierPoint], point: FrontierPoint
) -> None:
    gap = frontier_gap(family, point)
    carry, loss = most_carry(family, point.loss), least_loss(family, point.carry)
    more = None if carry is None else pytest.approx(point.carry - carry, abs=1e-9)
    less = None if loss is None else pytest.approx(loss - point.loss, abs=1e-9)
    assert (gap.more_carry, gap.less_loss) == (more, less)


@given(families)
def test_envelope_rises_ever_less_steeply_and_is_of_the_family(
    family: list[FrontierPoint],
) -> None:
    hull = envelope(family)
    slopes = [(b.carry - a.carry) / (b.loss - a.loss) for a, b in pairwise(hull)]
    assert all(one in family for one in hull)
    assert all(slope > 0 for slope in slopes)
    assert all(later < sooner for sooner, later in pairwise(slopes))


@given(families, st.randoms(use_true_random=False))
def test_no_member_of_a_family_beats_it_and_order_does_not_matter(
    family: list[FrontierPoint], random: Random
) -> None:
    shuffled = list(family)
    random.shuffle(shuffled)
    assert envelope(shuffled) == envelope(family)
    for member in family:
        gap = frontier_gap(shuffled, member)
        assert gap.more_carry is not None
        assert gap.less_loss is not None
        assert gap.more_carry <= 1e-9
        assert gap.less_loss <= 1e-9


RULES = [
    FrontierPoint("timid", 1.0, 2.0),
    FrontierPoint("bold", 3.0, 6.0),
    FrontierPoint("inside", 2.0, 3.0),
    FrontierPoint("reckless", 9.0, 5.0),
]


def test_gap_of_a_point_above_the_line_of_two_rules_is_read_off_in_both_directions() -> None:
    assert [point.label for point in envelope(RULES)] == ["timid", "bold"]
    assert frontier_gap(RULES, FrontierPoint("ours", 2.0, 5.0)) == FrontierGap(1.0, 0.5)


def test_rule_on_the_line_between_two_others_is_no_corner_of_the_envelope() -> None:
    middle = FrontierPoint("middle", 2.0, 4.0)
    assert [point.label for point in envelope([*RULES, middle])] == ["timid", "bold"]


def test_rule_that_loses_more_for_less_carry_does_not_lower_the_frontier() -> None:
    assert frontier_gap(RULES, FrontierPoint("ours", 6.0, 5.5)) == FrontierGap(-0.5, -3.25)


@pytest.mark.parametrize(
    ("loss", "carry", "gap"),
    [
        (0.5, 4.0, FrontierGap(None, 1.5)),
        (9.5, 4.0, FrontierGap(None, -7.5)),
        (2.0, 6.5, FrontierGap(2.5, None)),
        (2.0, 1.5, FrontierGap(-2.5, None)),
        (0.5, 6.5, FrontierGap(None, None)),
    ],
)
def test_gap_outside_of_the_range_of_the_family_is_unknown(
    loss: float, carry: float, gap: FrontierGap
) -> None:
    assert frontier_gap(RULES, FrontierPoint("ours", loss, carry)) == gap


def test_family_without_points_or_with_an_unknown_number_is_refused() -> None:
    with pytest.raises(InputError, match=r"^frontier: family: expected at least one point$"):
        frontier_gap([], RULES[0])
    unknown = FrontierPoint("lost", float("nan"), 1.0)
    message = "^frontier: lost: expected a finite loss, got nan$"
    with pytest.raises(InputError, match=message):
        frontier_gap([*RULES, unknown], RULES[0])
    with pytest.raises(InputError, match=message):
        frontier_gap(RULES, unknown)


@given(samples, tails)
def test_expected_shortfall_is_the_least_of_its_variational_form(
    losses: FloatArray, level: float
) -> None:
    # Rockafellar and Uryasev (2000): min over c of c + E max(L - c, 0) / (1 - level).
    above = np.maximum(losses - losses[:, None], 0.0).mean(axis=1)
    expected = float(np.min(losses + above / (1.0 - level)))
    assert expected_shortfall(losses, level) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(eighths, eighths), min_size=1, max_size=20), tails)
def test_expected_shortfall_of_a_sum_is_at_most_the_sum_of_both(
    rows: list[tuple[float, float]], level: float
) -> None:
    a, b = np.array(rows, dtype=np.float64).T
    apart = expected_shortfall(a, level) + expected_shortfall(b, level)
    assert expected_shortfall(a + b, level) <= apart + 1e-9


@given(samples, st.floats(0.0, 0.99), st.floats(0.0, 0.99))
def test_expected_shortfall_rises_with_the_level_from_the_mean_to_the_worst(
    losses: FloatArray, one: float, other: float
) -> None:
    low, high = (expected_shortfall(losses, level) for level in sorted((one, other)))
    assert losses.mean() - 1e-9 <= low <= high + 1e-9
    assert high <= losses.max() + 1e-9


def test_last_loss_of_the_tail_counts_by_its_fraction() -> None:
    # The worst 2.5 of ten: (10 + 9 + 8 / 2) / 2.5.
    assert expected_shortfall(np.arange(1.0, 11.0), 0.75) == pytest.approx(9.2)


def test_tail_of_less_than_one_loss_is_the_worst_loss() -> None:
    assert expected_shortfall(np.array([1.0, 7.0, 3.0]), 0.99) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("losses", "level", "message"),
    [
        ([1.0, float("nan")], 0.5, "losses: expected finite numbers, got nan at index 1"),
        ([], 0.5, r"losses: expected one value per seed, got shape \(0,\)"),
        ([1.0], 1.0, "level: expected at least 0 and below 1, got 1.0"),
        ([1.0], -0.1, "level: expected at least 0 and below 1, got -0.1"),
    ],
)
def test_losses_or_level_that_are_unfit_are_refused_in_one_line(
    losses: list[float], level: float, message: str
) -> None:
    with pytest.raises(InputError, match=f"^expected shortfall: {message}$"):
        expected_shortfall(np.array(losses, dtype=np.float64), level)
