# SPDX-License-Identifier: Apache-2.0
"""eSSVI: the proof of the module's text, tried on parameters that obey the bounds and do not."""

from __future__ import annotations

import mpmath
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.errors import InputError
from tidegate.pricing.essvi import CURVATURE_MAX, WING_MAX, Essvi, Parameters, durrleman

GRID = np.concatenate([np.linspace(-3.0, 3.0, 121), [-30.0, 30.0]])


@st.composite
def bounded(draw: st.DrawFn) -> Essvi:
    """Slices that keep all bounds, many of them with equality."""
    share = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0))
    theta, put, call = draw(st.floats(1e-4, 1.0)), draw(st.floats(0.02, 1.0)), 0.0
    call = put * draw(st.floats(0.02, 1.0))
    slices = [inside(theta, put, call)]
    for _ in range(draw(st.integers(0, 4))):
        theta, put, call = slices[-1]
        growth = draw(st.floats(1.0, 3.0))
        psi = put + call
        room = psi * (growth - 1.0)
        put_part = draw(share)
        slices.append(
            within_wings(
                (theta * growth, put + room * put_part * draw(share), call),
                room * (1.0 - put_part) * draw(share),
                slices[-1],
            )
        )
    if draw(st.booleans()):
        slices = [(theta, call, put) for theta, put, call in slices]
    years = np.cumsum([draw(st.floats(0.01, 0.5)) for _ in slices])
    return Essvi(years, *(np.array(column) for column in zip(*slices, strict=True)))


def inside(theta: float, put: float, call: float) -> tuple[float, float, float]:
    """The wings made smaller until no butterfly is left."""
    wing, psi = max(put, call), (put + call) / 2.0
    scale = min(1.0, WING_MAX / wing, np.sqrt(CURVATURE_MAX * theta / (psi * wing)))
    return theta, put * scale, call * scale


def within_wings(
    wanted: tuple[float, float, float], call_rise: float, before: tuple[float, float, float]
) -> tuple[float, float, float]:
    """The wanted slice if it holds no butterfly, else the wings of the slice before."""
    theta, put, call = wanted[0], wanted[1], wanted[2] + call_rise
    kept = inside(theta, put, call)
    return kept if kept[1:] == (put, call) else (theta, before[1], before[2])


@given(bounded(), st.lists(st.floats(0.0, 1.0), min_size=3, max_size=8))
def test_slices_within_the_bounds_hold_no_arbitrage_at_between_and_beyond_them(
    surface: Essvi, places: list[float]
) -> None:
    assert not surface.broken_bounds()
    span = 2.0 * surface.expiry_years[-1]
    years = np.unique([*(max(p, 1e-3) * span for p in places), *surface.expiry_years])
    w = surface.total_variance(GRID[None, :], years[:, None])
    g = surface.durrleman(GRID[None, :], years[:, None])
    assert np.all(w > 0.0)
    assert np.all(np.diff(w, axis=0) >= -1e-13 * w[1:])
    assert np.all(g >= -1e-12)


@given(bounded())
def test_interpolated_slices_keep_every_bound(surface: Essvi) -> None:
    years = np.linspace(0.2 * surface.expiry_years[0], 3.0 * surface.expiry_years[-1], 40)
    at = surface.at(years)
    assert not Essvi(years, at.theta, at.put_wing, at.call_wing).broken_bounds()


BROKEN = {
    "butterfly: put wing < 4": ([9.0], [4.1], [0.1]),
    "butterfly: psi x call wing <= 4 theta": ([0.01], [0.1], [0.4]),
    "calendar: call wing never falls": ([0.02, 0.04], [0.1, 0.12], [0.1, 0.09]),
    "calendar: theta never falls": ([0.04, 0.03], [0.2, 0.2], [0.1, 0.1]),
    "calendar: phi never rises": ([0.04, 0.041], [0.1, 0.12], [0.1, 0.12]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bound_is_named_with_its_expiry(name: str) -> None:
    columns = [np.array(column) for column in BROKEN[name]]
    years = 0.1 * np.arange(1, columns[0].size + 1)
    found = {bound.bound: bound for bound in Essvi(years, *columns).broken_bounds()}
    assert name in found
    assert found[name].expiry_years == years[-1]
    assert found[name].excess > 0.0


def test_butterfly_and_calendar_outside_the_bounds_are_real() -> None:
    steep = Parameters(np.array(0.01), np.array(0.1), np.array(1.0))
    assert np.min(steep.durrleman(GRID)) < -0.1
    years = np.array([0.1, 0.2])
    falling = Essvi(years, np.array([0.04, 0.041]), np.array([0.3, 0.3]), np.array([0.3, 0.1]))
    w = falling.total_variance(GRID[None, :], years[:, None])
    assert np.any(np.diff(w, axis=0) < -1e-3)


@given(
    st.floats(1e-4, 2.0),
    st.floats(-0.98, 0.98),
    st.floats(0.05, 20.0),
    st.floats(-3.0, 3.0),
)
def test_total_variance_is_the_formula_of_gatheral_and_jacquier(
    theta: float, rho: float, phi: float, k: float
) -> None:
    psi = theta * phi
    slice_ = Parameters(*(np.array(x) for x in (theta, psi * (1 - rho), psi * (1 + rho))))
    with mpmath.workdps(40):
        t, r, p, x = (mpmath.mpf(value) for value in (theta, rho, phi, k))
        want = t / 2 * (1 + r * p * x + mpmath.sqrt((p * x + r) ** 2 + 1 - r * r))
    assert float(slice_.total_variance(np.array(k))) == pytest.approx(float(want), rel=1e-13)


@given(st.floats(1e-3, 2.0), st.floats(0.05, 1.0), st.floats(0.05, 1.0), st.floats(-2.0, 2.0))
def test_derivatives_are_those_of_the_total_variance(
    theta: float, put: float, call: float, k: float
) -> None:
    slice_ = Parameters(np.array(theta), np.array(put), np.array(call))

    def exact(x: mpmath.mpf) -> mpmath.mpf:
        a = theta + (mpmath.mpf(call) - put) / 2 * x
        return (a + mpmath.sqrt(a * a + mpmath.mpf(put) * call * x * x)) / 2

    with mpmath.workdps(40):
        first, second = (float(mpmath.diff(exact, k, n)) for n in (1, 2))
    _, slope, bend = slice_.derivatives(np.array(k))
    assert float(slope) == pytest.approx(first, rel=1e-11, abs=1e-13)
    assert float(bend) == pytest.approx(second, rel=1e-11, abs=1e-13)


def test_smile_without_wings_has_the_density_of_black() -> None:
    assert durrleman(0.3, 0.04, 0.0, 0.0) == 1.0


def test_total_variance_comes_back_as_it_was_asked_for() -> None:
    surface = Essvi(*(np.array([x]) for x in (0.5, 0.1, 0.2, 0.1)))
    assert isinstance(surface.total_variance(0.1, 0.5), float)
    assert surface.total_variance([0.0, 0.1], 0.5).shape == (2,)
    series = pd.Series([0.0, 0.1], index=[5, 6], name="k")
    assert list(surface.durrleman(series, 0.5).index) == [5, 6]
    assert isinstance(surface.durrleman(pl.Series("k", [0.0, 0.1]), 0.5), pl.Series)


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        (([], [], [], []), "expiry_years"),
        (([0.2, 0.1], [0.1, 0.2], [0.1, 0.1], [0.1, 0.1]), "expiry_years"),
        (([0.1], [np.nan], [0.1], [0.1]), "theta"),
        (([0.1], [0.1], [0.0], [0.1]), "put_wing"),
        (([0.1], [0.1], [0.1], [0.1, 0.2]), "call_wing"),
    ],
)
def test_parameters_that_are_no_slices_are_refused(columns: tuple[list], field: str) -> None:
    with pytest.raises(InputError, match=field):
        Essvi(*(np.array(column, dtype=float) for column in columns))
