# SPDX-License-Identifier: Apache-2.0
"""Enclosures hold the quantity everywhere in the cell, and are exact where they promise to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.risk.certificate import covers
from tidegate.risk.enclosure import (
    Enclosure,
    kinked,
    least,
    product,
    reciprocal,
    variable,
)

SIZES = st.floats(-100.0, 100.0)
SEEDS = st.integers(0, 2**32 - 1)
SLACK = 1e-9


def drawn(rng: np.random.Generator) -> Enclosure:
    """Four quantities that depend on three variables and on something unseen."""
    return Enclosure(
        rng.normal(size=4) * 10.0,
        rng.normal(size=(3, 4)) * rng.choice([0.0, 1.0, 10.0]),
        -rng.exponential(size=4) * rng.choice([0.0, 1.0]),
        rng.exponential(size=4) * rng.choice([0.0, 1.0]),
    )


def values(x: Enclosure, e: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """One admissible value: where e in [-1, 1] and unseen in [0, 1] say."""
    left = x.low + unseen * (x.high - x.low)
    return np.asarray(x.centre + np.tensordot(e, x.slopes, axes=1) + left)


def holds(x: Enclosure, e: np.ndarray, value: np.ndarray) -> None:
    affine = x.centre + np.tensordot(e, x.slopes, axes=1)
    slack = SLACK * (1.0 + np.abs(value) + np.abs(affine) + x.reach)
    assert (value >= affine + x.low - slack).all()
    assert (value <= affine + x.high + slack).all()
    assert (x.low <= 0.0).all()
    assert (x.high >= 0.0).all()


@given(SEEDS, SIZES, SIZES, SIZES)
def test_every_admissible_value_is_within_the_enclosure_of_its_function(
    seed: int, kink: float, below: float, above: float
) -> None:
    rng = np.random.default_rng(seed)
    x, y = drawn(rng), drawn(rng)
    positive = x.plus(x.reach - x.low + np.abs(x.centre) + 0.1)
    bent, both, smaller = kinked(x, kink, below, above), product(x, y), least(x, y)
    for _ in range(10):
        e = rng.choice([-1.0, 1.0, rng.uniform(-1.0, 1.0)], size=3)
        one, other = values(x, e, rng.uniform(size=4)), values(y, e, rng.uniform(size=4))
        holds(x, e, one)
        holds(x + y, e, one + other)
        holds(x - y, e, one - other)
        holds(x.times(kink), e, one * kink)
        moved = one - kink
        holds(bent, e, below * np.minimum(moved, 0.0) + above * np.maximum(moved, 0.0))
        holds(both, e, one * other)
        holds(smaller, e, np.minimum(one, other))
        whole = values(positive, e, rng.uniform(size=4))
        holds(reciprocal(positive), e, 1.0 / whole)


@given(SEEDS, SIZES)
def test_lower_bound_of_a_concave_function_of_a_variable_is_its_value_at_an_end(
    seed: int, kink: float
) -> None:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=5) * 50.0
    high = low + rng.exponential(size=5) * 100.0
    bent = kinked(variable(low, high, 1), kink, 2.0, -3.0)
    ends = [
        2.0 * np.minimum(end - kink, 0.0) - 3.0 * np.maximum(end - kink, 0.0) for end in (low, high)
    ]
    assert bent.lower == pytest.approx(np.minimum(*ends), rel=1e-9, abs=1e-9)


def test_sum_keeps_what_cancels_between_its_terms() -> None:
    x = variable(np.array([1.0]), np.array([3.0]), 0)
    nothing = x.times(2.0) - x - x
    assert (nothing.lower[0], nothing.upper[0]) == (0.0, 0.0)


@given(SEEDS)
def test_halvings_cover_their_box_and_without_any_one_of_them_do_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    box_low, box_high = np.array([0.8, 1.0, 0.5]), np.array([1.2, 1.0, 1.5])
    cells = [(box_low, box_high)]
    for _ in range(int(rng.integers(1, 12))):
        low, high = cells.pop(int(rng.integers(len(cells))))
        number = int(rng.choice([0, 2]))
        middle = 0.5 * (low[number] + high[number])
        first, second = high.copy(), low.copy()
        first[number], second[number] = middle, middle
        cells += [(low, first), (second, high)]
    low, high = (np.array([cell[side] for cell in cells]) for side in (0, 1))
    assert covers(low, high, box_low, box_high)
    for gone in range(len(cells)):
        kept = np.arange(len(cells)) != gone
        assert not covers(low[kept], high[kept], box_low, box_high)
    shrunk = high.copy()
    shrunk[0, 0] -= 1e-6
    assert not covers(low, shrunk, box_low, box_high)
