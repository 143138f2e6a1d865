# SPDX-License-Identifier: Apache-2.0
"""Fits: what they recover, what may not inform them, and that no quotes break the bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.pricing.made_chains import DAYS, TS_MS, Vols, crypto, flat, made_chain, rows
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS
from tidegate.pricing import calibration, evidence
from tidegate.pricing.arrays import FloatArray
from tidegate.pricing.calibration import DEFAULTS, Settings, calibrate, fit_of
from tidegate.pricing.option_chain import Exclusion, OptionChain, quotes
from tidegate.pricing.static_arbitrage import check, expiries_between
from tidegate.pricing.surface import Surface


def assert_no_arbitrage(surface: Surface) -> None:
    report = check(surface, expiries_between(surface.expiry_years))
    assert surface.arbitrage_free
    assert report.clean, report


def same(one: Surface, other: Surface) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in ((one.low, other.low), (one.high, other.high))
        for name in ("expiry_years", "theta", "put_wing", "call_wing")
    )


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("vols", [flat(0.6), crypto], ids=["flat", "crypto"])
def test_smiles_of_a_made_chain_are_recovered_inside_its_spread(vols: Vols, inverse: bool) -> None:
    chain = made_chain(vols, inverse=inverse)
    surface = calibrate(chain)
    assert surface.quality is not None
    assert surface.quality.converged
    assert surface.quality.inside_share == 1.0
    error = surface.vol(chain.strike_usd, chain.expiry_years) - chain.mark_vol_annual
    assert np.max(np.abs(error)) < 0.005
    assert surface.quality.median_error_vol_points < 0.1
    assert_no_arbitrage(surface)


def test_expiry_between_the_quoted_ones_is_near_the_truth() -> None:
    surface = calibrate(made_chain())
    years = np.array([14, 60, 250]) / 365.0
    k = np.linspace(-1.0, 1.0, 9)[:, None] * np.sqrt(years) * 0.5
    found = np.sqrt(surface.total_variance(k, years) / years)
    assert np.max(np.abs(found - crypto(k, years))) < 0.01


def crossed(k: FloatArray, years: FloatArray) -> FloatArray:
    """Total variance that falls with expiry: 200 % at a week, 20 % beyond."""
    return np.where(years < 0.05, 2.0, 0.2)


def dented(k: FloatArray, years: FloatArray) -> FloatArray:
    """A smile with a hump at the money, whose density is negative beside it."""
    return np.asarray(0.4 + 0.5 * np.exp(-0.5 * (k / (0.15 * np.sqrt(years))) ** 2))


def steep(k: FloatArray, years: FloatArray) -> FloatArray:
    """Wings that rise faster than any density allows."""
    return np.asarray(0.5 + 3.0 * np.abs(k) / np.sqrt(years))


@pytest.mark.parametrize("regimes", [1, 2])
@pytest.mark.parametrize("vols", [crossed, dented, steep])
def test_quotes_that_are_arbitrageable_get_a_surface_that_is_not(vols: Vols, regimes: int) -> None:
    surface = calibrate(made_chain(vols), Settings(regimes=regimes))
    assert surface.quality is not None
    assert surface.quality.inside_share < 1.0
    assert_no_arbitrage(surface)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.floats(0.0, 2.0))
def test_quotes_at_random_never_break_a_bound(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    days = tuple(np.unique(rng.integers(1, 400, rng.integers(1, 8))).tolist())
    level = np.exp(rng.normal(-0.5, 0.7, 500))

    def vols(k: FloatArray, years: FloatArray) -> FloatArray:
        own = level[np.round(years * 365).astype(int)]
        return np.asarray(own * np.exp(noise * rng.normal(size=k.size)))

    chain = made_chain(vols, days=days, strikes=int(rng.integers(3, 15)))
    assume(np.any(quotes(chain).used))
    assert_no_arbitrage(calibrate(chain, replace(DEFAULTS, quotes_least=1)))


def test_held_out_quotes_do_not_inform_the_fit() -> None:
    chain = made_chain()
    held = np.arange(chain.bid.size) % 3 == 0
    spoiled = replace(
        chain,
        bid=np.where(held, 1.1 * chain.bid, chain.bid),
        ask=np.where(held, 1.1 * chain.ask, chain.ask),
    )
    clean = calibrate(chain, held_out=held)
    assert same(clean, calibrate(spoiled, held_out=held))
    assert not same(clean, calibrate(spoiled))
    assert clean.quality is not None
    excluded = clean.quality.excluded["held out by the caller"]
    assert excluded == np.sum(quotes(chain).used & held)


def test_held_out_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="held_out: expected 252 booleans"):
        calibrate(made_chain(), held_out=np.zeros(3, dtype=bool))


def test_venue_marks_stand_beside_the_surface_and_do_not_inform_it() -> None:
    chain = made_chain()
    other = replace(chain, mark_vol_annual=np.full(chain.bid.size, 9.0))
    surface = calibrate(other)
    assert same(surface, calibrate(chain))
    assert surface.marks is not None
    assert np.array_equal(surface.marks.vol_annual, other.mark_vol_annual)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_order_of_the_rows_does_not_matter(seed: int) -> None:
    chain = made_chain()
    order = np.random.default_rng(seed).permutation(chain.bid.size)
    one, other = calibrate(chain), calibrate(rows(chain, order))
    k = np.linspace(-1.5, 1.5, 31)[:, None]
    years = one.expiry_years
    assert one.total_variance(k, years) == pytest.approx(other.total_variance(k, years), rel=1e-6)


def test_expiry_with_too_few_quotes_is_dropped_with_a_reason_and_still_priced() -> None:
    chain = made_chain()
    thin = chain.expiry_ms == TS_MS + 30 * DAY_MS
    keep = ~thin | (np.cumsum(thin & quotes(chain).used) <= 2)
    surface = calibrate(rows(chain, keep))
    quality = surface.quality
    assert quality is not None
    assert dict(quality.dropped_expiries) == {TS_MS + 30 * DAY_MS: "fewer than 3 usable quotes"}
    assert quality.excluded["its expiry has too few quotes"] == 2
    assert surface.expiry_years.size == len(DAYS) - 1
    assert surface.vol(90_000.0, 30 / 365) == pytest.approx(crypto(0.0, 30 / 365), abs=0.02)


def test_chain_without_a_usable_expiry_is_refused_with_its_counts() -> None:
    chain = made_chain(strikes=2, days=(7,))
    broken = replace(chain, bid=np.full(4, np.nan))
    with pytest.raises(InputError) as caught:
        calibrate(broken)
    assert str(caught.value) == (
        "option chain of BTC at 2026-01-01T00:00:00Z: quotes: expected an expiry with at least 3"
        " usable quotes; 4 no bid or no ask"
    )


def test_every_row_is_used_or_excluded_once() -> None:
    chain = made_chain()
    bid = chain.bid.copy()
    bid[::7], bid[::11] = np.nan, 0.2 * chain.ask[::11]
    surface = calibrate(replace(chain, bid=bid))
    assert surface.quality is not None
    used = surface.quality.quotes
    assert used + sum(surface.quality.excluded.values()) == chain.bid.size
    assert sum(part.quotes for part in surface.quality.expiries) == used


def test_one_regime_is_a_plain_essvi_surface() -> None:
    surface = calibrate(made_chain(), Settings(regimes=1))
    k, years = np.linspace(-1.0, 1.0, 11)[:, None], np.array([0.05, 0.3, 1.5])
    plain = surface.low.total_variance(k, years)
    assert surface.total_variance(k, years) == pytest.approx(plain, rel=1e-12)
    assert surface.durrleman(k, years) == pytest.approx(surface.low.durrleman(k, years), rel=1e-9)


def test_stale_quote_moves_the_surface_less_than_under_least_squares() -> None:
    chain = made_chain(strikes=31)
    stale = (chain.expiry_ms == TS_MS + 90 * DAY_MS) & (np.abs(chain.strike_usd - 99_000) < 1_500)
    assert 0 < stale.sum() < 5
    spoiled = replace(
        chain,
        bid=np.where(stale, 1.5 * chain.bid, chain.bid),
        ask=np.where(stale, 1.5 * chain.ask, chain.ask),
    )

    def moved(huber: float) -> float:
        rules = replace(DEFAULTS, huber=huber)
        k = np.linspace(-0.5, 0.5, 41)
        one, other = (calibrate(c, rules).total_variance(k, 90 / 365) for c in (chain, spoiled))
        return float(np.max(np.abs(one - other)))

    assert moved(2.0) < 0.5 * moved(1e6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("regimes", 3),
        ("high_share", 0.0),
        ("high_share", float("nan")),
        ("quotes_least", 0),
        ("huber", 0.0),
        ("level_walk", -1.0),
        ("wing_walk", float("inf")),
        ("anchor", 0.0),
    ],
)
def test_setting_outside_its_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InputError, match=f"calibration: {field}: expected"):
        replace(DEFAULTS, **{field: value})


def some_chains(data_root: Path, coin: str) -> list[OptionChain]:
    """Chains of both halves of the data, among them the crash of 2026-02-06."""
    picked = []
    for month, places in (("2026-02", (3, 20, 21)), ("2026-04", (0, 50))):
        file = data_root / "options" / f"deribit_{coin}_chain_{month}.parquet"
        every = list(evidence.chains(file, coin))
        picked += [every[place] for place in places]
    return picked


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_real_chains_have_no_arbitrage_and_most_held_out_quotes_inside(
    data_root: Path, coin: str
) -> None:
    inside = []
    for chain in some_chains(data_root, coin):
        held = evidence.held_out(chain)
        surface = calibrate(chain, held_out=held)
        assert_no_arbitrage(surface)
        every = quotes(chain)
        judged, _ = fit_of(surface, every, np.flatnonzero(every.used & held))
        inside.append(judged)
        assert not np.any(every.exclusion == Exclusion.UNSOLVABLE)
    assert np.mean(np.concatenate(inside)) > 0.85


def test_weight_is_one_over_half_the_spread_and_a_locked_quote_has_a_thousandth_of_its_mid() -> (
    None
):
    made = made_chain(days=(30,), strikes=9)
    locked = np.arange(made.bid.size) % 4 < 2
    chain = replace(made, bid=np.where(locked, made.ask, made.bid))
    used, rules = quotes(chain), Settings()
    slices = calibration._slices(used, chain, rules)
    problem, (rows,) = calibration._problem(used, slices, rules), slices
    unit = np.exp(np.minimum(used.log_strike[rows], 0.0))
    spread = np.where(locked[rows], 1e-3 * used.mid[rows], (used.ask - used.bid)[rows])
    assert locked[rows].any()
    assert not locked[rows].all()
    assert problem.weight == pytest.approx(2.0 * unit / spread, rel=1e-12)
