# SPDX-License-Identifier: Apache-2.0
"""The most likely failure point: closed forms, dimensions that are added, what cannot be judged."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidegate.model.errors import InputError
from tidegate.risk.failure_point import Factors, Search

FloatArray = NDArray[np.float64]
COUNT = 4
SLOPES = st.lists(st.floats(-5.0, 5.0), min_size=COUNT, max_size=COUNT)
SDS = st.lists(st.floats(0.01, 0.2), min_size=COUNT, max_size=COUNT)


def factors(sd: list[float], rho: float, reach: float = 1e3) -> Factors:
    count = len(sd)
    correlation = np.full((count, count), rho) + (1.0 - rho) * np.eye(count)
    names = tuple(f"factor {place}" for place in range(count))
    ends = np.full(count, reach)
    return Factors(names, np.array(sd), correlation, -ends, ends)


@settings(max_examples=40)
@given(SLOPES, SDS, st.floats(-0.3, 0.9), st.floats(0.1, 3.0))
def test_distance_of_a_linear_health_is_the_closed_form(
    slopes: list[float], sd: list[float], rho: float, start: float
) -> None:
    # Hasofer and Lind (1974): beta = c / sqrt(a' C a) for health c + a' z.
    slope, told = np.array(slopes), factors(sd, rho)
    covariance = told.correlation * np.outer(told.sd, told.sd)
    spread = sqrt(float(slope @ covariance @ slope))
    if spread < 1e-2:
        return
    found = Search(lambda z: start + float(slope @ z), told).point(range(COUNT))
    assert found.distance is not None
    assert found.at is not None
    assert found.distance == pytest.approx(start / spread, rel=1e-4)
    assert start + float(slope @ found.at) == pytest.approx(0.0, abs=1e-8 * start)
    assert found.sure


@settings(max_examples=25)
@given(SLOPES, SLOPES, SDS, st.floats(-0.3, 0.9))
def test_point_is_never_farther_by_more_factors_and_health_there_is_gone(
    one: list[float], other: list[float], sd: list[float], rho: float
) -> None:
    first, second = np.array(one), np.array(other)

    def health(z: FloatArray) -> float:
        bent = 1.0 + float(first @ z) - 2.0 * float(np.abs(z).max())
        return min(bent, 2.0 + float(second @ z) + 3.0 * float(z @ z))

    search = Search(health, factors(sd, rho, reach=10.0))
    found = {
        places: search.point(places)
        for count in range(1, COUNT + 1)
        for places in combinations(range(COUNT), count)
    }
    for places, point in found.items():
        assert point.distance is not None
        assert point.at is not None
        assert health(point.at) == pytest.approx(0.0, abs=1e-8)
        assert search.norm(point.at) == pytest.approx(point.distance)
        assert all(point.at[place] == 0.0 for place in range(COUNT) if place not in places)
        for more in found:
            if set(places) < set(more):
                assert (found[more].distance or 0.0) <= point.distance


def test_factor_that_is_only_adverse_one_way_moves_that_way_only() -> None:
    told = factors([0.1, 0.1], 0.0)
    told = Factors(told.names, told.sd, told.correlation, np.array([-9.0, 0.0]), told.upper)
    found = Search(lambda z: 1.0 - z[0] + 2.0 * z[1], told).point((0, 1))
    assert found.distance == pytest.approx(10.0)
    assert found.at is not None
    assert found.at[1] == 0.0


def test_health_that_jumps_is_found_where_it_jumps() -> None:
    found = Search(lambda z: -5.0 if z[0] > 0.3 else 1.0, factors([0.1], 0.0, 5.0)).point((0,))
    assert found.distance == pytest.approx(3.0)


def test_account_that_is_dead_now_is_no_distance_away() -> None:
    found = Search(lambda z: -1.0 + z[0], factors([0.1], 0.0)).point((0,))
    assert found.distance == 0.0


def test_what_cannot_be_judged_is_told_and_not_taken_as_safe() -> None:
    def health(z: FloatArray) -> float:
        if z[0] > 0.5:
            raise InputError("rule", "tiers", "expected none beyond")
        return 1.0 + float(z[0])

    found = Search(health, factors([0.1], 0.0, 5.0)).point((0,))
    assert found.distance == pytest.approx(10.0)
    assert found.unjudged_from is not None
    assert 5.0 < found.unjudged_from < 10.0
    assert not found.sure


def test_nothing_that_kills_is_no_distance() -> None:
    found = Search(lambda z: 1.0 + z[0] ** 2, factors([0.1], 0.0)).point((0,))
    assert (found.distance, found.unjudged_from) == (None, None)


def test_correlations_that_contradict_are_refused() -> None:
    told = factors([0.1] * 3, -0.9)
    with pytest.raises(np.linalg.LinAlgError):
        Search(lambda z: 1.0, told)
