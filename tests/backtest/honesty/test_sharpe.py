# SPDX-License-Identifier: Apache-2.0
"""How likely a Sharpe ratio is luck."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.backtest.honesty.sharpe import (
    SharpeSample,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_sample,
)
from tidegate.model.errors import InputError

# Bailey and Lopez de Prado (2014), the numerical example: 2.5 a year over five years of 250 days,
# the trials' variance 1/2 a year, skewness -3, kurtosis 10.
YEAR = 250
FAT = SharpeSample(2.5 / math.sqrt(YEAR), -3.0, 10.0, 1250)
NORMAL = SharpeSample(2.5 / math.sqrt(YEAR), 0.0, 3.0, 1250)
VARIANCE = 0.5 / YEAR


@pytest.mark.parametrize(
    ("sample", "trials", "expected"),
    [(FAT, 100, 0.900397), (FAT, 46, 0.950502), (NORMAL, 88, 0.950491)],
)
def test_deflated_sharpe_of_the_published_example_is_met(
    sample: SharpeSample, trials: int, expected: float
) -> None:
    assert deflated_sharpe(sample, VARIANCE, trials) == pytest.approx(expected, abs=5e-7)


def test_best_of_a_hundred_trials_without_edge_is_as_published() -> None:
    assert expected_maximum_sharpe(VARIANCE, 100) == pytest.approx(0.113172, abs=5e-7)


@pytest.mark.parametrize(("trials", "years"), [(7, 1.92), (45, 5.00), (100, 6.40)])
def test_years_in_which_noise_shows_a_sharpe_of_one_are_as_published(
    trials: int, years: float
) -> None:
    assert expected_maximum_sharpe(1.0, trials) ** 2 == pytest.approx(years, abs=5e-3)


# Bailey and Lopez de Prado (2012): a ratio of 1 a year against 0 at 95 %, in years of 252 days.
@pytest.mark.parametrize(("skewness", "kurtosis", "years"), [(0, 3, 2.71), (-3, 10, 3.24)])
def test_minimum_track_record_is_as_published(
    skewness: float, kurtosis: float, years: float
) -> None:
    sample = SharpeSample(1.0 / math.sqrt(252), skewness, kurtosis, 1000)
    assert minimum_track_record(sample) / 252 == pytest.approx(years, abs=6e-3)


def test_best_of_many_normal_trials_is_near_what_is_expected() -> None:
    drawn = np.random.default_rng(3).normal(size=(20_000, 50)).max(axis=1).mean()
    assert expected_maximum_sharpe(1.0, 50) == pytest.approx(drawn, rel=0.02)


@given(
    sharpe=st.floats(0.01, 0.4),
    skewness=st.floats(-2, 1),
    level=st.floats(0.6, 0.999),
    benchmark=st.floats(-0.1, 0.005),
)
def test_record_of_the_minimum_length_has_the_probability_asked(
    sharpe: float, skewness: float, level: float, benchmark: float
) -> None:
    sample = SharpeSample(sharpe, skewness, 8.0, 500)
    periods = minimum_track_record(sample, benchmark, level)
    # The formula takes any real length; a record of it has exactly the level.
    at = SharpeSample(sharpe, skewness, 8.0, periods)  # type: ignore[arg-type]
    assert probabilistic_sharpe(at, benchmark) == pytest.approx(level, abs=1e-9)


def test_probability_of_luck_holds_its_level_where_there_is_no_edge() -> None:
    rng = np.random.default_rng(8)
    above = [probabilistic_sharpe(sharpe_sample(rng.normal(size=250))) > 0.9 for _ in range(4_000)]
    assert np.mean(above) == pytest.approx(0.1, abs=0.02)


def test_more_trials_never_raise_the_deflated_sharpe() -> None:
    probabilities = [deflated_sharpe(FAT, VARIANCE, trials) for trials in range(1, 200)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[0] == probabilistic_sharpe(FAT)


def test_record_that_does_not_beat_its_benchmark_is_never_long_enough() -> None:
    assert minimum_track_record(NORMAL, NORMAL.sharpe) == math.inf


def test_moments_of_returns_are_those_of_numpy_by_hand() -> None:
    sample = sharpe_sample(np.array([0.01, 0.03, -0.02, 0.02]))
    assert sample.sharpe == pytest.approx(0.01 / math.sqrt(0.0014 / 3))
    assert sample.skewness == pytest.approx(-18e-6 / 4 / 0.00035**1.5)
    assert sample.kurtosis == pytest.approx(0.98e-6 / 4 / 0.00035**2)
    assert sample.periods == 4


@pytest.mark.parametrize(
    "returns", [[0.1, 0.2], [0.1, 0.1, 0.1], [0.1, math.nan, 0.2]], ids=["short", "still", "hole"]
)
def test_returns_that_say_nothing_are_refused(returns: list[float]) -> None:
    with pytest.raises(InputError, match="returns"):
        sharpe_sample(np.array(returns))


@pytest.mark.parametrize(("variance", "trials"), [(-1.0, 5), (math.nan, 5), (1.0, 0)])
def test_trials_that_cannot_be_are_refused(variance: float, trials: int) -> None:
    with pytest.raises(InputError):
        expected_maximum_sharpe(variance, trials)
