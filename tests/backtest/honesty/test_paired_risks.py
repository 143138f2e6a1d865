# SPDX-License-Identifier: Apache-2.0
"""Differences of risks on the same seeds: published intervals, exact coverage, exact p-values."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import comb, factorial, prod, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.backtest.honesty.paired import PairedDifference, paired_risk_difference, wilson
from tidegate.backtest.honesty.samples import BoolArray
from tidegate.model.errors import InputError

counts = st.integers(0, 25)
tables = st.tuples(counts, counts, counts, counts).filter(lambda table: sum(table) > 0)
levels = st.sampled_from([0.8, 0.95, 0.99])


def seeds_of(table: tuple[int, ...]) -> tuple[BoolArray, BoolArray]:
    """Outcomes with the event under both, ours alone, theirs alone, and neither so many times."""
    ours = np.repeat([True, True, False, False], table)
    theirs = np.repeat([True, False, True, False], table)
    return ours, theirs


def of_table(table: tuple[int, ...], level: float = 0.95) -> PairedDifference:
    return paired_risk_difference(*seeds_of(table), level=level)


@given(tables, levels)
def test_difference_swapped_changes_sign_and_keeps_its_p_value(
    table: tuple[int, ...], level: float
) -> None:
    both, ours, theirs, neither = table
    one, other = of_table(table, level), of_table((both, theirs, ours, neither), level)
    mirrored = (-other.difference, -other.high, -other.low, other.p_value)
    assert (one.difference, one.low, one.high, one.p_value) == pytest.approx(mirrored, abs=1e-12)
    assert (one.ours, one.theirs) == (other.theirs, other.ours)


@given(tables, levels)
def test_event_turned_into_its_absence_changes_only_the_sign(
    table: tuple[int, ...], level: float
) -> None:
    ours, theirs = seeds_of(table)
    one = paired_risk_difference(ours, theirs, level)
    other = paired_risk_difference(~ours, ~theirs, level)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


@given(tables, levels, st.randoms(use_true_random=False))
def test_order_of_the_seeds_does_not_matter(
    table: tuple[int, ...], level: float, random: Random
) -> None:
    ours, theirs = seeds_of(table)
    order = np.arange(ours.size)
    random.shuffle(order)
    assert paired_risk_difference(ours[order], theirs[order], level) == of_table(table, level)


@given(tables)
def test_interval_holds_the_difference_has_width_and_stays_within_its_range(
    table: tuple[int, ...],
) -> None:
    narrow, wide = of_table(table, 0.8), of_table(table, 0.99)
    assert -1 <= wide.low < narrow.low or wide.low == narrow.low == -1
    assert wide.high > narrow.high or wide.high == narrow.high == 1
    assert narrow.low <= narrow.difference <= narrow.high <= wide.high <= 1
    assert narrow.high - narrow.low > 0
    assert narrow.difference == pytest.approx(narrow.ours - narrow.theirs, abs=1e-12)


# (both, ours alone, theirs alone, neither), then the limits as they are published.
PUBLISHED = [
    # Newcombe (1998), Statistics in Medicine 17, 2635-2650, method 10. Method 8, which has no
    # continuity correction, gives 0.0618 to 0.3242, so this pins the correction.
    ((20, 12, 2, 16), 0.0562, 0.3292, 4),
    # Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33, 2850-2875, table V:
    # airway hyper-responsiveness before and after a transplantation (Bentur et al., 2009).
    ((1, 1, 7, 12), -0.507, -0.026, 3),
    # R package contingencytables, of Fagerland, Lydersen and Laake (2017), Statistical Analysis
    # of Contingency Tables, chapter 8: response to consolidation therapy (Cavo et al., 2012).
    ((59, 6, 16, 80), -0.1186, -0.0046, 4),
]


@pytest.mark.parametrize(("table", "low", "high", "digits"), PUBLISHED)
def test_newcombe_interval_is_the_published_one(
    table: tuple[int, ...], low: float, high: float, digits: int
) -> None:
    found = of_table(table)
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


def test_fewer_pairs_of_equal_sort_than_chance_widen_the_interval() -> None:
    def width(table: tuple[int, ...]) -> float:
        found = of_table(table)
        return found.high - found.low

    # All three have 20 of 40 events under either policy.
    assert width((20, 0, 0, 20)) < width((10, 10, 10, 10)) < width((0, 20, 20, 0))


@cache
def limits(n: int) -> dict[tuple[int, ...], tuple[float, float]]:
    found = {}
    for a, b, c in product(range(n + 1), repeat=3):
        if a + b + c <= n:
            table = (a, b, c, n - a - b - c)
            difference = of_table(table)
            found[table] = (difference.low, difference.high)
    return found


def coverage(n: int, p: tuple[float, ...]) -> float:
    """Probability that the interval holds the truth, over every table of n pairs."""
    truth, total = p[1] - p[2], 0.0
    for table, (low, high) in limits(n).items():
        ways = factorial(n) // prod(factorial(count) for count in table)
        chance = ways * prod(q**count for q, count in zip(p, table, strict=True))
        total += chance * (low <= truth <= high)
    return total


@pytest.mark.parametrize(
    "p",
    [
        (0.25, 0.25, 0.25, 0.25),
        (0.40, 0.10, 0.10, 0.40),
        (0.10, 0.30, 0.10, 0.50),
        (0.05, 0.02, 0.20, 0.73),
        (0.10, 0.40, 0.40, 0.10),
    ],
)
def test_newcombe_interval_covers_the_truth_as_often_as_it_says(p: tuple[float, ...]) -> None:
    assert 0.93 <= coverage(15, p) <= 0.99


@given(st.integers(0, 7), st.integers(0, 7), counts)
def test_mcnemar_p_value_is_the_share_of_all_sign_flips_at_least_as_uneven(
    ours: int, theirs: int, concordant: int
) -> None:
    flips = product((1, -1), repeat=ours + theirs)
    uneven = [abs(sum(flip)) >= abs(ours - theirs) for flip in flips]
    found = of_table((concordant, ours, theirs, 1)).p_value
    assert found == pytest.approx(np.mean(uneven), rel=1e-12)


def test_policies_that_agree_on_every_seed_differ_by_zero_and_the_interval_says_how_surely() -> (
    None
):
    never, always = of_table((0, 0, 0, 50)), of_table((50, 0, 0, 0))
    for found in (never, always):
        assert (found.difference, found.p_value) == (0, 1)
        # No event in n trials leaves z^2 / (n + z^2) possible (Wilson, 1927).
        assert (found.low, found.high) == pytest.approx((-0.0713476, 0.0713476), abs=1e-7)


@given(st.integers(0, 60), st.integers(1, 60), levels)
def test_wilson_limits_are_where_the_score_test_turns(k: int, n: int, level: float) -> None:
    k = min(k, n)
    low, high = wilson(k, n, level)
    z = {0.8: 1.2815515655446004, 0.95: 1.959963984540054, 0.99: 2.5758293035489004}[level]
    assert 0 <= low <= k / n <= high <= 1
    for limit in (low, high):
        spread = sqrt(limit * (1 - limit) / n)
        assert abs(k / n - limit) == pytest.approx(z * spread, abs=1e-9)
    assert (low == 0) == (k == 0)
    assert (high == 1) == (k == n)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(k: int, n: int, low: float, high: float) -> None:
    assert tuple(round(limit, 4) for limit in wilson(k, n, 0.95)) == (low, high)


@pytest.mark.parametrize(
    ("k", "n", "level", "message"),
    [
        (0, 0, 0.95, "wilson: n: expected at least 1, got 0"),
        (3, 2, 0.95, "wilson: k: expected from 0 to 2, got 3"),
        (-1, 2, 0.95, "wilson: k: expected from 0 to 2, got -1"),
        (1, 2, 1.0, "wilson: level: expected above 0 and below 1, got 1.0"),
        (1, 2, float("nan"), "wilson: level: expected above 0 and below 1, got nan"),
    ],
)
def test_wilson_of_impossible_counts_is_refused_in_one_line(
    k: int, n: int, level: float, message: str
) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        wilson(k, n, level)


YES, NO = np.array([True, False, True]), np.array([False, False, True])


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (YES, NO[:2], "theirs: expected one value per seed, 3, got 2"),
        (YES[:0], NO[:0], r"ours: expected one value per seed, got shape \(0,\)"),
        (YES[:, None], NO, r"ours: expected one value per seed, got shape \(3, 1\)"),
        (YES, np.array([0.0, np.nan, 1.0]), "theirs: expected booleans, got float64"),
        (YES.astype(int), NO, "ours: expected booleans, got int64"),
    ],
)
def test_outcomes_that_are_not_paired_yes_or_no_are_refused_in_one_line(
    ours: BoolArray, theirs: BoolArray, message: str
) -> None:
    with pytest.raises(InputError, match=f"^paired risk difference: {message}$"):
        paired_risk_difference(ours, theirs)


def test_level_of_a_risk_difference_outside_of_its_range_is_refused() -> None:
    with pytest.raises(InputError, match="level: expected above 0 and below 1, got 95"):
        paired_risk_difference(YES, NO, 95)


def test_mcnemar_p_value_of_one_against_seven_is_eighteen_in_256() -> None:
    assert of_table((1, 1, 7, 12)).p_value == pytest.approx(2 * (comb(8, 0) + comb(8, 1)) / 2**8)
