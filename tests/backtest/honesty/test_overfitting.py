# SPDX-License-Identifier: Apache-2.0
"""How often the best of one half of a record is below the middle in the other."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from tidegate.backtest.honesty.overfitting import overfitting
from tidegate.backtest.honesty.samples import FloatArray
from tidegate.model.errors import InputError


def plain_probability(returns: FloatArray, blocks: int) -> float:
    """The same by its words, split by split."""
    length = returns.shape[0] // blocks
    parts = [returns[returns.shape[0] % blocks :][i * length :][:length] for i in range(blocks)]
    logits = []
    for picked in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in picked])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in picked])
        best = int(np.argmax(inside.mean(axis=0) / inside.std(axis=0)))
        ratios = list(outside.mean(axis=0) / outside.std(axis=0))
        relative = (sorted(ratios).index(ratios[best]) + 1) / (len(ratios) + 1)
        logits.append(math.log(relative / (1.0 - relative)))
    return float(np.mean(np.array(logits) <= 0.0))


@pytest.mark.parametrize("seed", range(8))
def test_probability_is_that_of_the_words_split_by_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(0.01, 1.0, size=(61 + seed, 2 + seed))
    assert overfitting(returns, 8).probability == plain_probability(returns, 8)


def test_sixteen_blocks_make_12870_splits() -> None:
    assert overfitting(np.random.default_rng(1).normal(size=(160, 5))).splits == 12_870


def test_noise_gives_about_one_half() -> None:
    rng = np.random.default_rng(5)
    found = [overfitting(rng.normal(size=(400, 30)), 10).probability for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)


def test_planted_edge_gives_about_none() -> None:
    returns = np.random.default_rng(6).normal(size=(1600, 30))
    returns[:, 7] += 0.25
    found = overfitting(returns)
    assert found.probability < 0.001
    assert found.loss < 0.001


def test_strategies_that_win_in_turn_are_found_to_be_overfitted() -> None:
    # Each is good in one half of the record and as bad in the other.
    rng = np.random.default_rng(7)
    half = np.repeat([1.0, -1.0], 400)[:, None]
    returns = rng.normal(size=(800, 10)) * 0.1 + half * rng.choice([-1.0, 1.0], size=10)
    assert overfitting(returns).probability > 0.5


@pytest.mark.parametrize(
    ("shape", "blocks", "field"),
    [((100, 1), 4, "returns"), ((7, 3), 4, "returns"), ((100, 3), 5, "blocks")],
)
def test_table_that_cannot_be_split_is_refused(
    shape: tuple[int, int], blocks: int, field: str
) -> None:
    with pytest.raises(InputError, match=field):
        overfitting(np.random.default_rng(0).normal(size=shape), blocks)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_unknown_return_is_refused(value: float) -> None:
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[11, 1] = value
    with pytest.raises(InputError, match="finite"):
        overfitting(returns, 4)


def test_strategy_that_never_varies_is_refused() -> None:
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[:, 2] = 0.0
    with pytest.raises(InputError, match="vary"):
        overfitting(returns, 4)
