# SPDX-License-Identifier: Apache-2.0
"""Bands are the cheapest of their kind, agree with their limits, and with a simulated drift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate.allocation.bands import (
    Band,
    Drift,
    band_cost_usd_annual,
    fixed_band,
    impulse_band,
    proportional_band,
    rebalance,
)
from tidegate.model.errors import InputError

UNIT = Drift(1.0, 1.0)
SCALES = st.floats(1e-3, 1e3)


def test_golden_bands_hold_to_four_digits() -> None:
    """reference quant 3.5, a = R = 1; re-derived from the closed forms and by minimisation."""
    reflected, jumped = proportional_band(UNIT, 0.05), fixed_band(UNIT, 0.02)
    assert reflected.trigger == pytest.approx(0.421716, abs=5e-7)
    assert reflected.cost_usd_annual == pytest.approx(0.088922, abs=5e-7)
    assert jumped.trigger == pytest.approx(0.699927, abs=5e-7)
    assert jumped.cost_usd_annual == pytest.approx(0.081650, abs=5e-7)
    assert (reflected.landing, jumped.landing) == (reflected.trigger, 0.0)


@given(SCALES, SCALES, SCALES)
def test_proportional_band_is_cheaper_than_narrower_and_wider(
    a2: float, r: float, k: float
) -> None:
    drift = Drift(a2, r)
    band = proportional_band(drift, k)
    h = band.trigger
    assert band.cost_usd_annual == pytest.approx(r * h**2 / 6 + k * a2 / (2 * h), rel=1e-12)
    for other in (0.7 * h, 0.999 * h, 1.001 * h, 1.4 * h):
        assert r * other**2 / 6 + k * a2 / (2 * other) > band.cost_usd_annual


@given(SCALES, SCALES, SCALES)
def test_fixed_band_is_cheaper_than_narrower_and_wider(a2: float, r: float, f: float) -> None:
    band = fixed_band(Drift(a2, r), f)
    h = band.trigger
    assert band.cost_usd_annual == pytest.approx(r * h**2 / 12 + f * a2 / h**2, rel=1e-12)
    for other in (0.7 * h, 0.999 * h, 1.001 * h, 1.4 * h):
        assert r * other**2 / 12 + f * a2 / other**2 > band.cost_usd_annual


@given(SCALES, SCALES, SCALES, SCALES, st.floats(0.3, 3.0), st.floats(0.0, 0.99))
def test_impulse_band_is_cheaper_than_any_other_pair_of_levels(
    a2: float, r: float, k: float, f: float, stretch: float, share: float
) -> None:
    drift = Drift(a2, r)
    band = impulse_band(drift, k, f)
    assert 0.0 < band.landing < band.trigger
    trigger = stretch * band.trigger
    other = band_cost_usd_annual(drift, (trigger, share * trigger), k, f)
    assert other >= band.cost_usd_annual * (1.0 - 1e-9)


@given(SCALES, SCALES, SCALES, SCALES)
def test_impulse_band_costs_more_than_each_cost_alone(
    a2: float, r: float, k: float, f: float
) -> None:
    drift = Drift(a2, r)
    both = impulse_band(drift, k, f).cost_usd_annual
    alone = (proportional_band(drift, k).cost_usd_annual, fixed_band(drift, f).cost_usd_annual)
    assert max(alone) <= both * (1 + 1e-12)
    assert both <= sum(alone) * (1 + 1e-12)


def test_impulse_band_tends_to_both_limits() -> None:
    reflected, jumped = proportional_band(UNIT, 0.05), fixed_band(UNIT, 0.02)
    near_reflected, near_jumped = impulse_band(UNIT, 0.05, 1e-12), impulse_band(UNIT, 1e-12, 0.02)
    for name in ("trigger", "landing", "cost_usd_annual"):
        assert getattr(near_reflected, name) == pytest.approx(getattr(reflected, name), rel=1e-3)
        assert getattr(near_jumped, name) == pytest.approx(getattr(jumped, name), abs=1e-9)
    assert impulse_band(UNIT, 0.05, 0.0) == reflected
    assert impulse_band(UNIT, 0.0, 0.02) == jumped


@pytest.mark.parametrize(("k", "f"), [(0.05, 0.02), (0.0, 0.02), (0.05, 0.002)])
def test_simulated_cost_of_the_policy_is_the_one_stated(k: float, f: float) -> None:
    """A walk of steps 0.01, which hits the levels almost exactly; 1,000 paths from the target."""
    band, step = impulse_band(UNIT, k, f), 0.01
    rng, x = np.random.default_rng(5), np.zeros(1_000)
    risk = trading = 0.0
    for moment in range(30_000):
        x = x + step * rng.choice([-1.0, 1.0], x.size)
        after = rebalance(x, band)
        moved = np.abs(after - x)
        if moment >= 5_000:
            risk += 0.5 * float(np.mean(x**2)) * step**2
            trading += float(np.mean(f * (moved > 0) + k * moved))
        x = after
    years = 25_000 * step**2
    assert (risk + trading) / years == pytest.approx(band.cost_usd_annual, rel=0.03)


@given(st.lists(st.floats(-5.0, 5.0), max_size=20), st.floats(0.1, 2.0), st.floats(0.0, 1.0))
def test_rebalance_lands_on_its_own_side_and_leaves_the_inside_alone(
    deviations: list[float], trigger: float, share: float
) -> None:
    band = Band(trigger, share * trigger, 0.0)
    x = np.array(deviations)
    after = rebalance(x, band)
    inside = np.abs(x) < trigger
    assert np.array_equal(after[inside], x[inside])
    assert np.array_equal(after[~inside], np.sign(x[~inside]) * band.landing)
    assert np.all(np.abs(after) <= trigger)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_without_meaning_are_refused_and_the_field_named(value: float) -> None:
    assume(not (math.isfinite(value) and value > 0.0))
    for field in ("variance_annual", "risk_usd_annual"):
        with pytest.raises(InputError, match=f"{field}: expected a finite number above zero"):
            Drift(**({"variance_annual": 1.0, "risk_usd_annual": 1.0} | {field: value}))
    with pytest.raises(InputError, match="fixed_cost_usd"):
        fixed_band(UNIT, value)
    with pytest.raises(InputError, match="unit_cost_usd"):
        proportional_band(UNIT, value)
    with pytest.raises(InputError, match="unit_cost_usd"):
        impulse_band(UNIT, value or -1.0, 0.02)


def test_no_cost_at_all_and_crossed_levels_are_refused() -> None:
    with pytest.raises(InputError, match="unit_cost_usd"):
        impulse_band(UNIT, 0.0, 0.0)
    for levels in ((1.0, 2.0), (1.0, -0.1), (0.0, 0.0), (1.0, 1.0)):
        with pytest.raises(InputError, match="landing < trigger"):
            band_cost_usd_annual(UNIT, levels, 0.1, 0.1)
