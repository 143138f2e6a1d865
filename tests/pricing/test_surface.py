# SPDX-License-Identifier: Apache-2.0
"""A surface as a value: what it answers, how it moves, and what it says of its own proof."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pricing.made_chains import DAYS, FORWARD_USD, made_chain, made_surface, single
from tidegate.model.errors import InputError
from tidegate.pricing import black76
from tidegate.pricing.calibration import calibrate
from tidegate.pricing.static_arbitrage import check, expiries_between
from tidegate.pricing.surface import Dynamics, Shock, Surface

STRIKES = np.array([40_000.0, 70_000.0, 90_000.0, 120_000.0, 250_000.0])
YEARS = np.array([[3.0], [45.0], [200.0], [500.0]]) / 365.0


@pytest.fixture(scope="module")
def surface() -> Surface:
    return made_surface()


def test_volatility_comes_back_as_it_was_asked_for(surface: Surface) -> None:
    assert isinstance(surface.vol(90_000.0, 0.1), float)
    assert surface.vol([80_000, 90_000], 0.1).shape == (2,)
    assert surface.vol(STRIKES, YEARS).shape == (4, 5)
    series = surface.vol(pd.Series(STRIKES, index=list("abcde"), name="strike"), 0.1)
    assert list(series.index) == list("abcde")
    assert series.to_numpy() == pytest.approx(surface.vol(STRIKES, 0.1))
    assert isinstance(surface.vol(pl.Series("strike", STRIKES), 0.1), pl.Series)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, None])
def test_strike_or_expiry_that_is_none_has_no_volatility(surface: Surface, bad: object) -> None:
    assert np.isnan(surface.vol([90_000.0, bad], 0.1)).tolist() == [False, True]
    if bad is not np.inf:
        assert np.isnan(surface.vol(90_000.0, [0.1, bad])).tolist() == [False, True]
        assert np.isnan(surface.price_usd(90_000.0, [0.1, bad], True)).tolist() == [False, True]


def test_shapes_that_do_not_broadcast_are_refused(surface: Surface) -> None:
    with pytest.raises(InputError, match="broadcast"):
        surface.vol([1.0, 2.0, 3.0], [0.1, 0.2])


def test_volatility_smile_and_price_agree(surface: Surface) -> None:
    forward = surface.forward_at(YEARS)
    k = np.log(STRIKES / forward)
    smile = surface.smile(k, YEARS)
    vol = surface.vol(STRIKES, YEARS)
    assert vol**2 * YEARS == pytest.approx(smile.total_variance, rel=1e-12)
    otm = black76.price(forward, STRIKES, YEARS, vol, k >= 0.0)
    assert smile.value * forward == pytest.approx(otm, rel=1e-8)
    assert surface.price_usd(STRIKES, YEARS, k >= 0.0) == pytest.approx(otm, rel=1e-12)


@given(st.floats(20_000.0, 400_000.0), st.floats(0.01, 2.0))
def test_prices_keep_put_call_parity(strike: float, years: float) -> None:
    surface = _discounted()
    call, put = (surface.price_usd(strike, years, side) for side in (True, False))
    want = surface.discount_at(years) * (surface.forward_at(years) - strike)
    assert call - put == pytest.approx(want, abs=1e-9 * max(strike, FORWARD_USD))


_MADE: list[Surface] = []


def _discounted() -> Surface:
    """One surface with forwards and discounts that differ by expiry."""
    if not _MADE:
        made = made_surface()
        _MADE.append(
            replace(
                made,
                forward_usd=FORWARD_USD * np.exp(0.05 * made.expiry_years),
                discount=np.exp(-0.04 * made.expiry_years),
            )
        )
    return _MADE[0]


def test_forward_and_discount_lie_on_their_nodes_and_go_on_beyond() -> None:
    surface = _discounted()
    assert surface.forward_at(surface.expiry_years) == pytest.approx(surface.forward_usd)
    assert surface.discount_at(surface.expiry_years) == pytest.approx(surface.discount)
    assert surface.discount_at([0.0, 3.0]) == pytest.approx([1.0, np.exp(-0.12)])
    assert surface.forward_at([1e-9, 9.0]) == pytest.approx(surface.forward_usd[[0, -1]])


@settings(max_examples=30)
@given(st.floats(0.6, 1.6))
def test_sticky_delta_keeps_moneyness_and_sticky_strike_keeps_strikes(ratio: float) -> None:
    surface = _discounted()
    delta = surface.moved(ratio, Dynamics.STICKY_DELTA)
    strike = surface.moved(ratio, Dynamics.STICKY_STRIKE)
    before = surface.vol(STRIKES, YEARS)
    assert delta.vol(STRIKES * ratio, YEARS) == pytest.approx(before, rel=1e-9)
    assert strike.vol(STRIKES, YEARS) == pytest.approx(before, rel=1e-9)
    for moved in (delta, strike):
        assert moved.forward_at(YEARS) == pytest.approx(ratio * surface.forward_at(YEARS))
    assert delta.arbitrage_free
    assert strike.arbitrage_free == (ratio == 1.0)


def test_sticky_strike_move_and_back_is_the_surface_again(surface: Surface) -> None:
    there = surface.moved(1.3, Dynamics.STICKY_STRIKE)
    back = there.moved(1 / 1.3, Dynamics.STICKY_STRIKE)
    assert back.log_shift == pytest.approx(0.0, abs=1e-15)
    assert back.vol(STRIKES, YEARS) == pytest.approx(surface.vol(STRIKES, YEARS), rel=1e-9)


def test_g_after_a_sticky_strike_move_is_that_of_the_moved_smile(surface: Surface) -> None:
    moved, h = surface.moved(1.2, Dynamics.STICKY_STRIKE), 1e-4
    k = np.linspace(-0.8, 0.8, 17)
    left, w, right = (moved.total_variance(k + d, 0.25) for d in (-h, 0.0, h))
    slope, bend = (right - left) / (2 * h), (right - 2 * w + left) / h**2
    want = (1 - k * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + bend / 2
    assert moved.durrleman(k, 0.25) == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("dynamics", Dynamics)
def test_vol_per_usd_is_what_a_small_move_does(surface: Surface, dynamics: Dynamics) -> None:
    h = 1e-5
    up, down = (surface.moved(1.0 + d, dynamics).vol(STRIKES, YEARS) for d in (h, -h))
    want = (up - down) / (2 * h * surface.forward_at(YEARS))
    found = surface.vol_per_usd(STRIKES, YEARS, dynamics)
    assert found == pytest.approx(want, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("ratio", [0.0, -1.0, np.nan, np.inf])
def test_move_by_no_positive_ratio_is_refused(surface: Surface, ratio: float) -> None:
    with pytest.raises(InputError, match="forward_ratio"):
        surface.moved(ratio, Dynamics.STICKY_DELTA)


@settings(max_examples=20)
@given(st.floats(-0.6, 1.0))
def test_level_shock_moves_all_volatility_and_keeps_the_proof(level: float) -> None:
    surface = _discounted()
    shocked = surface.shocked(Shock(level=level))
    atm = np.sqrt(shocked.total_variance(0.0, surface.expiry_years))
    before = np.sqrt(surface.total_variance(0.0, surface.expiry_years))
    assert atm == pytest.approx((1.0 + level) * before, rel=2e-3)
    assert shocked.arbitrage_free
    assert check(shocked, expiries_between(shocked.expiry_years)).clean


def test_skew_shock_lifts_calls_over_puts_and_leaves_the_money(surface: Surface) -> None:
    shocked = surface.shocked(Shock(skew=0.1))
    years, k = surface.expiry_years, np.array([[-0.3], [0.0], [0.3]])
    change = shocked.total_variance(k, years) - surface.total_variance(k, years)
    assert np.all(change[0] < 0.0)
    assert change[1] == pytest.approx(0.0, abs=1e-14)
    assert np.all(change[2] > 0.0)


def test_term_shock_fades_beyond_thirty_days(surface: Surface) -> None:
    shocked = surface.shocked(Shock(term=0.2))
    ratio = np.sqrt(shocked.low.theta / surface.low.theta) - 1.0
    want = [0.2 * min(1.0, np.sqrt(30 / day)) for day in DAYS]
    assert ratio == pytest.approx(want, rel=1e-6)


def test_shock_that_breaks_a_bound_says_so_and_arbitrage_is_found() -> None:
    inverted = single([0.04, 0.0405], [0.1, 0.1], [0.05, 0.05])
    assert inverted.arbitrage_free
    shocked = inverted.shocked(Shock(term=0.5))
    assert not shocked.arbitrage_free
    assert "calendar: theta never falls" in {bound.bound for bound in shocked.broken_bounds}
    assert check(shocked, expiries_between(shocked.expiry_years)).calendars > 0


@pytest.mark.parametrize("name", ["low", "high"])
def test_bound_that_one_regime_alone_breaks_is_named_and_ends_the_proof(
    surface: Surface, name: str
) -> None:
    regime = getattr(surface, name)
    broken = replace(surface, **{name: replace(regime, call_wing=np.full(len(DAYS), 4.5))})
    found = {bound.bound for bound in broken.broken_bounds}
    assert "butterfly: call wing < 4" in found
    assert not any("put wing < 4" in bound for bound in found)
    assert not broken.arbitrage_free
    assert surface.broken_bounds == ()


def test_no_shock_changes_nothing(surface: Surface) -> None:
    same = surface.shocked(Shock())
    assert np.array_equal(same.vol(STRIKES, YEARS), surface.vol(STRIKES, YEARS))


@pytest.mark.parametrize("shock", [Shock(level=-1.0), Shock(term=np.nan), Shock(skew=np.inf)])
def test_shock_that_leaves_no_volatility_is_refused(surface: Surface, shock: Shock) -> None:
    with pytest.raises(InputError, match="surface: shock"):
        surface.shocked(shock)


def test_one_regime_shocked_stays_one() -> None:
    plain = single([0.02, 0.04], [0.1, 0.12], [0.05, 0.06])
    shocked = plain.shocked(Shock(level=0.1))
    assert shocked.low is shocked.high
    k = np.linspace(-1.0, 1.0, 9)
    found = shocked.total_variance(k, 0.2)
    assert found == pytest.approx(shocked.low.total_variance(k, 0.2), rel=1e-12)


def test_surface_is_frozen_and_refuses_a_share_that_is_none(surface: Surface) -> None:
    with pytest.raises(FrozenInstanceError):
        surface.high_share = 0.5  # type: ignore[misc]
    for share in (-0.1, 0.0, 1.0, np.nan):
        with pytest.raises(InputError, match="high_share"):
            replace(surface, high_share=share)


def test_quality_has_a_row_for_each_expiry(surface: Surface) -> None:
    quality = surface.quality
    assert quality is not None
    assert [row.expiry_ms for row in quality.expiries] == surface.expiry_ms.tolist()
    total = sum(row.quotes * row.inside_share for row in quality.expiries)
    assert total == pytest.approx(quality.quotes * quality.inside_share)


def test_quality_of_a_surface_that_misses_its_quotes_is_low() -> None:
    chain = made_chain(lambda k, years: np.where(years < 0.05, 2.0, 0.2))
    quality = calibrate(chain).quality
    assert quality is not None
    assert quality.inside_share < 0.5
    assert quality.median_error_vol_points > 1.0
