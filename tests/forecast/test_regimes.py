# SPDX-License-Identifier: Apache-2.0
"""Regime models against enumeration and planted regimes, each from the past alone."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from tidegate.forecast.change_point import ChangePointPrior, recent_change
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.jump_model import fit_jump_model, path_cost, viterbi
from tidegate.forecast.regime_series import jump_states, switching_probability
from tidegate.forecast.switching import SwitchingModel, filtered_high, fit_switching
from tidegate.forecast.turbulence import (
    absorption_ratio,
    mean_correlation,
    standardised_shift,
    turbulence,
)
from tidegate.model.errors import InputError


def two_regimes(seed: int, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """A level that is 0 or 3 in turns of 100 rows, with noise of 1, and the truth."""
    truth = (np.arange(rows) // 100) % 2
    return 3.0 * truth + np.random.default_rng(seed).standard_normal(rows), truth


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_viterbi_finds_the_least_cost_of_all_paths(seed: int, penalty: float) -> None:
    cost = np.random.default_rng(seed).random((7, 3))
    least = min(
        path_cost(cost, np.array(states), penalty) for states in product(range(3), repeat=7)
    )
    assert path_cost(cost, viterbi(cost, penalty), penalty) == pytest.approx(least)


def test_jump_model_finds_planted_regimes_and_seldom_switches() -> None:
    values, truth = two_regimes(1)
    model = fit_jump_model(values[:, None], 10.0)
    found = model.path(values[:, None])
    assert (found == truth).mean() > 0.98
    assert np.count_nonzero(np.diff(found)) == 5
    assert model.centres[:, 0] == pytest.approx([0.0, 3.0], abs=0.25)


def test_jump_model_without_penalty_takes_the_nearest_centre() -> None:
    values, _ = two_regimes(2)
    model = fit_jump_model(values[:, None], 0.0)
    nearest = np.abs(values[:, None] - model.centres[:, 0]).argmin(axis=1)
    np.testing.assert_array_equal(model.online(values[:, None]), nearest)


def test_filter_likelihood_equals_the_sum_over_all_paths() -> None:
    """Eight rows, so 256 paths of states, each with its own probability."""
    model = SwitchingModel((0.0, 2.0), (1.0, 0.5), (0.9, 0.7), 0.0)
    x = np.array([0.1, -0.4, 2.2, 1.8, 0.3, 2.1, -1.0, 0.9])
    move = np.array([[0.9, 0.1], [0.3, 0.7]])
    total, high = 0.0, 0.0
    for states in product(range(2), repeat=8):
        p = (1 - model.share_high, model.share_high)[states[0]]
        for a, b in pairwise(states):
            p *= move[a, b]
        for s, value in zip(states, x, strict=True):
            p *= norm.pdf(value, model.mean[s], model.deviation[s])
        total += p
        high += p * states[-1]
    assert filtered_high(x, model)[-1] == pytest.approx(high / total, rel=1e-9)


def test_switching_fit_finds_planted_regimes() -> None:
    values, truth = two_regimes(3)
    model = fit_switching(values)
    assert model.mean == pytest.approx((0.0, 3.0), abs=0.25)
    assert ((filtered_high(values, model) > 0.5) == truth).mean() > 0.97


def test_switching_refuses_short_and_stuck_series() -> None:
    for values in (np.arange(100.0), np.zeros(500)):
        with pytest.raises(InsufficientHistory):
            fit_switching(values)
    with pytest.raises(InsufficientHistory):
        fit_jump_model(np.zeros((10, 1)), 1.0)
    with pytest.raises(InputError, match="finite"):
        fit_switching(np.full(200, np.nan))


def test_a_wild_row_does_not_end_the_filter() -> None:
    values, _ = two_regimes(4)
    model = fit_switching(values)
    values[300] = 100.0
    assert np.isfinite(filtered_high(values, model)).all()


def test_change_alarm_rises_after_a_change_and_not_before() -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.standard_normal(200), 5.0 + rng.standard_normal(60)])
    alarm = recent_change(values, ChangePointPrior(), 10)
    assert np.median(alarm[60:200]) < 0.15
    assert alarm[203] > 0.95
    assert alarm[-1] < 0.5


def test_change_alarm_starts_as_the_hazard_says() -> None:
    """With rows that say nothing, P(last change < k rows back) is 1 - (1 - H)^k for old runs."""
    alarm = recent_change(np.full(300, np.nan), ChangePointPrior(hazard=0.01, runs_kept=400), 10)
    assert alarm[-1] == pytest.approx(1 - 0.99**10, rel=1e-9)


def test_absorption_ratio_is_one_for_one_factor_and_falls_with_independence() -> None:
    rng = np.random.default_rng(6)
    factor = rng.standard_normal((200, 1)) * np.ones(10)
    alone = rng.standard_normal((200, 10))
    assert absorption_ratio(factor, 100)[-1] == pytest.approx(1.0)
    assert absorption_ratio(alone, 100)[-1] < 0.5
    assert mean_correlation(factor, 100)[-1] == pytest.approx(1.0)


def test_turbulence_of_independent_returns_has_a_mean_near_one() -> None:
    returns = np.random.default_rng(7).standard_normal((900, 5))
    found = turbulence(returns, 250)
    assert np.nanmean(found) == pytest.approx(1.0, abs=0.08)
    returns[-1] = 10.0
    assert turbulence(returns, 250)[-1] > 50


def test_panel_with_two_coins_or_infinite_returns_is_refused() -> None:
    with pytest.raises(InputError, match="3 or more"):
        turbulence(np.zeros((10, 2)), 5)
    with pytest.raises(InputError, match="finite returns"):
        absorption_ratio(np.full((10, 4), np.inf), 5)


def test_coins_not_yet_listed_are_left_out_and_too_few_give_nothing() -> None:
    returns = np.random.default_rng(8).standard_normal((100, 5))
    returns[:, 3:] = np.nan
    assert np.isfinite(absorption_ratio(returns, 50)[-1])
    returns[:, 2] = np.nan
    assert np.isnan(absorption_ratio(returns, 50)).all()


def test_shift_is_measured_in_deviations_of_the_long_window() -> None:
    values = np.arange(10.0)
    expected = (9.0 + 8.0) / 2 - values.mean()
    assert standardised_shift(values, 2, 10)[-1] == pytest.approx(expected / values.std())
    assert np.isnan(standardised_shift(values, 2, 20)).all()


@pytest.mark.parametrize("called", [switching_probability, lambda x: jump_states(x, 0.01 * x)])
def test_walked_regimes_follow_planted_ones(called: object) -> None:
    values, truth = two_regimes(9)
    found = called(values)  # type: ignore[operator]
    assert np.isnan(found[:250]).all()
    assert ((found > 0.5) == truth)[260:].mean() > 0.9
