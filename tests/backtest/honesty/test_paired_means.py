# SPDX-License-Identifier: Apache-2.0
"""Differences of means on the same seeds: against scipy's BCa, Student's t, and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tidegate.backtest.honesty import bootstrap
from tidegate.backtest.honesty.paired import paired_mean_difference
from tidegate.backtest.honesty.samples import FloatArray
from tidegate.model.errors import InputError

pairs = st.lists(
    st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=30
).map(lambda rows: np.array(rows, dtype=np.float64).T / 8)
some = settings(max_examples=50)


@some
@given(pairs, st.integers(0, 99))
def test_mean_difference_swapped_changes_sign(pair: FloatArray, seed: int) -> None:
    one = paired_mean_difference(pair[0], pair[1], 0.9, seed)
    other = paired_mean_difference(pair[1], pair[0], 0.9, seed)
    assert (one.ours, one.theirs, one.difference) == (other.theirs, other.ours, -other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert (one.t_low, one.t_high) == pytest.approx((-other.t_high, -other.t_low), abs=1e-9)


@some
@given(pairs, st.floats(0.01, 100), st.integers(-500, 500))
def test_mean_difference_moves_and_stretches_with_its_unit(
    pair: FloatArray, scale: float, shift: int
) -> None:
    one = paired_mean_difference(pair[0], pair[1], 0.9, 7)
    other = paired_mean_difference(pair[0] * scale + shift, pair[1] * scale, 0.9, 7)
    expected = (one.difference, one.low, one.high, one.t_low, one.t_high)
    found = (other.difference, other.low, other.high, other.t_low, other.t_high)
    assert found == pytest.approx(tuple(x * scale + shift for x in expected), abs=1e-6)


@some
@given(pairs, st.integers(-(10**6), 10**6))
def test_what_both_met_on_a_seed_cancels(pair: FloatArray, common: int) -> None:
    weather = np.arange(pair.shape[1]) * float(common)
    one = paired_mean_difference(pair[0], pair[1], 0.9, 7)
    other = paired_mean_difference(pair[0] + weather, pair[1] + weather, 0.9, 7)
    assert (one.low, one.high, one.t_low) == (other.low, other.high, other.t_low)


@some
@given(pairs)
def test_limits_of_a_mean_lie_within_the_differences_and_widen_with_the_level(
    pair: FloatArray,
) -> None:
    gaps = pair[0] - pair[1]
    narrow = paired_mean_difference(pair[0], pair[1], 0.5, 7)
    wide = paired_mean_difference(pair[0], pair[1], 0.95, 7)
    assert gaps.min() - 1e-9 <= wide.low <= narrow.low <= narrow.high <= wide.high
    assert wide.high <= gaps.max() + 1e-9


@pytest.mark.parametrize("sample", ["skewed", "rare", "few"])
def test_bootstrap_interval_is_that_of_scipy_with_more_draws(sample: str) -> None:
    rng = np.random.default_rng(5)
    gaps = {
        "skewed": rng.exponential(size=40),
        "rare": np.where(np.arange(60) < 6, -9.0, 0.5),
        "few": np.array([0.1, 0.4, 2.0, -0.3, 0.2, 0.9]),
    }[sample]
    found = paired_mean_difference(gaps, np.zeros(gaps.size), 0.9, 11)
    oracle = stats.bootstrap(
        (gaps,), np.mean, confidence_level=0.9, n_resamples=20_000, method="BCa", random_state=rng
    ).confidence_interval
    error = 0.1 * gaps.std() / np.sqrt(gaps.size) + (0.1 if sample == "rare" else 0.0)
    assert (found.low, found.high) == pytest.approx(tuple(oracle), abs=error)
    t_interval = stats.t.interval(0.9, gaps.size - 1, gaps.mean(), stats.sem(gaps))
    assert (found.t_low, found.t_high) == pytest.approx(t_interval, rel=1e-12)


def test_bootstrap_interval_of_a_skewed_mean_covers_the_truth() -> None:
    rng = np.random.default_rng(2024)
    held = 0
    for trial in range(400):
        gaps = rng.exponential(size=40)
        found = paired_mean_difference(gaps, np.zeros(40), 0.9, trial)
        held += found.low <= 1.0 <= found.high
    assert 0.85 <= held / 400 <= 0.94


def test_bootstrap_interval_leans_to_the_side_of_the_long_tail() -> None:
    gaps = np.random.default_rng(3).exponential(size=40)
    found = paired_mean_difference(gaps, np.zeros(40), 0.95, 1)
    assert found.high - found.difference > 1.15 * (found.difference - found.low)


def test_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    gaps = np.random.default_rng(3).normal(size=25)
    first, again, other = (
        paired_mean_difference(gaps, np.zeros(25), 0.95, seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.low != other.low


def test_draws_in_small_blocks_are_the_draws_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    gaps = np.random.default_rng(3).normal(size=25)
    whole = bootstrap.mean_interval(gaps, 0.95, 1)
    monkeypatch.setattr(bootstrap, "BLOCK", 300)
    assert bootstrap.mean_interval(gaps, 0.95, 1) == whole


def test_difference_that_never_varies_has_an_interval_without_width() -> None:
    found = paired_mean_difference(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 3.0]), 0.95, 0)
    assert {found.difference, found.low, found.high, found.t_low, found.t_high} == {2.0}


def test_single_outlier_among_equals_gives_finite_limits_at_any_level() -> None:
    gaps = np.r_[np.zeros(200), 1.0]
    for level in (0.5, 0.95, 0.9999, 1 - 1e-10):
        found = paired_mean_difference(gaps, np.zeros(201), level, 0)
        assert 0 <= found.low < found.difference < found.high <= 1


FINE = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (FINE, FINE[:2], "theirs: expected one value per seed, 3, got 2"),
        (FINE[:1], FINE[:1], "ours: expected at least two seeds, got 1"),
        (np.array([1.0, np.nan, 2.0]), FINE, "ours: expected finite numbers, got nan at index 1"),
        (FINE, np.array([1.0, 2.0, np.inf]), "theirs: expected finite numbers, got inf at index 2"),
        (FINE, np.array([1.0, None, 2.0]), "theirs: expected numbers, got object"),
    ],
)
def test_values_that_are_not_paired_finite_numbers_are_refused_in_one_line(
    ours: FloatArray, theirs: FloatArray, message: str
) -> None:
    with pytest.raises(InputError, match=f"^paired mean difference: {message}$"):
        paired_mean_difference(ours, theirs, 0.95, 0)


def test_level_and_seed_of_a_mean_difference_outside_of_their_range_are_refused() -> None:
    with pytest.raises(InputError, match="level: expected above 0 and below 1, got 0"):
        paired_mean_difference(FINE, FINE[::-1], 0, 0)
    with pytest.raises(InputError, match="seed: expected at least 0, got -1"):
        paired_mean_difference(FINE, FINE[::-1], 0.95, -1)
