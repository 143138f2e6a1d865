# SPDX-License-Identifier: Apache-2.0
"""Power of a test of forecasts is one, or its size, where it must be; heavy days are found."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.forecast.block_bootstrap import block_rows
from tidegate.forecast.comparison_power import days_needed, described, heaviest, power
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.scoring import diebold_mariano
from tidegate.model.errors import InputError


def _noise(n: int, seed: int = 3) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal(n)
    return np.asarray(found - found.mean())


def test_power_is_half_the_size_of_the_test_without_an_improvement_and_one_with_a_clear_one() -> (
    None
):
    rng = np.random.default_rng(1)
    none = power(_noise(300), 165, 5, rng, draws=600)
    assert none.better == pytest.approx(0.5, abs=0.08)
    assert none.significant == pytest.approx(0.025, abs=0.025)
    clear = power(_noise(300) - 1.0, 165, 5, rng, draws=100)
    assert clear.better == clear.significant == 1.0


def test_power_is_that_of_the_normal_law_between_them_and_grows_with_days() -> None:
    """Mean over error of 2.8 has a power of four in five, by the normal law."""
    rng, n = np.random.default_rng(2), 160
    differences = _noise(2000)
    differences = differences / differences.std() - 2.8 / np.sqrt(n)
    found = power(differences, n, 1, rng, draws=800)
    assert found.significant == pytest.approx(0.80, abs=0.05)
    assert days_needed(differences, 0.8, (40, 80, 200), 1, rng) == 200
    assert days_needed(differences, 0.8, (40, 80), 1, rng) is None


def test_sample_longer_than_the_differences_is_drawn_from_more_blocks() -> None:
    found = power(_noise(60) - 0.3, 240, 5, np.random.default_rng(4), draws=100)
    assert found.n_days == 240
    assert found.significant > 0.9


def test_sample_that_is_called_better_is_one_that_the_test_itself_calls_so() -> None:
    differences, calls = _noise(40) - 0.35, 0
    for seed in range(40):
        found = power(differences, 40, 5, np.random.default_rng(seed), draws=1)
        drawn = differences[block_rows(np.random.default_rng(seed), 40, 5)]
        test = diebold_mariano(drawn, np.zeros(40), 1)
        assert found.significant == float(test.p_value < 0.05 and test.mean_difference < 0.0)
        calls += found.significant > 0.0
    assert 0 < calls < 40


def test_heaviest_day_is_the_planted_one_and_shares_add_up() -> None:
    differences = 0.1 * _noise(100)
    differences[37] = 5.0
    days = heaviest(differences, 100)
    assert days[0].row == 37
    assert days[0].share > 0.9
    assert sum(day.share for day in days) == pytest.approx(1.0)


def test_description_sees_through_one_day_that_hides_an_improvement() -> None:
    grid = 0.1 * _noise(120) - 0.05
    grid[60] = 20.0
    grid[70] = np.nan
    seen = described(grid, 1)
    assert seen.without_heaviest < -4.0
    assert seen.days_better > 0.6
    assert seen.sign_p < 0.05
    assert 0.0 <= seen.conditional_p <= 1.0
    assert described(0.1 * _noise(120) - 0.05, 1).conditional_p < 0.01


def test_too_few_or_unknown_differences_are_refused() -> None:
    with pytest.raises(InsufficientHistory, match="at least 20"):
        heaviest(np.zeros(19), 1)
    with pytest.raises(InputError, match="finite"):
        power(np.array([np.nan] * 30), 20, 5, np.random.default_rng(0))
