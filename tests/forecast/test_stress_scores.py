# SPDX-License-Identifier: Apache-2.0
"""Scores of warnings against enumeration, the gauge's manners, and what its buffer is worth."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.block_bootstrap import block_interval, block_rows
from tidegate.forecast.buffer_value import best_strength, buffer_value, margin_days
from tidegate.forecast.early_warning import (
    alarm_threshold,
    auc,
    average_precision,
    lead_times,
    precision_at,
    score_warning,
)
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.stress_gauge import (
    GaugeFit,
    GaugeScaling,
    composite,
    gauge,
    walk_forward_probability,
)
from tidegate.model.errors import InputError

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40)


@given(PAIRS)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([float(s) for s, _ in rows]), np.array([y for _, y in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a, b in product(scores[labels], scores[~labels])]
    expected = float(np.mean(pairs)) if pairs else math.nan
    assert auc(scores, labels) == pytest.approx(expected, nan_ok=True)


@given(PAIRS)
def test_average_precision_is_its_sum_over_thresholds(rows: list[tuple[int, bool]]) -> None:
    scores, labels = np.array([float(s) for s, _ in rows]), np.array([y for _, y in rows])
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        raised = scores >= threshold
        reached = labels[raised].sum() / max(labels.sum(), 1)
        total += (reached - recall) * labels[raised].mean()
        recall = reached
    expected = total if labels.any() else math.nan
    assert average_precision(scores, labels) == pytest.approx(expected, nan_ok=True)


@given(PAIRS, st.sampled_from([0.05, 0.1, 0.3]))
def test_alarms_are_false_on_at_most_the_share_asked(
    rows: list[tuple[int, bool]], share: float
) -> None:
    scores, labels = np.array([float(s) for s, _ in rows]), np.array([y for _, y in rows])
    if not labels.all():
        alarms = scores > alarm_threshold(scores, labels, share)
        assert alarms[~labels].sum() <= share * (~labels).sum() + 1e-9


def test_lead_time_counts_from_the_first_alarm_to_the_event() -> None:
    labels = np.zeros(40, dtype=bool)
    labels[10:17], labels[25:32] = True, True
    alarms = np.zeros(40, dtype=bool)
    alarms[[9, 12, 14]] = True
    leads = lead_times(alarms, labels, 7)
    # The first event comes on day 17; the alarm of day 9 came before it could be meant.
    assert leads[0] == 5
    assert math.isnan(leads[1])


def test_scores_without_information_have_an_interval_around_one_half() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(rng.random(80) < 0.2, 7)
    found = score_warning(rng.random(labels.size), labels, 7, rng)
    assert found.auc.low < 0.5 < found.auc.high
    assert found.brier_skill < 0.0


def test_scores_that_know_have_all_figures_at_one() -> None:
    labels = np.repeat(np.random.default_rng(2).random(80) < 0.2, 7)
    found = score_warning(labels.astype(float), labels, 7, np.random.default_rng(2))
    assert (found.auc.value, found.average_precision.value) == (1.0, 1.0)
    assert (found.precision_at_far.value, found.caught, found.lead_days) == (1.0, 1.0, 7.0)
    assert precision_at(labels.astype(float), labels, 0.1) == 1.0


def test_one_kind_of_day_or_an_unknown_score_is_refused() -> None:
    rng = np.random.default_rng(3)
    with pytest.raises(InsufficientHistory):
        score_warning(rng.random(100), np.zeros(100, dtype=bool), 7, rng)
    with pytest.raises(InputError, match="finite score"):
        score_warning(np.full(100, np.nan), rng.random(100) < 0.5, 7, rng)


def test_blocks_keep_neighbours_together_and_dependence_widens_the_interval() -> None:
    rng = np.random.default_rng(4)
    rows = block_rows(rng, 100, 10)
    assert ((np.diff(rows) % 100) == 1).sum() >= 89
    series = np.repeat(rng.standard_normal(50), 20)
    mean = lambda rows: float(series[rows].mean())  # noqa: E731
    narrow = block_interval(rng, 1000, 1, mean)
    wide = block_interval(rng, 1000, 60, mean)
    assert wide[1] - wide[0] > 2.5 * (narrow[1] - narrow[0])
    assert all(math.isnan(x) for x in block_interval(rng, 10, 2, lambda _: math.nan))


def _planted(seed: int, rows: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Features of which the first decides the odds of the event."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, 3))
    odds = 1 / (1 + np.exp(2.0 - 2.0 * features[:, 0]))
    return features, (rng.random(rows) < odds).astype(float)


def test_probability_is_calibrated_where_the_model_is_true() -> None:
    features, labels = _planted(5, 3000)
    found = walk_forward_probability(features, labels, 1, GaugeFit())
    known = np.isfinite(found)
    assert known.sum() == 3000 - 400
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        part = known & (found >= low) & (found < high)
        assert labels[part].mean() == pytest.approx(found[part].mean(), abs=0.05)


@settings(max_examples=10)
@given(st.integers(0, 100), st.integers(450, 890))
def test_probability_and_gauge_have_no_say_of_the_future(seed: int, row: int) -> None:
    """Features later than a row, and labels that settle later, are changed."""
    features, labels = _planted(seed)
    horizon = 7
    before = walk_forward_probability(features, labels, horizon, GaugeFit())
    later, unsettled = features.copy(), labels.copy()
    later[row + 1 :] *= -9.0
    unsettled[row + 1 - horizon :] = 1.0 - unsettled[row + 1 - horizon :]
    after = walk_forward_probability(later, unsettled, horizon, GaugeFit())
    np.testing.assert_array_equal(before[: row + 1], after[: row + 1])
    np.testing.assert_array_equal(gauge(before)[: row + 1], gauge(after)[: row + 1])


def test_a_feature_that_is_missing_refuses_the_row_and_only_it() -> None:
    features, labels = _planted(6)
    features[700, 1] = np.nan
    found = walk_forward_probability(features, labels, 1, GaugeFit())
    assert np.isnan(found[700])
    assert np.isfinite(found[701])


def test_a_feature_of_a_hundred_deviations_moves_the_gauge_no_further_than_five() -> None:
    features, labels = _planted(7)
    wild = features.copy()
    wild[800, 0], features[800, 0] = 100.0, 7.0
    ours = walk_forward_probability(wild, labels, 1, GaugeFit())[800]
    assert ours == walk_forward_probability(features, labels, 1, GaugeFit())[800]


def test_scaling_as_shipped_changes_nothing() -> None:
    for level in (0.0, 1.0, math.nan):
        assert GaugeScaling().buffer_factor(level) == GaugeScaling().limit_factor(level) == 1.0
        assert GaugeScaling(strength=2.0).buffer_factor(level) == 1.0


@given(st.floats(0.0, 10.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_scaling_only_widens_and_more_with_stress(strength: float, a: float, b: float) -> None:
    scaling = GaugeScaling(strength, enabled=True)
    low, high = sorted((a, b))
    assert 1.0 <= scaling.buffer_factor(low) <= scaling.buffer_factor(high)
    assert 0.0 < scaling.limit_factor(high) <= scaling.limit_factor(low) <= 1.0
    assert scaling.buffer_factor(math.nan) == scaling.buffer_factor(1.0)


def test_composite_is_the_mean_rank_with_signs_and_needs_half_of_its_features() -> None:
    rising, falling = np.arange(100.0), -np.arange(100.0)
    both = np.column_stack([rising, falling])
    found = composite(both, np.array([True, False]))
    assert found[-1] == 1.0
    holes = np.column_stack([rising, np.full(100, np.nan), np.full(100, np.nan)])
    assert np.isnan(composite(holes, np.ones(3, dtype=bool))).all()


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(0, 9))
def test_margin_days_is_the_least_buffer_with_so_many_liquidations(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    moves, multiple = rng.random(60), 0.5 + rng.random(60)
    found = margin_days(moves, multiple, count)
    level = found / multiple.sum()
    assert (moves > level * multiple * (1 + 1e-12)).sum() <= count
    assert (moves > level * multiple * (1 - 1e-9)).sum() > count


def test_a_gauge_that_knows_saves_and_one_that_does_not_never_pays() -> None:
    rng = np.random.default_rng(8)
    calm = np.repeat(rng.random(60) < 0.8, 20)
    moves = np.where(calm, 0.01, 0.05) * np.abs(rng.standard_normal(1200))
    knows = buffer_value(moves, np.where(calm, 1.0, 4.0), 0.02, rng)
    assert knows.pays
    assert knows.saved > 0.3
    noise = 1.0 + np.repeat(rng.random(60), 20)
    assert not buffer_value(moves, noise, 0.02, rng).pays
    assert best_strength(moves, np.where(calm, 0.0, 1.0), 0.02, (1.0, 3.0)) == 3.0
