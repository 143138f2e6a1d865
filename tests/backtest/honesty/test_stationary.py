# SPDX-License-Identifier: Apache-2.0
"""Intervals of a record whose periods depend on each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from tidegate.backtest.honesty.samples import FloatArray
from tidegate.backtest.honesty.stationary import block_length, stationary_interval, stationary_rows
from tidegate.model.errors import InputError


def mean(drawn: FloatArray) -> float:
    return float(drawn.mean())


def autoregressive(rng: np.random.Generator, rho: float, n: int) -> FloatArray:
    drawn = lfilter([1.0], [1.0, -rho], rng.normal(size=n + 100))[100:]
    return np.asarray(drawn, dtype=np.float64)


@pytest.mark.parametrize("block", [1.0, 2.5, 20.0])
def test_blocks_run_on_and_begin_anew_as_often_as_asked(block: float) -> None:
    n = 50_000
    rows = stationary_rows(np.random.default_rng(2), n, block)
    begun = np.diff(rows) % n != 1
    assert np.mean(begun) == pytest.approx(1.0 / block, abs=0.02)
    assert np.bincount(rows, minlength=n).mean() == 1.0
    assert rows.min() >= 0
    assert rows.max() < n


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.8])
def test_block_length_of_an_autoregression_is_near_its_theory(rho: float) -> None:
    # Politis and White (2004): G / g(0) = 2 rho / (1 - rho^2).
    rng, n = np.random.default_rng(4), 4_000
    found = np.median([block_length(autoregressive(rng, rho, n)) for _ in range(20)])
    theory = (2.0 * rho / (1.0 - rho**2)) ** (2 / 3) * n ** (1 / 3)
    assert found == pytest.approx(theory, rel=0.35)


def test_block_length_of_noise_is_about_one() -> None:
    rng = np.random.default_rng(4)
    assert np.median([block_length(rng.normal(size=2_000)) for _ in range(20)]) < 4.0


def test_interval_of_a_dependent_record_covers_as_often_as_asked_about() -> None:
    rng, hits = np.random.default_rng(9), 0
    for seed in range(100):
        values = autoregressive(rng, 0.5, 300)
        low, high = stationary_interval(values, mean, 0.9, seed, draws=200)
        hits += low <= 0.0 <= high
    assert 80 <= hits <= 97


def test_interval_is_wider_for_a_dependent_record_than_for_its_periods_shuffled() -> None:
    rng = np.random.default_rng(11)
    values = autoregressive(rng, 0.8, 1_000)
    mixed = rng.permutation(values)
    spans = [np.ptp(stationary_interval(each, mean, 0.9, 1)) for each in (values, mixed)]
    assert spans[0] > 1.5 * spans[1]


def test_statistic_that_is_mostly_unknown_has_no_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert all(
        math.isnan(limit) for limit in stationary_interval(values, lambda _: math.nan, 0.9, 1)
    )


def test_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found = {stationary_interval(values, lambda drawn: float(drawn.max()), 0.8, 6) for _ in "ab"}
    assert len(found) == 1


@pytest.mark.parametrize("values", [[1.0] * 30, [1.0, 2.0]], ids=["still", "short"])
def test_block_length_of_a_record_that_says_nothing_is_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match="values"):
        block_length(np.array(values))


def test_blocks_shorter_than_a_period_are_refused() -> None:
    with pytest.raises(InputError, match="block"):
        stationary_rows(np.random.default_rng(0), 10, 0.5)
