# SPDX-License-Identifier: Apache-2.0
"""Raw SVI against the literature's example, and as a finder of arbitrage in free fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pricing.made_chains import made_chain
from tidegate.model.errors import InputError
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.raw_svi import JumpWings, RawSvi, diagnose, fit_raw_svi

# Axel Vogt's smile: Gatheral and Jacquier (2014), example 3.1; its repair in section 5.1.
VOGT = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
GRID = np.arange(-1500, 1501) / 1000.0


def test_vogts_smile_has_its_butterfly_where_the_literature_has_it() -> None:
    g = VOGT.durrleman(GRID)
    assert g.min() == pytest.approx(-0.032864, abs=5e-7)
    assert GRID[g.argmin()] == 0.879
    assert GRID[g < 0.0][[0, -1]].tolist() == [0.643, 1.256]


def test_vogts_smile_in_jump_wings_is_that_of_the_literature() -> None:
    wings = VOGT.jump_wings(1.0)
    assert wings.atm_variance == pytest.approx(0.01742626, abs=1e-8)
    assert wings.atm_skew == pytest.approx(-0.1752111, abs=5e-8)
    assert wings.put_slope == pytest.approx(0.6997381, abs=5e-8)
    assert wings.call_slope == pytest.approx(1.316798, abs=5e-7)
    assert wings.least_variance == pytest.approx(0.0116249, abs=5e-8)


def test_repair_of_vogts_smile_is_that_of_the_literature_and_holds_no_butterfly() -> None:
    repaired = VOGT.jump_wings(1.0).repaired()
    assert repaired.call_slope == pytest.approx(0.3493158, abs=5e-8)
    assert repaired.least_variance == pytest.approx(0.01548182, abs=5e-9)
    assert repaired.raw().durrleman(GRID).min() == pytest.approx(0.278, abs=5e-4)


def test_optimised_repair_of_the_literature_holds_no_butterfly() -> None:
    wings = VOGT.jump_wings(1.0)
    repaired = replace(wings, call_slope=0.8564763, least_variance=0.0116249)
    assert repaired.raw().durrleman(np.linspace(-3, 3, 6001)).min() == pytest.approx(
        0.0081, abs=5e-5
    )


@given(
    st.floats(0.005, 0.5),
    st.floats(-0.95, 0.95),
    st.floats(-1.0, 1.0),
    st.floats(0.05, 2.0),
    st.floats(0.02, 3.0),
)
def test_jump_wings_lead_back_to_the_raw_parameters(
    b: float, rho: float, m: float, sigma: float, years: float
) -> None:
    if abs(rho - m / np.hypot(m, sigma)) < 0.05:
        return  # the least variance is at the money, and does not tell sigma
    raw = RawSvi(0.05, b, rho, m, sigma)
    back = raw.jump_wings(years).raw()
    k = np.linspace(-2.0, 2.0, 9)
    assert back.total_variance(k) == pytest.approx(raw.total_variance(k), rel=1e-7)


@given(st.floats(0.05, 0.4), st.floats(-0.8, 0.8), st.floats(-0.3, 0.3), st.floats(0.1, 0.6))
def test_fit_recovers_the_curve_that_the_quotes_lie_on(
    b: float, rho: float, m: float, sigma: float
) -> None:
    true, k = RawSvi(0.02, b, rho, m, sigma), np.linspace(-0.8, 0.8, 17)
    found = fit_raw_svi(k, true.total_variance(k), np.full(k.size, 1e3))
    assert found.total_variance(k) == pytest.approx(true.total_variance(k), abs=2e-5)


@pytest.mark.parametrize(
    "wings",
    [
        JumpWings(0.04, -0.9, 0.7, 1.3, 0.01, 1.0),
        JumpWings(0.04, -0.1, 0.7, 1.3, 0.05, 1.0),
        JumpWings(-0.04, -0.1, 0.7, 1.3, 0.01, 1.0),
        JumpWings(0.04, 0.0, 0.0, 0.0, 0.01, 1.0),
    ],
    ids=["skew over wing", "least over money", "negative variance", "no wings"],
)
def test_terms_of_no_hyperbola_are_refused(wings: JumpWings) -> None:
    with pytest.raises(InputError, match="jump wings"):
        wings.raw()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fit_of_quotes_that_are_no_numbers_is_refused(bad: float) -> None:
    k = np.linspace(-1.0, 1.0, 6)
    with pytest.raises(InputError, match="at least 5 finite quotes"):
        fit_raw_svi(k, np.append(np.full(5, 0.1), bad), np.ones(6))
    with pytest.raises(InputError, match="at least 5 finite quotes"):
        fit_raw_svi(k[:4], np.full(4, 0.1), np.ones(4))


def test_diagnosis_finds_arbitrage_in_quotes_and_none_in_a_flat_chain() -> None:
    def butterflied(k: FloatArray, years: FloatArray) -> FloatArray:
        scaled = VOGT.total_variance(k / np.sqrt(years)) * years
        return np.where(np.abs(years - 90 / 365) < 0.01, np.sqrt(scaled / years), 0.2)

    clean = diagnose(made_chain(lambda k, years: np.full(k.size, 0.5)))
    assert len(clean) == 6
    assert all(row.least_g > 0.8 and row.crossings == 0 for row in clean)
    assert all(row.inside_share == 1.0 for row in clean)
    found = diagnose(made_chain(butterflied, strikes=41))
    assert found[3].crossings > 0


def test_diagnosis_leaves_out_expiries_with_too_few_quotes() -> None:
    assert diagnose(made_chain(strikes=3)) == ()
