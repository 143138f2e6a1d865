# SPDX-License-Identifier: Apache-2.0
"""The judges find errors that are planted, and cases are what their texts say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.side_by_side import greeks, implied_vols, quotes, scenarios, surfaces
from benchmarks.side_by_side.chains import smiles
from benchmarks.side_by_side.entries import OURS, Entry, Prepared
from benchmarks.side_by_side.quotes import FloatArray, Quotes
from benchmarks.side_by_side.smile_fits import essvi, raw_svi, scipy_essvi, scipy_raw_svi


def entry(prepare: Callable[[Any], Prepared]) -> Entry:
    return Entry("planted", (OURS,), "All.", prepare)


@pytest.fixture(scope="module")
def volatilities() -> implied_vols.Case:
    return implied_vols.case(quick=True)


@pytest.fixture(scope="module")
def options() -> greeks.Case:
    return greeks.case(quick=True)


@pytest.fixture(scope="module")
def chains() -> surfaces.Case:
    return surfaces.case(quick=True)


def answering(change: Callable[[FloatArray], FloatArray]) -> Entry:
    """A solver that knows the volatilities, and changes them."""

    def prepare(given: implied_vols.Case | Quotes) -> Prepared:
        known = given if isinstance(given, Quotes) else given.quotes
        return Prepared(lambda: change(known.vol_annual.copy()), len(known))

    return entry(prepare)


def test_main_set_is_out_of_the_money_and_within_its_ranges() -> None:
    found = quotes.main_set(5_000, seed=3)
    share = found.price / found.forward
    assert len(found) == 5_000
    assert np.all(share >= 1e-30)
    assert np.mean(share >= 1e-6) == 0.8
    assert np.all(found.is_call == (found.strike >= found.forward))
    assert np.all(np.abs(np.log(found.strike / found.forward)) <= 1.5)
    assert found.vol_annual.min() >= 0.2
    assert found.vol_annual.max() <= 2.5


def test_exact_volatility_of_the_main_set_is_its_makers() -> None:
    found = quotes.main_set(60, seed=5)
    assert np.allclose(quotes.exact_vols(found), found.vol_annual, rtol=0.0, atol=1e-12)


def test_hard_sets_are_hard_in_the_way_that_their_names_say() -> None:
    found = quotes.hard_sets(quick=True)
    deep, tiny, wild, short = found.values()
    intrinsic = np.abs(deep.forward - deep.strike)
    assert np.all((deep.price > intrinsic) & (deep.is_call == (deep.forward > deep.strike)))
    assert np.all((tiny.price < 1e-24 * tiny.forward) & (tiny.price > 1e-290 * tiny.forward))
    assert wild.vol_annual.min() >= 5.0
    assert short.expiry_years.max() <= 1.0 / 365.0


def test_right_volatilities_are_judged_right(volatilities: implied_vols.Case) -> None:
    found = implied_vols.judge(volatilities, answering(lambda vol: vol))
    assert found["max_error_generator"] == 0.0
    assert found["max_error_mpmath"] < 1e-12
    assert found["share_above_1e-8"] == found["not_a_number"] == 0
    assert set(found["hard_wrong"].values()) == {0}


def test_volatilities_a_hundredth_off_are_judged_wrong_in_every_set(
    volatilities: implied_vols.Case,
) -> None:
    found = implied_vols.judge(volatilities, answering(lambda vol: 1.01 * vol))
    assert found["max_error_generator"] > 1e-3
    assert found["share_above_1e-8"] == 1.0
    assert found["hard_wrong"] == found["hard_quotes"]


def test_missing_volatilities_are_counted_and_wrong(volatilities: implied_vols.Case) -> None:
    def gaps(vol: FloatArray) -> FloatArray:
        vol[::2] = np.nan
        return vol

    found = implied_vols.judge(volatilities, answering(gaps))
    assert found["not_a_number"] == found["quotes"] / 2
    assert found["share_above_1e-8"] == 0.5
    assert all(2 * n >= found["hard_quotes"][name] for name, n in found["hard_wrong"].items())


def test_numbers_for_invalid_quotes_are_counted(volatilities: implied_vols.Case) -> None:
    answered = implied_vols.judge(volatilities, answering(lambda vol: np.full(len(vol), 0.5)))
    assert answered["invalid_given_a_number"] == answered["invalid_quotes"] == 7


def test_solver_that_raises_for_all_is_asked_one_by_one(
    volatilities: implied_vols.Case,
) -> None:
    def prepare(given: implied_vols.Case | Quotes) -> Prepared:
        known = given if isinstance(given, Quotes) else given.quotes

        def call() -> FloatArray:
            if not np.all(known.strike > 0.0):
                raise ValueError("strike")
            return np.full(len(known), 0.5)

        return Prepared(call, len(known))

    assert implied_vols.judge(volatilities, entry(prepare))["invalid_given_a_number"] == 6


def test_our_volatilities_pass_the_judge(volatilities: implied_vols.Case) -> None:
    found = implied_vols.judge(volatilities, implied_vols.ENTRIES[0])
    assert found["max_error_generator"] < 1e-12
    assert set(found["hard_wrong"].values()) == {0}
    assert found["invalid_given_a_number"] == 0


@pytest.mark.parametrize("name", greeks.NAMES)
def test_error_of_one_greek_is_found(options: greeks.Case, name: str) -> None:
    wrong = {**options.plain, name: options.plain[name] * (1.0 + 1e-6)}
    found = greeks.judge(options, entry(lambda given: Prepared(lambda: wrong, 1)))
    assert 1e-8 < found["max_error_mpmath"] < 1e-5
    right = greeks.judge(options, entry(lambda given: Prepared(lambda: options.plain, 1)))
    assert right["max_error_mpmath"] < 1e-12


def test_greek_that_is_not_a_number_is_no_small_error(options: greeks.Case) -> None:
    wrong = {"delta": np.full(len(options.options), np.nan)}
    found = greeks.judge(options, entry(lambda given: Prepared(lambda: wrong, 1)))
    assert found["outputs"] == 1
    assert np.isnan(found["max_error_mpmath"])


def test_our_greeks_pass_the_judge(options: greeks.Case) -> None:
    for ours in (each for each in greeks.ENTRIES if each.ours):
        assert greeks.judge(options, ours)["max_error_mpmath"] < 1e-12


@pytest.mark.parametrize("topic", scenarios.TOPICS, ids=lambda topic: topic.key)
def test_error_of_a_scenario_is_found_and_ours_has_none(topic: Any) -> None:
    given = topic.case(True)
    wrong = given.plain + 1e-6 * given.scale_usd * (np.arange(len(given.plain)) == 0)
    found = topic.judge(given, entry(lambda case: Prepared(lambda: wrong, 1)))
    assert found["max_error_mpmath"] == pytest.approx(1e-6, rel=1e-3)
    assert found["max_error_scipy"] == pytest.approx(1e-6, rel=1e-3)
    assert topic.judge(given, topic.entries[0])["max_error_mpmath"] < 1e-12


def test_planted_calendar_and_butterfly_are_found(chains: surfaces.Case) -> None:
    """The butterfly is the example of Vogt in Gatheral and Jacquier (2014), section 3.1."""
    fallen = [essvi(0.04 / (1 + place), 0.1, 0.1) for place in range(chains.sound.expiries)]
    vogt = [raw_svi(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)] * chains.sound.expiries
    for curves, what, other in ((fallen, "calendars", None), (vogt, "butterflies", "calendars")):
        found = surfaces.judge(chains, entry(lambda given, c=curves: Prepared(lambda: c, 1)))
        assert found["violations"]["sound"][what] > 0
        assert other is None or found["violations"]["sound"][other] == 0


def test_surfaces_with_bounds_hold_on_a_chain_that_is_arbitrageable(
    chains: surfaces.Case,
) -> None:
    unbounded = surfaces.judge(chains, surfaces.TOPIC.entry("scipy least_squares, raw SVI"))
    assert unbounded["violations"]["arbitrageable"]["calendars"] > 0
    for name in ("Tidegate", "Tidegate, one regime", "scipy SLSQP, eSSVI"):
        found = surfaces.judge(chains, surfaces.TOPIC.entry(name))
        assert set(found["violations"]["arbitrageable"].values()) == {0}
        assert found["share_inside"] > 0.85


@pytest.mark.parametrize("fit", [scipy_raw_svi, scipy_essvi])
def test_fits_of_peers_meet_quotes_without_noise(fit: Callable[[Any], list[Any]]) -> None:
    chain = smiles(3, arbitrageable=False)
    curve = essvi(0.02, 0.15, 0.1)
    years = np.array([0.05, 0.1, 0.2])
    k = chain.log_strike[:1] * np.ones((3, 1))
    vol = np.array([np.sqrt(curve(row)[0] * t / 0.05 / t) for row, t in zip(k, years, strict=True)])
    fitted = fit(replace(chain, years=years, log_strike=k, mid=vol))
    for t, row, own, found in zip(years, k, vol, fitted, strict=True):
        assert np.allclose(np.sqrt(found(row)[0] / t), own, atol=2e-3)


@pytest.mark.parametrize(
    "curve", [raw_svi(0.01, 0.1, -0.3, 0.02, 0.2), essvi(0.02, 0.3, 0.2)], ids=["raw", "essvi"]
)
def test_curves_give_the_derivatives_of_their_variance(curve: Any) -> None:
    k, step = np.linspace(-1.0, 1.0, 21), 1e-5
    w, slope, bend = curve(k)
    above, below = curve(k + step), curve(k - step)
    assert np.allclose((above[0] - below[0]) / (2 * step), slope, atol=1e-8)
    assert np.allclose((above[1] - below[1]) / (2 * step), bend, atol=1e-7)
    assert np.all(w > 0.0)
