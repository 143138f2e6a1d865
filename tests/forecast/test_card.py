# SPDX-License-Identifier: Apache-2.0
"""A model's status follows from its scores alone."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.forecast.card import LEAST_HELD_OUT, LEAST_WHOLE, Card
from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.scoring import (
    Comparison,
    diebold_mariano,
    mincer_zarnowitz,
    pooled_comparison,
)

BETTER = Comparison(-0.1, -4.0, 1e-4, 500)
CARD = Card(
    model="m",
    horizon="1 day",
    data=("bars",),
    window=("2024-01-01", "2025-01-01"),
    loss="QLIKE",
    score=0.2,
    baseline="HAR",
    baseline_score=0.3,
    whole=BETTER,
    held_out=BETTER,
    looks=1,
    trials=3,
    date="2025-01-02",
)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "capital"),
        ({"looks": 499}, "capital"),
        ({"looks": 501}, "buffers"),
        ({"held_out": None}, "buffers"),
        ({"held_out": Comparison(-0.1, -1.0, 0.3, 500)}, "buffers"),
        ({"held_out": Comparison(0.1, 4.0, 1e-4, 500)}, "buffers"),
        ({"held_out": Comparison(-0.1, -4.0, 1e-4, LEAST_HELD_OUT - 1)}, "buffers"),
        ({"whole": None}, "observed"),
        ({"whole": Comparison(-0.1, -1.9, 0.06, 500)}, "observed"),
        ({"whole": Comparison(0.1, 4.0, 1e-4, 500)}, "observed"),
        ({"whole": Comparison(-0.1, -4.0, 1e-4, LEAST_WHOLE - 1)}, "observed"),
        ({"whole": Comparison(math.nan, math.nan, math.nan, 500)}, "observed"),
        ({"score": 0.3}, "observed"),
        ({"score": math.nan}, "observed"),
    ],
)
def test_status_is_what_the_scores_allow(changes: dict[str, object], status: str) -> None:
    assert msgspec.structs.replace(CARD, **changes).status == status


def test_status_cannot_be_set_nor_read_from_a_file() -> None:
    said = msgspec.to_builtins(CARD) | {"status": "capital", "whole": None}
    assert msgspec.convert(said, Card).status == "observed"
    with pytest.raises(AttributeError):
        CARD.status = "capital"  # type: ignore[misc]


@given(st.integers(0, 99))
def test_pooled_test_of_one_series_is_the_plain_test_and_of_twins_too(seed: int) -> None:
    """Two series that move as one are no more evidence than one of them."""
    a, b = np.random.default_rng(seed).random((2, 80))
    plain = diebold_mariano(a, b, 1)
    for copies in (1, 3):
        found = pooled_comparison([a] * copies, [b] * copies, 1)
        assert found.t_statistic == pytest.approx(plain.t_statistic, rel=1e-9)


def test_pooled_test_takes_what_is_known_of_each_row() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 80)), rng.random((2, 80))
    a[0, :20] = math.nan
    a[:, 79] = math.nan
    found = pooled_comparison(list(a), list(b), 1)
    d = np.concatenate([(a - b)[1, :20], (a - b).mean(axis=0)[20:79]])
    assert found.n_scored == 79
    assert found.mean_difference == pytest.approx(d.mean())


def test_mincer_zarnowitz_finds_bias_and_holds_its_level_without() -> None:
    rng = np.random.default_rng(2)
    rejected = []
    for _ in range(400):
        h = np.exp(rng.normal(0.0, 0.5, 150))
        y = h * np.exp(rng.normal(-0.08, 0.4, 150))
        rejected.append(mincer_zarnowitz(y, h, 1).p_value < 0.1)
    # The Wald test with robust errors rejects somewhat too often in small samples.
    assert 0.05 < np.mean(rejected) < 0.2
    found = mincer_zarnowitz(0.5 + 0.3 * h + rng.normal(0.0, 0.01, 150), h, 1)
    assert found.slope == pytest.approx(0.3, abs=0.02)
    assert found.intercept == pytest.approx(0.5, abs=0.02)
    assert found.p_value < 1e-6
    assert found.r_squared > 0.9
    with pytest.raises(InsufficientHistory):
        mincer_zarnowitz(y, np.ones(150), 1)
    with pytest.raises(InsufficientHistory):
        mincer_zarnowitz(y[:20], h[:20], 7)
