# SPDX-License-Identifier: Apache-2.0
"""The look for arbitrage finds what is planted, and nothing where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.pricing.made_chains import made_surface, single
from tidegate.model.errors import InputError
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.raw_svi import RawSvi
from tidegate.pricing.static_arbitrage import check, expiries_between, log_strikes
from tidegate.pricing.surface import Smile

YEARS = np.array([0.1, 0.2, 0.4])
VOGT = RawSvi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)


@dataclass(frozen=True)
class OneSmile:
    """The same smile at all expiries, its total variance times a power of T."""

    svi: RawSvi
    power: float = 1.0

    def smile(self, log_strike: FloatArray, expiry_years: FloatArray) -> Smile:
        w = self.svi.total_variance(log_strike) * expiry_years**self.power
        return Smile(w, w, w, self.svi.durrleman(log_strike))


class NoSmile:
    """Nothing is known of it."""

    def smile(self, log_strike: FloatArray, expiry_years: FloatArray) -> Smile:
        nothing = np.full(log_strike.shape, np.nan)
        return Smile(nothing, nothing, nothing, nothing)


def test_flat_smile_has_none() -> None:
    report = check(OneSmile(RawSvi(0.04, 1e-9, 0.0, 0.0, 1.0)), YEARS)
    assert report.clean
    assert (report.points, report.expiries) == (900, 3)
    assert report.least_g == pytest.approx(1.0, abs=1e-6)
    assert report.least_rise == pytest.approx(0.004, rel=1e-6)


def test_butterfly_of_vogts_smile_is_found_where_it_is() -> None:
    report = check(OneSmile(VOGT), YEARS)
    k = log_strikes()
    assert report.butterflies == 3 * np.sum((k > 0.6425) & (k < 1.2569))
    assert report.calendars == 0
    assert report.least_g == pytest.approx(-0.03286, abs=1e-4)
    assert not report.clean


def test_total_variance_that_falls_is_found_at_each_point() -> None:
    report = check(OneSmile(RawSvi(0.04, 0.01, 0.0, 0.0, 1.0), power=-0.5), YEARS)
    assert report.calendars == 600
    assert report.least_rise < 0.0


def test_surfaces_with_broken_bounds_are_found_out() -> None:
    crossing = single([0.04, 0.041], [0.3, 0.3], [0.3, 0.1])
    assert check(crossing, crossing.expiry_years).calendars > 0
    steep = single([0.01], [0.1], [1.0])
    assert check(steep, steep.expiry_years).butterflies > 0
    assert not crossing.arbitrage_free
    assert not steep.arbitrage_free


def test_what_is_not_a_number_counts_as_a_violation() -> None:
    report = check(NoSmile(), YEARS)
    assert report.butterflies == 900
    assert report.calendars == 600
    assert not report.clean


def test_single_expiry_has_no_calendar() -> None:
    surface = made_surface(days=(30,))
    report = check(surface, surface.expiry_years)
    assert report.clean
    assert report.least_rise == np.inf


def test_grid_holds_the_expiries_and_lies_between_before_and_beyond_them() -> None:
    years = expiries_between(YEARS, between=3)
    assert years.size == 3 * 4 + 1
    assert np.all(np.diff(years) > 0.0)
    assert np.isin(YEARS, years).all()
    assert np.sum(years < 0.1) == 3
    assert years[-1] == 0.5
    k = log_strikes()
    assert (k.size, k[0], k[-1]) == (300, -1.5, 1.5)


@pytest.mark.parametrize("years", [[], [0.2, 0.1], [0.0, 0.1], [np.nan], [[0.1]]])
def test_expiries_that_do_not_increase_are_refused(years: list) -> None:
    with pytest.raises(InputError, match="increasing positive years"):
        check(OneSmile(VOGT), np.array(years))


def test_expiries_looked_at_are_three_between_each_two_and_one_beyond() -> None:
    quarters = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0]
    assert expiries_between(np.array([0.4, 0.8])) == pytest.approx(quarters)
    assert expiries_between(np.array([0.4]), 0) == pytest.approx([0.4, 0.5])
